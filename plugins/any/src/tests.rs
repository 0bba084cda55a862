use std::sync::Arc;

use plugin::proto::op::ResponseCode;
use plugin::{Chain, Replay};
use testkit::{Kit, Table, ask, lines, query};

use super::PLUGIN;

fn chain() -> Chain {
    let any = Kit::new().plugin(&PLUGIN, "any").unwrap();
    let below = Arc::new(Table::new("www.example.org. 60 IN A 192.0.2.1"));
    Chain::new([("any", any), ("table", below.link())])
}

#[tokio::test]
async fn any_gets_one_hinfo_record_whatever_the_name() {
    for name in ["www.example.org.", "No.Such.Name.example.org.", "."] {
        let reply = ask(&chain(), &query(&format!("{name} ANY"))).await.unwrap();
        assert_eq!(reply.answered_by(), Some("any"), "{name}");
        assert!(matches!(reply.replay(), Replay::While(_)), "{name}");
        let message = reply.message().unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(!message.metadata.authoritative, "{name}");
        let [record] = message.answers.as_slice() else { panic!("{:?}", message.answers) };
        assert_eq!(
            lines(&message.answers),
            [format!("{name} 8482 IN HINFO ANY obsoleted See RFC 8482")]
        );
        assert!(record.name.eq_case(message.queries[0].name()), "{name}");
    }
}

#[tokio::test]
async fn other_types_are_passed_on() {
    for qtype in ["A", "HINFO", "TXT"] {
        let reply = ask(&chain(), &query(&format!("www.example.org. {qtype}"))).await.unwrap();
        assert_eq!(reply.answered_by(), Some("table"), "{qtype}");
    }
}

#[test]
fn arguments_and_blocks_are_refused() {
    for text in ["any example.org", "any {\n foo\n}", "any\nany again"] {
        assert!(testkit::rendered(&PLUGIN, text).contains("`any`"), "{text}");
    }
}
