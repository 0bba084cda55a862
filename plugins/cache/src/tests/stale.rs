//! Answers after expiry.

use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::{Ede, Request, Transport};
use testkit::{Kit, lines, query, records};
use tokio::time::Instant;

use super::{Below, SOA_RDATA, advance, ask, background, chain, count, ttl_secs};

const ASK: &str = "www.example.org. A";

#[tokio::test(start_paused = true)]
async fn immediate_serves_first_and_refreshes_after() {
    let kit = Kit::new();
    let below = Below::address(10);
    let chain = chain(&kit, "cache {\n serve_stale 1h\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(3600.0).await;
    below.delays(Duration::from_millis(500));
    let asked = Instant::now();
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(ttl_secs(&reply), 0);
    assert_eq!(reply.edes(), [Ede::new(Ede::STALE_ANSWER, "")]);
    assert!(reply.message().unwrap().metadata.authoritative);
    // While one refresh is under way, nobody starts another.
    background().await;
    assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 0);
    background().await;
    assert_eq!(below.n_asked(), 2);
    assert_eq!(below.last_asked().origin().transport, Transport::Tcp);
    advance(0.5).await;
    background().await;
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(ttl_secs(&reply), 10);
    assert!(reply.edes().is_empty());
    assert_eq!(count(&kit, "coredns_cache_served_stale_total", &[]), 2);
    assert_eq!(count(&kit, "coredns_cache_prefetch_total", &[]), 1);
    assert_eq!(count(&kit, "coredns_cache_hits_total", &["type=\"success\""]), 3);
    assert_eq!(count(&kit, "coredns_cache_misses_total", &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn entries_are_stale_for_so_long_and_no_longer() {
    let cases = [
        ("serve_stale 20s", 29.9, true),
        ("serve_stale 20s", 30.0, false),
        ("serve_stale 0", 10.0, false),
        ("serve_stale", 3609.9, true),
        ("serve_stale", 3610.0, false),
        ("keepttl", 10.0, false),
    ];
    for (text, age, is_served) in cases {
        let below = Below::address(10);
        let chain = chain(&Kit::new(), &format!("cache {{\n{text}\n}}"), &below);
        ask(&chain, &query(ASK)).await;
        advance(age).await;
        below.fails();
        let reply = testkit::ask(&chain, &query(ASK)).await;
        assert_eq!(reply.is_ok(), is_served, "{text} at {age}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_ttl_of_stale_replies_is_as_configured() {
    let cases = [
        ("serve_stale", 0),
        ("serve_stale 1h immediate 30s", 30),
        ("serve_stale 1h verify 0 7s", 7),
        ("serve_stale\nkeepttl", 10),
        ("serve_stale 1h immediate 30s\nkeepttl", 30),
    ];
    for (text, expected) in cases {
        let below = Below::address(10);
        let chain = chain(&Kit::new(), &format!("cache {{\n{text}\n}}"), &below);
        ask(&chain, &query(ASK)).await;
        advance(11.0).await;
        below.fails();
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), expected, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_denials_say_so() {
    let below = Below::address(0);
    below.denies(ResponseCode::NXDomain, 10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(reply.rcode(), ResponseCode::NXDomain);
    assert_eq!(reply.edes(), [Ede::new(Ede::STALE_NXDOMAIN, "")]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_served_stale() {
    let below = Below::address(10);
    below.denies(ResponseCode::ServFail, 60);
    let chain = chain(&Kit::new(), "cache {\n serve_stale\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(6.0).await;
    ask(&chain, &query(ASK)).await;
    assert_eq!(below.n_asked(), 2, "RFC 2308 §7.1 allows five minutes, not an hour");
}

/// What the next plugins say about a stale entry.
type Says = fn(&Below);

#[tokio::test(start_paused = true)]
async fn what_replaces_a_stale_entry() {
    let cases: [(&str, Says, bool); 8] = [
        ("an answer", |below| below.denies(ResponseCode::NoError, 60), true),
        ("NXDOMAIN", |below| below.denies(ResponseCode::NXDomain, 60), true),
        ("SERVFAIL", |below| below.denies(ResponseCode::ServFail, 60), false),
        ("REFUSED", |below| below.denies(ResponseCode::Refused, 60), false),
        ("an error", Below::fails, false),
        ("silence", |below| below.replies(|_| plugin::Reply::silence()), false),
        (
            "a reply cut short",
            |below| {
                below.answers(|request| {
                    let mut reply = request.reply();
                    reply.metadata.truncation = true;
                    reply
                });
            },
            false,
        ),
        (
            "a reply to another question",
            |below| {
                below.answers(|request| {
                    let mut reply = request.reply();
                    reply.queries[0].set_name("example.net.".parse().unwrap());
                    reply
                });
            },
            false,
        ),
    ];
    let modes = ["immediate", "verify", "verify 100ms"];
    for (name, says, replaces) in cases {
        for mode in modes {
            let below = Below::address(10);
            let chain =
                chain(&Kit::new(), &format!("cache {{\n serve_stale 1h {mode}\n}}"), &below);
            ask(&chain, &query(ASK)).await;
            advance(11.0).await;
            says(&below);
            let reply = ask(&chain, &query(ASK)).await;
            background().await;
            let is_stale = |reply: &plugin::Reply| !reply.edes().is_empty();
            if mode == "immediate" {
                assert!(is_stale(&reply), "{name}, {mode}");
            } else {
                assert_eq!(is_stale(&reply), !replaces, "{name}, {mode}");
            }
            let reply = ask(&chain, &query(ASK)).await;
            assert_eq!(is_stale(&reply), !replaces, "{name}, {mode}, next query");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn verify_waits_for_the_new_reply() {
    let kit = Kit::new();
    let below = Below::address(10);
    let chain = chain(&kit, "cache {\n serve_stale 1h verify\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.delays(Duration::from_secs(4));
    let asked = Instant::now();
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(asked.elapsed(), Duration::from_secs(4));
    assert_eq!(ttl_secs(&reply), 10);
    assert!(!reply.message().unwrap().metadata.authoritative, "as on a miss");
    assert_eq!(below.last_asked().origin().transport, Transport::Udp);
    assert_eq!(count(&kit, "coredns_cache_served_stale_total", &[]), 0);
    assert_eq!(count(&kit, "coredns_cache_prefetch_total", &[]), 0);
    assert_eq!(count(&kit, "coredns_cache_hits_total", &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn verify_within_a_time_serves_stale_after_it_and_goes_on_asking() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale 1h verify 100ms\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.delays(Duration::from_millis(300));
    let asked = Instant::now();
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(asked.elapsed(), Duration::from_millis(100));
    assert_eq!(ttl_secs(&reply), 0);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(below.n_asked(), 2);
    assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 10, "the late reply was kept");
    // In time, the client gets what is kept.
    advance(11.0).await;
    below.delays(Duration::from_millis(50));
    let asked = Instant::now();
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(asked.elapsed(), Duration::from_millis(50));
    assert_eq!(ttl_secs(&reply), 10);
    assert!(reply.message().unwrap().metadata.authoritative);
}

#[tokio::test(start_paused = true)]
async fn an_in_time_reply_that_is_not_kept_is_served_all_the_same() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale 1h verify 100ms\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.answers(|request| request.reply_with(ResponseCode::NXDomain));
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(reply.rcode(), ResponseCode::NXDomain, "without an SOA it cannot be kept");
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_is_not_tried_again_for_a_while() {
    for mode in ["immediate 5s 30s", "verify 0 5s 30s", "verify 100ms 5s 30s"] {
        let below = Below::address(10);
        let chain = chain(&Kit::new(), &format!("cache {{\n serve_stale 1h {mode}\n}}"), &below);
        ask(&chain, &query(ASK)).await;
        advance(11.0).await;
        below.fails();
        for _ in 0..3 {
            assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 5, "{mode}");
            background().await;
        }
        assert_eq!(below.n_asked(), 2, "{mode}");
        advance(30.0).await;
        ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(below.n_asked(), 3, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_recheck_each_client_has_it_verified() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale 1h verify\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.fails();
    for n_asked in [2, 3, 4] {
        ask(&chain, &query(ASK)).await;
        assert_eq!(below.n_asked(), n_asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_denial_gives_way_to_an_answer() {
    for mode in ["immediate", "verify", "verify 100ms"] {
        let below = Below::address(0);
        below.denies(ResponseCode::NXDomain, 10);
        let chain = chain(&Kit::new(), &format!("cache {{\n serve_stale 1h {mode}\n}}"), &below);
        ask(&chain, &query(ASK)).await;
        advance(11.0).await;
        below.answers(|request| {
            let mut reply = request.reply();
            reply.answers = records("www.example.org. 60 IN A 192.0.2.7");
            reply
        });
        ask(&chain, &query(ASK)).await;
        background().await;
        let reply = ask(&chain, &query(ASK)).await;
        let answers = lines(&reply.message().unwrap().answers);
        assert_eq!(answers, ["www.example.org. 60 IN A 192.0.2.7"], "{mode}");
        assert_eq!(below.n_asked(), 2, "{mode}");
    }
}

const PREFER: &str = "cache {\n serve_stale 1h\n serve_stale_policy prefer_positive\n}";

#[tokio::test(start_paused = true)]
async fn an_answer_is_preferred_to_a_denial_while_it_may_be_stale() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), PREFER, &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    for rcode in [ResponseCode::NXDomain, ResponseCode::ServFail, ResponseCode::NoError] {
        below.denies(rcode, 600);
        let reply = ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(lines(&reply.message().unwrap().answers).len(), 1, "{rcode}");
        assert_eq!(reply.edes(), [Ede::new(Ede::STALE_ANSWER, "")], "{rcode}");
    }
    // Too old to be served, it no longer hides the denial.
    advance(3600.0).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert!(reply.message().unwrap().answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_is_kept_behind_what_is_none() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), PREFER, &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.answers(Request::reply);
    for _ in 0..3 {
        let reply = ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(lines(&reply.message().unwrap().answers).len(), 1);
    }
    below.answers(|request| {
        let mut reply = request.reply();
        reply.answers = records("www.example.org. 60 IN A 192.0.2.7");
        reply
    });
    ask(&chain, &query(ASK)).await;
    background().await;
    let reply = ask(&chain, &query(ASK)).await;
    let answers = lines(&reply.message().unwrap().answers);
    assert_eq!(answers, ["www.example.org. 60 IN A 192.0.2.7"]);
}

#[tokio::test(start_paused = true)]
async fn verify_with_the_policy_takes_answers_alone() {
    for mode in ["verify", "verify 100ms"] {
        let below = Below::address(10);
        let text =
            format!("cache {{\n serve_stale 1h {mode}\n serve_stale_policy prefer_positive\n}}");
        let chain = chain(&Kit::new(), &text, &below);
        ask(&chain, &query(ASK)).await;
        advance(11.0).await;
        below.answers(|request| {
            let mut reply = request.reply_with(ResponseCode::NXDomain);
            reply.authorities = records(&format!("example.org. 60 IN SOA {SOA_RDATA}"));
            reply
        });
        let reply = ask(&chain, &query(ASK)).await;
        assert_eq!(reply.rcode(), ResponseCode::NoError, "{mode}");
        assert_eq!(reply.edes(), [Ede::new(Ede::STALE_ANSWER, "")], "{mode}");
        below.answers(|request| {
            let mut reply = request.reply();
            reply.answers = records("www.example.org. 60 IN A 192.0.2.7");
            reply
        });
        let reply = ask(&chain, &query(ASK)).await;
        let answers = lines(&reply.message().unwrap().answers);
        assert_eq!(answers, ["www.example.org. 60 IN A 192.0.2.7"], "{mode}");
    }
}
