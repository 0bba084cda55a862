//! What the plugin counts.

use plugin::metrics::{CounterVec, Registry};

/// The metrics of all `autopath` directives.
pub(crate) struct Metrics {
    /// By server.
    pub(crate) successes: CounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            successes: registry.counter_vec(
                "coredns_autopath_success_total",
                "Counter of requests that did autopath.",
                &["server"],
            ),
        }
    }
}
