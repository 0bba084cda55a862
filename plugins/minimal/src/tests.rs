use std::sync::Arc;

use plugin::proto::op::{Edns, Message, OpCode, ResponseCode};
use plugin::{Chain, Plugin};
use testkit::{Kit, Table, ask, query, records};

use super::PLUGIN;

const A: &str = "www.example.org. 60 IN A 192.0.2.1";
const NS: &str = "example.org. 60 IN NS ns.example.org.";
const SOA: &str = "example.org. 60 IN SOA ns.example.org. root.example.org. 1 2 3 4 5";
const GLUE: &str = "ns.example.org. 60 IN A 192.0.2.53";

struct Case {
    name: &'static str,
    ask: &'static str,
    rcode: ResponseCode,
    answer: &'static str,
    authority: &'static str,
    is_shortened: bool,
}

#[tokio::test]
async fn answers_are_shortened_and_everything_else_stays_whole() {
    let case = |name, ask, rcode, answer, authority, is_shortened| Case {
        name,
        ask,
        rcode,
        answer,
        authority,
        is_shortened,
    };
    let ok = ResponseCode::NoError;
    let cases = [
        case("answer", "www.example.org. A", ok, A, NS, true),
        case("answer with an SOA record", "www.example.org. A", ok, A, SOA, true),
        case("only additional records", "www.example.org. A", ok, "", "", true),
        case("referral", "www.example.org. A", ok, "", NS, false),
        case("no data", "www.example.org. A", ok, "", SOA, false),
        case("no such name", "www.example.org. A", ResponseCode::NXDomain, "", SOA, false),
        case("alias of no such name", "www.example.org. A", ResponseCode::NXDomain, A, SOA, false),
        case("failure", "www.example.org. A", ResponseCode::ServFail, "", NS, false),
        case("refusal", "www.example.org. A", ResponseCode::Refused, "", NS, false),
        case("transfer", "example.org. AXFR", ok, SOA, NS, false),
    ];
    for case in cases {
        let (rcode, answer, authority) = (case.rcode, case.answer, case.authority);
        let reply = serve(case.ask, move |message| {
            message.metadata.response_code = rcode;
            message.answers = records(answer);
            message.authorities = records(authority);
        });
        let reply = reply.await;
        let is_shortened = reply.authorities.is_empty() && reply.additionals.is_empty();
        assert_eq!(is_shortened, case.is_shortened, "{}", case.name);
        assert_eq!(reply.edns.is_none(), case.is_shortened, "{}", case.name);
        assert_eq!(reply.answers, records(answer), "{}", case.name);
        assert_eq!(reply.metadata.response_code, rcode, "{}", case.name);
        assert!(reply.metadata.authoritative, "{}", case.name);
    }
}

#[tokio::test]
async fn replies_to_other_opcodes_stay_whole() {
    let reply = serve("example.org. SOA", |message| {
        message.metadata.op_code = OpCode::Notify;
        message.authorities = records(NS);
        message.answers = records(SOA);
    });
    assert_eq!(reply.await.authorities.len(), 1);
}

#[tokio::test]
async fn errors_are_passed_on() {
    let minimal = Kit::new().plugin(&PLUGIN, "minimal").unwrap();
    let chain =
        Chain::new([("minimal", minimal), ("table", Arc::new(Table::new("").failing()).link())]);
    assert!(ask(&chain, &query("www.example.org. A")).await.is_err());
}

#[test]
fn arguments_and_blocks_are_refused() {
    for text in ["minimal example.org", "minimal {\n foo\n}", "minimal\nminimal again"] {
        assert!(testkit::rendered(&PLUGIN, text).contains("`minimal`"), "{text}");
    }
}

/// The reply of a table below, with an additional record and an OPT record beside what `edit` makes.
async fn serve(question: &str, edit: impl Fn(&mut Message) + Send + Sync + 'static) -> Message {
    let minimal: Arc<dyn Plugin> = Kit::new().plugin(&PLUGIN, "minimal").unwrap();
    let table = Arc::new(Table::new("").edit(move |_, message| {
        message.metadata.response_code = ResponseCode::NoError;
        message.metadata.authoritative = true;
        message.additionals = records(GLUE);
        message.set_edns(Edns::new());
        edit(message);
    }));
    let chain = Chain::new([("minimal", minimal), ("table", table.link())]);
    let reply = ask(&chain, &query(question)).await.unwrap();
    reply.into_message().unwrap()
}
