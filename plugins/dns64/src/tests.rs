use std::sync::Arc;

use plugin::proto::op::{Message, ResponseCode};
use plugin::{Chain, Replay};
use testkit::{Kit, Query, Table, ask, lines, query, records};

use super::PLUGIN;

const V6: &str = "[2001:db8::7]:53000";
const RECORDS: &str = "
v4.example.org. 300 IN A 192.0.2.1
v4.example.org. 90 IN A 192.0.2.2
alias.example.org. 300 IN CNAME v4.example.org.
both.example.org. 300 IN A 192.0.2.3
both.example.org. 300 IN AAAA 2001:db8::6
";
const SOA: &str = "example.org. 120 IN SOA ns.example.org. root.example.org. 1 2 3 4 60";

fn chain(kit: &Kit, text: &str, edit: impl Fn(&mut Message) + Send + Sync + 'static) -> Chain {
    let dns64 = kit.plugin(&PLUGIN, text).unwrap();
    let table = Table::new(RECORDS).edit(move |request, reply| {
        if reply.metadata.response_code == ResponseCode::NXDomain {
            let is_there = ["v4.", "none."]
                .iter()
                .any(|name| request.qname().to_lowercase().to_string().starts_with(name));
            reply.authorities = records(SOA);
            if is_there {
                reply.metadata.response_code = ResponseCode::NoError;
            }
        }
        reply.metadata.authoritative = true;
        reply.metadata.recursion_available = true;
        edit(reply);
    });
    Chain::new([("dns64", dns64), ("table", Arc::new(table).link())])
}

async fn message(chain: &Chain, query: &Query) -> Message {
    ask(chain, query).await.unwrap().into_message().unwrap()
}

#[tokio::test]
async fn addresses_are_made_where_there_are_none() {
    let cases: &[(&str, &[&str])] = &[
        (
            "v4.example.org. AAAA",
            &[
                "v4.example.org. 120 IN AAAA 64:ff9b::c000:201",
                "v4.example.org. 90 IN AAAA 64:ff9b::c000:202",
            ],
        ),
        ("both.example.org. AAAA", &["both.example.org. 300 IN AAAA 2001:db8::6"]),
        ("none.example.org. AAAA", &[]),
        (
            "v4.example.org. A",
            &["v4.example.org. 300 IN A 192.0.2.1", "v4.example.org. 90 IN A 192.0.2.2"],
        ),
    ];
    let chain = chain(&Kit::new(), "dns64", |_| ());
    for (question, expected) in cases {
        let reply = message(&chain, &query(question).client(V6)).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{question}");
        assert_eq!(lines(&reply.answers), *expected, "{question}");
    }
}

#[tokio::test]
async fn a_synthesized_reply_has_flags_of_its_own() {
    let chain = chain(&Kit::new(), "dns64", |reply| reply.metadata.truncation = true);
    let reply = message(&chain, &query("V4.example.org. AAAA").client(V6)).await;
    assert_eq!(reply.queries[0].to_string(), "V4.example.org. IN AAAA");
    let header = reply.metadata;
    assert!(header.recursion_desired && header.truncation);
    assert!(!header.authoritative && !header.recursion_available);
}

#[tokio::test]
async fn nxdomain_is_passed_on_and_other_errors_are_as_no_data() {
    let nowhere = chain(&Kit::new(), "dns64", |_| ());
    let reply = message(&nowhere, &query("nowhere.example.org. AAAA").client(V6)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert!(reply.metadata.authoritative, "as it is");
    let failing = chain(&Kit::new(), "dns64", |reply| {
        if reply.answers.is_empty() {
            reply.metadata.response_code = ResponseCode::ServFail;
            reply.authorities.clear();
        }
    });
    let reply = message(&failing, &query("v4.example.org. AAAA").client(V6)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    // No SOA record: ten minutes at the most.
    assert_eq!(lines(&reply.answers)[0], "v4.example.org. 300 IN AAAA 64:ff9b::c000:201");
}

#[tokio::test]
async fn without_an_soa_record_addresses_hold_for_ten_minutes() {
    let chain = chain(&Kit::new(), "dns64", |reply| {
        reply.authorities.clear();
        reply.answers.iter_mut().for_each(|record| record.ttl = 3600);
    });
    let reply = message(&chain, &query("v4.example.org. AAAA").client(V6)).await;
    assert_eq!(lines(&reply.answers)[0], "v4.example.org. 600 IN AAAA 64:ff9b::c000:201");
}

#[tokio::test]
async fn other_records_of_the_a_reply_are_passed_on() {
    let chain = chain(&Kit::new(), "dns64", |reply| {
        if !reply.answers.is_empty() {
            reply.answers.insert(0, testkit::record("a.example.org. 9 IN CNAME v4.example.org."));
            reply.authorities = records("example.org. 7 IN NS ns.example.org.");
            reply.additionals = records("ns.example.org. 8 IN A 192.0.2.53");
        }
    });
    let reply = message(&chain, &query("v4.example.org. AAAA").client(V6)).await;
    assert_eq!(lines(&reply.answers)[0], "a.example.org. 9 IN CNAME v4.example.org.");
    assert_eq!(reply.answers.len(), 3);
    assert_eq!(lines(&reply.authorities), ["example.org. 7 IN NS ns.example.org."]);
    assert_eq!(lines(&reply.additionals), ["ns.example.org. 8 IN A 192.0.2.53"]);
}

#[tokio::test]
async fn clients_by_ipv4_get_made_addresses_only_where_allowed() {
    let cases = [
        ("dns64", V6, 2),
        ("dns64", "10.240.0.1:53000", 0),
        ("dns64", "[::ffff:10.240.0.1]:53000", 0),
        ("dns64 {\n allow_ipv4\n}", "10.240.0.1:53000", 2),
        ("dns64 {\n allow_ipv4\n}", V6, 2),
    ];
    for (text, client, n_answers) in cases {
        let chain = chain(&Kit::new(), text, |_| ());
        let reply = ask(&chain, &query("v4.example.org. AAAA").client(client)).await.unwrap();
        assert_eq!(reply.message().unwrap().answers.len(), n_answers, "{text} {client}");
        assert!(matches!(reply.replay(), Replay::Never), "{text} {client}");
    }
}

#[tokio::test]
async fn translate_all_prefers_made_addresses() {
    let chain = chain(&Kit::new(), "dns64 {\n translate_all\n}", |_| ());
    let reply = message(&chain, &query("both.example.org. AAAA").client(V6)).await;
    assert_eq!(lines(&reply.answers), ["both.example.org. 300 IN AAAA 64:ff9b::c000:203"]);
}

#[tokio::test]
async fn the_address_stands_behind_the_prefix_around_bits_64_to_71() {
    // The addresses are RFC 6052 §2.4's, but for the length 72, which it does not have.
    let cases = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/72", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::c000:221"),
        ("2001:db8:122:344::1234:5678/96", "2001:db8:122:344::c000:221"),
    ];
    for (prefix, expected) in cases {
        let chain = chain(&Kit::new(), &format!("dns64 {prefix}"), |reply| {
            if !reply.answers.is_empty() {
                reply.answers = records("v4.example.org. 60 IN A 192.0.2.33");
            }
        });
        let reply = message(&chain, &query("v4.example.org. AAAA").client(V6)).await;
        let [record] = reply.answers.as_slice() else { panic!("{prefix}: {:?}", reply.answers) };
        let expected: std::net::Ipv6Addr = expected.parse().unwrap();
        assert_eq!(record.data.ip_addr(), Some(expected.into()), "{prefix}");
    }
}

#[tokio::test]
async fn translations_are_counted_by_server() {
    let kit = Kit::new();
    let chain = chain(&kit, "dns64", |_| ());
    for name in ["v4", "none", "both", "nowhere"] {
        ask(&chain, &query(&format!("{name}.example.org. AAAA")).client(V6)).await.unwrap();
    }
    let expected = "coredns_dns64_requests_translated_total{server=\"dns://:53\"} 2";
    assert!(kit.metrics.text().contains(expected), "{}", kit.metrics.text());
}

#[test]
fn forms_of_the_directive_are_accepted() {
    for text in [
        "dns64",
        "dns64 64:dead::/96",
        "dns64 {\n translate_all\n}",
        "dns64 {\n prefix 64:ff9b::/32\n allow_ipv4\n}",
        "dns64 {\n prefix 2002:c0a8:a88a::/48\n}",
        "dns64 {\n}",
        "dns64\ndns64 64:dead::/96",
    ] {
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, text) {
            panic!("{text}: {diagnostics}");
        }
    }
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("dns64 foobar", "expected an IPv6 prefix, not `foobar`"),
        ("dns64 foobar {\n prefix 64:ff9b::/96\n}", "expected an IPv6 prefix, not `foobar`"),
        ("dns64 64:ff9b::", "expected an IPv6 prefix"),
        ("dns64 64:ff9b::/+96", "expected an IPv6 prefix"),
        ("dns64 64:ff9b::/96 64:ff9c::/96", "`dns64` wants at most 1 argument"),
        ("dns64 {\n prefix\n}", "`prefix` wants 1 argument"),
        ("dns64 {\n prefix 64:ff9b::/52\n}", "has no room for an IPv4 address"),
        ("dns64 {\n prefix 64:ff9b::/104\n}", "has no room for an IPv4 address"),
        ("dns64 {\n prefix 64::/24\n}", "has no room for an IPv4 address"),
        ("dns64 {\n prefix 64::/129\n}", "has no room for an IPv4 address"),
        ("dns64 {\n prefix 8.8.8.8/24\n}", "expected an IPv6 prefix, not `8.8.8.8/24`"),
        ("dns64 {\n translate_all yes\n}", "`translate_all` wants no argument"),
        ("dns64 {\n foobar\n}", "unknown property `foobar` of `dns64`"),
        ("dns64 64:ff9b::/96 {\n foobar\n}", "unknown property `foobar` of `dns64`"),
        ("dns64 64:ff9b::/96 {\n allow_ipv4\n}", "warning: `allow_ipv4` has no effect"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
