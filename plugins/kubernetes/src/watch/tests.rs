//! Watches against a stub of the API server, in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::BoxFuture;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::{Request, Response};
use plugin::metrics::Registry;
use tokio::time::sleep;

use super::*;
use crate::config::Limits;
use crate::kept::Detail;
use crate::source::{Cluster, Source};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = StreamBody<mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>>;

/// What the stub does with one request.
enum Script {
    /// A status with a body, and the end.
    Respond(u16, String),
    /// These lines, and then what the test says; open until it drops the sender.
    Stream(Vec<String>, mpsc::UnboundedReceiver<String>),
    /// No connection.
    Refuse,
}

/// An API server that serves namespaces only, request after request as the test has written.
#[derive(Clone, Default)]
struct Stub {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    fn then(&self, script: Script) {
        self.scripts.lock().unwrap().push_back(script);
    }

    /// A stream that begins with these lines; the sender adds to it.
    fn then_stream(&self, lines: &[String]) -> mpsc::UnboundedSender<String> {
        let (sender, receiver) = mpsc::unbounded();
        self.then(Script::Stream(lines.to_vec(), receiver));
        sender
    }

    /// The queries asked so far.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl tower::Service<Request<kube::client::Body>> for Stub {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let Self { scripts, asked } = self.clone();
        Box::pin(async move {
            asked.lock().unwrap().push(request.uri().to_string());
            let script = scripts.lock().unwrap().pop_front();
            let (sender, body) = mpsc::unbounded();
            let send = |text: String| {
                let _ = sender.unbounded_send(Ok(Frame::data(Bytes::from(text))));
            };
            let status = match script {
                Some(Script::Respond(status, text)) => {
                    send(text);
                    status
                }
                Some(Script::Stream(lines, mut more)) => {
                    for line in lines {
                        send(line + "\n");
                    }
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        while let Some(line) = more.next().await {
                            let frame = Frame::data(Bytes::from(line + "\n"));
                            if sender.unbounded_send(Ok(frame)).is_err() {
                                return;
                            }
                        }
                    });
                    200
                }
                Some(Script::Refuse) | None => return Err("connection refused".into()),
            };
            Ok(Response::builder().status(status).body(StreamBody::new(body)).unwrap())
        })
    }
}

/// A cluster whose only kind is namespaces, fed by the stub.
struct Fed {
    cluster: Cluster,
    stub: Stub,
    registry: Registry,
}

impl Fed {
    fn new() -> Self {
        let (stub, registry) = (Stub::default(), Registry::new());
        let server = ApiServer::asking(stub.clone(), Metrics::new(&registry), Limits::default());
        let store = Arc::new(Store::new(Detail::default(), &[Kind::Namespace]));
        let source: Arc<dyn Source> = Arc::new(server);
        Self { cluster: Cluster::new(store, source), stub, registry }
    }

    fn start(&self) {
        self.cluster.start(&tokio::runtime::Handle::current());
    }

    fn has(&self, namespace: &str) -> bool {
        self.cluster.store.has_namespace(namespace)
    }

    fn staleness(&self) -> f64 {
        let line = self.metric("rhumb_kubernetes_staleness_seconds{host=\"stub\"} ");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap()
    }

    /// A line of `/metrics`; empty where there is none.
    fn metric(&self, start: &str) -> String {
        let text = self.registry.text();
        text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
    }
}

fn namespace(event: &str, name: &str, version: u32) -> String {
    format!(
        r#"{{"type":"{event}","object":{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}","resourceVersion":"{version}","managedFields":[{{"a":1}}]}}}}}}"#
    )
}

fn bookmark(version: u32, ends_list: bool) -> String {
    let annotations = if ends_list { r#"{"k8s.io/initial-events-end":"true"}"# } else { "{}" };
    format!(
        r#"{{"type":"BOOKMARK","object":{{"apiVersion":"v1","kind":"Namespace","metadata":{{"resourceVersion":"{version}","annotations":{annotations}}}}}}}"#
    )
}

fn gone() -> String {
    r#"{"type":"ERROR","object":{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}}"#.to_owned()
}

fn status(code: u16) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Invalid","code":{code},"message":"no"}}"#
    )
}

fn page(names: &[&str], version: u32) -> String {
    let items: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"1"}}}}"#))
        .collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"NamespaceList","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

/// Long enough for everything that waits for nothing.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_syncs_the_store_and_changes_follow() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[
        namespace("ADDED", "shop", 1),
        namespace("ADDED", "data", 2),
        bookmark(2, true),
    ]);
    assert!(!fed.cluster.store.has_synced());
    fed.start();
    fed.cluster.store.synced().await;
    assert!(fed.has("shop") && fed.has("data"));
    events.unbounded_send(namespace("ADDED", "new", 3)).unwrap();
    events.unbounded_send(namespace("DELETED", "data", 4)).unwrap();
    settle().await;
    assert!(fed.has("new") && !fed.has("data"));
    let asked = fed.stub.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("sendInitialEvents=true"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_asked_for_pages() {
    for code in [400, 422] {
        let fed = Fed::new();
        fed.stub.then(Script::Respond(code, status(code)));
        fed.stub.then(Script::Respond(200, page(&["shop"], 7)));
        let events = fed.stub.then_stream(&[]);
        fed.start();
        fed.cluster.store.synced().await;
        assert!(fed.has("shop"), "{code}");
        events.unbounded_send(namespace("ADDED", "new", 8)).unwrap();
        settle().await;
        assert!(fed.has("new"), "{code}");
        let asked = fed.stub.asked();
        assert!(asked[1].contains("limit=500") && !asked[1].contains("watch"), "{asked:?}");
        assert!(asked[2].contains("resourceVersion=7"), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_ends_its_list_is_given_up_for_pages() {
    let fed = Fed::new();
    let _open = fed.stub.then_stream(&[namespace("ADDED", "shop", 1)]);
    fed.stub.then(Script::Respond(200, page(&["shop", "data"], 7)));
    let _events = fed.stub.then_stream(&[]);
    let began = Instant::now();
    fed.start();
    fed.cluster.store.synced().await;
    assert!(fed.has("shop") && fed.has("data"));
    assert!(began.elapsed() < LIST_QUIET * 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_end_resumes_where_the_watch_was() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[namespace("ADDED", "shop", 1), bookmark(5, true)]);
    let more = fed.stub.then_stream(&[]);
    fed.start();
    fed.cluster.store.synced().await;
    events.unbounded_send(bookmark(9, false)).unwrap();
    drop(events);
    settle().await;
    more.unbounded_send(namespace("ADDED", "new", 10)).unwrap();
    settle().await;
    assert!(fed.has("shop") && fed.has("new"));
    let asked = fed.stub.asked();
    assert!(asked[1].contains("resourceVersion=9"), "{asked:?}");
    assert!(!asked[1].contains("sendInitialEvents=true"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_gone_leads_to_a_new_list_that_puts_things_right() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[
        namespace("ADDED", "shop", 1),
        namespace("ADDED", "left-over", 2),
        bookmark(2, true),
    ]);
    let list = fed.stub.then_stream(&[namespace("ADDED", "shop", 1)]);
    fed.start();
    fed.cluster.store.synced().await;
    events.unbounded_send(gone()).unwrap();
    sleep(Duration::from_secs(2)).await;
    assert!(fed.has("left-over"), "what a list has not named yet stays until it ends");
    assert!(fed.cluster.store.has_synced(), "the store is synced for ever");
    list.unbounded_send(namespace("ADDED", "missed", 3)).unwrap();
    list.unbounded_send(bookmark(8, true)).unwrap();
    settle().await;
    assert!(fed.has("shop") && fed.has("missed") && !fed.has("left-over"));
    let healed = fed.metric("rhumb_kubernetes_relist_healed_objects_total");
    assert_eq!(healed, "rhumb_kubernetes_relist_healed_objects_total{kind=\"Namespace\"} 2");
}

#[tokio::test(start_paused = true)]
async fn an_outage_changes_nothing_but_the_staleness() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[namespace("ADDED", "shop", 1), bookmark(2, true)]);
    fed.start();
    fed.cluster.store.synced().await;
    for _ in 0..4 {
        fed.stub.then(Script::Refuse);
    }
    let back = fed.stub.then_stream(&[]);
    drop(events);
    sleep(Duration::from_secs(5)).await;
    assert!(fed.has("shop") && fed.cluster.store.has_synced());
    assert!((fed.staleness() - 5.0).abs() < 0.1, "{}", fed.staleness());
    // 0.8 s, doubled each time: the fifth attempt comes after 12 s at the latest.
    sleep(Duration::from_secs(10)).await;
    back.unbounded_send(namespace("ADDED", "new", 3)).unwrap();
    settle().await;
    assert!(fed.has("new"));
    assert!(fed.staleness() < 0.1, "{}", fed.staleness());
    let asked = fed.stub.asked();
    assert!(asked.last().unwrap().contains("resourceVersion=2"), "{asked:?}");
    let failed = fed.metric("coredns_kubernetes_rest_client_requests_total{code=\"<error>\"");
    assert!(failed.ends_with(" 4"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_start_keeps_streaming_lists() {
    let fed = Fed::new();
    for _ in 0..8 {
        fed.stub.then(Script::Refuse);
    }
    let _events = fed.stub.then_stream(&[namespace("ADDED", "shop", 1), bookmark(2, true)]);
    fed.start();
    fed.cluster.store.synced().await;
    assert!(fed.stub.asked().iter().all(|asked| asked.contains("sendInitialEvents=true")));
}

#[tokio::test(start_paused = true)]
async fn silence_leads_to_a_new_list() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[namespace("ADDED", "shop", 1), bookmark(2, true)]);
    let _again = fed.stub.then_stream(&[
        namespace("ADDED", "shop", 1),
        namespace("ADDED", "missed", 3),
        bookmark(4, true),
    ]);
    fed.start();
    fed.cluster.store.synced().await;
    // Bookmarks each minute are no silence.
    for version in 10..15 {
        sleep(Duration::from_mins(1)).await;
        events.unbounded_send(bookmark(version, false)).unwrap();
    }
    settle().await;
    assert_eq!(fed.stub.asked().len(), 1);
    sleep(SILENCE).await;
    settle().await;
    assert_eq!(fed.stub.asked().len(), 2);
    assert!(fed.has("missed"));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_refused_again_and_again_is_given_up() {
    let fed = Fed::new();
    let events = fed.stub.then_stream(&[namespace("ADDED", "shop", 1), bookmark(900, true)]);
    fed.start();
    fed.cluster.store.synced().await;
    for _ in 0..REFUSALS {
        fed.stub.then(Script::Respond(500, status(500)));
    }
    let _list = fed.stub.then_stream(&[namespace("ADDED", "restored", 1), bookmark(2, true)]);
    drop(events);
    sleep(Duration::from_mins(1)).await;
    assert!(fed.has("restored") && !fed.has("shop"), "{:?}", fed.stub.asked());
}

#[tokio::test(start_paused = true)]
async fn odd_objects_do_not_stop_a_watch() {
    let fed = Fed::new();
    let odd = |metadata: &str| format!(r#"{{"type":"ADDED","object":{{"metadata":{metadata}}}}}"#);
    let _events = fed.stub.then_stream(&[
        odd("null"),
        odd(r#"{"name":null,"labels":null,"annotations":null,"resourceVersion":"3"}"#),
        odd(r#"{"name":"fine","labels":{},"unknown":[1,{"a":2}],"resourceVersion":"4"}"#),
        bookmark(5, true),
    ]);
    fed.start();
    fed.cluster.store.synced().await;
    assert!(fed.has("fine"));
}

#[test]
fn programming_time_is_measured_for_slices_with_a_known_service() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry);
    let store = Store::new(Detail::default(), &[Kind::Service]);
    let service = |name: &str, ip: &str| {
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"shop"}},"spec":{{"clusterIP":"{ip}"}}}}"#
        );
        store.apply_service(&serde_json::from_str(&text).unwrap());
    };
    service("headless", "None");
    service("web", "192.0.2.1");
    let two_seconds_ago =
        Timestamp::from_second(i64::try_from(plugin::clock::unix_now().as_secs()).unwrap() - 2)
            .unwrap();
    let slice = |service: &str, time: &str| -> EndpointSlice {
        let annotation = if time.is_empty() {
            String::new()
        } else {
            format!(r#""{LAST_CHANGE_ANNOTATION}":"{time}","#)
        };
        let text = format!(
            r#"{{"metadata":{{"name":"s","namespace":"shop","annotations":{{{annotation}"b":"c"}},"labels":{{"{SERVICE_NAME_LABEL}":"{service}"}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let good = two_seconds_ago.to_string();
    for (service, time) in [
        ("headless", &*good),
        ("web", &good),
        ("unknown", &good),
        ("web", ""),
        ("web", "yesterday"),
    ] {
        slice(service, time).measure(&store, &metrics);
    }
    for kind in ["headless_with_selector", "cluster_ip"] {
        let histogram = metrics.programming.with(&[kind]);
        assert_eq!(histogram.count(), 1, "{kind}");
        assert!(histogram.sum() >= 2.0 && histogram.sum() < 60.0, "{kind}: {}", histogram.sum());
    }
}
