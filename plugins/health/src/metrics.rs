//! The families.

use plugin::metrics::{Counter, Histogram, Registry};

/// What the GET of our own is measured by.
#[derive(Clone, Debug)]
pub(crate) struct CheckMetrics {
    pub(crate) duration: Histogram,
    pub(crate) failures: Counter,
}

/// What one probe is measured by.
#[derive(Clone, Debug)]
pub(crate) struct ProbeMetrics {
    pub(crate) duration: Histogram,
    pub(crate) failures: Counter,
}

impl CheckMetrics {
    pub(crate) fn declare(registry: &Registry) -> Self {
        let help = "Seconds that the server's own request to /health took.";
        let name = "coredns_health_request_duration_seconds";
        let duration = registry.histogram_vec(name, help, &[], BOUNDS).with(&[]);
        let help = "Requests of the server's own to /health that failed.";
        let failures = registry.counter("coredns_health_request_failures_total", help);
        Self { duration, failures }
    }
}

impl ProbeMetrics {
    pub(crate) fn declare(registry: &Registry, probe: &str) -> Self {
        let help = "Seconds that the answer to a probe took.";
        let name = "rhumb_health_probe_duration_seconds";
        let duration = registry.histogram_vec(name, help, &["probe"], BOUNDS).with(&[probe]);
        let help = "Probes without the answer that they should have.";
        let name = "rhumb_health_probe_failures_total";
        let failures = registry.counter_vec(name, help, &["probe"]).with(&[probe]);
        Self { duration, failures }
    }
}

/// Seconds from 0.25 ms to 2.5 s.
const BOUNDS: &[f64] = &[0.000_25, 0.002_5, 0.025, 0.25, 2.5];
