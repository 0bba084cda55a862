//! What is counted about the cluster and its API server.

use plugin::metrics::{CounterVec, GaugeVec, HistogramVec, Registry, exponential};

/// The metrics of all `kubernetes` directives.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// How long a change took from the endpoints controller to here.
    pub(crate) programming: HistogramVec,
    /// Requests to the API server.
    pub(crate) requests: CounterVec,
    /// Seconds until the API server responded.
    pub(crate) request_seconds: HistogramVec,
    /// Seconds that requests waited for `apiserver_qps`.
    pub(crate) limiter_seconds: HistogramVec,
    /// Seconds since the API server was last heard.
    pub(crate) staleness: GaugeVec,
    /// Objects that a new list put right.
    pub(crate) healed: CounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            programming: registry.histogram_vec(
                "coredns_kubernetes_dns_programming_duration_seconds",
                "Time in seconds from a change of endpoints to its answers.",
                &["service_kind"],
                &PROGRAMMING_BOUNDS,
            ),
            requests: registry.counter_vec(
                "coredns_kubernetes_rest_client_requests_total",
                "Requests to the API server.",
                &["code", "method", "host"],
            ),
            request_seconds: registry.histogram_vec(
                "coredns_kubernetes_rest_client_request_duration_seconds",
                "Time in seconds until the API server responded.",
                &["verb", "host"],
                &DEFAULT_BOUNDS,
            ),
            limiter_seconds: registry.histogram_vec(
                "coredns_kubernetes_rest_client_rate_limiter_duration_seconds",
                "Time in seconds that requests to the API server were held back here.",
                &["verb", "host"],
                &DEFAULT_BOUNDS,
            ),
            staleness: registry.gauge_vec(
                "rhumb_kubernetes_staleness_seconds",
                "Time in seconds since any watch last heard from the API server.",
                &["host"],
            ),
            healed: registry.counter_vec(
                "rhumb_kubernetes_relist_healed_objects_total",
                "Objects that were missing, outdated or left over when they were listed again.",
                &["kind"],
            ),
        }
    }
}

/// 1 ms to 524 s.
static PROGRAMMING_BOUNDS: [f64; 20] = exponential::<20>(0.001, 2.0);

/// What Prometheus clients use when nothing else is said.
static DEFAULT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
