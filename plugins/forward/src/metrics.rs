//! What is counted: CoreDNS's names and labels, and ours for what CoreDNS does not do.

use plugin::metrics::{Counter, CounterVec, HistogramVec, LATENCY_BOUNDS, Registry};
use tracing::{info, warn};
use upstream::Proto;

pub(crate) struct Metrics {
    pub(crate) healthcheck_broken: Counter,
    pub(crate) max_concurrent_rejects: Counter,
    pub(crate) coalesced: Counter,
    /// By upstream asked in addition.
    pub(crate) hedges: CounterVec,
    /// By `proxy_name`, upstream and RCODE.
    pub(crate) request_duration: HistogramVec,
    healthcheck_failures: CounterVec,
    conn_cache_hits: CounterVec,
    conn_cache_misses: CounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            healthcheck_broken: registry.counter(
                "coredns_forward_healthcheck_broken_total",
                "Queries that found every upstream down.",
            ),
            max_concurrent_rejects: registry.counter(
                "coredns_forward_max_concurrent_rejects_total",
                "Queries refused because too many were under way.",
            ),
            coalesced: registry.counter(
                "rhumb_forward_coalesced_total",
                "Queries that shared the reply to an identical question under way.",
            ),
            hedges: registry.counter_vec(
                "rhumb_forward_hedges_total",
                "Queries sent to one more upstream because the one before was late.",
                &["to"],
            ),
            request_duration: registry.histogram_vec(
                "coredns_proxy_request_duration_seconds",
                "Time until an upstream replied.",
                &["proxy_name", "to", "rcode"],
                LATENCY_BOUNDS,
            ),
            healthcheck_failures: registry.counter_vec(
                "coredns_proxy_healthcheck_failures_total",
                "Failed health checks.",
                &["proxy_name", "to"],
            ),
            conn_cache_hits: registry.counter_vec(
                "coredns_proxy_conn_cache_hits_total",
                "Exchanges over an idle connection.",
                &["proxy_name", "to", "proto"],
            ),
            conn_cache_misses: registry.counter_vec(
                "coredns_proxy_conn_cache_misses_total",
                "Exchanges that needed a new connection.",
                &["proxy_name", "to", "proto"],
            ),
        }
    }

    /// What one upstream reports.
    pub(crate) fn observer(&self, to: String) -> Observer {
        Observer {
            to,
            healthcheck_failures: self.healthcheck_failures.clone(),
            conn_cache_hits: self.conn_cache_hits.clone(),
            conn_cache_misses: self.conn_cache_misses.clone(),
        }
    }
}

/// Counts for one upstream.
pub(crate) struct Observer {
    to: String,
    healthcheck_failures: CounterVec,
    conn_cache_hits: CounterVec,
    conn_cache_misses: CounterVec,
}

impl upstream::Observer for Observer {
    fn connection_reused(&self, proto: Proto) {
        self.conn_cache_hits.with(&[PROXY_NAME, &self.to, proto.as_str()]).inc();
    }

    fn connection_opened(&self, proto: Proto) {
        self.conn_cache_misses.with(&[PROXY_NAME, &self.to, proto.as_str()]).inc();
    }

    fn health_check_failed(&self, n_failed: u32, error: &upstream::Error) {
        self.healthcheck_failures.with(&[PROXY_NAME, &self.to]).inc();
        if n_failed == 1 {
            warn!(target: "plugin/forward", upstream = self.to, %error, "health check failed");
        }
    }

    fn health_check_recovered(&self, n_failed: u32) {
        info!(target: "plugin/forward", upstream = self.to, failed_checks = n_failed, "upstream answers again");
    }
}

/// The `proxy_name` label: CoreDNS has other plugins that share these families.
pub(crate) const PROXY_NAME: &str = "forward";
