use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::*;
use crate::message::{Relation, relation};
use crate::pool::{Age, Limits, Pool};
use crate::timing::{DialTime, RoundTrip};

#[derive(Default)]
struct Counts {
    reused: AtomicUsize,
    opened: AtomicUsize,
    failed: AtomicUsize,
}

struct Counting(Arc<Counts>);

impl Observer for Counting {
    fn connection_reused(&self, _proto: Proto) {
        self.0.reused.fetch_add(1, Ordering::SeqCst);
    }
    fn connection_opened(&self, _proto: Proto) {
        self.0.opened.fetch_add(1, Ordering::SeqCst);
    }
    fn health_check_failed(&self, n_failed: u32, _error: &Error) {
        self.0.failed.store(usize::try_from(n_failed).unwrap(), Ordering::SeqCst);
    }
}

fn upstream(address: SocketAddr, edit: impl FnOnce(&mut Settings)) -> (Arc<Upstream>, Arc<Counts>) {
    let mut settings = Settings {
        address,
        protocol: Protocol::Dns,
        expire: Duration::from_secs(10),
        max_age: None,
        max_idle: None,
        source: None,
        health_check: HealthCheck {
            interval: Duration::from_millis(50),
            recursion_desired: true,
            domain: Box::new([0]),
            over_tcp: false,
        },
    };
    edit(&mut settings);
    let counts = Arc::new(Counts::default());
    let observer = Box::new(Counting(Arc::clone(&counts)));
    (Arc::new(Upstream::new(settings, Handle::current(), observer)), counts)
}

/// `a.example. A`, RD set.
fn a_query() -> Vec<u8> {
    let mut query = vec![0x12, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x01a\x07example\0\0\x01\0\x01");
    query
}

fn reply_to(query: &[u8]) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] |= 0x80;
    reply
}

async fn ask(upstream: &Upstream, over: Over) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    upstream.exchange(&a_query(), over, Duration::from_secs(2), deadline).await
}

/// Answers over UDP with what `answer` makes of each query.
async fn udp_server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
            for message in answer(&buffer[..len]) {
                socket.send_to(&message, client).await.unwrap();
            }
        }
    });
    address
}

/// Answers `n_each` queries on each connection, then closes it.
async fn tcp_server(n_each: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                for _ in 0..n_each {
                    let Ok(len) = stream.read_u16().await else { return };
                    let mut query = vec![0; usize::from(len)];
                    stream.read_exact(&mut query).await.unwrap();
                    // In two pieces, which need not arrive together.
                    let mut framed = len.to_be_bytes().to_vec();
                    framed.extend(reply_to(&query));
                    let (head, tail) = framed.split_at(9);
                    stream.write_all(head).await.unwrap();
                    stream.flush().await.unwrap();
                    tokio::task::yield_now().await;
                    stream.write_all(tail).await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_reply_has_the_querys_id_whatever_was_on_the_wire() {
    let (upstream, _) = upstream(udp_server(|query| vec![reply_to(query)]).await, |_| {});
    for _ in 0..4 {
        assert_eq!(ask(&upstream, Over::Udp).await.unwrap(), reply_to(&a_query()));
    }
}

#[tokio::test]
async fn a_long_datagram_is_not_cut() {
    let long = |query: &[u8]| {
        let mut reply = reply_to(query);
        reply.resize(20_000, 0xaa);
        vec![reply]
    };
    let (upstream, _) = upstream(udp_server(long).await, |_| {});
    assert_eq!(ask(&upstream, Over::Udp).await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn a_udp_socket_serves_a_bounded_number_of_exchanges() {
    let (upstream, counts) = upstream(udp_server(|query| vec![reply_to(query)]).await, |_| {});
    for _ in 0..=udp::MAX_EXCHANGES {
        ask(&upstream, Over::Udp).await.unwrap();
    }
    assert_eq!(counts.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_socket_whose_query_went_unanswered_is_not_used_again() {
    let n_asked = AtomicUsize::new(0);
    // The first query is answered when the second comes, to the first one's socket.
    let answer = move |query: &[u8]| match n_asked.fetch_add(1, Ordering::SeqCst) {
        0 => vec![],
        _ => vec![reply_to(query)],
    };
    let (upstream, counts) = upstream(udp_server(answer).await, |_| {});
    let deadline = Instant::now() + Duration::from_millis(20);
    let error = upstream.exchange(&a_query(), Over::Udp, Duration::from_secs(9), deadline).await;
    assert!(error.unwrap_err().is_timeout());
    assert_eq!(upstream.n_idle(), 0);
    ask(&upstream, Over::Udp).await.unwrap();
    assert_eq!(counts.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn tcp_connections_are_used_again_and_a_closed_one_is_replaced_in_silence() {
    let (upstream, counts) = upstream(tcp_server(2).await, |_| {});
    for _ in 0..6 {
        assert_eq!(ask(&upstream, Over::Tcp).await.unwrap(), reply_to(&a_query()));
    }
    // Two exchanges each; the third on a connection finds it closed.
    assert_eq!(counts.opened.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_fresh_connection_that_is_closed_is_an_error() {
    let (upstream, _) = upstream(tcp_server(0).await, |_| {});
    let error = ask(&upstream, Over::Tcp).await.unwrap_err();
    assert!(error.is_hang_up(), "{error}");
}

#[tokio::test]
async fn max_idle_and_max_age_close_connections() {
    let server = tcp_server(9).await;
    let (upstream, _) = upstream(server, |settings| settings.max_idle = Some(1));
    let asked = [(); 3].map(|()| ask(&upstream, Over::Tcp));
    for reply in futures_join(asked).await {
        reply.unwrap();
    }
    assert_eq!(upstream.n_idle(), 1);
    let (upstream, counts) = self::upstream(server, |settings| {
        settings.expire = Duration::ZERO;
        settings.max_age = Some(Duration::from_nanos(1));
    });
    for _ in 0..3 {
        ask(&upstream, Over::Tcp).await.unwrap();
    }
    assert_eq!(counts.opened.load(Ordering::SeqCst), 3);
}

async fn futures_join<F: Future>(futures: [F; 3]) -> [F::Output; 3] {
    let [a, b, c] = futures;
    let (a, b, c) = tokio::join!(a, b, c);
    [a, b, c]
}

#[tokio::test]
async fn the_source_address_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source: IpAddr = [127, 0, 0, 9].into();
    let (upstream, _) =
        upstream(listener.local_addr().unwrap(), |settings| settings.source = Some(source));
    let (_, accepted) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(50), ask(&upstream, Over::Tcp)),
        listener.accept()
    );
    assert_eq!(accepted.unwrap().1.ip(), source);
}

#[tokio::test]
async fn refusals_are_told_in_gos_words() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let (upstream, _) = upstream(address, |_| {});
    let told = ask(&upstream, Over::Udp).await.unwrap_err().to_string();
    assert!(told.starts_with("read udp 127.0.0.1:"), "{told}");
    assert!(told.ends_with(&format!("->{address}: read: connection refused")), "{told}");
    let told = ask(&upstream, Over::Tcp).await.unwrap_err().to_string();
    assert_eq!(told, format!("dial tcp {address}: connect: connection refused"));
}

#[tokio::test]
async fn dns_over_tls_checks_the_name_and_resumes_connections() {
    let key = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    let certificate = key.cert.pem();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                while let Ok(len) = stream.read_u16().await {
                    let mut query = vec![0; usize::from(len)];
                    stream.read_exact(&mut query).await.unwrap();
                    stream.write_u16(len).await.unwrap();
                    stream.write_all(&reply_to(&query)).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    let config = tls::client_config(Some(certificate.as_bytes()), None).unwrap();
    for (name, is_good) in
        [(Some("dns.example"), true), (Some("other.example"), false), (None, false)]
    {
        let client = TlsClient::new(Arc::clone(&config), name, address.ip()).unwrap();
        let (upstream, counts) = upstream(address, |s| s.protocol = Protocol::Tls(client));
        let results = [ask(&upstream, Over::Udp).await, ask(&upstream, Over::Tcp).await];
        for result in results {
            assert_eq!(result.is_ok(), is_good, "{name:?}: {result:?}");
        }
        assert_eq!(counts.reused.load(Ordering::SeqCst), usize::from(is_good));
    }
}

#[test]
fn pem_that_is_none_is_refused() {
    let key = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    let (certificate, private) = (key.cert.pem(), key.signing_key.serialize_pem());
    let (certificate, private) = (certificate.as_bytes(), private.as_bytes());
    assert!(tls::client_config(Some(certificate), Some((certificate, private))).is_ok());
    assert!(tls::client_config(Some(b""), None).is_err());
    assert!(tls::client_config(Some(certificate), Some((b"", private))).is_err());
    assert!(tls::client_config(Some(certificate), Some((certificate, certificate))).is_err());
    for (name, is_good) in
        [("dns.example.", true), ("dns", true), ("-", false), ("", false), ("a b", false)]
    {
        assert_eq!(TlsClient::check_server_name(name).is_ok(), is_good, "{name}");
    }
}

#[tokio::test]
async fn probes_go_on_until_one_succeeds() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_asked);
    let answer = move |query: &[u8]| {
        let n_before = counted.fetch_add(1, Ordering::SeqCst);
        // NS of the root, RD set.
        assert_eq!(&query[2..], b"\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01");
        // An error is a sign of life; so is a reply without a question.
        if n_before == 0 {
            vec![query[..2].to_vec()]
        } else {
            vec![[&query[..2], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat()]
        }
    };
    let (upstream, counts) = upstream(udp_server(answer).await, |_| {});
    upstream.suspect();
    upstream.suspect();
    while counts.failed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!upstream.is_down(1) && !upstream.is_down(0));
    while n_asked.load(Ordering::SeqCst) < 2 || upstream.is_lagging() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(counts.failed.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_down_after_more_failed_checks_than_allowed() {
    // Nobody answers, so time passes by itself.
    let hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (upstream, counts) = upstream(hole.local_addr().unwrap(), |_| {});
    upstream.suspect();
    let mut downs = Vec::new();
    for n_failed in 1..=4 {
        while counts.failed.load(Ordering::SeqCst) < n_failed {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        downs.push((upstream.is_down(2), upstream.is_down(0)));
    }
    assert_eq!(downs, [(false, false), (false, false), (true, false), (true, false)]);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_nobody_holds_is_not_probed_any_more() {
    let hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (upstream, counts) = upstream(hole.local_addr().unwrap(), |_| {});
    upstream.suspect();
    drop(upstream);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(counts.failed.load(Ordering::SeqCst) <= 1);
}

#[test]
fn a_connection_is_never_handed_to_another_runtime() {
    let limits =
        Limits { expire: Duration::from_secs(10), max_age: None, max_idle: None, max_exchanges: 9 };
    let pool = Pool::new(limits);
    let runtimes = [(); 2]
        .map(|()| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    runtimes[0].block_on(async { pool.put("connection", Age::new()) });
    assert!(runtimes[1].block_on(async { pool.take() }).is_none());
    assert_eq!(pool.n_idle(), 1);
    assert!(runtimes[0].block_on(async { pool.take() }).is_some());
    assert_eq!(pool.n_idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_end_with_their_time() {
    let limits = Limits {
        expire: Duration::from_secs(10),
        max_age: Some(Duration::from_secs(15)),
        max_idle: Some(2),
        max_exchanges: 9,
    };
    let pool = Pool::new(limits);
    for name in ["a", "b", "c"] {
        pool.put(name, Age::new());
    }
    assert_eq!(pool.n_idle(), 2);
    let (oldest, age) = pool.take().unwrap();
    assert_eq!(oldest, "a", "source ports take turns");
    tokio::time::advance(Duration::from_secs(9)).await;
    pool.put(oldest, age);
    tokio::time::advance(Duration::from_secs(2)).await;
    pool.sweep();
    assert_eq!(pool.n_idle(), 1, "`b` has idled for 11 seconds, `a` for 2");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(pool.take().is_none(), "`a` has lived for 16 seconds");
}

#[test]
fn only_a_reply_to_the_question_is_a_reply() {
    let query = a_query();
    let edited = |edit: fn(&mut Vec<u8>)| {
        let mut message = reply_to(&query);
        edit(&mut message);
        message
    };
    let cases = [
        ("the reply", edited(|_| {}), Relation::Reply),
        ("with another case", edited(|m| m[13] = b'A'), Relation::Reply),
        (
            "with RCODE and records",
            edited(|m| {
                m[3] = 3;
                m.push(1);
            }),
            Relation::Reply,
        ),
        ("another ID", edited(|m| m[0] ^= 1), Relation::Foreign),
        ("no header", edited(|m| m.truncate(11)), Relation::Foreign),
        ("a query", edited(|m| m[2] &= 0x7f), Relation::Mismatch),
        ("another opcode", edited(|m| m[2] |= 0x20), Relation::Mismatch),
        ("another name", edited(|m| m[13] = b'b'), Relation::Mismatch),
        ("another type", edited(|m| m[24] = 28), Relation::Mismatch),
        ("another class", edited(|m| m[26] = 3), Relation::Mismatch),
        (
            "no question",
            edited(|m| {
                m[5] = 0;
                m.truncate(12);
            }),
            Relation::Mismatch,
        ),
        ("two questions", edited(|m| m[5] = 2), Relation::Mismatch),
        ("cut in the question", edited(|m| m.truncate(20)), Relation::Mismatch),
        ("a pointer for a name", edited(|m| m[12] = 0xc0), Relation::Mismatch),
    ];
    for (name, message, expected) in cases {
        assert_eq!(relation(&query, &message), expected, "{name}");
    }
}

#[test]
fn what_is_cut_after_the_question_has_no_records() {
    let mut reply = reply_to(&a_query());
    reply[7] = 9;
    reply.extend_from_slice(&[0xc0, 12, 0]);
    let cut = message::cut_after_question(&reply);
    assert!(message::is_truncated(&cut));
    assert_eq!((cut.len(), &cut[4..12]), (a_query().len(), &[0, 1, 0, 0, 0, 0, 0, 0][..]));
    for len in 0..reply.len() {
        assert!(message::cut_after_question(&reply[..len]).len() >= message::HEADER_LEN);
    }
}

#[test]
fn the_round_trip_follows_what_is_measured() {
    let round_trip = RoundTrip::default();
    assert_eq!(round_trip.overdue_after(), None);
    let ms = Duration::from_millis;
    round_trip.record(ms(10));
    assert_eq!(round_trip.overdue_after(), Some(ms(30)), "RFC 6298 §2.2: R + 4 R/2");
    for _ in 0..100 {
        round_trip.record(ms(10));
    }
    let steady = round_trip.overdue_after().unwrap();
    assert!(steady < ms(11), "{steady:?}");
    for _ in 0..100 {
        round_trip.record(ms(200));
    }
    let slower = round_trip.overdue_after().unwrap();
    assert!((ms(195)..ms(250)).contains(&slower), "{slower:?}");
    round_trip.record(Duration::MAX);
    assert!(round_trip.overdue_after().unwrap() > ms(250));
}

#[test]
fn the_time_to_connect_is_twice_the_average_within_bounds() {
    let dial_time = DialTime::new();
    assert_eq!(dial_time.timeout(), Duration::from_secs(30));
    for _ in 0..100 {
        dial_time.record(Duration::from_millis(1));
    }
    assert_eq!(dial_time.timeout(), Duration::from_secs(1));
    for _ in 0..100 {
        dial_time.record(Duration::from_secs(4));
    }
    let timeout = dial_time.timeout();
    assert!((Duration::from_secs(7)..=Duration::from_secs(8)).contains(&timeout), "{timeout:?}");
}

#[test]
fn base64url_is_that_of_the_rfc() {
    // RFC 4648 §10, without padding; and the two digits that differ from plain base64.
    let cases = [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ];
    for (octets, expected) in cases {
        assert_eq!(https::base64url(octets.as_bytes()), expected);
    }
    assert_eq!(https::base64url(&[0xfb, 0xff]), "-_8");
}

#[tokio::test]
async fn an_exchange_under_way_is_small() {
    let (upstream, _) = upstream(([127, 0, 0, 1], 9).into(), |_| {});
    let exchange = ask(&upstream, Over::Udp);
    let size = size_of_val(&exchange);
    assert!(size < 3000, "{size} octets: box what is large and rare");
}

#[test]
fn a_reply_that_ends_between_records_is_recounted() {
    let answer = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &[192, 0, 2, 1]].concat();
    let root = [&[0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 0][..]].concat();
    let counts = |message: &[u8]| [message[7], message[9], message[11]];
    let cases = [
        ("all are there", [1_u8, 1, 0], [&answer[..], &root].concat(), None),
        ("an answer is missing", [2, 0, 0], answer.clone(), Some([1, 0, 0])),
        ("all after the answers are missing", [1, 2, 3], answer.clone(), Some([1, 0, 0])),
        ("all are missing", [0, 0, 9], Vec::new(), Some([0, 0, 0])),
        ("it ends within the data", [1, 0, 0], answer[..15].to_vec(), None),
        ("it ends within the fixed part", [2, 0, 0], answer[..9].to_vec(), None),
        ("it ends within a name", [1, 0, 0], vec![5, b'a'], None),
        ("it has a label of an unknown kind", [1, 0, 0], vec![0x40; 40], None),
    ];
    for (name, said, records, expected) in cases {
        let mut reply = reply_to(&a_query());
        (reply[7], reply[9], reply[11]) = (said[0], said[1], said[2]);
        reply.extend(records);
        let recounted = message::recounted(&reply);
        assert_eq!(recounted.as_deref().map(counts), expected, "{name}");
    }
    let reply = reply_to(&a_query());
    for len in 0..reply.len() {
        assert_eq!(message::recounted(&reply[..len]), None);
    }
}
