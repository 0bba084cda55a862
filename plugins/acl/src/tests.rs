use std::sync::Arc;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use plugin::{Chain, Plugin, Replay};
use testkit::{Kit, Table, ask, query};

use super::PLUGIN;

fn chain(kit: &Kit, text: &str) -> Chain {
    let acl = kit.plugin(&PLUGIN, text).unwrap();
    let table = Table::new("www.example.org. 60 IN A 192.0.2.1");
    Chain::new([("acl", acl), ("table", Arc::new(table).link())])
}

/// What became of a query, in a word.
async fn verdict(text: &str, question: &str, client: &str) -> &'static str {
    let query = query(question).client(&format!("{client}:53000"));
    let reply = ask(&chain(&Kit::new(), text), &query).await.unwrap();
    if reply.answered_by() == Some("table") {
        return "allowed";
    }
    let Some(message) = reply.message() else { return "dropped" };
    assert!(message.answers.is_empty() && !message.metadata.authoritative, "{text}");
    let edns = message.edns.as_ref().unwrap();
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (4096, true), "{text}");
    let ede = edns.option(EdnsCode::from(15)).unwrap();
    match message.metadata.response_code {
        ResponseCode::Refused => {
            assert_eq!(*ede, EdnsOption::Unknown(15, vec![0, 15]), "{text}");
            "blocked"
        }
        ResponseCode::NoError => {
            assert_eq!(*ede, EdnsOption::Unknown(15, vec![0, 17]), "{text}");
            "filtered"
        }
        rcode => panic!("{text}: {rcode}"),
    }
}

#[tokio::test]
async fn the_first_policy_that_matches_decides() {
    let net = "192.168.0.0/16";
    let cases: &[(&str, &str, &str, &str)] = &[
        ("acl", "www.example.org. A", "192.168.0.7", "allowed"),
        ("acl {\n}", "www.example.org. A", "192.168.0.7", "allowed"),
        ("acl {\n block type A net NET\n}", "www.example.org. A", "192.168.0.7", "blocked"),
        ("acl {\n block type A net NET\n}", "www.example.org. AAAA", "192.168.0.7", "allowed"),
        ("acl {\n block type A net NET\n}", "www.example.org. A", "10.1.2.3", "allowed"),
        ("acl {\n block net NET type A\n}", "www.example.org. A", "192.168.0.7", "blocked"),
        ("acl {\n BLOCK Type A Net NET\n}", "www.example.org. A", "192.168.0.7", "blocked"),
        ("acl {\n filter type A net NET\n}", "www.example.org. A", "192.168.0.7", "filtered"),
        ("acl {\n drop net NET\n}", "www.example.org. A", "192.168.0.7", "dropped"),
        ("acl {\n drop net NET\n}", "www.example.org. A", "192.169.0.7", "allowed"),
        ("acl {\n block\n}", "www.example.org. A", "2001:db8::1", "blocked"),
        ("acl {\n block type A MX\n}", "www.example.org. MX", "10.1.2.3", "blocked"),
        ("acl {\n block type A type MX\n}", "www.example.org. A", "10.1.2.3", "blocked"),
        ("acl {\n block type *\n}", "www.example.org. MX", "10.1.2.3", "blocked"),
        ("acl {\n block type A * nonsense\n}", "www.example.org. MX", "10.1.2.3", "blocked"),
        ("acl {\n block net NET *\n}", "www.example.org. A", "10.1.2.3", "blocked"),
        ("acl {\n block net 10.1.2.3\n}", "www.example.org. A", "10.1.2.3", "blocked"),
        ("acl {\n block net 10.1.2.3\n}", "www.example.org. A", "10.1.2.4", "allowed"),
        ("acl {\n block net 10.1.2.3/8\n}", "www.example.org. A", "10.9.9.9", "blocked"),
        (
            "acl {\n allow net 192.168.1.0/24\n block net NET\n}",
            "www.example.org. A",
            "192.168.1.5",
            "allowed",
        ),
        (
            "acl {\n allow net 192.168.1.0/24\n block net NET\n}",
            "www.example.org. A",
            "192.168.2.5",
            "blocked",
        ),
        (
            "acl {\n allow net 192.168.0.0/24 192.168.1.0/24\n block\n}",
            "www.example.org. A",
            "192.168.1.5",
            "allowed",
        ),
        (
            "acl {\n allow net 192.168.0.0/24 192.168.1.0/24\n block\n}",
            "www.example.org. A",
            "192.168.2.5",
            "blocked",
        ),
        ("acl {\n block net 2001:db8::/32\n}", "www.example.org. A", "[2001:db8::1]", "blocked"),
        ("acl {\n block net 2001:db8::/32\n}", "www.example.org. A", "[2001:db9::1]", "allowed"),
        ("acl {\n block net NET\n}", "www.example.org. A", "[::ffff:192.168.0.7]", "blocked"),
        ("acl {\n block net 0.0.0.0/0\n}", "www.example.org. A", "[2001:db8::1]", "allowed"),
    ];
    for (text, question, client, expected) in cases {
        let text = text.replace("NET", net);
        // Where the address has no brackets and colons it needs them.
        let client = match client.parse::<std::net::Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]"),
            Err(_) => (*client).to_owned(),
        };
        assert_eq!(verdict(&text, question, &client).await, *expected, "{text}: {client}");
    }
}

#[tokio::test]
async fn a_rule_is_about_its_zones_and_the_next_rule_is_asked_where_it_says_nothing() {
    let text = "acl a.example.org {\n block net 192.168.1.0/24\n}\n\
                acl example.org EXAMPLE.com {\n allow net 192.168.2.0/24\n filter\n}";
    let cases = [
        ("a.example.org. A", "192.168.1.5", "blocked"),
        ("b.A.example.ORG. A", "192.168.1.5", "blocked"),
        ("a.example.org. A", "192.168.3.5", "filtered"),
        ("a.example.org. A", "192.168.2.5", "allowed"),
        ("aa.example.org. A", "192.168.1.5", "filtered"),
        ("www.example.com. A", "192.168.1.5", "filtered"),
        ("www.example.net. A", "192.168.1.5", "allowed"),
    ];
    for (question, client, expected) in cases {
        assert_eq!(verdict(text, question, client).await, expected, "{question} {client}");
    }
}

#[tokio::test]
async fn without_zones_a_rule_is_about_the_zones_of_the_block() {
    let kit = Kit::new().zones(&["example.org."]);
    let chain = chain(&kit, "acl {\n block\n}");
    for (question, answered_by) in [("www.example.org. A", "acl"), ("www.example.com. A", "table")]
    {
        let reply = ask(&chain, &query(question)).await.unwrap();
        assert_eq!(reply.answered_by(), Some(answered_by), "{question}");
    }
}

#[tokio::test]
async fn decisions_are_counted_by_zone_and_replays_count_too() {
    let kit = Kit::new();
    let text = "acl example.org {\n block type A\n filter type MX\n drop type TXT\n}";
    let chain = chain(&kit, text);
    for qtype in ["A", "A", "MX", "TXT", "SRV"] {
        let reply = ask(&chain, &query(&format!("www.Example.org. {qtype}"))).await.unwrap();
        assert_eq!(reply.tallies().len(), 1, "{qtype}");
    }
    let metrics = kit.metrics.text();
    for line in [
        "coredns_acl_blocked_requests_total{server=\"dns://:53\",view=\"\",zone=\"example.org.\"} 2",
        "coredns_acl_filtered_requests_total{server=\"dns://:53\",view=\"\",zone=\"example.org.\"} 1",
        "coredns_acl_dropped_requests_total{server=\"dns://:53\",view=\"\",zone=\"example.org.\"} 1",
        "coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
}

#[tokio::test]
async fn allowed_queries_that_fail_are_counted_as_allowed() {
    let kit = Kit::new();
    let acl = kit.plugin(&PLUGIN, "acl {\n allow\n}").unwrap();
    let table = Arc::new(Table::new("").failing());
    let chain = Chain::new([("acl", acl), ("table", table.link())]);
    assert!(ask(&chain, &query("www.example.org. A")).await.is_err());
    let expected = "coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"} 1";
    assert!(kit.metrics.text().contains(expected));
}

#[tokio::test]
async fn replies_are_replayed_only_where_no_rule_looks_at_the_client() {
    let cases = [
        ("acl {\n block type A\n}", true),
        ("acl {\n block net *\n}", true),
        ("acl {\n block type A net 10.0.0.0/8\n}", false),
        ("acl {\n block\n}\nacl example.com {\n allow net 10.0.0.0/8\n}", false),
    ];
    for (text, is_pure) in cases {
        let acl: Arc<dyn Plugin> = Kit::new().plugin(&PLUGIN, text).unwrap();
        assert_eq!(acl.is_pure(), is_pure, "{text}");
        let reply = ask(&Chain::new([("acl", acl)]), &query("www.example.org. A")).await.unwrap();
        assert_eq!(matches!(reply.replay(), Replay::While(_)), is_pure, "{text}");
    }
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("acl {\n deny\n}", "unknown property `deny` of `acl`"),
        ("acl {\n blok net 192.0.2.0/24\n}", "did you mean `block`?"),
        ("acl {\n block 192.0.2.0/24\n}", "expected `type` or `net`, not `192.0.2.0/24`"),
        ("acl {\n block type\n}", "nothing stands after `type`"),
        ("acl {\n block type net 192.0.2.0/24\n}", "nothing stands after `type`"),
        ("acl {\n block type A net\n}", "nothing stands after `net`"),
        ("acl {\n block type a\n}", "expected a record type, not `a`"),
        ("acl {\n block type ABC\n}", "expected a record type, not `ABC`"),
        ("acl {\n block type TYPE299\n}", "expected a record type, not `TYPE299`"),
        ("acl {\n block net 192.0.2.0/33\n}", "expected a network or an address"),
        ("acl {\n block net 192.0.2.0/+8\n}", "expected a network or an address"),
        ("acl {\n block net 192.0.2/24\n}", "expected a network or an address"),
        ("acl {\n block net 192.0.2.0/\n}", "expected a network or an address"),
        ("acl {\n block net 2001:db8::/129\n}", "expected a network or an address"),
        ("acl {\n block net fe80::1%eth0\n}", "expected a network or an address"),
        ("acl {\n block net example.org\n}", "expected a network or an address"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

#[test]
fn every_mistake_is_shown() {
    let text = "acl {\n deny\n block type\n}\nacl {\n block net x\n}";
    let diagnostics = testkit::rendered(&PLUGIN, text);
    assert_eq!(diagnostics.matches("error: ").count(), 3, "{diagnostics}");
}

#[test]
fn types_have_the_names_that_log_lines_show() {
    for name in ["A", "ANY", "AXFR", "HTTPS", "LOC", "NSAP-PTR", "DLV", "CAA"] {
        let text = format!("acl {{\n block type {name}\n}}");
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, &text) {
            panic!("{diagnostics}");
        }
    }
}
