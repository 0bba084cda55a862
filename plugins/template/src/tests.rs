use std::sync::Arc;

use plugin::Plugin;
use plugin::proto::op::ResponseCode;
use testkit::{Kit, Query, Table, ask, lines, query};

use super::PLUGIN;

/// What a client is told: `NOERROR answer | authority | additional`, or the error's RCODE.
async fn told(kit: &Kit, corefile: &str, query: &Query) -> String {
    let table = Arc::new(Table::new("next.example. 60 IN A 192.0.2.99").edit(|request, reply| {
        if reply.answers.is_empty() {
            reply.metadata.response_code = ResponseCode::NoError;
            reply.authorities.clear();
            let mut record = testkit::record("next. 60 IN A 192.0.2.99");
            record.name = request.qname().clone();
            reply.add_answer(record);
        }
    }));
    let template = kit.plugin(&PLUGIN, corefile).unwrap_or_else(|error| panic!("{error}"));
    let chain = plugin::Chain::new([("template", template), ("table", table.link())]);
    match ask(&chain, query).await {
        Ok(reply) => {
            let message = reply.message().expect("a message");
            let sections = [&message.answers, &message.authorities, &message.additionals];
            let sections = sections.map(|records| lines(records).join(", "));
            format!("{} {}", message.metadata.response_code, sections.join(" | "))
                .trim_end_matches([' ', '|'])
                .to_owned()
        }
        Err(error) => format!("{}: {error}", error.rcode()),
    }
}

struct Case {
    name: &'static str,
    corefile: &'static str,
    ask: &'static str,
    told: &'static str,
}

#[tokio::test]
async fn a_query_is_answered_by_the_first_template_that_matches() {
    let cases = [
        Case {
            name: "groups by name",
            corefile: "template IN A example {
                match (^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
                answer \"{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}\"
            }",
            ask: "x.IP-10-1-2-3.example. A",
            told: "No Error x.ip-10-1-2-3.example. 60 IN A 10.1.2.3",
        },
        Case {
            name: "all sections",
            corefile: "template IN MX example {
                match ^ip-10-(?P<b>[0-9]*)[.]example[.]$
                answer \"{{ .Name }} 60 IN MX 10 {{ .Name }}\"
                additional \"{{ .Name }} 60 IN A 10.1.2.{{ .Group.b }}\"
                authority \"example. 60 IN NS ns0.example.\" \"example. 60 IN NS ns1.example.\"
            }",
            ask: "ip-10-3.example. MX",
            told: "No Error ip-10-3.example. 60 IN MX 10 ip-10-3.example. | example. 60 IN NS ns0.example., \
                   example. 60 IN NS ns1.example. | ip-10-3.example. 60 IN A 10.1.2.3",
        },
    ];
    for case in cases {
        assert_eq!(
            told(&Kit::new(), case.corefile, &query(case.ask)).await,
            case.told,
            "{}",
            case.name
        );
    }
}
