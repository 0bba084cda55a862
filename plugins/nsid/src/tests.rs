use std::sync::Arc;

use plugin::Chain;
use plugin::proto::op::{Edns, Message};
use plugin::proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};
use testkit::{Kit, Query, Table, ask, query};

use super::{PLUGIN, hostname};

fn nsid(data: &[u8]) -> EdnsOption {
    EdnsOption::NSID(NSIDPayload::new(data).unwrap())
}

/// A query with an empty NSID option.
fn wondering() -> Query {
    query("www.example.org. A").edns(1400).edit(|message| {
        message.edns.as_mut().unwrap().options_mut().insert(nsid(b""));
    })
}

fn chain(text: &str, edit: impl Fn(&mut Message) + Send + Sync + 'static) -> Chain {
    let plugin = Kit::new().plugin(&PLUGIN, text).unwrap();
    let table = Table::new("www.example.org. 60 IN A 192.0.2.1");
    let table = Arc::new(table.edit(move |_, message| edit(message)));
    Chain::new([("nsid", plugin), ("table", table.link())])
}

async fn edns(chain: &Chain, query: &Query) -> Option<Edns> {
    ask(chain, query).await.unwrap().into_message().unwrap().edns
}

#[tokio::test]
async fn who_asks_for_the_name_gets_it() {
    let cases: [(&str, &[u8]); 5] = [
        ("nsid Use The Force", b"Use The Force"),
        ("nsid ps0", b"ps0"),
        ("nsid \"tf 2\"", b"tf 2"),
        ("nsid \"\"", b""),
        ("nsid", &hostname()),
    ];
    for (text, expected) in cases {
        let edns = edns(&chain(text, |_| ()), &wondering()).await.unwrap();
        assert_eq!(edns.options().get_all(EdnsCode::NSID), [&nsid(expected)], "{text}");
        assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1400, true), "{text}");
    }
}

#[tokio::test]
async fn who_does_not_ask_gets_nothing() {
    let chain = chain("nsid ps0", |_| ());
    assert_eq!(edns(&chain, &query("www.example.org. A")).await, None);
    assert_eq!(edns(&chain, &query("www.example.org. A").edns(4096)).await, None);
}

#[tokio::test]
async fn the_name_of_an_upstream_is_replaced_and_its_opt_record_kept() {
    let chain = chain("nsid ps0", |message| {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.options_mut().insert(nsid(b"upstream"));
        edns.options_mut().insert(EdnsOption::Unknown(15, vec![0, 3]));
        message.set_edns(edns);
    });
    let edns = edns(&chain, &wondering()).await.unwrap();
    assert_eq!(edns.options().get_all(EdnsCode::NSID), [&nsid(b"ps0")]);
    assert!(edns.option(EdnsCode::from(15)).is_some());
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, false));
}

#[test]
fn mistakes_are_refused() {
    for (text, expected) in [
        ("nsid\nnsid", "`nsid` can only be used once"),
        ("nsid ps0 {\n foo\n}", "`nsid` takes no block"),
    ] {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
