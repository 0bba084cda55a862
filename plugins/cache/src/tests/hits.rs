//! What clients get from the cache.

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::DNSClass;
use plugin::{Ede, Request};
use testkit::{Kit, Query, lines, query, records};

use super::{Below, advance, ask, chain, count, ttl_secs};

const ASK: &str = "www.example.org. A";

#[tokio::test(start_paused = true)]
async fn ttls_count_down_by_whole_seconds() {
    let below = Below::address(300);
    let chain = chain(&Kit::new(), "cache 30", &below);
    assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 30);
    for (secs, left) in [(0.0, 30), (0.9, 30), (0.1, 29), (10.0, 19), (18.9, 1), (0.1, 30)] {
        advance(secs).await;
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), left, "{secs} s later");
    }
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keepttl_shows_the_ttl_as_stored() {
    let below = Below::address(300);
    let chain = chain(&Kit::new(), "cache 30 {\n keepttl\n}", &below);
    for _ in 0..3 {
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 30);
        advance(9.0).await;
    }
    assert_eq!(below.n_asked(), 1);
    advance(3.0).await;
    ask(&chain, &query(ASK)).await;
    assert_eq!(below.n_asked(), 2, "it expires all the same");
}

#[tokio::test(start_paused = true)]
async fn a_hit_has_all_sections_and_the_question_of_its_client() {
    let below = Below::address(0);
    below.answers(|request| {
        let mut reply = request.reply();
        reply.metadata.recursion_available = true;
        reply.answers = records(
            "www.example.org. 60 IN CNAME web.example.org.\nWeb.example.org. 60 IN A 192.0.2.1",
        );
        reply.authorities = records("example.org. 60 IN NS ns.example.org.");
        reply.additionals = records("ns.example.org. 60 IN AAAA 2001:db8::53");
        reply
    });
    let chain = chain(&Kit::new(), "cache", &below);
    ask(&chain, &query(ASK)).await;
    let asked = query("WWW.example.ORG. A").edit(|message| {
        message.metadata.id = 42;
        message.metadata.recursion_desired = false;
    });
    let reply = ask(&chain, &asked).await;
    assert_eq!(below.n_asked(), 1);
    let message = reply.message().unwrap();
    let metadata = &message.metadata;
    assert_eq!(metadata.id, 42);
    assert!(metadata.authoritative && metadata.recursion_available);
    assert!(!metadata.recursion_desired && !metadata.truncation);
    assert_eq!(message.queries[0].name().to_ascii(), "WWW.example.ORG.");
    assert_eq!(
        lines(&message.answers),
        ["www.example.org. 60 IN CNAME web.example.org.", "Web.example.org. 60 IN A 192.0.2.1"]
    );
    assert_eq!(lines(&message.authorities), ["example.org. 60 IN NS ns.example.org."]);
    assert_eq!(lines(&message.additionals), ["ns.example.org. 60 IN AAAA 2001:db8::53"]);
    assert_eq!(reply.answered_by(), Some("cache"));
}

#[tokio::test(start_paused = true)]
async fn what_makes_another_entry() {
    let same: [(&str, Query); 4] = [
        ("letter case", query("WwW.eXaMpLe.OrG. A")),
        ("EDNS without DO", query(ASK).edns(4096)),
        ("TCP", query(ASK).tcp()),
        ("AD", query(ASK).edit(|message| message.metadata.authentic_data = true)),
    ];
    let other: [(&str, Query); 5] = [
        ("name", query("ww.wexample.org. A")),
        ("type", query("www.example.org. AAAA")),
        ("class", query(ASK).class(DNSClass::CH)),
        ("DO", query(ASK).dnssec_ok()),
        ("CD", query(ASK).edit(|message| message.metadata.checking_disabled = true)),
    ];
    let cases = same.map(|case| (case, 1)).into_iter().chain(other.map(|case| (case, 2)));
    for ((name, asked), n_asked) in cases {
        let below = Below::address(0);
        below.answers(Request::reply);
        let chain = chain(&Kit::new(), "cache", &below);
        ask(&chain, &query(ASK)).await;
        ask(&chain, &asked).await;
        assert_eq!(below.n_asked(), n_asked, "{name}");
        ask(&chain, &asked).await;
        assert_eq!(below.n_asked(), n_asked, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn views_do_not_share_entries() {
    let below = Below::address(60);
    let chain = chain(&Kit::new(), "cache", &below);
    for (view, n_asked) in [("inside", 1), ("outside", 2), ("inside", 2), ("outside", 2)] {
        let plain = query(ASK).request();
        let request = Request::new(
            plain.message().clone(),
            *plain.origin(),
            plain.server().clone(),
            plain.zone().clone(),
            view.into(),
            plain.resolver().clone(),
        );
        chain.serve(&request).await.unwrap();
        assert_eq!(below.n_asked(), n_asked, "{view}");
    }
}

struct Case {
    name: &'static str,
    queries: [(Query, bool); 2],
    is_authentic: bool,
}

#[tokio::test(start_paused = true)]
async fn the_ad_bit_is_for_those_who_asked_for_it() {
    let with_ad = || query(ASK).edit(|message| message.metadata.authentic_data = true);
    let with_do = || query(ASK).dnssec_ok();
    let cases = [
        Case {
            name: "AD after none",
            queries: [(query(ASK), false), (with_ad(), true)],
            is_authentic: true,
        },
        Case {
            name: "none after AD",
            queries: [(with_ad(), true), (query(ASK), false)],
            is_authentic: true,
        },
        Case { name: "DO", queries: [(with_do(), true), (with_do(), true)], is_authentic: true },
        Case {
            name: "not authentic",
            queries: [(with_ad(), false), (with_ad(), false)],
            is_authentic: false,
        },
    ];
    for Case { name, queries, is_authentic } in cases {
        let below = Below::address(0);
        below.answers(move |request| {
            let mut reply = request.reply();
            reply.metadata.authentic_data = is_authentic;
            reply
        });
        let chain = chain(&Kit::new(), "cache", &below);
        for (asked, expected) in queries {
            let reply = ask(&chain, &asked).await;
            assert_eq!(reply.message().unwrap().metadata.authentic_data, expected, "{name}");
        }
        assert_eq!(below.n_asked(), 1, "{name}");
        assert!(below.last_asked().message().metadata.authentic_data, "{name}: it asks for AD");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_failure_says_so() {
    let below = Below::address(0);
    below.denies(ResponseCode::ServFail, 0);
    let chain = chain(&Kit::new(), "cache", &below);
    let reply = ask(&chain, &query(ASK).edns(1232)).await;
    assert!(reply.edes().is_empty());
    let reply = ask(&chain, &query(ASK).edns(1232)).await;
    assert_eq!(reply.rcode(), ResponseCode::ServFail);
    assert_eq!(reply.edes(), [Ede::new(Ede::CACHED_ERROR, "")]);
}

#[tokio::test(start_paused = true)]
async fn metrics_have_the_names_and_labels_of_dashboards() {
    let kit = Kit::new().zones(&["example.org.", "example.net."]);
    let below = Below::address(60);
    let chain = chain(&kit, "cache", &below);
    for _ in 0..3 {
        ask(&chain, &query(ASK)).await;
    }
    below.denies(ResponseCode::NXDomain, 60);
    for _ in 0..2 {
        ask(&chain, &query("nx.example.net. A")).await;
    }
    let text = kit.metrics.text();
    let expected = [
        r#"coredns_cache_entries{server="dns://:53",type="denial",view="",zones="example.org.,example.net."} 1"#,
        r#"coredns_cache_entries{server="dns://:53",type="success",view="",zones="example.org.,example.net."} 1"#,
        r#"coredns_cache_requests_total{server="dns://:53",view="",zones="example.org.,example.net."} 5"#,
        r#"coredns_cache_hits_total{server="dns://:53",type="denial",view="",zones="example.org.,example.net."} 1"#,
        r#"coredns_cache_hits_total{server="dns://:53",type="success",view="",zones="example.org.,example.net."} 2"#,
        r#"coredns_cache_misses_total{server="dns://:53",view="",zones="example.org.,example.net."} 2"#,
        r#"coredns_cache_drops_total{server="dns://:53",view="",zones="example.org.,example.net."} 0"#,
        r#"coredns_cache_prefetch_total{server="dns://:53",view="",zones="example.org.,example.net."} 0"#,
        r#"coredns_cache_served_stale_total{server="dns://:53",view="",zones="example.org.,example.net."} 0"#,
        r#"coredns_cache_evictions_total{server="dns://:53",type="success",view="",zones="example.org.,example.net."} 0"#,
    ];
    for line in expected {
        assert!(text.lines().any(|l| l == line), "`{line}` is missing in\n{text}");
    }
    assert_eq!(count(&kit, "coredns_cache_requests_total", &[]), 5);
}
