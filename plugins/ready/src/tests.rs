use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use plugin::http::{HttpRequest, HttpResponse};
use plugin::{Next, Plugin, Reply, Request, ServeError, Shutdown, async_trait};
use testkit::{Kit, Logs, rendered, with_setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::config::Mode;
use super::{Monitor, PLUGIN, answer};

/// Ready when told so.
#[derive(Default)]
struct Slow {
    is_ready: AtomicBool,
    asked: AtomicUsize,
}

impl Slow {
    fn set(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::SeqCst);
    }
}

#[async_trait]
impl Plugin for Slow {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        next.serve(request).await
    }

    fn ready(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.is_ready.load(Ordering::SeqCst)
    }
}

fn slow() -> Arc<Slow> {
    Arc::default()
}

fn named(name: &'static str, plugin: &Arc<Slow>) -> (&'static str, Arc<dyn Plugin>) {
    (name, Arc::<Slow>::clone(plugin))
}

fn get(monitor: &Monitor, path: &str) -> (u16, String) {
    let HttpResponse { status, body, .. } = answer(monitor, &HttpRequest { path, query: None });
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn ok() -> (u16, String) {
    (200, "OK".to_owned())
}

fn waiting_for(names: &str) -> (u16, String) {
    (503, names.to_owned())
}

#[tokio::test]
async fn unready_plugins_are_named_sorted_and_once() {
    let kit = Kit::new();
    let monitor = Monitor::new(Arc::clone(&kit.shared.readiness));
    assert_eq!(get(&monitor, "/ready"), ok(), "no plugin");

    let (kubernetes, erratic, again) = (slow(), slow(), slow());
    kit.shared.readiness.set_plugins(vec![
        named("kubernetes", &kubernetes),
        named("erratic", &erratic),
        named("kubernetes", &again),
    ]);
    let logs = Logs::capture();
    assert_eq!(get(&monitor, "/ready"), waiting_for("erratic,kubernetes"));
    assert_eq!(logs.take(), ["[INFO] plugin/ready: Plugins not ready: \"erratic,kubernetes\""]);
    again.set(true);
    erratic.set(true);
    assert_eq!(get(&monitor, "/ready"), waiting_for("kubernetes"), "one of two blocks");
    kubernetes.set(true);
    logs.take();
    assert_eq!(get(&monitor, "/ready"), ok());
    assert_eq!(logs.take(), [""; 0]);
}

#[tokio::test]
async fn until_ready_asks_a_plugin_no_more_once_it_was_ready() {
    let kit = Kit::new();
    let monitor = Monitor::new(Arc::clone(&kit.shared.readiness));
    let plugin = slow();
    kit.shared.readiness.set_plugins(vec![named("erratic", &plugin)]);
    plugin.set(true);
    assert_eq!(get(&monitor, "/ready"), ok());
    plugin.set(false);
    assert_eq!(get(&monitor, "/ready"), ok());
    assert_eq!(plugin.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn continuously_asks_each_time() {
    let kit = Kit::new();
    let monitor = Monitor::new(Arc::clone(&kit.shared.readiness));
    monitor.set_mode(Mode::Continuously);
    let plugin = slow();
    kit.shared.readiness.set_plugins(vec![named("erratic", &plugin)]);
    plugin.set(true);
    assert_eq!(get(&monitor, "/ready"), ok());
    plugin.set(false);
    assert_eq!(get(&monitor, "/ready"), waiting_for("erratic"));
}

#[tokio::test]
async fn after_a_reload_the_new_plugins_count() {
    let kit = Kit::new();
    let monitor = Monitor::new(Arc::clone(&kit.shared.readiness));
    let before = slow();
    before.set(true);
    kit.shared.readiness.set_plugins(vec![named("kubernetes", &before)]);
    assert_eq!(get(&monitor, "/ready"), ok());
    let after = slow();
    kit.shared.readiness.set_plugins(vec![named("kubernetes", &after)]);
    drop(before);
    assert_eq!(get(&monitor, "/ready"), waiting_for("kubernetes"));
}

#[tokio::test]
async fn an_ending_server_is_not_ready() {
    let kit = Kit::new();
    let monitor = Monitor::new(Arc::clone(&kit.shared.readiness));
    assert_eq!(get(&monitor, "/ready"), ok());
    kit.shared.readiness.end();
    assert_eq!(get(&monitor, "/ready"), (503, "Shutting down".to_owned()));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let monitor = Monitor::new(Arc::clone(&Kit::new().shared.readiness));
    for path in ["/", "/ready/", "/readyz", "/health", "//ready"] {
        assert_eq!(get(&monitor, path).0, 404, "{path}");
    }
}

#[tokio::test]
async fn blocks_with_one_address_share_what_they_know_and_the_last_mode() {
    let kit = Kit::new();
    let listener = kit.plugin(&PLUGIN, "ready localhost:0").unwrap();
    let other = kit.plugin(&PLUGIN, "ready localhost:0 {\n monitor continuously\n}").unwrap();
    let plugin = slow();
    plugin.set(true);
    kit.shared.readiness.set_plugins(vec![named("erratic", &plugin)]);
    let (end, shutdown) = Shutdown::pair();
    listener.start().await.unwrap();
    let address = local_addr(&kit, "localhost:0");
    let (first, second) = (shutdown.clone(), shutdown);
    let work = [
        tokio::spawn(async move { listener.run(first).await }),
        tokio::spawn(async move { other.run(second).await }),
    ];
    for _ in 0..4 {
        assert!(fetch(address).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    plugin.set(false);
    for _ in 0..4 {
        let answer = fetch(address).await;
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nerratic"),
            "{answer}"
        );
    }
    end.fire();
    for work in work {
        work.await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_told_and_dns_is_served_all_the_same() {
    let logs = Logs::capture();
    let plugin = Kit::new().plugin(&PLUGIN, "ready 192.0.2.1:8181").unwrap();
    plugin.start().await.unwrap();
    plugin.run(Shutdown::pair().1).await;
    let lines = logs.take();
    assert!(lines.iter().any(|line| line.contains("192.0.2.1:8181")), "{lines:?}");
}

/// Where the listener that is kept under `address` listens.
fn local_addr(kit: &Kit, address: &str) -> SocketAddr {
    let (found, _) = with_setup(kit, "ready", |setup| setup.http_listener(address).local_addr());
    found.unwrap()
}

async fn fetch(address: SocketAddr) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn what_coredns_accepts_is_accepted() {
    let cases = [
        "ready",
        "ready localhost:1234",
        "ready :1234",
        "ready [::1]:1234",
        "ready localhost:",
        "ready {\n monitor until-ready\n}",
        "ready {\n monitor continuously\n}",
        "ready localhost:1234 {\n monitor continuously\n monitor until-ready\n}",
    ];
    for text in cases {
        Kit::new().plugin(&PLUGIN, text).unwrap_or_else(|d| panic!("{text}\n{d}"));
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let cases = [
        ("ready bla", "an address with a port"),
        ("ready ::1:8181", "an address with a port"),
        ("ready [nope]:8181", "an address with a port"),
        ("ready localhost:port", "an address with a port"),
        ("ready localhost:65536", "an address with a port"),
        ("ready http://localhost:8181", "an address with a port"),
        ("ready bla bla", "at most 1 argument"),
        ("ready localhost:1234 b", "at most 1 argument"),
        ("ready\nready", "once per server block"),
        ("ready localhost:1234 {\n monitor 404\n}", "`until-ready` or `continuously`"),
        ("ready {\n monitor\n}", "`monitor` wants 1 argument"),
        ("ready {\n monitor continuously until-ready\n}", "`monitor` wants 1 argument"),
        ("ready {\n monitro continuously\n}", "did you mean `monitor`?"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}
