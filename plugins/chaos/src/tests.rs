use std::collections::BTreeSet;
use std::sync::Arc;

use plugin::Chain;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::{DNSClass, RData};
use testkit::{Kit, Table, ask, query};

use super::{PLUGIN, hostname};

fn chain(text: &str) -> Chain {
    let chaos = Kit::new().plugin(&PLUGIN, text).unwrap();
    Chain::new([("chaos", chaos), ("table", Arc::new(Table::new("")).link())])
}

/// The texts that a question of class CH is answered with, in their order.
async fn texts(chain: &Chain, question: &str) -> Vec<Vec<u8>> {
    let reply = ask(chain, &query(question).class(DNSClass::CH)).await.unwrap();
    assert_eq!(reply.answered_by(), Some("chaos"), "{question}");
    let message = reply.message().unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{question}");
    assert!(!message.metadata.authoritative, "{question}");
    let text = |record: &plugin::proto::rr::Record| {
        assert!(record.name.eq_case(message.queries[0].name()), "{question}");
        assert_eq!((record.ttl, record.dns_class), (0, DNSClass::CH), "{question}");
        let RData::TXT(txt) = &record.data else { panic!("{record}") };
        assert_eq!(txt.txt_data.len(), 1, "{question}");
        txt.txt_data[0].to_vec()
    };
    message.answers.iter().map(text).collect()
}

#[tokio::test]
async fn version_authors_and_host_are_told() {
    let long = "x".repeat(300);
    let two = format!("chaos {long} {long} someone");
    let cases: &[(&str, &str, &[&[u8]])] = &[
        ("chaos", "version.bind. TXT", &[concat!("Rhumb-", env!("CARGO_PKG_VERSION")).as_bytes()]),
        ("chaos", "authors.bind. TXT", &[b"The Rhumb authors"]),
        ("chaos", "hostname.bind. TXT", &[&hostname()]),
        ("chaos", "id.server. TXT", &[&hostname()]),
        (
            "chaos {\n}",
            "version.server. TXT",
            &[concat!("Rhumb-", env!("CARGO_PKG_VERSION")).as_bytes()],
        ),
        ("chaos v2", "Version.Bind. TXT", &[b"v2"]),
        ("chaos v2", "authors.bind. TXT", &[b"The Rhumb authors"]),
        ("chaos v3 \"A. Writer\"", "version.server. TXT", &[b"v3"]),
        ("chaos v3 \"A. Writer\"", "authors.bind. TXT", &[b"A. Writer"]),
        ("chaos v3 me me", "authors.bind. TXT", &[b"me"]),
        (&two, "version.bind. TXT", &[&[b'x'; 255]]),
        (&two, "authors.bind. TXT", &[b"someone", &[b'x'; 255]]),
    ];
    for (text, question, expected) in cases {
        let mut texts = texts(&chain(text), question).await;
        texts.sort_unstable();
        assert_eq!(texts, *expected, "{text}: {question}");
    }
}

#[tokio::test]
async fn the_order_of_the_authors_changes() {
    let chain = chain("chaos v1 a b c d e f");
    let mut orders = BTreeSet::new();
    // The chance that all 64 are the same is one in 720 to the power of 63.
    for _ in 0..64 {
        orders.insert(texts(&chain, "authors.bind. TXT").await);
    }
    assert!(orders.len() > 1, "{orders:?}");
}

#[tokio::test]
async fn other_questions_are_passed_on() {
    let chain = chain("chaos");
    let cases = [
        ("version.bind. TXT", DNSClass::IN),
        ("version.bind. A", DNSClass::CH),
        ("authors.server. TXT", DNSClass::CH),
        ("id.bind. TXT", DNSClass::CH),
        ("a.version.bind. TXT", DNSClass::CH),
        ("version. TXT", DNSClass::CH),
        (". TXT", DNSClass::CH),
    ];
    for (question, class) in cases {
        let reply = ask(&chain, &query(question).class(class)).await.unwrap();
        assert_eq!(reply.answered_by(), Some("table"), "{question} {class}");
    }
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("chaos v2 {\n unknown\n}", "unknown property `unknown` of `chaos`"),
        ("chaos v2\nchaos v3", "warning: only the first `chaos` counts"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
