//! Sets the directive up over a file of objects, and shows replies as text.

use std::path::PathBuf;
use std::sync::Arc;

use plugin::proto::op::Message;
use plugin::proto::rr::{RData, Record};
use plugin::{Chain, Plugin, Reply};
use testkit::{Kit, Table, ask, lines, query};

use crate::PLUGIN;

/// The objects that most tests ask for.
pub(crate) fn fixture() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/cluster.yaml"))
}

/// The directive with these zones and properties over the fixture, started.
pub(crate) async fn plugin(zones: &str, properties: &str) -> Arc<dyn Plugin> {
    let kit = Kit::new();
    let manifests = fixture().display().to_string();
    let text = format!("kubernetes {zones} {{\nmanifests {manifests}\n{properties}\n}}");
    let plugin = kit.plugin(&PLUGIN, &text).unwrap_or_else(|error| panic!("{error}"));
    plugin.start().await.unwrap();
    assert!(plugin.ready(), "the objects are read at the start");
    plugin
}

/// The plugin, with a table below it that knows `example.org`.
pub(crate) fn chain(plugin: Arc<dyn Plugin>) -> Chain {
    let below = Table::new(
        "www.example.org. 60 IN A 192.0.2.80\n\
         www.example.org. 60 IN AAAA 2001:db8::80\n\
         nosuch.shop.svc.cluster.local. 60 IN A 192.0.2.81\n\
         9.9.9.10.in-addr.arpa. 60 IN PTR other.example.org.",
    );
    Chain::new([("kubernetes", plugin), ("table", Arc::new(below).link())])
}

/// One question and what must come back.
pub(crate) struct Case {
    pub(crate) ask: &'static str,
    /// The RCODE and what stands in the answer section; `NODATA` where there is nothing but the SOA.
    pub(crate) rcode: &'static str,
    pub(crate) answer: &'static [&'static str],
    pub(crate) additional: &'static [&'static str],
}

/// Answers that are not there.
pub(crate) const fn none(ask: &'static str, rcode: &'static str) -> Case {
    Case { ask, rcode, answer: &[], additional: &[] }
}

/// Answers that are.
pub(crate) const fn some(ask: &'static str, answer: &'static [&'static str]) -> Case {
    Case { ask, rcode: "NOERROR", answer, additional: &[] }
}

/// Answers with glue.
pub(crate) const fn glued(
    ask: &'static str,
    answer: &'static [&'static str],
    additional: &'static [&'static str],
) -> Case {
    Case { ask, rcode: "NOERROR", answer, additional }
}

/// Asks every case of a directive, and names the first that differs.
pub(crate) async fn check(zones: &str, properties: &str, cases: &[Case]) {
    let chain = chain(plugin(zones, properties).await);
    for case in cases {
        let name = case.ask;
        let reply =
            ask(&chain, &query(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let message = reply.message().unwrap();
        assert_eq!(rcode(message), case.rcode, "{name}");
        assert_eq!(lines(&message.answers), case.answer, "{name}");
        assert_eq!(lines(&message.additionals), case.additional, "{name}");
        if reply.answered_by() == Some("kubernetes") {
            assert!(message.metadata.authoritative, "{name}");
            assert!(!message.metadata.recursion_available, "{name}");
            assert_eq!(
                message.authorities.len(),
                usize::from(case.answer.is_empty()),
                "{name}: SOA"
            );
        }
    }
}

/// The RCODE as `dig` prints it, with NODATA set apart.
pub(crate) fn rcode(message: &Message) -> &'static str {
    use plugin::proto::op::ResponseCode;
    match message.metadata.response_code {
        ResponseCode::NoError if message.answers.is_empty() => "NODATA",
        ResponseCode::NoError => "NOERROR",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::ServFail => "SERVFAIL",
        other => panic!("{other} is unexpected"),
    }
}

/// The SOA of a negative reply as text, with the serial as 1.
pub(crate) fn soa(reply: &Reply) -> String {
    let [record] = reply.message().unwrap().authorities.as_slice() else {
        panic!("one SOA: {reply:?}")
    };
    soa_line(record)
}

pub(crate) fn soa_line(record: &Record) -> String {
    let mut record = record.clone();
    if let RData::SOA(soa) = &mut record.data {
        soa.serial = 1;
    }
    record.to_string()
}
