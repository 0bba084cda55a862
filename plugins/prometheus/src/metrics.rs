//! The families. Names, labels and buckets are those of CoreDNS, so that dashboards go on working.

use plugin::metrics::{CounterVec, HistogramVec, LATENCY_BOUNDS, Registry};
use plugin::names::rcode_mnemonic;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::RecordType;
use plugin::setup::Build;
use plugin::{Origin, Transport};

/// The families that every query is counted in.
#[derive(Clone, Debug)]
pub struct DnsMetrics {
    pub(crate) requests: CounterVec,
    pub(crate) duration: HistogramVec,
    pub(crate) request_size: HistogramVec,
    pub(crate) response_size: HistogramVec,
    pub(crate) do_requests: CounterVec,
    pub(crate) responses: CounterVec,
}

/// A query that the server answered without any chain: no zone of the listener matched, or the class is not served.
#[derive(Clone, Copy, Debug)]
pub struct Dropped<'a> {
    /// The `server` label, such as `dns://:53`.
    pub server: &'a str,
    /// Where the query came from, how, how long it was and when.
    pub origin: &'a Origin,
    /// The type asked for.
    pub qtype: RecordType,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
    /// What the client was answered.
    pub rcode: ResponseCode,
    /// Octets of that answer.
    pub response_len: usize,
}

impl DnsMetrics {
    /// Declares the families, or finds them where they are declared already.
    pub fn declare(registry: &Registry) -> Self {
        Self {
            requests: registry.counter_vec(
                "coredns_dns_requests_total",
                "Queries by server, zone, view, transport, address family and type.",
                &["server", "zone", "view", "proto", "family", "type"],
            ),
            duration: registry.histogram_vec(
                "coredns_dns_request_duration_seconds",
                "Seconds from a query to its reply.",
                &["server", "zone", "view"],
                LATENCY_BOUNDS,
            ),
            request_size: registry.histogram_vec(
                "coredns_dns_request_size_bytes",
                "Octets of queries.",
                &["server", "zone", "view", "proto"],
                SIZE_BOUNDS,
            ),
            response_size: registry.histogram_vec(
                "coredns_dns_response_size_bytes",
                "Octets of replies before compression and truncation.",
                &["server", "zone", "view", "proto"],
                SIZE_BOUNDS,
            ),
            do_requests: registry.counter_vec(
                "coredns_dns_do_requests_total",
                "Queries with the DO bit.",
                &["server", "zone", "view"],
            ),
            responses: registry.counter_vec(
                "coredns_dns_responses_total",
                "Replies by response code and by the plugin that answered.",
                &["server", "zone", "view", "rcode", "plugin"],
            ),
        }
    }

    /// Counts a query that no chain was asked about, under zone `dropped`.
    pub fn dropped(&self, query: &Dropped<'_>) {
        let Dropped { server, origin, qtype, dnssec_ok, rcode, response_len } = *query;
        let (zone, view, proto) = (DROPPED, "", proto(origin.transport));
        let family = FAMILIES[family_idx(origin)];
        if dnssec_ok {
            self.do_requests.with(&[server, zone, view]).inc();
        }
        self.requests.with(&[server, zone, view, proto, family, TYPES[type_idx(qtype)]]).inc();
        self.duration.with(&[server, zone, view]).observe(origin.arrived.elapsed().as_secs_f64());
        self.request_size.with(&[server, zone, view, proto]).observe(as_f64(origin.len));
        self.response_size.with(&[server, zone, view, proto]).observe(as_f64(response_len));
        self.responses.with(&[server, zone, view, &rcode_name(rcode), ""]).inc();
    }
}

/// `coredns_build_info`, for the panels that show versions.
pub(crate) fn build_info(registry: &Registry, build: Build) {
    let labels = &["version", "revision", "goversion"];
    let help =
        "Always 1; the labels say what was built from what. `goversion` is the Rust compiler's.";
    let family = registry.gauge_vec("coredns_build_info", help, labels);
    let compiler = format!("rustc{}", build.rustc);
    family.with(&[build.version, build.commit, &compiler]).set(1.0);
}

/// What the runtime of background work knows about itself: watches, probes and HTTP live on it.
pub(crate) fn runtime(registry: &Registry, background: &tokio::runtime::Handle) {
    let (tasks, queue) = (background.clone(), background.clone());
    let help = "Tasks on the runtime of background work.";
    let family = registry.gauge_vec("rhumb_background_tasks", help, &[]);
    family.read_with(&[], move || Some(as_f64(tasks.metrics().num_alive_tasks())));
    let help = "Tasks on the runtime of background work that wait for their turn.";
    let family = registry.gauge_vec("rhumb_background_queue_depth", help, &[]);
    family.read_with(&[], move || Some(as_f64(queue.metrics().global_queue_depth())));
}

/// The `proto` label: everything that is not plain UDP is as good as TCP.
pub(crate) fn proto(transport: Transport) -> &'static str {
    PROTOS[proto_idx(transport)]
}

pub(crate) fn proto_idx(transport: Transport) -> usize {
    usize::from(transport.is_stream())
}

/// The address family as IANA numbers it: 1 is IPv4, 2 is IPv6.
pub(crate) fn family_idx(origin: &Origin) -> usize {
    usize::from(origin.client.ip().to_canonical().is_ipv6())
}

/// Types that are shown by name; any other shares one series, so that a client cannot make series at will.
pub(crate) fn type_idx(qtype: RecordType) -> usize {
    match qtype {
        RecordType::A => 0,
        RecordType::AAAA => 1,
        RecordType::CNAME => 2,
        RecordType::DNSKEY => 3,
        RecordType::DS => 4,
        RecordType::MX => 5,
        RecordType::NSEC => 6,
        RecordType::NSEC3 => 7,
        RecordType::NS => 8,
        RecordType::PTR => 9,
        RecordType::RRSIG => 10,
        RecordType::SOA => 11,
        RecordType::SRV => 12,
        RecordType::TXT => 13,
        RecordType::HTTPS => 14,
        RecordType::SVCB => 15,
        RecordType::IXFR => 16,
        RecordType::AXFR => 17,
        RecordType::ANY => 18,
        _ => 19,
    }
}

/// The `rcode` label: the mnemonic, or `RCODEn` where there is none.
pub(crate) fn rcode_name(rcode: ResponseCode) -> String {
    let number = || format!("RCODE{}", u16::from(rcode));
    rcode_mnemonic(rcode).map_or_else(number, str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^52")]
pub(crate) fn as_f64(n: usize) -> f64 {
    n as f64
}

pub(crate) const PROTOS: [&str; 2] = ["udp", "tcp"];
pub(crate) const FAMILIES: [&str; 2] = ["1", "2"];
pub(crate) const TYPES: [&str; 20] = [
    "A", "AAAA", "CNAME", "DNSKEY", "DS", "MX", "NSEC", "NSEC3", "NS", "PTR", "RRSIG", "SOA",
    "SRV", "TXT", "HTTPS", "SVCB", "IXFR", "AXFR", "ANY", "other",
];

/// It has no dot at its end, so no zone is ever named like this.
const DROPPED: &str = "dropped";

/// Up to what a UDP reply, an EDNS reply and a TCP message can be.
const SIZE_BOUNDS: &[f64] = &[
    0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16_000.0, 32_000.0,
    48_000.0, 64_000.0,
];
