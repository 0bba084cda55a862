use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use plugin::http::{HttpListener, HttpRequest, HttpResponse};
use plugin::metrics::Registry;
use plugin::proto::op::ResponseCode;
use plugin::setup::BlockInfo;
use plugin::{Next, Plugin, Reply, Request, ServeError, Shutdown, async_trait};
use testkit::{Kit, Logs, StubUpstream, rendered, with_setup};
use tokio::time::{Instant, sleep, timeout};

use super::check::{Check, reachable};
use super::config::Config;
use super::probe::Probe;
use super::{PLUGIN, answer};

fn get(probes: &[Arc<Probe>], path: &str) -> (u16, String) {
    let HttpResponse { status, body, .. } = answer(probes, &HttpRequest { path, query: None });
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn health_is_ok_and_other_paths_are_not_found() {
    assert_eq!(get(&[], "/health"), (200, "OK".to_owned()));
    for path in ["/", "/nope", "/health/", "/ready"] {
        assert_eq!(get(&[], path).0, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ending_server_is_held_up_for_the_lameduck_time() {
    let cases = [
        ("health", 0, vec![]),
        (
            "health {\n lameduck 5s\n}",
            5,
            vec!["[INFO] plugin/health: Going into lameduck mode for 5s".to_owned()],
        ),
    ];
    for (corefile, secs, lines) in cases {
        let plugin = Kit::new().plugin(&PLUGIN, corefile).unwrap();
        assert!(!plugin.is_chain_member());
        let logs = Logs::capture();
        let began = Instant::now();
        plugin.drain().await;
        assert_eq!(began.elapsed(), Duration::from_secs(secs), "{corefile}");
        assert_eq!(logs.take(), lines, "{corefile}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_itself_every_second_until_it_ends() {
    let kit = Kit::new();
    let plugin = kit.plugin(&PLUGIN, "health localhost:0").unwrap();
    plugin.start().await.unwrap();
    let (end, shutdown) = Shutdown::pair();
    let work = tokio::spawn(async move { plugin.run(shutdown).await });
    // A tick a second, and a last one that may be under way.
    sleep(Duration::from_millis(10_500)).await;
    end.fire();
    work.await.unwrap();
    let text = kit.metrics.text();
    assert!(text.contains("coredns_health_request_duration_seconds_count 10\n"), "{text}");
    assert!(text.contains("coredns_health_request_failures_total 0\n"), "{text}");
    assert!(
        text.contains("coredns_health_request_duration_seconds_bucket{le=\"0.00025\"}"),
        "{text}"
    );
    assert!(text.contains("coredns_health_request_duration_seconds_bucket{le=\"2.5\"}"), "{text}");
}

#[tokio::test]
async fn a_request_of_our_own_that_fails_is_counted_and_logged() {
    // A port that nobody listens on: it was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let registry = Registry::new();
    let check = Check::new(Arc::new(HttpListener::new(":0")), &registry);
    let logs = Logs::capture();
    check.once(closed).await;
    let text = registry.text();
    assert!(text.contains("coredns_health_request_failures_total 1\n"), "{text}");
    assert!(text.contains("coredns_health_request_duration_seconds_count 1\n"), "{text}");
    let lines = logs.take();
    let begin = format!(
        "[WARNING] plugin/health: Local health request to \"http://{closed}/health\" failed: "
    );
    assert!(lines.len() == 1 && lines[0].starts_with(&begin), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_accepts_and_says_nothing_fails_after_three_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry::new();
    let check = Check::new(Arc::new(HttpListener::new(":0")), &registry);
    let logs = Logs::capture();
    let began = Instant::now();
    check.once(silent.local_addr().unwrap()).await;
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    let lines = logs.take();
    assert!(lines.len() == 1 && lines[0].ends_with("failed: no answer within 3s"), "{lines:?}");
    assert!(registry.text().contains("coredns_health_request_failures_total 1\n"));
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_fails_the_start() {
    let plugin = Kit::new().plugin(&PLUGIN, "health 192.0.2.1:8080").unwrap();
    let error = plugin.start().await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.1:8080"), "{error}");
}

#[test]
fn an_unspecified_address_is_reached_by_loopback() {
    let cases = [
        ("0.0.0.0:53", "127.0.0.1:53"),
        ("[::]:53", "127.0.0.1:53"),
        ("192.0.2.1:53", "192.0.2.1:53"),
        ("[2001:db8::1]:53", "[2001:db8::1]:53"),
    ];
    for (bound, expected) in cases {
        let expected: SocketAddr = expected.parse().unwrap();
        assert_eq!(reachable(bound.parse().unwrap()), expected);
    }
}

/// Not ready: a probe does no harm meanwhile.
struct NeverReady;

#[async_trait]
impl Plugin for NeverReady {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        next.serve(request).await
    }

    fn ready(&self) -> bool {
        false
    }
}

/// A probe of a listener that answers with the RCODE it is told; 99 is silence.
struct Bench {
    kit: Kit,
    stub: StubUpstream,
    rcode: Arc<AtomicU16>,
    probes: Vec<Arc<Probe>>,
}

const SILENCE: u16 = 99;

impl Bench {
    async fn new() -> Self {
        let rcode = Arc::new(AtomicU16::new(0));
        let told = Arc::clone(&rcode);
        let stub = StubUpstream::start(move |query| {
            let rcode = told.load(Ordering::SeqCst);
            let mut reply = StubUpstream::reply_to(&query);
            reply.metadata.response_code = ResponseCode::from_low(rcode.to_be_bytes()[1]);
            (rcode != SILENCE).then_some(reply)
        })
        .await;
        let mut kit = Kit::new();
        kit.block = BlockInfo { listen: vec![stub.address], ..kit.block };
        let corefile = "health {\n probe kubernetes.default.svc.cluster.local a\n}";
        let (probes, _) = with_setup(&kit, corefile, |setup| {
            let config = Config::parse(setup);
            config.probes.into_iter().map(|p| Arc::new(Probe::new(p, setup))).collect::<Vec<_>>()
        });
        assert_eq!(probes.len(), 1);
        Self { kit, stub, rcode, probes }
    }

    async fn answered(&self, rcode: u16) -> (u16, String) {
        self.rcode.store(rcode, Ordering::SeqCst);
        self.probes[0].once().await;
        get(&self.probes, "/health")
    }
}

#[tokio::test]
async fn three_failures_in_a_row_turn_health_to_503_and_one_success_back() {
    let bench = Bench::new().await;
    let logs = Logs::capture();
    let ok = (200, "OK".to_owned());
    let name = "probe kubernetes.default.svc.cluster.local. A";
    assert_eq!(bench.answered(0).await, ok);
    assert_eq!(bench.answered(2).await, ok);
    assert_eq!(bench.answered(5).await, ok);
    assert_eq!(bench.answered(0).await, ok, "a success begins anew");
    assert_eq!(bench.answered(2).await, ok);
    assert_eq!(bench.answered(2).await, ok);
    let (status, reason) = bench.answered(3).await;
    assert_eq!((status, reason.starts_with(name)), (503, true), "{reason}");
    assert_eq!(
        bench.answered(2).await,
        (503, format!("{name}: {}", ResponseCode::ServFail)),
        "the last reason counts"
    );
    assert_eq!(bench.answered(0).await, ok);
    let lines = logs.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("[WARNING] plugin/health: Probe kubernetes"), "{lines:?}");
    assert!(lines[1].starts_with("[INFO] plugin/health: Probe kubernetes"), "{lines:?}");
    let text = bench.kit.metrics.text();
    let labels = "probe=\"kubernetes.default.svc.cluster.local. A\"";
    for line in [
        format!("rhumb_health_probe_failures_total{{{labels}}} 6\n"),
        format!("rhumb_health_probe_duration_seconds_count{{{labels}}} 9\n"),
    ] {
        assert!(text.contains(&line), "{line} in\n{text}");
    }
    assert_eq!(bench.stub.asked_udp(), 9);
}

#[tokio::test(start_paused = true)]
async fn silence_fails_after_a_second() {
    let bench = Bench::new().await;
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(bench.answered(SILENCE).await.0, 200);
    }
    let (status, reason) = bench.answered(SILENCE).await;
    assert_eq!(status, 503);
    assert!(reason.ends_with(": no answer within 1s"), "{reason}");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn failures_do_no_harm_until_every_plugin_was_ready() {
    let bench = Bench::new().await;
    let readiness = &bench.kit.shared.readiness;
    readiness.set_plugins(vec![("kubernetes", Arc::new(NeverReady))]);
    for _ in 0..5 {
        assert_eq!(bench.answered(2).await.0, 200);
    }
    readiness.set_plugins(Vec::new());
    assert_eq!(bench.answered(2).await.0, 503);
    readiness.set_plugins(vec![("kubernetes", Arc::new(NeverReady))]);
    assert_eq!(bench.answered(2).await.0, 503, "ready once is enough");
}

#[tokio::test(start_paused = true)]
async fn probes_ask_at_their_interval() {
    let mut kit = Kit::new();
    let stub = StubUpstream::black_hole().await;
    kit.block.listen = vec![stub.address];
    let corefile =
        "health localhost:0 {\n probe a.example.org A every 10s\n probe b.example.org AAAA\n}";
    let plugin = kit.plugin(&PLUGIN, corefile).unwrap();
    plugin.start().await.unwrap();
    let (end, shutdown) = Shutdown::pair();
    let work = tokio::spawn(async move { plugin.run(shutdown).await });
    sleep(Duration::from_millis(31_500)).await;
    end.fire();
    timeout(Duration::from_secs(1), work).await.expect("it ends at once").unwrap();
    let text = kit.metrics.text();
    for (probe, count) in [("a.example.org. A", 3), ("b.example.org. AAAA", 6)] {
        let line = format!("rhumb_health_probe_failures_total{{probe=\"{probe}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}

#[test]
fn what_coredns_accepts_is_accepted_and_probes() {
    let cases = [
        "health",
        "health :8080",
        "health localhost:1234",
        "health [::1]:1234",
        "health localhost:",
        "health localhost:1234 {\n lameduck 4s\n}",
        "health {\n lameduck 0\n}",
        "health {\n lameduck 1s\n lameduck 2s\n}",
        "health localhost:1\nhealth localhost:2",
        "health {\n probe kubernetes.default.svc.cluster.local. A\n}",
        "health {\n probe example.org srv every 1s\n probe example.org A every 1h\n lameduck 5s\n}",
    ];
    for text in cases {
        Kit::new().plugin(&PLUGIN, text).unwrap_or_else(|d| panic!("{text}\n{d}"));
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let cases = [
        ("health bla", "an address with a port"),
        ("health ::1:8080", "an address with a port"),
        ("health localhost:http:8080", "an address with a port"),
        ("health localhost:70000", "an address with a port"),
        ("health bla bla", "at most 1 argument"),
        ("health localhost:1234 {\n lameduck a\n}", "a duration"),
        ("health localhost:1234 {\n lameduck 4\n}", "a duration"),
        ("health localhost:1234 {\n lameduck -4s\n}", "a duration"),
        ("health localhost:1234 {\n lameduck\n}", "wants 1 argument"),
        ("health localhost:1234 {\n lameduck 1s 2s\n}", "wants 1 argument"),
        ("health localhost:1234 {\n lamedudk 4\n}", "did you mean `lameduck`?"),
        ("health {\n probe example.org\n}", "2 to 4 arguments"),
        ("health {\n probe a..b A\n}", "a domain name"),
        ("health {\n probe example.org NOPE\n}", "a record type"),
        ("health {\n probe example.org A 5s\n}", "`every`"),
        ("health {\n probe example.org A every\n}", "`every`"),
        ("health {\n probe example.org A every soon\n}", "a duration"),
        ("health {\n probe example.org A every 999ms\n}", "out of range: from 1s to 3600s"),
        ("health {\n probe example.org A every 61m\n}", "out of range: from 1s to 3600s"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}

#[test]
fn the_last_word_counts_and_a_question_is_asked_once() {
    let corefile = "health :1 {\n lameduck 1s\n probe example.org A\n}\n\
                    health :2 {\n lameduck 2s\n probe Example.org. a every 9s\n}";
    let (config, diagnostics) = with_setup(&Kit::new(), corefile, Config::parse);
    assert_eq!((&*config.address, config.lameduck), (":2", Duration::from_secs(2)));
    assert_eq!(config.probes.len(), 1);
    assert_eq!(diagnostics, [""; 0]);
}
