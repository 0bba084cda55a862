//! What is counted, from the outside: dashboards and alerts live on it.

use crate::harness::client::Transport;
use crate::harness::places::Places;
use crate::harness::root;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;

const COREFILE: &str = "\
.:{PORT} {
    errors
    prometheus :{METRICS}
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests {DIR}/objects.yaml
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . {UPSTREAM}
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    loadbalance
}
";
const ZONE: &str = "\
example. 300 IN SOA ns.example. root.example. 1 7200 1800 86400 60
*.example. 300 IN A 192.0.2.1
";

fn server(name: &str) -> (Server, Upstream) {
    let upstream = Upstream::start(ZONE);
    let mut places = Places::new(name);
    places.set("UPSTREAM", &upstream.address);
    let objects = root().join("tests/scenarios/kubeadm/objects.yaml");
    places.write("objects.yaml", &std::fs::read_to_string(objects).expect("the objects"));
    (Server::start_in(places, COREFILE), upstream)
}

#[test]
fn every_query_is_counted_once_however_it_is_answered() {
    let (server, _upstream) = server("counted");
    // The same again and again: whatever is remembered is to count like the first.
    let questions = [
        ("web.shop.svc.cluster.local. A", "NOERROR"),
        ("nosuch.shop.svc.cluster.local. AAAA", "NXDOMAIN"),
        ("www.example. A", "NOERROR"),
        ("www.example. AAAA", "NOERROR"),
        ("www.test. A", "REFUSED"),
    ];
    let n_rounds = 40;
    for _ in 0..n_rounds {
        for (question, rcode) in questions {
            for transport in Transport::BOTH {
                assert_eq!(server.ask_by(transport, question).rcode(), rcode, "{question}");
            }
        }
    }
    let metrics = server.metrics();
    let n_questions = questions.len() as u64 * n_rounds;
    for (name, labels, expected) in [
        ("coredns_dns_requests_total", &["proto=\"udp\""][..], n_questions),
        ("coredns_dns_requests_total", &["proto=\"tcp\"", "family=\"1\""], n_questions),
        ("coredns_dns_requests_total", &["zone=\".\"", "type=\"AAAA\""], 4 * n_rounds),
        ("coredns_dns_requests_total", &[], 2 * n_questions),
        ("coredns_dns_responses_total", &["rcode=\"NOERROR\""], 6 * n_rounds),
        ("coredns_dns_responses_total", &["rcode=\"NXDOMAIN\""], 2 * n_rounds),
        ("coredns_dns_responses_total", &["rcode=\"REFUSED\""], 2 * n_rounds),
        ("coredns_dns_request_duration_seconds_count", &["zone=\".\""], 2 * n_questions),
        ("coredns_dns_request_size_bytes_count", &["proto=\"udp\""], n_questions),
        ("coredns_dns_response_size_bytes_count", &["proto=\"tcp\""], n_questions),
        // One question of two was forwarded once, the other time it was there.
        ("coredns_cache_misses_total", &["zones=\".\""], 2 + 6 * n_rounds),
        ("coredns_cache_hits_total", &["type=\"success\""], 2 * n_rounds - 1),
        ("coredns_cache_hits_total", &["type=\"denial\""], 2 * n_rounds - 1),
        ("coredns_cache_requests_total", &[], 2 * n_questions),
        ("coredns_panics_total", &[], 0),
    ] {
        assert_eq!(metrics.sum(name, labels), expected, "{name}{labels:?}\n{}", metrics.0);
    }
}

#[test]
fn queries_for_no_zone_are_counted_as_dropped() {
    let corefile = "example.org:{PORT} {\n    prometheus :{METRICS}\n    whoami\n}\n";
    let server = Server::start("dropped", corefile);
    for _ in 0..3 {
        assert_eq!(server.ask("www.example.com. A").rcode(), "REFUSED");
    }
    let metrics = server.metrics();
    let labels = ["zone=\"dropped\"", "rcode=\"REFUSED\""];
    assert_eq!(metrics.sum("coredns_dns_responses_total", &labels), 3, "{}", metrics.0);
    let labels = ["zone=\"dropped\"", "type=\"A\""];
    assert_eq!(metrics.sum("coredns_dns_requests_total", &labels), 3, "{}", metrics.0);
}
