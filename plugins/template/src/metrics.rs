//! What the plugin counts.

use plugin::metrics::{CounterVec, Registry};

/// The metrics of all `template` directives.
pub(crate) struct Metrics {
    /// By server, zone, view, class and type.
    pub(crate) matches: CounterVec,
    /// The same, then section and template.
    pub(crate) template_failures: CounterVec,
    /// The same, then section and template.
    pub(crate) rr_failures: CounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            matches: registry.counter_vec(
                "coredns_template_matches_total",
                "Counter of template regex matches.",
                &["server", "zone", "view", "class", "type"],
            ),
            template_failures: registry.counter_vec(
                "coredns_template_template_failures_total",
                "Counter of go template failures.",
                FAILURE_LABELS,
            ),
            rr_failures: registry.counter_vec(
                "coredns_template_rr_failures_total",
                "Counter of mis-templated RRs.",
                FAILURE_LABELS,
            ),
        }
    }
}

const FAILURE_LABELS: &[&str] = &["server", "zone", "view", "class", "type", "section", "template"];
