//! What happens when upstreams do not do as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugin::Ede;
use plugin::proto::op::ResponseCode;
use testkit::{Kit, StubUpstream, ask, query};
use tokio::time::Instant;

use super::{answering, closed, forward, told, truncated};

#[tokio::test]
async fn a_black_hole_among_three_is_hedged_around_and_then_avoided() {
    let hole = StubUpstream::black_hole().await;
    let (a, b) = (answering("192.0.2.1").await, answering("192.0.2.1").await);
    let kit = Kit::new();
    // An attempt would wait ten minutes; what is answered before was answered by another upstream.
    let text = format!(
        "forward . {} {} {} {{\nread_timeout 10m\npolicy round_robin\n}}",
        a.address, hole.address, b.address
    );
    let chain = forward(&kit, &text);
    for n in 0..30 {
        let question = format!("{n}.example.org. A");
        let reply = ask(&chain, &query(&question)).await;
        assert_eq!(told(reply), format!("{n}.example.org. 60 IN A 192.0.2.1"));
    }
    assert_eq!(hole.asked_udp(), 1, "one unanswered query is enough to ask it last");
    let text = kit.metrics.text();
    let hedges: u32 = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("rhumb_forward_hedges_total{")?
                .rsplit(' ')
                .next()?
                .parse::<u32>()
                .ok()
        })
        .sum();
    assert!(hedges >= 1, "{text}");
}

#[tokio::test]
async fn a_loser_that_answers_late_is_in_favour_again() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let late = UdpLate::start(Arc::clone(&n_asked)).await;
    let quick = answering("192.0.2.1").await;
    let text = format!("forward . {} {} {{\npolicy sequential\n}}", late.address, quick.address);
    let chain = forward(&Kit::new(), &text);
    assert_eq!(told(ask(&chain, &query("a.example. A")).await), "a.example. 60 IN A 192.0.2.1");
    assert_eq!(told(ask(&chain, &query("b.example. A")).await), "b.example. 60 IN A 192.0.2.1");
    assert_eq!(n_asked.load(Ordering::SeqCst), 1, "it lags");
    late.release();
    // Its late reply arrives in the background, and then it is first again.
    while n_asked.load(Ordering::SeqCst) == 1 {
        let _ = ask(&chain, &query("c.example. A")).await;
        tokio::task::yield_now().await;
    }
}

/// Keeps its first query until it is told to answer; then answers whatever comes.
struct UdpLate {
    address: std::net::SocketAddr,
    go: Arc<tokio::sync::Notify>,
}

impl UdpLate {
    async fn start(n_asked: Arc<AtomicUsize>) -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let go = Arc::new(tokio::sync::Notify::new());
        let told = Arc::clone(&go);
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
                if n_asked.fetch_add(1, Ordering::SeqCst) == 0 {
                    told.notified().await;
                }
                buffer[2] |= 0x80;
                socket.send_to(&buffer[..len], client).await.unwrap();
            }
        });
        Self { address, go }
    }

    fn release(&self) {
        self.go.notify_one();
    }
}

#[tokio::test]
async fn a_refused_connection_moves_on_at_once() {
    let good = answering("192.0.2.1").await;
    let kit = Kit::new();
    let text = format!("forward . {} {} {{\npolicy sequential\n}}", closed(), good.address);
    let chain = forward(&kit, &text);
    assert_eq!(told(ask(&chain, &query("a.example. A")).await), "a.example. 60 IN A 192.0.2.1");
    assert!(!kit.metrics.text().contains("rhumb_forward_hedges_total{"), "no hedge was needed");
}

#[tokio::test]
async fn when_nobody_answers_the_client_learns_why() {
    let chain = forward(&Kit::new(), &format!("forward . {}", closed()));
    let error = ask(&chain, &query("a.example. A")).await.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::ServFail);
    assert!(error.to_string().ends_with("read: connection refused"), "{error}");
    assert_eq!(error.ede().map(|ede| ede.code), Some(Ede::NETWORK_ERROR));

    let hole = StubUpstream::black_hole().await;
    let text = format!("forward . {} {{\nread_timeout 20ms\n}}", hole.address);
    let error = ask(&forward(&Kit::new(), &text), &query("a.example. A")).await.unwrap_err();
    assert!(error.to_string().ends_with("i/o timeout"), "{error}");
    assert_eq!(error.ede().map(|ede| ede.code), Some(Ede::NO_REACHABLE_AUTHORITY));
}

#[tokio::test]
async fn max_connect_attempts_bounds_the_attempts() {
    for (attempts, expected) in [("1", 1), ("3", 3), ("", 2)] {
        let hole = StubUpstream::black_hole().await;
        let property = if attempts.is_empty() {
            String::new()
        } else {
            format!("max_connect_attempts {attempts}")
        };
        let text = format!(
            "forward . {} {{\nread_timeout 20ms\nmax_fails 0\n{property}\n}}",
            hole.address
        );
        ask(&forward(&Kit::new(), &text), &query("a.example. A")).await.unwrap_err();
        assert_eq!(hole.asked_udp(), expected, "{property}");
    }
}

/// Nobody answers, so time passes by itself.
#[tokio::test(start_paused = true)]
async fn upstreams_that_are_down_cost_one_short_attempt_or_none() {
    for (property, n_attempts) in [("", 1), ("failfast_all_unhealthy_upstreams", 0)] {
        let hole = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        hole.set_nonblocking(true).unwrap();
        let n_asked = || std::iter::from_fn(|| hole.recv(&mut [0; 512]).ok()).count();
        let kit = Kit::new();
        let text = format!(
            "forward . {} {{\nread_timeout 10ms\nmax_fails 1\n{property}\n}}",
            hole.local_addr().unwrap()
        );
        let chain = forward(&kit, &text);
        ask(&chain, &query("a.example. A")).await.unwrap_err();
        // Two failed checks are more than `max_fails`: one at once, one half a second later, a second each.
        let failures = |text: &str| {
            let failures = "coredns_proxy_healthcheck_failures_total{";
            text.lines().any(|line| line.starts_with(failures) && line.ends_with(" 2"))
        };
        while !failures(&kit.metrics.text()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(n_asked() > 0);
        let asked = Instant::now();
        let error = ask(&chain, &query("b.example. A")).await.unwrap_err();
        assert!(asked.elapsed() <= Duration::from_millis(400), "{:?}", asked.elapsed());
        assert_eq!(n_asked(), n_attempts, "{property}");
        assert_eq!(error.ede().map(|ede| ede.code), Some(Ede::NO_REACHABLE_AUTHORITY));
        let expected = if n_attempts == 0 { "no healthy proxies" } else { "i/o timeout" };
        assert!(error.to_string().ends_with(expected), "{error}");
        let text = kit.metrics.text();
        assert!(text.contains("coredns_forward_healthcheck_broken_total 1\n"), "{text}");
    }
}

/// Nobody answers, so time passes by itself.
#[tokio::test(start_paused = true)]
async fn clients_wait_less_once_it_is_known_that_nobody_answers() {
    let holes = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = holes.each_ref().map(|hole| hole.local_addr().unwrap().to_string()).join(" ");
    let chain = forward(&Kit::new(), &format!("forward . {to}"));
    let mut waited = Vec::new();
    for n in 0..3 {
        let asked = Instant::now();
        let error = ask(&chain, &query(&format!("{n}.example. A"))).await.unwrap_err();
        assert!(error.to_string().ends_with("i/o timeout"), "{error}");
        waited.push(asked.elapsed().as_millis());
    }
    // One attempt each at the same time, 2 s, and a short one. Then short ones alone.
    assert!((2000..2700).contains(&waited[0]), "{waited:?}");
    assert!(waited[1] <= 502 && waited[2] <= 502, "{waited:?}");
}

#[tokio::test]
async fn a_reply_to_another_question_becomes_formerr() {
    for over_tcp in [false, true] {
        let upstream = StubUpstream::start(|query| {
            let mut reply = StubUpstream::reply_to(&query);
            reply.queries[0].set_name("wrong.example.".parse().unwrap());
            Some(reply)
        })
        .await;
        let chain = forward(&Kit::new(), &format!("forward . {}", upstream.address));
        let query = query("a.example. A");
        let query = if over_tcp { query.tcp() } else { query };
        let reply = ask(&chain, &query).await.unwrap().into_message().unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(reply.queries[0].to_string(), "a.example. IN A");
    }
}

#[tokio::test]
async fn a_forged_reply_is_passed_over_and_the_true_one_taken() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
        buffer[2] |= 0x80;
        let reply = &mut buffer[..len];
        // Another ID, another name, too short, and then the reply.
        reply[0] ^= 1;
        socket.send_to(reply, client).await.unwrap();
        reply[0] ^= 1;
        reply[13] ^= 1;
        socket.send_to(reply, client).await.unwrap();
        reply[13] ^= 1;
        socket.send_to(&reply[..5], client).await.unwrap();
        reply[3] = 3;
        socket.send_to(reply, client).await.unwrap();
    });
    let chain = forward(&Kit::new(), &format!("forward . {address}"));
    assert_eq!(told(ask(&chain, &query("a.example. A")).await), "NXDomain");
}

#[tokio::test]
async fn a_datagram_that_ends_too_early_sends_the_client_to_tcp() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
        buffer[2] |= 0x80;
        // It claims an answer, and ends within it.
        buffer[7] = 1;
        buffer[len] = 0xc0;
        socket.send_to(&buffer[..=len], client).await.unwrap();
    });
    let chain = forward(&Kit::new(), &format!("forward . {address}"));
    let reply = ask(&chain, &query("a.example. A")).await.unwrap().into_message().unwrap();
    assert!(reply.metadata.truncation);
    assert_eq!(reply.queries[0].to_string(), "a.example. IN A");
    assert!(reply.answers.is_empty());
}

#[tokio::test]
async fn a_bad_reply_to_a_hedge_does_not_beat_a_good_one() {
    // The first is late, but right; the second is quick, and wrong.
    let late = StubUpstream::start(|query| {
        let mut reply = StubUpstream::reply_to(&query);
        reply.answers = testkit::records("a.example. 60 IN A 192.0.2.1");
        Some(reply)
    })
    .await;
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_asked);
    let servfail = StubUpstream::start(move |query| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut reply = StubUpstream::reply_to(&query);
        reply.metadata.response_code = ResponseCode::ServFail;
        Some(reply)
    })
    .await;
    let relay = relay_after(late.address, n_asked).await;
    let text = format!("forward . {} {} {{\npolicy sequential\n}}", relay, servfail.address);
    let chain = forward(&Kit::new(), &text);
    assert_eq!(told(ask(&chain, &query("a.example. A")).await), "a.example. 60 IN A 192.0.2.1");
    assert_eq!(servfail.asked_udp(), 1, "it was hedged");
}

/// Passes a query on once another upstream was asked.
async fn relay_after(to: std::net::SocketAddr, n_asked: Arc<AtomicUsize>) -> std::net::SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
        while n_asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        socket.send_to(&buffer[..len], to).await.unwrap();
        let (len, _) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&buffer[..len], client).await.unwrap();
    });
    address
}

#[tokio::test]
async fn truncated_replies_reach_the_client_as_such() {
    let upstream = StubUpstream::start(|query| Some(truncated(&query))).await;
    let chain = forward(&Kit::new(), &format!("forward . {}", upstream.address));
    let reply = ask(&chain, &query("a.example. A")).await.unwrap();
    assert!(reply.message().unwrap().metadata.truncation);
}
