use std::sync::{Arc, Mutex};

use plugin::proto::op::Metadata;
use plugin::{Chain, Replay};
use testkit::{Kit, Table, ask, query};

use super::PLUGIN;

/// Which of AA, RA and RD are set, as `dig` writes them.
fn flags(header: &Metadata) -> String {
    let flags = [
        ("aa", header.authoritative),
        ("rd", header.recursion_desired),
        ("ra", header.recursion_available),
    ];
    let set: Vec<&str> =
        flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    set.join(" ")
}

#[tokio::test]
async fn rules_change_the_flags_of_queries_and_replies() {
    // The query has RD, and the table below answers with what the query has, and AA.
    let cases = [
        ("response set ra", "rd", "aa rd ra"),
        ("response set ra aa\n response clear rd", "rd", "aa ra"),
        ("response clear aa", "rd", "rd"),
        ("Response SET RA", "rd", "aa rd ra"),
        ("response set ra\n response clear ra", "rd", "aa rd"),
        ("response clear ra\n response set ra", "rd", "aa rd ra"),
        ("query clear rd", "", "aa"),
        ("query set aa ra", "aa rd ra", "aa rd"),
        ("query clear rd\n response set rd", "", "aa rd"),
    ];
    for (rules, below, above) in cases {
        let text = format!("header {{\n {rules}\n}}");
        let header = Kit::new().plugin(&PLUGIN, &text).unwrap();
        let seen = Arc::new(Mutex::new(String::new()));
        let seen_below = Arc::clone(&seen);
        let table = Arc::new(Table::new("").edit(move |request, reply| {
            *seen_below.lock().unwrap() = flags(&request.message().metadata);
            reply.metadata.authoritative = true;
        }));
        let chain = Chain::new([("header", header), ("table", table.link())]);
        let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), below, "{rules}");
        assert_eq!(flags(&reply.message().unwrap().metadata), above, "{rules}");
    }
}

#[tokio::test]
async fn the_first_directive_with_rules_counts() {
    let text = "header {\n}\nheader {\n response set ra\n}";
    let header = Kit::new().plugin(&PLUGIN, text).unwrap();
    let chain = Chain::new([("header", header), ("table", Arc::new(Table::new("")).link())]);
    let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
    assert_eq!(flags(&reply.message().unwrap().metadata), "rd ra");
    assert!(matches!(reply.replay(), Replay::Never), "as the table says");
}

#[tokio::test]
async fn errors_are_passed_on() {
    let header = Kit::new().plugin(&PLUGIN, "header {\n response set ra\n}").unwrap();
    let table = Arc::new(Table::new("").failing());
    let chain = Chain::new([("header", header), ("table", table.link())]);
    assert!(ask(&chain, &query("www.example.org. A")).await.is_err());
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("header", "`header` has no rule"),
        ("header {}", "`header` has no rule"),
        ("header {\n foo\n}", "unknown property `foo` of `header`"),
        ("header {\n respons set ra\n}", "did you mean `response`?"),
        ("header {\n response\n}", "wants at least 2 arguments"),
        ("header {\n response set\n}", "wants at least 2 arguments"),
        ("header {\n query foo\n}", "wants at least 2 arguments"),
        ("header {\n query foo rd\n}", "expected `set` or `clear`, not `foo`"),
        ("header {\n query set rd ad\n}", "expected `aa`, `ra` or `rd`, not `ad`"),
        ("header foo {\n query set rd\n}", "`header` wants no argument"),
        (
            "header {\n query set rd\n}\nheader {\n query set aa\n}",
            "warning: only the first `header` counts",
        ),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
