//! THE ordered list of directives.
//!
//! The order is the chain: for every server block the plugins that its Corefile names are called in the
//! order of this list, whatever the order in the Corefile. It is CoreDNS's order, so that a Corefile means
//! the same.

use plugin::{PluginSpec, metrics::Registry};

use crate::settings::{self, Setting};

/// What a name in a Corefile stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A plugin that is compiled in.
    Plugin(PluginSpec),
    /// A directive that sets up the server instead of answering.
    Setting(Setting),
    /// A plugin of CoreDNS that Rhumb does not have yet; what to do instead.
    NotYet(&'static str),
    /// A plugin of CoreDNS that Rhumb will not have soon; what to do instead.
    NotPlanned(&'static str),
}

/// One name with what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The directive's name.
    pub(crate) name: &'static str,
    /// What it stands for.
    pub(crate) kind: Kind,
}

/// The directives that a server knows, in chain order.
#[derive(Clone, Debug)]
pub struct Directives {
    entries: Vec<Entry>,
}

/// The built-in directives, in chain order.
pub fn directives() -> Directives {
    Directives { entries: BUILT_IN.to_vec() }
}

impl Directives {
    /// Puts a plugin into the chain right before `name`; at the end where there is no such name.
    #[must_use]
    pub fn before(mut self, name: &str, spec: &PluginSpec) -> Self {
        let at = self.position(name).unwrap_or(self.entries.len());
        self.entries.insert(at, Entry { name: spec.name, kind: Kind::Plugin(*spec) });
        self
    }

    /// The entries, in chain order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a name stands for.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The names that work, for suggestions.
    pub(crate) fn served(&self) -> Vec<&'static str> {
        let is_served = |kind: &Kind| matches!(kind, Kind::Plugin(_) | Kind::Setting(_));
        self.entries.iter().filter(|e| is_served(&e.kind)).map(|e| e.name).collect()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }
}

/// Metrics that show from the start, whether or not a Corefile names the plugin: alerts may ask for them.
pub(crate) fn declare_metrics(metrics: &Registry) {
    for (name, help) in [
        ("coredns_panics_total", "Panics that were answered with SERVFAIL."),
        (
            "coredns_forward_healthcheck_broken_total",
            "Queries that found every upstream out of service.",
        ),
        (
            "coredns_forward_max_concurrent_rejects_total",
            "Queries refused because as many were forwarded as may be.",
        ),
        ("coredns_health_request_failures_total", "Requests to our own /health that failed."),
        (
            "coredns_local_localhost_requests_total",
            "Queries for names below `localhost.` or with `localhost` in front.",
        ),
    ] {
        metrics.counter(name, help);
    }
    metrics.gauge(
        "coredns_hosts_reload_timestamp_seconds",
        "When the hosts file was last read, since the Unix epoch.",
    );
}

const fn plugin(spec: PluginSpec) -> Entry {
    Entry { name: spec.name, kind: Kind::Plugin(spec) }
}

const fn setting(name: &'static str, setting: Setting) -> Entry {
    Entry { name, kind: Kind::Setting(setting) }
}

const fn not_yet(name: &'static str) -> Entry {
    Entry { name, kind: Kind::NotYet("leave it out until a release serves it; see CHANGELOG.md") }
}

const fn not_planned(name: &'static str, instead: &'static str) -> Entry {
    Entry { name, kind: Kind::NotPlanned(instead) }
}

const BUILT_IN: &[Entry] = &[
    // Where relative paths start: every other directive may name a file.
    setting("root", settings::root::SETTING),
    not_yet("metadata"),
    not_yet("geoip"),
    // Above all that takes time.
    plugin(rhumb_cancel::PLUGIN),
    not_yet("proxyproto"),
    not_yet("quic"),
    not_yet("grpc_server"),
    not_yet("https"),
    not_yet("https3"),
    not_yet("timeouts"),
    not_yet("multisocket"),
    // When a new Corefile is looked for.
    setting("reload", settings::reload::SETTING),
    // Above all that makes replies: it names the server in them.
    plugin(rhumb_nsid::PLUGIN),
    // Above all that send: what they may send is told from the query.
    plugin(rhumb_bufsize::PLUGIN),
    // Which addresses the block listens on: plugins below ask their own listener.
    setting("bind", settings::bind::SETTING),
    setting("debug", settings::debug::SETTING),
    not_yet("trace"),
    // Beside the chain: they look at the other plugins and at the listener.
    plugin(rhumb_ready::PLUGIN),
    plugin(rhumb_health::PLUGIN),
    not_yet("pprof"),
    not_yet("shed"),
    // Above all that answer, so that every reply is counted, logged and explained.
    plugin(rhumb_prometheus::PLUGIN),
    plugin(rhumb_errors::PLUGIN),
    plugin(rhumb_log::PLUGIN),
    not_yet("dnstap"),
    // Names that never leave the machine: above everything that looks further.
    plugin(rhumb_local::PLUGIN),
    // Above the cache: both look-ups come from there, and only some clients get what is made of them.
    plugin(rhumb_dns64::PLUGIN),
    // Above everything that would look for all RRsets at a name.
    plugin(rhumb_any::PLUGIN),
    // Names of class CH that every server has, whatever its zones.
    plugin(rhumb_chaos::PLUGIN),
    // Above the cache, so that cached RRsets are shuffled too.
    plugin(rhumb_loadbalance::PLUGIN),
    not_yet("tsig"),
    not_yet("rewrite"),
    // Above the cache, which keeps what each name of a search path came to for all clients.
    plugin(rhumb_autopath::PLUGIN),
    // Above the cache: it has to see every query, whether or not the answer is kept.
    plugin(rhumb_acl::PLUGIN),
    // Above everything that costs a look-up.
    plugin(rhumb_cache::PLUGIN),
    // Below the cache: the changed flags are what is kept.
    plugin(rhumb_header::PLUGIN),
    not_yet("dnssec"),
    not_yet("tls"),
    // Below the cache, so that short answers are kept; above all that have data.
    plugin(rhumb_minimal::PLUGIN),
    plugin(rhumb_template::PLUGIN),
    // Right above the plugins whose zones it hands out: they refuse what it has not taken.
    plugin(rhumb_transfer::PLUGIN),
    plugin(rhumb_hosts::PLUGIN),
    not_planned("route53", "transfer the zone to a name server and `forward` to that"),
    not_planned("azure", "transfer the zone to a name server and `forward` to that"),
    not_planned("clouddns", "transfer the zone to a name server and `forward` to that"),
    not_yet("k8s_external"),
    // Our own data before anybody else's.
    plugin(rhumb_kubernetes::PLUGIN),
    plugin(rhumb_file::PLUGIN),
    not_yet("auto"),
    not_yet("secondary"),
    not_yet("etcd"),
    // Right above forward, whose loops it finds.
    plugin(rhumb_loop::PLUGIN),
    plugin(rhumb_forward::PLUGIN),
    not_yet("grpc"),
    // These answer everything: nothing below them is ever asked.
    plugin(rhumb_erratic::PLUGIN),
    plugin(rhumb_whoami::PLUGIN),
    not_yet("on"),
    not_yet("sign"),
    not_yet("view"),
    not_yet("nomad"),
];
