//! What each property does.

use plugin::proto::op::ResponseCode;
use testkit::{Kit, StubUpstream, ask, lines, query};

use super::{PLUGIN, answering, forward, saying, told, truncated};

#[tokio::test]
async fn a_reply_is_passed_on_unchanged_but_for_its_id() {
    let upstream = StubUpstream::start(|query| {
        let mut reply = StubUpstream::reply_to(&query);
        reply.answers = testkit::records("www.example.org. 60 IN A 192.0.2.1");
        reply.authorities = testkit::records("example.org. 60 IN NS ns.example.org.");
        reply.metadata.authoritative = true;
        reply.metadata.authentic_data = true;
        Some(reply)
    })
    .await;
    let chain = forward(&Kit::new(), &format!("forward . {}", upstream.address));
    let reply = ask(&chain, &query("WWW.example.org. A")).await.unwrap().into_message().unwrap();
    assert_eq!(reply.metadata.id, 4711);
    assert_eq!(reply.queries[0].name().to_string(), "WWW.example.org.");
    let flags = &reply.metadata;
    assert!(flags.authoritative && flags.authentic_data && flags.recursion_available);
    assert_eq!(lines(&reply.answers), ["www.example.org. 60 IN A 192.0.2.1"]);
    assert_eq!(lines(&reply.authorities), ["example.org. 60 IN NS ns.example.org."]);
}

#[tokio::test]
async fn the_query_travels_as_it_came_under_another_id() {
    use std::sync::{Arc, Mutex};
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let upstream = StubUpstream::start(move |query| {
        kept.lock().unwrap().push(query.clone());
        Some(StubUpstream::reply_to(&query))
    })
    .await;
    let chain = forward(&Kit::new(), &format!("forward . {}", upstream.address));
    for _ in 0..3 {
        let query =
            query("eXample.org. MX").dnssec_ok().edit(|m| m.metadata.checking_disabled = true);
        ask(&chain, &query).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    for query in seen.iter() {
        assert_eq!(query.queries[0].to_string(), "eXample.org. IN MX");
        assert!(query.metadata.checking_disabled && query.metadata.recursion_desired);
        assert!(query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok));
    }
    // Three equal random IDs are a chance in four thousand million.
    assert!(seen.iter().any(|query| query.metadata.id != seen[0].metadata.id));
}

#[tokio::test]
async fn the_first_forward_whose_zone_matches_is_asked() {
    let (lab, other, below) =
        (answering("192.0.2.1").await, answering("192.0.2.2").await, answering("192.0.2.3").await);
    let kit = Kit::new();
    let text = format!(
        "forward lab.example.org {}\nforward example.org {} {{\nexcept not.example.org example.org\n}}",
        lab.address, other.address
    );
    let table = std::sync::Arc::new(testkit::Table::new("not.example.org. 5 IN A 192.0.2.9"));
    let chain = plugin::Chain::new([
        ("forward", kit.plugin(&PLUGIN, &text).unwrap()),
        ("table", table.link()),
    ]);
    let cases = [
        ("a.lab.example.org. A", "a.lab.example.org. 60 IN A 192.0.2.1"),
        ("LAB.example.org. A", "LAB.example.org. 60 IN A 192.0.2.1"),
        // FROM itself is forwarded even where it is an exception.
        ("example.org. A", "example.org. 60 IN A 192.0.2.2"),
        ("not.example.org. A", "not.example.org. 5 IN A 192.0.2.9"),
        ("a.example.org. A", "NXDomain"),
        ("example.com. A", "NXDomain"),
    ];
    for (question, expected) in cases {
        assert_eq!(told(ask(&chain, &query(question)).await), expected, "{question}");
    }
    drop(below);
}

#[tokio::test]
async fn the_transport_is_the_clients_unless_forced() {
    let cases = [
        ("", false, (1, 0)),
        ("", true, (0, 1)),
        ("force_tcp", false, (0, 1)),
        ("prefer_udp", true, (1, 0)),
        ("force_tcp\nprefer_udp", false, (0, 1)),
    ];
    for (property, by_tcp, expected) in cases {
        let upstream = answering("192.0.2.1").await;
        let chain =
            forward(&Kit::new(), &format!("forward . {} {{\n{property}\n}}", upstream.address));
        let query = query("example.org. A");
        let query = if by_tcp { query.tcp() } else { query };
        assert_eq!(told(ask(&chain, &query).await), "example.org. 60 IN A 192.0.2.1");
        assert_eq!((upstream.asked_udp(), upstream.asked_tcp()), expected, "{property} {by_tcp}");
    }
}

#[tokio::test]
async fn prefer_udp_asks_again_over_tcp_where_the_reply_is_truncated() {
    for (property, expected) in [("prefer_udp", (1, 1)), ("", (1, 0))] {
        let upstream = StubUpstream::start(|query| Some(truncated(&query))).await;
        let chain =
            forward(&Kit::new(), &format!("forward . {} {{\n{property}\n}}", upstream.address));
        let reply = ask(&chain, &query("example.org. A")).await.unwrap();
        assert!(reply.message().unwrap().metadata.truncation);
        assert_eq!((upstream.asked_udp(), upstream.asked_tcp()), expected, "{property}");
    }
}

#[tokio::test]
async fn connections_are_used_again_up_to_the_limits() {
    // Property, then hits and misses over five queries one after the other.
    let cases = [
        ("", "udp", 4, 1),
        ("force_tcp", "tcp", 4, 1),
        ("force_tcp\nexpire 0s", "tcp", 0, 5),
        ("force_tcp\nexpire 1ns\nmax_age 1ns", "tcp", 0, 5),
    ];
    for (property, proto, hits, misses) in cases {
        let upstream = answering("192.0.2.1").await;
        let kit = Kit::new();
        let chain = forward(&kit, &format!("forward . {} {{\n{property}\n}}", upstream.address));
        for _ in 0..5 {
            ask(&chain, &query("example.org. A")).await.unwrap();
        }
        let text = kit.metrics.text();
        let labels =
            format!("{{proto=\"{proto}\",proxy_name=\"forward\",to=\"{}\"}}", upstream.address);
        let count = |name: &str| {
            let series = format!("coredns_proxy_conn_cache_{name}_total{labels} ");
            text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u32>().ok())
        };
        assert_eq!(
            (count("hits").unwrap_or(0), count("misses").unwrap_or(0)),
            (hits, misses),
            "{property}\n{text}"
        );
    }
}

#[tokio::test]
async fn policies_order_the_upstreams() {
    let stubs =
        [answering("192.0.2.1").await, answering("192.0.2.2").await, answering("192.0.2.3").await];
    let to = stubs.each_ref().map(|stub| stub.address.to_string()).join(" ");
    let asked = || stubs.each_ref().map(StubUpstream::asked_udp);

    let chain = forward(&Kit::new(), &format!("forward . {to} {{\npolicy sequential\n}}"));
    for _ in 0..6 {
        ask(&chain, &query("example.org. A")).await.unwrap();
    }
    assert_eq!(asked(), [6, 0, 0]);

    let chain = forward(&Kit::new(), &format!("forward . {to}"));
    for _ in 0..60 {
        ask(&chain, &query("example.org. A")).await.unwrap();
    }
    let [a, b, c] = asked();
    // Each is left out with a chance of 3·(2/3)^60.
    assert!(a > 6 && b > 0 && c > 0, "{a} {b} {c}");
}

#[tokio::test]
async fn failover_tries_each_upstream_once_and_keeps_the_last_reply() {
    let servfail = saying(ResponseCode::ServFail).await;
    let refused = saying(ResponseCode::Refused).await;
    let good = answering("192.0.2.1").await;
    let cases = [
        (vec![&servfail, &refused, &good], "SERVFAIL REFUSED", "example.org. 60 IN A 192.0.2.1"),
        (vec![&servfail, &refused, &good], "REFUSED", "ServFail"),
        (vec![&servfail, &refused], "SERVFAIL REFUSED", "Refused"),
    ];
    for (upstreams, rcodes, expected) in cases {
        let to: Vec<_> = upstreams.iter().map(|stub| stub.address.to_string()).collect();
        let text =
            format!("forward . {} {{\npolicy sequential\nfailover {rcodes}\n}}", to.join(" "));
        let chain = forward(&Kit::new(), &text);
        assert_eq!(told(ask(&chain, &query("example.org. A")).await), expected, "{rcodes}");
    }
    assert_eq!((servfail.asked_udp(), refused.asked_udp(), good.asked_udp()), (3, 2, 1));
}

#[tokio::test]
async fn next_goes_to_the_next_forward_and_the_last_keeps_its_reply() {
    let nxdomain = saying(ResponseCode::NXDomain).await;
    let nodata = saying(ResponseCode::NoError).await;
    let good = answering("192.0.2.1").await;
    let cases = [
        ("next NXDOMAIN", &nxdomain, "example.org. 60 IN A 192.0.2.1"),
        ("next SERVFAIL", &nxdomain, "NXDomain"),
        ("next_on_nodata", &nodata, "example.org. 60 IN A 192.0.2.1"),
        ("next_on_nodata", &nxdomain, "NXDomain"),
        ("", &nodata, "NoError"),
    ];
    for (property, first, expected) in cases {
        let text = format!(
            "forward . {} {{\n{property}\n}}\nforward . {} {{\nnext NOERROR NXDOMAIN\n}}",
            first.address, good.address
        );
        let chain = forward(&Kit::new(), &text);
        assert_eq!(told(ask(&chain, &query("example.org. A")).await), expected, "{property}");
    }
}

#[tokio::test]
async fn max_concurrent_refuses_what_is_too_much() {
    let upstream = StubUpstream::black_hole().await;
    let kit = Kit::new();
    let text =
        format!("forward . {} {{\nmax_concurrent 2\nread_timeout 50ms\n}}", upstream.address);
    let chain = forward(&kit, &text);
    let questions = ["a.example. A", "b.example. A", "c.example. A"].map(query);
    let [a, b, c] = questions.each_ref().map(|question| ask(&chain, question));
    let (a, b, c) = tokio::join!(a, b, c);
    assert!(told(a).starts_with("ServFail"));
    assert!(told(b).starts_with("ServFail"));
    assert_eq!(told(c), "Refused: concurrent queries exceeded maximum 2");
    assert!(kit.metrics.text().contains("coredns_forward_max_concurrent_rejects_total 1\n"));
    assert!(told(ask(&chain, &questions[2]).await).starts_with("ServFail"), "there is room again");
}

#[tokio::test]
async fn durations_are_counted_by_upstream_and_rcode() {
    let upstream = saying(ResponseCode::NXDomain).await;
    let kit = Kit::new();
    let chain = forward(&kit, &format!("forward . {}", upstream.address));
    ask(&chain, &query("example.org. A")).await.unwrap();
    let expected = format!(
        "coredns_proxy_request_duration_seconds_count{{proxy_name=\"forward\",rcode=\"NXDOMAIN\",to=\"{}\"}} 1",
        upstream.address
    );
    assert!(kit.metrics.text().contains(&expected), "{}", kit.metrics.text());
}

#[tokio::test]
async fn a_host_name_is_looked_up_with_the_resolver() {
    let upstream = answering("192.0.2.1").await;
    // The look-up blocks, so its resolver lives on a thread of its own.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let resolver = StubUpstream::start(|query| {
                let mut reply = StubUpstream::reply_to(&query);
                if query.queries[0].query_type() == plugin::proto::rr::RecordType::A {
                    reply.answers = testkit::records("dns.example. 60 IN A 127.0.0.1");
                }
                Some(reply)
            })
            .await;
            send.send(resolver.address).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let resolver = receive.recv().unwrap();
    let port = upstream.address.port();
    let text = format!("forward . dns.example:{port} {{\nresolver {resolver}\n}}");
    let chain = forward(&Kit::new(), &text);
    assert_eq!(told(ask(&chain, &query("example.org. A")).await), "example.org. 60 IN A 192.0.2.1");
}
