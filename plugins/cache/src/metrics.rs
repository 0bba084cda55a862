//! What the cache counts: CoreDNS's names and labels.

use std::sync::Arc;

use arc_swap::ArcSwap;
use plugin::Request;
use plugin::metrics::{Counter, CounterVec, GaugeVec, Registry};

use crate::kind::Class;
use crate::store::Store;

/// The families, and the series in use.
pub(crate) struct Metrics {
    requests: CounterVec,
    hits: CounterVec,
    misses: CounterVec,
    prefetches: CounterVec,
    drops: CounterVec,
    served_stale: CounterVec,
    evictions: CounterVec,
    entries: GaugeVec,
    /// The `zones` label.
    zones: String,
    series: ArcSwap<Vec<Arc<Series>>>,
}

/// The series of one listener and view. They show from its first query on.
pub(crate) struct Series {
    server: String,
    view: String,
    pub(crate) requests: Counter,
    success_hits: Counter,
    denial_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) prefetches: Counter,
    pub(crate) drops: Counter,
    pub(crate) served_stale: Counter,
    success_evictions: Counter,
    denial_evictions: Counter,
}

impl Metrics {
    /// Declares the families.
    pub(crate) fn new(registry: &Registry, zones: String) -> Self {
        Self {
            requests: registry.counter_vec(
                "coredns_cache_requests_total",
                "Queries that the cache was asked for.",
                BY_SERVER,
            ),
            hits: registry.counter_vec(
                "coredns_cache_hits_total",
                "Queries answered from the cache.",
                BY_TYPE,
            ),
            misses: registry.counter_vec(
                "coredns_cache_misses_total",
                "Queries not answered from the cache; the same as requests less hits.",
                BY_SERVER,
            ),
            prefetches: registry.counter_vec(
                "coredns_cache_prefetch_total",
                "Refreshes made in the background.",
                BY_SERVER,
            ),
            drops: registry.counter_vec(
                "coredns_cache_drops_total",
                "Replies not kept because they are none to the question.",
                BY_SERVER,
            ),
            served_stale: registry.counter_vec(
                "coredns_cache_served_stale_total",
                "Queries answered from entries past their TTL.",
                BY_SERVER,
            ),
            evictions: registry.counter_vec(
                "coredns_cache_evictions_total",
                "Entries that made room for others.",
                BY_TYPE,
            ),
            entries: registry.gauge_vec("coredns_cache_entries", "Entries in the cache.", BY_TYPE),
            zones,
            series: ArcSwap::default(),
        }
    }

    /// The series that a request counts in.
    pub(crate) fn series(&self, request: &Request, store: &Arc<Store>) -> Arc<Series> {
        let (server, view) = (request.server().label.as_str(), &**request.view());
        let find = |known: &[Arc<Series>]| {
            known.iter().find(|series| series.server == server && series.view == view).cloned()
        };
        if let Some(series) = find(&self.series.load()) {
            return series;
        }
        let series = Arc::new(self.new_series(server, view));
        self.series.rcu(|known| {
            let added = find(known).is_none().then(|| Arc::clone(&series));
            known.iter().cloned().chain(added).collect::<Vec<_>>()
        });
        for (class, label) in [(Class::Success, "success"), (Class::Denial, "denial")] {
            let store = Arc::downgrade(store);
            self.entries.read_with(&[server, label, &self.zones, view], move || {
                #[expect(clippy::cast_precision_loss, reason = "Prometheus's numbers are floats")]
                store.upgrade().map(|store| store.n_entries(class) as f64)
            });
        }
        series
    }

    fn new_series(&self, server: &str, view: &str) -> Series {
        let by_server = [server, &*self.zones, view];
        let by_type = |class| [server, class, &*self.zones, view];
        Series {
            server: server.to_owned(),
            view: view.to_owned(),
            requests: self.requests.with(&by_server),
            success_hits: self.hits.with(&by_type("success")),
            denial_hits: self.hits.with(&by_type("denial")),
            misses: self.misses.with(&by_server),
            prefetches: self.prefetches.with(&by_server),
            drops: self.drops.with(&by_server),
            served_stale: self.served_stale.with(&by_server),
            success_evictions: self.evictions.with(&by_type("success")),
            denial_evictions: self.evictions.with(&by_type("denial")),
        }
    }
}

impl Series {
    pub(crate) fn hits(&self, class: Class) -> &Counter {
        match class {
            Class::Success => &self.success_hits,
            Class::Denial => &self.denial_hits,
        }
    }

    pub(crate) fn evictions(&self, class: Class) -> &Counter {
        match class {
            Class::Success => &self.success_evictions,
            Class::Denial => &self.denial_evictions,
        }
    }
}

const BY_SERVER: &[&str] = &["server", "zones", "view"];
const BY_TYPE: &[&str] = &["server", "type", "zones", "view"];
