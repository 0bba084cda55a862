use std::sync::Arc;

use plugin::proto::op::ResponseCode;
use plugin::{Chain, Plugin, Replay};
use testkit::{Kit, Table, ask, lines, query};
use tokio::time::Instant;

use super::PLUGIN;

/// `local` with a table below that has one name of its own.
fn chain(text: &str) -> Chain {
    let local: Arc<dyn Plugin> = Kit::new().plugin(&PLUGIN, text).unwrap();
    let below = Arc::new(Table::new("www.example.org. 60 IN A 192.0.2.1"));
    Chain::new([("local", local), ("table", below.link())])
}

struct Case {
    ask: &'static str,
    rcode: ResponseCode,
    answers: &'static [&'static str],
    authorities: &'static [&'static str],
}

const fn found(ask: &'static str, answers: &'static [&'static str]) -> Case {
    Case { ask, rcode: ResponseCode::NoError, answers, authorities: &[] }
}

const fn nodata(ask: &'static str, authorities: &'static [&'static str]) -> Case {
    Case { ask, rcode: ResponseCode::NoError, answers: &[], authorities }
}

const fn nxdomain(ask: &'static str, authorities: &'static [&'static str]) -> Case {
    Case { ask, rcode: ResponseCode::NXDomain, answers: &[], authorities }
}

const CASES: &[Case] = &[
    found("localhost. A", &["localhost. 604800 IN A 127.0.0.1"]),
    found("LocalHost. AAAA", &["LocalHost. 604800 IN AAAA ::1"]),
    found("localhost. NS", &["localhost. 604800 IN NS localhost."]),
    found(
        "localhost. SOA",
        &["localhost. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    nodata(
        "localhost. MX",
        &["localhost. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    found("a.localhost. A", &["a.localhost. 604800 IN A 127.0.0.1"]),
    found("a.b.LOCALHOST. AAAA", &["a.b.LOCALHOST. 604800 IN AAAA ::1"]),
    found("localhost.example.org. A", &["localhost.example.org. 604800 IN A 127.0.0.1"]),
    nodata(
        "LOCALHOST.example.org. TXT",
        &["LOCALHOST.example.org. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    found("localhost.127.in-addr.arpa. A", &["localhost.127.in-addr.arpa. 604800 IN A 127.0.0.1"]),
    found("1.0.0.127.in-addr.arpa. PTR", &["1.0.0.127.in-addr.arpa. 604800 IN PTR localhost."]),
    nodata(
        "1.0.0.127.in-addr.arpa. A",
        &["127.in-addr.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    nxdomain(
        "2.0.0.127.IN-ADDR.arpa. PTR",
        &["127.IN-ADDR.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    nxdomain(
        "0.0.127.in-addr.arpa. NS",
        &["127.in-addr.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    nxdomain(
        "*.127.in-addr.arpa. SOA",
        &["127.in-addr.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    found("0.in-addr.arpa. NS", &["0.in-addr.arpa. 604800 IN NS localhost."]),
    found(
        "255.in-addr.arpa. SOA",
        &["255.in-addr.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    nodata(
        "127.in-addr.arpa. A",
        &["127.in-addr.arpa. 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800"],
    ),
    found("www.example.org. A", &["www.example.org. 60 IN A 192.0.2.1"]),
];

#[tokio::test]
async fn names_of_this_host_are_answered_and_others_passed_on() {
    let chain = chain("local");
    for case in CASES {
        let reply = ask(&chain, &query(case.ask)).await.unwrap();
        let message = reply.message().unwrap();
        assert_eq!(message.metadata.response_code, case.rcode, "{}", case.ask);
        assert_eq!(lines(&message.answers), case.answers, "{}", case.ask);
        assert_eq!(lines(&message.authorities), case.authorities, "{}", case.ask);
        assert!(!message.metadata.authoritative, "{}", case.ask);
    }
}

#[tokio::test]
async fn names_that_only_look_like_localhost_are_passed_on() {
    let chain = chain("local");
    for name in ["localhosts.", "mylocalhost.", "localhost2.example.org.", "128.in-addr.arpa.", "."]
    {
        let reply = ask(&chain, &query(&format!("{name} A"))).await.unwrap();
        assert_eq!(reply.answered_by(), Some("table"), "{name}");
    }
}

#[tokio::test]
async fn the_prefix_can_be_switched_off() {
    let cases = [
        ("local", "local"),
        ("local {\n}", "local"),
        ("local {\n localhost_prefix on\n}", "local"),
        ("local {\n localhost_prefix off\n}", "table"),
        ("local {\n localhost_prefix off\n}\nlocal {\n localhost_prefix on\n}", "local"),
    ];
    for (text, answered_by) in cases {
        let chain = chain(text);
        let reply = ask(&chain, &query("localhost.example.org. A")).await.unwrap();
        assert_eq!(reply.answered_by(), Some(answered_by), "{text}");
        let below = ask(&chain, &query("a.localhost. A")).await.unwrap();
        assert_eq!(below.answered_by(), Some("local"), "{text}");
    }
}

#[tokio::test]
async fn only_names_that_stand_for_localhost_are_counted_and_replays_count_too() {
    let kit = Kit::new();
    let chain = kit.chain(&[(&PLUGIN, "local")]).unwrap();
    assert!(kit.metrics.text().contains("coredns_local_localhost_requests_total 0\n"));
    for question in ["a.localhost. A", "localhost.example.org. MX", "localhost. A"] {
        let reply = ask(&chain, &query(question)).await.unwrap();
        assert_eq!(reply.tallies().len(), usize::from(question != "localhost. A"), "{question}");
    }
    assert!(kit.metrics.text().contains("coredns_local_localhost_requests_total 2\n"));
}

#[tokio::test]
async fn answers_may_be_replayed_for_ever() {
    let chain = chain("local");
    for question in ["a.localhost. A", "localhost. MX", "2.0.0.127.in-addr.arpa. PTR"] {
        let reply = ask(&chain, &query(question)).await.unwrap();
        assert!(matches!(reply.replay(), Replay::While(_)), "{question}");
        assert!(reply.replay().holds(Instant::now()), "{question}");
    }
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("local example.org", "`local` wants no argument"),
        ("local {\n foo\n}", "unknown property `foo`"),
        ("local {\n localhost_prefi on\n}", "did you mean `localhost_prefix`?"),
        ("local {\n localhost_prefix maybe\n}", "expected `on` or `off`"),
        ("local {\n localhost_prefix ON\n}", "expected `on` or `off`"),
        ("local {\n localhost_prefix\n}", "wants 1 argument"),
        ("local {\n localhost_prefix on off\n}", "wants 1 argument"),
        ("local\nlocal a", "`local` wants no argument"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        let (_, from) = corefile.split_at(corefile.find("local").unwrap());
        let directive = match from.find("\n    }") {
            Some(end) => &from[..end + "\n    }".len()],
            None => from.lines().next().unwrap(),
        };
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, directive) {
            panic!("{corefile}: {diagnostics}");
        }
        n_examples += 1;
    }
    assert_eq!(n_examples, 2);
}
