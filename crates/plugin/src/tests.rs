use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::*;

#[test]
fn an_epoch_stands_until_its_key_is_bumped() {
    let epochs = Epochs::new(4096);
    let before = epochs.read(("shop", "web"));
    assert!(before.stands());
    epochs.bump(("shop", "web"));
    assert!(!before.stands());
    assert!(epochs.read(("shop", "web")).stands());
    let all = epochs.read(("data", "db"));
    epochs.bump_all();
    assert!(!all.stands());
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_two_holds_only_while_both_do() {
    let epochs = Epochs::new(1);
    let now = Instant::now();
    let by_epoch = Replay::while_unchanged([epochs.read("a")]);
    let both =
        by_epoch.clone().and(Replay::while_unchanged([])).until(now + Duration::from_secs(5));
    assert!(both.holds(now));
    assert!(!both.holds(now + Duration::from_secs(5)));
    assert!(!by_epoch.clone().and(Replay::Never).holds(now));
    assert!(both.clone().until(now + Duration::from_secs(9)).holds(now + Duration::from_secs(4)));
    epochs.bump("a");
    assert!(!both.holds(now));
}

/// Answers, or passes on what the next plugin answers.
struct Link {
    answers: bool,
    is_pure: bool,
}

#[async_trait]
impl Plugin for Link {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if self.answers {
            let reply = Reply::from(request.reply());
            let epoch = Epochs::new(1).read("answer");
            return Ok(reply.replay_while(Replay::while_unchanged([epoch])));
        }
        next.serve(request).await
    }

    fn is_pure(&self) -> bool {
        self.is_pure
    }
}

struct NoResolver;

#[async_trait]
impl Resolve for NoResolver {
    async fn resolve(&self, request: Request) -> Result<Reply, ServeError> {
        request.lookup(request.qname().clone(), request.qtype()).await
    }
}

fn request() -> Request {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii("example.org.").unwrap(), RecordType::A));
    let origin = Origin {
        client: ([192, 0, 2, 1], 4000).into(),
        local: ([192, 0, 2, 53], 53).into(),
        transport: Transport::Udp,
        len: 29,
        arrived: Instant::now(),
    };
    let server = Arc::new(ServerInfo { label: "dns://:53".into() });
    Request::new(message, origin, server, ".".into(), "".into(), Arc::new(NoResolver))
}

#[tokio::test]
async fn a_reply_is_replayable_only_where_every_plugin_above_is_pure() {
    for (name, above_is_pure, answering_is_pure, expected) in [
        ("all pure", true, true, true),
        ("a stranger above is asked every time", false, true, false),
        ("the one that answers speaks for itself", true, false, true),
    ] {
        let links: [(&str, Arc<dyn Plugin>); 2] = [
            ("above", Arc::new(Link { answers: false, is_pure: above_is_pure })),
            ("answering", Arc::new(Link { answers: true, is_pure: answering_is_pure })),
        ];
        let reply = Chain::new(links).serve(&request()).await.unwrap();
        assert_eq!(reply.replay().holds(Instant::now()), expected, "{name}");
        assert_eq!(reply.epochs().len(), 1, "{name}: what it was made from stays known");
        assert_eq!(reply.answered_by(), Some("answering"), "{name}");
    }
}

#[tokio::test]
async fn the_end_of_the_chain_is_servfail() {
    let links: [(&str, Arc<dyn Plugin>); 1] =
        [("above", Arc::new(Link { answers: false, is_pure: true }))];
    let error = Chain::new(links).serve(&request()).await.unwrap_err();
    assert!(matches!(error, ServeError::ChainEnded));
    assert_eq!(error.rcode(), hickory_proto::op::ResponseCode::ServFail);
    assert!(error.is_logged());
}

#[tokio::test]
async fn look_ups_that_lead_to_look_ups_end() {
    let request = request();
    let error = request.lookup(request.qname().clone(), request.qtype()).await.unwrap_err();
    assert!(error.to_string().contains("too many look-ups"), "{error}");
}

/// Notes when it is gone.
struct Kept(Arc<AtomicBool>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_is_asked_for_again_outlives_a_reload_and_the_rest_goes() {
    let gone = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
    let old = Keep::default();
    let again = old.get_or_make("again", || Kept(Arc::clone(&gone[0])));
    drop(old.get_or_make("once", || Kept(Arc::clone(&gone[1]))));
    let new = old.next();
    let found = new.get_or_make("again", || Kept(Arc::default()));
    assert!(Arc::ptr_eq(&again, &found));
    // A value of another type under the same key is another value.
    assert_eq!(*new.get_or_make("again", || 7_u8), 7);
    drop(old);
    assert!(!gone[1].load(Ordering::SeqCst), "the new configuration may still fail");
    new.settle();
    assert!(gone[1].load(Ordering::SeqCst));
    assert!(!gone[0].load(Ordering::SeqCst));
}

#[test]
fn a_name_belongs_to_the_longest_zone() {
    let zones = Zones::new(["org.".to_owned(), "example.org.".to_owned(), ".".to_owned()]);
    for (name, expected) in
        [("a.EXAMPLE.org.", "example.org."), ("b.org.", "org."), ("com.", "."), (".", ".")]
    {
        let found = zones.matching(&Name::from_ascii(name).unwrap()).unwrap();
        assert_eq!(found.to_string(), expected, "{name}");
    }
    assert_eq!(zones.written(), ["org.", "example.org.", "."]);
    assert!(!Zones::default().contain(&Name::root()));
}

#[tokio::test]
async fn shutdown_reaches_every_receiver_also_when_the_trigger_is_dropped() {
    let (trigger, shutdown) = Shutdown::pair();
    let waiting = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.fired().await }
    });
    assert!(!shutdown.has_fired());
    trigger.fire();
    waiting.await.unwrap();
    assert!(shutdown.has_fired());
    let (trigger, shutdown) = Shutdown::pair();
    drop(trigger);
    shutdown.fired().await;
    assert!(shutdown.has_fired());
}

#[tokio::test]
async fn http_is_answered_by_whichever_configuration_serves() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = Arc::new(http::HttpListener::new("127.0.0.1:0"));
    listener.open().unwrap();
    let address = listener.local_addr().unwrap();
    for generation in ["old", "new"] {
        let (trigger, shutdown) = Shutdown::pair();
        let serving = tokio::spawn({
            let listener = Arc::clone(&listener);
            async move {
                let handler = move |request: http::HttpRequest<'_>| match request.path {
                    "/health" => http::HttpResponse::text(200, generation),
                    _ => http::HttpResponse::not_found(),
                };
                listener.serve(handler, &shutdown).await
            }
        });
        for (path, status, body) in [("/health?x=1", "200", generation), ("/no", "404", "404 page")]
        {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
            assert!(response.contains(body), "{response}");
        }
        trigger.fire();
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn idle_http_connections_keep_nobody_waiting_and_end_with_their_configuration() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut response = vec![0; 512];
        let len = stream.read(&mut response).await.unwrap();
        String::from_utf8_lossy(&response[..len]).into_owned()
    }

    let listener = Arc::new(http::HttpListener::new("127.0.0.1:0"));
    listener.open().unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::pair();
    let serving = tokio::spawn(async move {
        listener.serve(|_| http::HttpResponse::text(200, "here"), &shutdown).await
    });
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut probe = TcpStream::connect(address).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(2), ask(&mut probe));
    assert!(answer.await.unwrap().ends_with("here"));
    // The connection is kept alive, but not beyond its configuration.
    trigger.fire();
    serving.await.unwrap().unwrap();
    let mut rest = [0; 64];
    let end = tokio::time::timeout(Duration::from_secs(2), probe.read(&mut rest));
    assert_eq!(end.await.unwrap().unwrap(), 0);
}
