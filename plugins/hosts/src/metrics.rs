//! What `hosts` shows: CoreDNS's names and labels.

use plugin::metrics::{Gauge, GaugeVec, Registry};

/// The families. They show the file that was read last.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By path.
    pub(crate) entries: GaugeVec,
    /// When the file was changed that was read last, in seconds since 1970.
    pub(crate) reloaded: Gauge,
}

impl Metrics {
    /// Declares the families.
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            entries: registry.gauge_vec(
                "coredns_hosts_entries",
                "Addresses of names and names of addresses, in the hosts file and in the Corefile.",
                &["hostsfile"],
            ),
            reloaded: registry.gauge(
                "coredns_hosts_reload_timestamp_seconds",
                "When the hosts file that was read last was changed.",
            ),
        }
    }
}
