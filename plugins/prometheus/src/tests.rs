mod exposition;

use std::sync::Arc;

use plugin::http::HttpRequest;
use plugin::metrics::Registry;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::RecordType;
use plugin::proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use plugin::{Chain, Next, Plugin, Reply, Request, ServeError, Shutdown, Tally, async_trait};
use testkit::{Kit, Query, Table, ask, query, records, rendered, with_setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::PLUGIN;
use super::metrics::{DnsMetrics, Dropped, TYPES, type_idx};
use super::serve::answer;
use super::size::uncompressed_len;
use exposition::Exposition;

/// A chain of `prometheus` above one plugin.
fn chain_above(kit: &Kit, below: Arc<dyn Plugin>) -> Chain {
    let prometheus = kit.plugin(&PLUGIN, "prometheus localhost:0").unwrap();
    Chain::new([("prometheus", prometheus), ("table", below)])
}

fn table() -> Arc<dyn Plugin> {
    Arc::new(Table::new("a.example.org. 60 IN A 192.0.2.1")).link()
}

/// Passes the text of `/metrics` through a strict reader.
fn scrape(kit: &Kit) -> Exposition {
    Exposition::parse(&kit.metrics.text()).unwrap_or_else(|error| panic!("{error}"))
}

/// Replies with what its field says.
struct Fixed(Serve);

type Serve = fn(&Request) -> Result<Reply, ServeError>;

#[async_trait]
impl Plugin for Fixed {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        (self.0)(request)
    }
}

const ALL: &str = r#"server="dns://:53",view="",zone=".""#;

#[tokio::test]
async fn a_query_and_its_reply_are_counted_by_corednss_names_and_labels() {
    let kit = Kit::new();
    let chain = chain_above(&kit, table());
    ask(&chain, &query("a.example.org. A")).await.unwrap();
    ask(&chain, &query("a.example.org. A").dnssec_ok()).await.unwrap();
    ask(&chain, &query("b.example.org. MX").tcp().client("[2001:db8::1]:53")).await.unwrap();
    ask(&chain, &query("b.example.org. CAA").client("[::ffff:192.0.2.1]:53")).await.unwrap();
    let metrics = scrape(&kit);
    let requests = |family: &str, proto: &str, qtype: &str| {
        format!(
            r#"coredns_dns_requests_total{{family="{family}",proto="{proto}",server="dns://:53",type="{qtype}",view="",zone="."}}"#
        )
    };
    // An SOA of 77 octets stands in the authority section of NXDOMAIN.
    let cases = [
        (requests("1", "udp", "A"), 2.0),
        (requests("2", "tcp", "MX"), 1.0),
        (requests("1", "udp", "other"), 1.0),
        (format!("coredns_dns_do_requests_total{{{ALL}}}"), 1.0),
        (format!("coredns_dns_request_duration_seconds_count{{{ALL}}}"), 4.0),
        (format!(r#"coredns_dns_request_size_bytes_sum{{proto="udp",{ALL}}}"#), 31.0 + 42.0 + 31.0),
        (format!(r#"coredns_dns_request_size_bytes_count{{proto="tcp",{ALL}}}"#), 1.0),
        (format!(r#"coredns_dns_request_size_bytes_bucket{{proto="udp",{ALL},le="0"}}"#), 0.0),
        (format!(r#"coredns_dns_request_size_bytes_bucket{{proto="udp",{ALL},le="100"}}"#), 3.0),
        (format!(r#"coredns_dns_response_size_bytes_sum{{proto="tcp",{ALL}}}"#), 108.0),
        (
            format!(r#"coredns_dns_response_size_bytes_sum{{proto="udp",{ALL}}}"#),
            60.0 + 60.0 + 108.0,
        ),
        (format!(r#"coredns_dns_responses_total{{plugin="table",rcode="NOERROR",{ALL}}}"#), 2.0),
        (format!(r#"coredns_dns_responses_total{{plugin="table",rcode="NXDOMAIN",{ALL}}}"#), 2.0),
    ];
    for (series, expected) in cases {
        assert_eq!(metrics.value(&series), Some(expected), "{series}");
    }
}

#[tokio::test]
async fn buckets_are_those_of_coredns() {
    let kit = Kit::new();
    ask(&chain_above(&kit, table()), &query("a.example.org. A")).await.unwrap();
    let metrics = scrape(&kit);
    let sizes = "0 100 200 300 400 511 1023 2047 4095 8291 16000 32000 48000 64000 +Inf";
    let seconds = "0.00025 0.0005 0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 \
                   2.048 4.096 8.192 +Inf";
    for (family, bounds) in [
        ("coredns_dns_request_size_bytes", sizes),
        ("coredns_dns_response_size_bytes", sizes),
        ("coredns_dns_request_duration_seconds", seconds),
    ] {
        assert_eq!(metrics.bounds(family).join(" "), bounds, "{family}");
    }
}

#[tokio::test]
async fn an_error_is_counted_with_its_rcode_and_no_plugin() {
    let cases: [(Serve, &str); 4] = [
        (|_| Err(ServeError::failed("x")), "SERVFAIL"),
        (|_| Err(ServeError::rcode_only(ResponseCode::Refused)), "REFUSED"),
        (|_| Err(ServeError::ChainEnded), "SERVFAIL"),
        // Nothing is sent; it counts as NOERROR, as with CoreDNS.
        (|_| Ok(Reply::silence()), "NOERROR"),
    ];
    for (serve, rcode) in cases {
        let kit = Kit::new();
        let _ = ask(&chain_above(&kit, Arc::new(Fixed(serve))), &query("a.example.org. A")).await;
        let metrics = scrape(&kit);
        let series = format!(r#"coredns_dns_responses_total{{plugin="",rcode="{rcode}",{ALL}}}"#);
        assert_eq!(metrics.value(&series), Some(1.0), "{series}");
        let size = format!(r#"coredns_dns_response_size_bytes_bucket{{proto="udp",{ALL},le="0"}}"#);
        assert_eq!(metrics.value(&size), Some(1.0), "{rcode}");
    }
}

#[tokio::test]
async fn an_rcode_without_a_name_is_shown_by_its_number() {
    let kit = Kit::new();
    let below = Fixed(|request| Ok(request.reply_with(ResponseCode::Unknown(3841)).into()));
    ask(&chain_above(&kit, Arc::new(below)), &query("a.example.org. A")).await.unwrap();
    let series =
        format!(r#"coredns_dns_responses_total{{plugin="table",rcode="RCODE3841",{ALL}}}"#);
    assert_eq!(scrape(&kit).value(&series), Some(1.0));
}

#[tokio::test]
async fn zones_and_views_are_told_apart() {
    let kit = Kit::new();
    let chain = chain_above(&kit, table());
    for zone in ["example.org.", "example.net.", "example.org."] {
        ask(&chain, &query("a.example.org. A").zone(zone)).await.unwrap();
    }
    let metrics = scrape(&kit);
    for (zone, count) in [("example.org.", 2.0), ("example.net.", 1.0)] {
        let series = format!(
            r#"coredns_dns_responses_total{{plugin="table",rcode="NOERROR",server="dns://:53",view="",zone="{zone}"}}"#
        );
        assert_eq!(metrics.value(&series), Some(count), "{zone}");
    }
}

#[tokio::test]
async fn what_was_counted_travels_with_the_reply() {
    let kit = Kit::new();
    let chain = chain_above(&kit, table());
    for (name, query, n_counts) in [
        ("plain", query("a.example.org. A"), 2),
        ("with the DO bit", query("a.example.org. A").dnssec_ok(), 3),
    ] {
        let reply = ask(&chain, &query).await.unwrap();
        let before = scrape(&kit);
        let (mut counts, mut observations, mut durations) = (0, 0, 0);
        for tally in reply.tallies() {
            match tally {
                Tally::Count(counter) => {
                    counter.inc();
                    counts += 1;
                }
                Tally::Observe(histogram, value) => {
                    histogram.observe(*value);
                    observations += 1;
                }
                Tally::Elapsed(histogram) => {
                    histogram.observe(0.0);
                    durations += 1;
                }
                _ => panic!("{name}: what is this?"),
            }
        }
        assert_eq!((counts, observations, durations), (n_counts, 2, 1), "{name}");
        // The counters that a replay bumps are those that the query bumped.
        let series =
            format!(r#"coredns_dns_responses_total{{plugin="table",rcode="NOERROR",{ALL}}}"#);
        let counted = |metrics: &Exposition| metrics.value(&series).unwrap();
        assert!((counted(&scrape(&kit)) - counted(&before) - 1.0).abs() < f64::EPSILON, "{name}");
    }
    assert!(kit.plugin(&PLUGIN, "prometheus localhost:0").unwrap().is_pure());
}

#[tokio::test(start_paused = true)]
async fn queries_that_reach_no_chain_are_counted_under_dropped() {
    let registry = Registry::new();
    let metrics = DnsMetrics::declare(&registry);
    let request = query("example.com. A").dnssec_ok().client("[2001:db8::1]:53").request();
    tokio::time::advance(std::time::Duration::from_millis(1)).await;
    metrics.dropped(&Dropped {
        server: "dns://:53",
        origin: request.origin(),
        qtype: RecordType::A,
        dnssec_ok: true,
        rcode: ResponseCode::Refused,
        response_len: 29,
    });
    let found = Exposition::parse(&registry.text()).unwrap();
    let all = r#"server="dns://:53",view="",zone="dropped""#;
    let cases = [
        (r#"coredns_dns_requests_total{family="2",proto="udp",server="dns://:53",type="A",view="",zone="dropped"}"#.to_owned(), 1.0),
        (format!("coredns_dns_do_requests_total{{{all}}}"), 1.0),
        (format!(r#"coredns_dns_responses_total{{plugin="",rcode="REFUSED",{all}}}"#), 1.0),
        (format!("coredns_dns_request_duration_seconds_sum{{{all}}}"), 0.001),
        (format!(r#"coredns_dns_request_size_bytes_sum{{proto="udp",{all}}}"#), 40.0),
        (format!(r#"coredns_dns_response_size_bytes_sum{{proto="udp",{all}}}"#), 29.0),
    ];
    for (series, expected) in cases {
        assert_eq!(found.value(&series), Some(expected), "{series}");
    }
}

#[test]
fn types_that_dashboards_know_have_a_series_of_their_own() {
    let named: Vec<RecordType> = (0..=u16::MAX)
        .map(RecordType::from)
        .filter(|qtype| TYPES[type_idx(*qtype)] != "other")
        .collect();
    assert_eq!(named.len(), TYPES.len() - 1);
    for qtype in named {
        assert_eq!(TYPES[type_idx(qtype)], qtype.to_string());
    }
}

#[tokio::test]
async fn lengths_are_those_of_an_uncompressed_encoding() {
    let cases = [
        "",
        "a.example.org. 60 IN A 192.0.2.1\na.example.org. 60 IN AAAA 2001:db8::1",
        "a.example.org. 60 IN CNAME b.example.org.\n. 60 IN NS ns.example.org.",
        "1.2.0.192.in-addr.arpa. 60 IN PTR a.example.org.",
        "example.org. 60 IN SOA ns.example.org. root.example.org. 1 7200 1800 86400 60",
        "_http._tcp.example.org. 60 IN SRV 0 50 80 a.example.org.",
        "example.org. 60 IN MX 10 mail.example.org.",
        "example.org. 60 IN TXT \"one\" \"two three\"",
        "example.org. 60 IN CAA 0 issue \"ca.example.net\"",
        "example.org. 60 IN HINFO cpu os",
    ];
    for text in cases {
        for edns in [false, true] {
            let mut asked = query("a.example.org. A");
            if edns {
                asked = asked.edns(1232);
            }
            let request = asked.request();
            let mut reply = request.reply();
            reply.answers = records(text);
            reply.authorities = records(text);
            reply.additionals = records(text);
            reply.edns.clone_from(&request.message().edns);
            assert_eq!(uncompressed_len(&reply), encoded_len(&reply), "{text} {edns}");
        }
    }
}

fn encoded_len(message: &Message) -> usize {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    message.emit(&mut encoder).unwrap();
    octets.len()
}

#[tokio::test]
async fn metrics_are_served_by_http_and_other_paths_are_not_found() {
    let kit = Kit::new();
    // Two blocks with one address.
    let plugins = ["prometheus localhost:0"; 2].map(|text| kit.plugin(&PLUGIN, text).unwrap());
    let (end, shutdown) = Shutdown::pair();
    let mut work = Vec::new();
    for plugin in plugins {
        plugin.start().await.unwrap();
        let shutdown = shutdown.clone();
        work.push(tokio::spawn(async move { plugin.run(shutdown).await }));
    }
    let (address, _) = with_setup(&kit, "prometheus", |setup| {
        setup.http_listener("localhost:0").local_addr().unwrap()
    });
    let fetch = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for _ in 0..4 {
        let answer = fetch("/metrics?name=x").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\ncoredns_build_info{goversion=\"rustc"), "{answer}");
    }
    assert!(fetch("/other").await.starts_with("HTTP/1.1 404 "));
    end.fire();
    for work in work {
        work.await.unwrap();
    }
    for path in ["/", "/metrics/", "/health"] {
        let answer = answer(&kit.metrics, &HttpRequest { path, query: None });
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_told_and_dns_is_served_all_the_same() {
    let logs = testkit::Logs::capture();
    let plugin = Kit::new().plugin(&PLUGIN, "prometheus 192.0.2.1:9153").unwrap();
    plugin.start().await.unwrap();
    plugin.run(Shutdown::pair().1).await;
    let lines = logs.take();
    assert!(lines.iter().any(|line| line.contains("192.0.2.1:9153")), "{lines:?}");
}

#[tokio::test]
async fn the_build_is_described() {
    let kit = Kit::new();
    kit.plugin(&PLUGIN, "prometheus").unwrap();
    let text = kit.metrics.text();
    let line = text.lines().find(|line| line.starts_with("coredns_build_info{")).unwrap();
    assert!(line.contains(r#"version="test""#) && line.ends_with("} 1"), "{line}");
    assert!(line.contains(r#"revision=""#) && line.contains(r#"goversion="rustc1."#), "{line}");
}

#[tokio::test]
async fn runtime_metrics_show_the_background_runtime() {
    let kit = Kit::new();
    kit.plugin(&PLUGIN, "prometheus {\n runtime_metrics\n}").unwrap();
    let metrics = scrape(&kit);
    assert!(metrics.value("rhumb_background_tasks").is_some());
    assert!(metrics.value("rhumb_background_queue_depth").is_some());
    let without = Kit::new();
    without.plugin(&PLUGIN, "prometheus").unwrap();
    assert_eq!(scrape(&without).value("rhumb_background_tasks"), None);
}

#[tokio::test]
async fn hostile_labels_keep_the_text_well_formed() {
    let kit = Kit::new();
    let chain = chain_above(&kit, table());
    let hostile: Query = query("a.example.org. A").zone("a\"\\\n} 1\n.example.");
    ask(&chain, &hostile).await.unwrap();
    scrape(&kit);
}

#[test]
fn what_coredns_accepts_is_accepted() {
    let cases = [
        "prometheus",
        "prometheus localhost:53",
        "prometheus localhost:9153",
        "prometheus :9153",
        "prometheus 0.0.0.0:9153",
        "prometheus [::1]:9153",
        "prometheus localhost:",
        "prometheus {\n runtime_metrics\n}",
        "prometheus localhost:53 {\n runtime_metrics\n runtime_metrics\n}",
    ];
    for text in cases {
        Kit::new().plugin(&PLUGIN, text).unwrap_or_else(|d| panic!("{text}\n{d}"));
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let cases = [
        ("prometheus {}", "an address with a port"),
        ("prometheus /foo", "an address with a port"),
        ("prometheus localhost", "an address with a port"),
        ("prometheus localhost:metrics", "an address with a port"),
        ("prometheus ::1:9153", "an address with a port"),
        ("prometheus a b c", "at most 1 argument"),
        ("prometheus\nprometheus", "once per server block"),
        ("prometheus {\n runtime_metrics extra_arg\n}", "no argument"),
        ("prometheus {\n runtime_metric\n}", "did you mean `runtime_metrics`?"),
        ("prometheus {\n tls\n}", "`tls` wants 1 argument"),
        ("prometheus {\n tls a b\n}", "`tls` wants 1 argument"),
        ("prometheus {\n tls web.yml\n}", "no TLS here yet"),
        ("prometheus {\n tls web.yml\n tls web.yml\n}", "`tls` can only be used once"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}
