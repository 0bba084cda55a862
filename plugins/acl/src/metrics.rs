//! What is counted: each decision, by server and view; denials by zone as well.

use plugin::Request;
use plugin::metrics::{Counter, CounterVec, Registry};

use crate::config::Action;

pub(crate) struct Metrics {
    allowed: CounterVec,
    blocked: CounterVec,
    filtered: CounterVec,
    dropped: CounterVec,
}

impl Metrics {
    pub(crate) fn declare(registry: &Registry) -> Self {
        const DENIED: &[&str] = &["server", "zone", "view"];
        Self {
            allowed: registry.counter_vec(
                "coredns_acl_allowed_requests_total",
                "Queries that were allowed.",
                &["server", "view"],
            ),
            blocked: registry.counter_vec(
                "coredns_acl_blocked_requests_total",
                "Queries that were answered with REFUSED.",
                DENIED,
            ),
            filtered: registry.counter_vec(
                "coredns_acl_filtered_requests_total",
                "Queries that were answered with nothing.",
                DENIED,
            ),
            dropped: registry.counter_vec(
                "coredns_acl_dropped_requests_total",
                "Queries that were not answered.",
                DENIED,
            ),
        }
    }

    /// The counter of queries that were allowed.
    pub(crate) fn allowed(&self, request: &Request) -> Counter {
        self.allowed.with(&[&request.server().label, request.view()])
    }

    /// The counter of queries that `action` denied in `zone`.
    pub(crate) fn denied(&self, action: Action, request: &Request, zone: &str) -> Counter {
        let labels = [&*request.server().label, zone, &**request.view()];
        match action {
            Action::Allow => self.allowed(request),
            Action::Block => self.blocked.with(&labels),
            Action::Filter => self.filtered.with(&labels),
            Action::Drop => self.dropped.with(&labels),
        }
    }
}
