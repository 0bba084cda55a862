//! Which replies are kept, where, and for how long.

use plugin::proto::op::{Edns, Message, ResponseCode};
use plugin::proto::rr::RecordType;
use testkit::{Kit, query, record, records};

use super::{Below, SOA_RDATA, advance, ask, background, chain, count, ttl_secs};

type Edit = fn(&mut Message);

#[derive(Clone, Copy, Default)]
struct Case {
    name: &'static str,
    ask: &'static str,
    rcode: Option<ResponseCode>,
    answer: &'static str,
    authority: &'static str,
    additional: &'static str,
    edit: Option<Edit>,
    /// What the first client sees; `None` where there is no record.
    ttl_secs: Option<u32>,
    /// Where it is kept.
    kept: Option<&'static str>,
}

const SOA: &str = "example.org. 30 IN SOA ns.example.org. root.example.org. 1 7200 1800 86400 60";
const A: &str = "www.example.org. 300 IN A 192.0.2.1";
const ASK: &str = "www.example.org. A";

#[tokio::test(start_paused = true)]
async fn what_is_kept_and_for_how_long() {
    let base = Case { ask: ASK, ..Case::default() };
    let nxdomain = Some(ResponseCode::NXDomain);
    let success = Some("success");
    let denial = Some("denial");
    let cases = [
        Case { name: "an answer", answer: A, ttl_secs: Some(300), kept: success, ..base },
        Case {
            name: "the lowest TTL of all sections",
            answer: A,
            authority: "example.org. 200 IN NS ns.example.org.",
            additional: "ns.example.org. 100 IN A 192.0.2.53",
            ttl_secs: Some(100),
            kept: success,
            ..base
        },
        Case {
            name: "a TTL above the maximum",
            answer: "www.example.org. 86400 IN A 192.0.2.1",
            ttl_secs: Some(3600),
            kept: success,
            ..base
        },
        Case {
            name: "a TTL of zero is raised",
            answer: "www.example.org. 0 IN A 192.0.2.1",
            ttl_secs: Some(5),
            kept: success,
            ..base
        },
        Case {
            name: "NXDOMAIN by the TTL of the SOA, not by its MINIMUM",
            rcode: nxdomain,
            authority: SOA,
            ttl_secs: Some(30),
            kept: denial,
            ..base
        },
        Case {
            name: "NXDOMAIN above the maximum",
            rcode: nxdomain,
            authority: "example.org. 7200 IN SOA ns.example.org. root.example.org. 1 2 3 4 5",
            ttl_secs: Some(1800),
            kept: denial,
            ..base
        },
        Case { name: "NXDOMAIN without an SOA", rcode: nxdomain, ..base },
        Case {
            name: "NXDOMAIN with an answer",
            rcode: nxdomain,
            answer: A,
            authority: SOA,
            ttl_secs: Some(5),
            ..base
        },
        Case { name: "NODATA", authority: SOA, ttl_secs: Some(30), kept: denial, ..base },
        Case { name: "NOERROR without any record", kept: success, ..base },
        Case {
            name: "data in the additional section alone",
            additional: "www.example.org. 0 IN A 192.0.2.1",
            ttl_secs: Some(5),
            kept: success,
            ..base
        },
        Case {
            name: "a referral",
            authority: "example.org. 300 IN NS ns.example.org.",
            additional: "ns.example.org. 300 IN A 192.0.2.53",
            ttl_secs: Some(5),
            kept: success,
            ..base
        },
        Case {
            name: "a CNAME chain to the type",
            answer: "www.example.org. 300 IN CNAME WEB.example.org.\nweb.example.org. 60 IN A 192.0.2.1",
            ttl_secs: Some(60),
            kept: success,
            ..base
        },
        Case {
            name: "a CNAME chain out of order, one of them twice",
            answer: "b.example.org. 60 IN A 192.0.2.1\na.example.org. 60 IN CNAME b.example.org.\nwww.example.org. 60 IN CNAME a.example.org.\nwww.example.org. 60 IN CNAME a.example.org.",
            ttl_secs: Some(60),
            kept: success,
            ..base
        },
        Case {
            name: "a CNAME that leads out of the reply",
            answer: "www.example.org. 60 IN CNAME web.example.net.",
            ttl_secs: Some(60),
            ..base
        },
        Case {
            name: "a CNAME that leads out of the reply, with an SOA",
            answer: "www.example.org. 60 IN CNAME web.example.org.",
            authority: SOA,
            ttl_secs: Some(30),
            kept: denial,
            ..base
        },
        Case {
            name: "a CNAME loop",
            answer: "www.example.org. 60 IN CNAME a.example.org.\na.example.org. 60 IN CNAME www.example.org.",
            ttl_secs: Some(60),
            ..base
        },
        Case {
            name: "two canonical names",
            answer: "www.example.org. 60 IN CNAME a.example.org.\nwww.example.org. 60 IN CNAME b.example.org.\na.example.org. 60 IN A 192.0.2.1",
            ttl_secs: Some(60),
            ..base
        },
        Case {
            name: "the type at another owner",
            answer: "other.example.org. 60 IN A 192.0.2.1",
            ttl_secs: Some(60),
            ..base
        },
        Case {
            name: "a CNAME asked for",
            ask: "www.example.org. CNAME",
            answer: "www.example.org. 60 IN CNAME web.example.net.",
            ttl_secs: Some(60),
            kept: success,
            ..base
        },
        Case {
            name: "ANY",
            ask: "www.example.org. ANY",
            answer: "www.example.org. 60 IN TXT text",
            ttl_secs: Some(60),
            kept: success,
            ..base
        },
        Case {
            name: "SERVFAIL",
            rcode: Some(ResponseCode::ServFail),
            authority: SOA,
            ttl_secs: Some(5),
            kept: denial,
            ..base
        },
        Case { name: "NOTIMP", rcode: Some(ResponseCode::NotImp), kept: denial, ..base },
        Case {
            name: "REFUSED",
            rcode: Some(ResponseCode::Refused),
            authority: SOA,
            ttl_secs: Some(5),
            ..base
        },
        Case {
            name: "a reply cut short",
            answer: A,
            edit: Some(|reply| reply.metadata.truncation = true),
            ttl_secs: Some(300),
            ..base
        },
        Case {
            name: "a transfer, whose TTLs are left alone",
            ask: "example.org. AXFR",
            answer: SOA,
            ttl_secs: Some(30),
            ..base
        },
        Case {
            name: "a signature out of date, to somebody who looks at it",
            answer: "www.example.org. 300 IN A 192.0.2.1",
            edit: Some(|reply| {
                add_signature(reply, 1);
                let mut edns = Edns::new();
                edns.set_dnssec_ok(true);
                reply.set_edns(edns);
            }),
            ttl_secs: Some(5),
            ..base
        },
        Case {
            name: "a signature out of date, to somebody who does not",
            answer: A,
            edit: Some(|reply| add_signature(reply, 1)),
            ttl_secs: Some(300),
            kept: success,
            ..base
        },
        Case {
            name: "a signature that holds",
            answer: A,
            edit: Some(|reply| {
                let now = u32::try_from(plugin::clock::unix_now().as_secs()).unwrap();
                add_signature(reply, now + 3600);
                let mut edns = Edns::new();
                edns.set_dnssec_ok(true);
                reply.set_edns(edns);
            }),
            ttl_secs: Some(300),
            kept: success,
            ..base
        },
    ];
    for case in cases {
        let kit = Kit::new();
        let below = Below::address(0);
        below.answers(move |request| {
            let mut reply = request.reply_with(case.rcode.unwrap_or(ResponseCode::NoError));
            reply.answers = records(case.answer);
            reply.authorities = records(case.authority);
            reply.additionals = records(case.additional);
            if let Some(edit) = case.edit {
                edit(&mut reply);
            }
            reply
        });
        let chain = chain(&kit, "cache", &below);
        let query = query(case.ask).edns(1232);
        let reply = ask(&chain, &query).await;
        assert!(
            reply.message().unwrap().edns.is_none(),
            "{}: OPT is between neighbours",
            case.name
        );
        let seen = reply.message().unwrap().all_sections().next().is_some();
        assert_eq!(seen.then(|| ttl_secs(&reply)), case.ttl_secs, "{}", case.name);
        ask(&chain, &query).await;
        let is_kept = below.n_asked() == 1;
        assert_eq!(is_kept, case.kept.is_some(), "{}", case.name);
        for class in ["success", "denial"] {
            let expected = u64::from(case.kept == Some(class));
            let label = format!("type=\"{class}\"");
            let hits = count(&kit, "coredns_cache_hits_total", &[&label]);
            assert_eq!(hits, expected, "{}: hits of {class}", case.name);
            let entries = count(&kit, "coredns_cache_entries", &[&label]);
            assert_eq!(entries, expected, "{}: entries of {class}", case.name);
        }
        assert_eq!(count(&kit, "coredns_cache_drops_total", &[]), 0, "{}", case.name);
        // It is kept for exactly that long.
        if is_kept {
            advance(f64::from(case.ttl_secs.unwrap_or(5)) - 0.1).await;
            ask(&chain, &query).await;
            assert_eq!(below.n_asked(), 1, "{}: just before expiry", case.name);
            advance(0.1).await;
            ask(&chain, &query).await;
            assert_eq!(below.n_asked(), 2, "{}: at expiry", case.name);
        }
    }
}

/// An RRSIG that began in 1970 and ends then; its other fields mean nothing.
fn add_signature(reply: &mut Message, expiration: u32) {
    use plugin::proto::rr::RData;
    use plugin::proto::rr::rdata::NULL;
    let mut rdata = vec![0, 1, 8, 2, 0, 0, 1, 44];
    rdata.extend(expiration.to_be_bytes());
    rdata.extend(0_u32.to_be_bytes());
    rdata.extend([0, 1, 0, 1, 2, 3, 4]);
    let mut record = record("www.example.org. 300 IN A 192.0.2.1");
    record.data = RData::Unknown { code: RecordType::RRSIG, rdata: NULL::with(rdata) };
    reply.answers.push(record);
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_ttl_are_obeyed() {
    let cases = [
        ("cache 10", 300, 10),
        ("cache 10", 7, 7),
        ("cache 3", 300, 3),
        ("cache {\n success 5000 7200\n}", 90_000, 7200),
        ("cache {\n success 5000 600 30\n}", 5, 30),
        ("cache {\n success 5000 10 30\n}", 5, 10),
        ("cache {\n success 5000 600 0\n}", 1, 1),
    ];
    for (text, below_secs, expected) in cases {
        let below = Below::address(below_secs);
        let chain = chain(&Kit::new(), text, &below);
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), expected, "{text}");
    }
    let cases = [("cache {\n denial 5000 20\n}", 60, 20), ("cache {\n denial 5000 60 9\n}", 1, 9)];
    for (text, below_secs, expected) in cases {
        let below = Below::address(0);
        below.denies(ResponseCode::NXDomain, below_secs);
        let chain = chain(&Kit::new(), text, &below);
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), expected, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_no_duration_is_not_kept() {
    let cases = [
        ("cache {\n success 5000 600 0\n}", ResponseCode::NoError),
        ("cache {\n denial 5000 600 0\n}", ResponseCode::NXDomain),
        ("cache {\n servfail 0\n}", ResponseCode::ServFail),
        ("cache {\n servfail 900ms\n}", ResponseCode::ServFail),
    ];
    for (text, rcode) in cases {
        let below = Below::address(0);
        if rcode != ResponseCode::NoError {
            below.denies(rcode, 0);
        }
        let chain = chain(&Kit::new(), text, &below);
        for n_asked in [1, 2] {
            ask(&chain, &query(ASK)).await;
            assert_eq!(below.n_asked(), n_asked, "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_plugins_are_passed_on_and_not_kept() {
    let kit = Kit::new();
    let below = Below::address(0);
    below.fails();
    let chain = chain(&kit, "cache", &below);
    for _ in 0..2 {
        let error = testkit::ask(&chain, &query(ASK)).await.unwrap_err();
        assert_eq!(error.to_string(), "out of order");
    }
    assert_eq!(below.n_asked(), 2);
    assert_eq!(count(&kit, "coredns_cache_misses_total", &[]), 2);
}

#[tokio::test(start_paused = true)]
async fn replies_to_another_question_are_dropped() {
    let edits: [(&str, Edit); 5] = [
        ("no question", |reply| reply.queries.clear()),
        ("two questions", |reply| {
            let question = reply.queries[0].clone();
            reply.queries.push(question);
        }),
        ("another name", |reply| {
            reply.queries[0].set_name("example.net.".parse().unwrap());
            reply.answers = records("example.net. 60 IN A 192.0.2.1");
        }),
        ("another type", |reply| {
            reply.queries[0].set_query_type(RecordType::AAAA);
            reply.answers = records("www.example.org. 60 IN AAAA 2001:db8::1");
        }),
        ("a query", |reply| {
            reply.metadata.message_type = plugin::proto::op::MessageType::Query;
        }),
    ];
    for (name, edit) in edits {
        let kit = Kit::new();
        let below = Below::address(0);
        below.answers(move |request| {
            let mut reply = request.reply();
            reply.authorities = records(&format!("example.org. 30 IN SOA {SOA_RDATA}"));
            edit(&mut reply);
            reply
        });
        let chain = chain(&kit, "cache", &below);
        ask(&chain, &query(ASK)).await;
        ask(&chain, &query(ASK)).await;
        assert_eq!(below.n_asked(), 2, "{name}");
        assert_eq!(count(&kit, "coredns_cache_drops_total", &[]), 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn zones_can_be_left_out() {
    let text =
        "cache example.org {\n disable success a.example.org\n disable denial b.example.org\n}";
    let cases = [
        ("www.example.org. A", false, true),
        ("www.example.org. A", true, true),
        ("www.A.example.org. A", false, false),
        ("www.a.example.org. A", true, true),
        ("b.example.org. A", false, true),
        ("b.example.org. A", true, false),
        ("example.net. A", false, false),
        ("example.net. A", true, false),
    ];
    for (question, denies, is_kept) in cases {
        let below = Below::address(60);
        if denies {
            below.denies(ResponseCode::NXDomain, 60);
        }
        let chain = chain(&Kit::new(), text, &below);
        ask(&chain, &query(question)).await;
        ask(&chain, &query(question)).await;
        assert_eq!(below.n_asked() == 1, is_kept, "{question}, denied: {denies}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_never_kept_is_counted_all_the_same() {
    let kit = Kit::new();
    let below = Below::address(0);
    let text = "cache {\n disable success cluster.local\n disable denial cluster.local\n}";
    let chain = chain(&kit, text, &below);
    for _ in 0..2 {
        let reply = ask(&chain, &query("web.shop.svc.cluster.local. A")).await;
        assert_eq!(ttl_secs(&reply), 5, "TTLs are made one and raised as for other names");
    }
    assert_eq!(below.n_asked(), 2);
    assert_eq!(count(&kit, "coredns_cache_requests_total", &[]), 2);
    assert_eq!(count(&kit, "coredns_cache_misses_total", &[]), 2);
    assert_eq!(count(&kit, "coredns_cache_entries", &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn names_outside_the_zones_pass_untouched_and_uncounted() {
    let kit = Kit::new();
    let below = Below::address(0);
    let chain = chain(&kit, "cache example.org", &below);
    let reply = ask(&chain, &query("example.net. A")).await;
    assert_eq!(ttl_secs(&reply), 0);
    assert!(!below.last_asked().message().metadata.authentic_data);
    assert!(!kit.metrics.text().contains("coredns_cache_requests_total{"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_the_denial_before_it() {
    let kit = Kit::new();
    let below = Below::address(60);
    below.denies(ResponseCode::NXDomain, 10);
    let chain = chain(&kit, "cache", &below);
    ask(&chain, &query(ASK)).await;
    assert_eq!(count(&kit, "coredns_cache_entries", &["type=\"denial\""]), 1);
    advance(10.0).await;
    below.answers(|request| {
        let mut reply = request.reply();
        reply.answers = records(A);
        reply
    });
    ask(&chain, &query(ASK)).await;
    assert_eq!(count(&kit, "coredns_cache_entries", &["type=\"denial\""]), 0);
    assert_eq!(count(&kit, "coredns_cache_entries", &["type=\"success\""]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_does_not_hide_an_answer() {
    let below = Below::address(30);
    let chain = chain(&Kit::new(), "cache {\n prefetch 1 1m 90%\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(10.0).await;
    // The refresh fails, and its failure is kept beside the answer.
    below.denies(ResponseCode::ServFail, 60);
    ask(&chain, &query(ASK)).await;
    background().await;
    assert_eq!(below.n_asked(), 2);
    let reply = ask(&chain, &query(ASK)).await;
    assert_eq!(reply.rcode(), ResponseCode::NoError);
}

#[tokio::test(start_paused = true)]
async fn silence_is_passed_on() {
    let below = Below::address(0);
    below.replies(|_| plugin::Reply::silence());
    let chain = chain(&Kit::new(), "cache", &below);
    assert!(ask(&chain, &query(ASK)).await.message().is_none());
    assert!(ask(&chain, &query(ASK)).await.message().is_none());
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_asked_once_do_not_push_out_names_in_use() {
    let kit = Kit::new();
    let below = Below::address(3600);
    let chain = chain(&kit, "cache {\n success 1024\n}", &below);
    let hot: Vec<_> = (0..700).map(|n| query(&format!("hot{n}.example.org. A"))).collect();
    for _ in 0..4 {
        for query in &hot {
            ask(&chain, query).await;
        }
    }
    // Between two queries for one name there are 1400 for others: to evict the oldest, or any, would
    // lose most of them.
    let mut n_lost = 0;
    for n in 0..5600 {
        ask(&chain, &query(&format!("random{n}.example.org. A"))).await;
        ask(&chain, &query(&format!("random{n}.example.net. A"))).await;
        let before = below.n_asked();
        ask(&chain, &hot[n % hot.len()]).await;
        n_lost += below.n_asked() - before;
    }
    assert!(n_lost < 56, "{n_lost} of 5600 queries for names in use were misses");
    let entries = count(&kit, "coredns_cache_entries", &["type=\"success\""]);
    assert!(entries <= 1024, "{entries}");
    let evictions = count(&kit, "coredns_cache_evictions_total", &["type=\"success\""]);
    assert!(evictions > 9000, "{evictions}");
    assert_eq!(count(&kit, "coredns_cache_evictions_total", &["type=\"denial\""]), 0);
}

#[tokio::test(start_paused = true)]
async fn large_replies_share_a_bounded_room() {
    let kit = Kit::new();
    let below = Below::address(0);
    let text = format!("\"{}\"", "x".repeat(250));
    below.answers(move |request| {
        let mut reply = request.reply();
        let line = format!("{} 60 IN TXT {text}", request.qname());
        let is_large = request.qname().to_ascii().starts_with("large");
        reply.answers = vec![record(&line); if is_large { 16 } else { 1 }];
        reply
    });
    let chain = chain(&kit, "cache {\n success 1024\n}", &below);
    for n in 0..600 {
        ask(&chain, &query(&format!("large{n}.example.org. TXT"))).await;
    }
    // Each is a little above 4 KiB, and there is 1 MiB for all.
    let entries = count(&kit, "coredns_cache_entries", &["type=\"success\""]);
    assert!((200..=256).contains(&entries), "{entries}");
    for n in 0..600 {
        ask(&chain, &query(&format!("small{n}.example.org. TXT"))).await;
    }
    assert_eq!(count(&kit, "coredns_cache_entries", &["type=\"success\""]), entries + 600);
}
