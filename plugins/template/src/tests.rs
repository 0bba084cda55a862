use std::sync::Arc;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::DNSClass;
use plugin::{Chain, Replay};
use testkit::{Kit, Query, Table, ask, lines, query, record, rendered, with_setup};

use super::PLUGIN;

/// The template and, after it, a plugin that answers `192.0.2.99` to everything.
fn chain(kit: &Kit, corefile: &str) -> Chain {
    let next = Table::default().edit(|request, reply| {
        reply.metadata.response_code = ResponseCode::NoError;
        reply.authorities.clear();
        let mut answer = record("next. 60 IN A 192.0.2.99");
        answer.name = request.qname().clone();
        reply.add_answer(answer);
    });
    let template = kit.plugin(&PLUGIN, corefile).unwrap_or_else(|error| panic!("{error}"));
    Chain::new([("template", template), ("table", Arc::new(next).link())])
}

/// What a client is told: `NoError answer | authority | additional`, or the RCODE and the error.
async fn told(chain: &Chain, query: &Query) -> String {
    match ask(chain, query).await {
        Ok(reply) => {
            let message = reply.message().expect("a message");
            let sections = [&message.answers, &message.authorities, &message.additionals];
            let sections = sections.map(|records| lines(records).join(", "));
            let told = format!("{:?} {}", message.metadata.response_code, sections.join(" | "));
            told.trim_end_matches([' ', '|']).to_owned()
        }
        Err(error) => format!("{:?}: {error}", error.rcode()),
    }
}

struct Case {
    name: &'static str,
    corefile: &'static str,
    ask: &'static str,
    told: &'static str,
}

async fn assert_told(cases: &[Case]) {
    for case in cases {
        let chain = chain(&Kit::new(), case.corefile);
        assert_eq!(told(&chain, &query(case.ask)).await, case.told, "{}", case.name);
    }
}

#[tokio::test]
async fn a_matching_query_is_answered_from_the_templates() {
    assert_told(&[
        Case {
            name: "groups by name; the name in lower case",
            corefile: "template IN A example {
                match (^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
                answer \"{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}\"
            }",
            ask: "x.IP-10-1-2-3.example. A",
            told: "NoError x.ip-10-1-2-3.example. 60 IN A 10.1.2.3",
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
            told: "NoError ip-10-3.example. 60 IN MX 10 ip-10-3.example. | example. 60 IN NS ns0.example., \
                   example. 60 IN NS ns1.example. | ip-10-3.example. 60 IN A 10.1.2.3",
        },
        Case {
            name: "no template: an empty answer",
            corefile: "template ANY ANY\n",
            ask: "www.example. A",
            told: "NoError",
        },
        Case {
            name: "a response code",
            corefile: "template ANY ANY example {
                rcode NXDOMAIN
                authority \"{{ .Zone }} 60 {{ .Class }} SOA ns.{{ .Zone }} host.{{ .Zone }} (1 60 60 60 60)\"
            }",
            ask: "www.example. A",
            told: "NXDomain  | example. 60 IN SOA ns.example. host.example. 1 60 60 60 60",
        },
        Case {
            name: "the first pattern that matches gives the groups",
            corefile: "template IN TXT . {
                match ^(?P<first>a) ^(?P<first>.)
                answer \"{{ .Name }} 60 IN TXT {{ .Regex | printf `%q` }} {{ .Group.first }} {{ index .Match 1 }}\"
            }",
            ask: "b. TXT",
            told: "NoError b. 60 IN TXT ^(?P<first>.)bb",
        },
        Case {
            name: "the class and type of a question for any are the directive's",
            corefile: "template IN TXT . {
                answer \"{{ .Name }} 60 IN TXT {{ .Class }} {{ .Type }}\"
            }",
            ask: "b. ANY",
            told: "NoError b. 60 IN TXT INTXT",
        },
        Case {
            name: "who asks",
            corefile: "template IN A . {
                answer \"{{ .Name }} 60 IN A {{ .Remote }}\"
            }",
            ask: "b. A",
            told: "NoError b. 60 IN A 10.240.0.1",
        },
        Case {
            name: "nobody provides metadata",
            corefile: "template IN A . {
                answer \"{{ .Meta `a/b` }}{{ .Name }} 60 IN A 192.0.2.1\"
            }",
            ask: "b. A",
            told: "NoError b. 60 IN A 192.0.2.1",
        },
    ])
    .await;
}

#[tokio::test]
async fn a_query_that_is_not_for_the_template_goes_on() {
    let to_next = "NoError www.example. 60 IN A 192.0.2.99";
    assert_told(&[
        Case {
            name: "zone",
            corefile: "template ANY ANY other",
            ask: "www.example. A",
            told: to_next,
        },
        Case { name: "type", corefile: "template ANY AAAA", ask: "www.example. A", told: to_next },
        Case { name: "class", corefile: "template CH ANY", ask: "www.example. A", told: to_next },
        Case {
            name: "pattern, without fallthrough",
            corefile: "template ANY ANY {
                match ^x
            }",
            ask: "www.example. A",
            told: "ServFail: answered with Server Failure",
        },
        Case {
            name: "pattern, with fallthrough",
            corefile: "template ANY ANY {
                match ^x
                fallthrough
            }",
            ask: "www.example. A",
            told: to_next,
        },
        Case {
            name: "pattern, with fallthrough of another zone",
            corefile: "template ANY ANY {
                match ^x
                fallthrough other
            }",
            ask: "www.example. A",
            told: "ServFail: answered with Server Failure",
        },
        Case {
            name: "the next template",
            corefile: "template ANY ANY {
                match ^x
                fallthrough
            }
            template IN A example {
                answer \"{{ .Name }} 60 IN A 192.0.2.2\"
            }",
            ask: "www.example. A",
            told: "NoError www.example. 60 IN A 192.0.2.2",
        },
        Case {
            name: "SERVFAIL on purpose",
            corefile: "template ANY ANY {
                rcode SERVFAIL
                answer \"{{ .Name }} 60 IN A 192.0.2.2\"
            }",
            ask: "www.example. A",
            told: "ServFail: answered with Server Failure",
        },
    ])
    .await;
}

#[tokio::test]
async fn variables_and_conditions_are_worked_out_for_each_query() {
    assert_told(&[
        Case {
            name: "variables use those before them",
            corefile: "template IN A example {
                match ^(?P<n>[0-9]+)[.]example[.]$
                var n int(group('n'))
                var double n * 2
                answer \"{{ .Name }} 60 IN A 10.0.{{ .Var.n }}.{{ .Var.double }}\"
            }",
            ask: "21.example. A",
            told: "NoError 21.example. 60 IN A 10.0.21.42",
        },
        Case {
            name: "a condition that holds",
            corefile: "template IN A example {
                expr name() == 'www.example.' && incidr(client_ip(), '10.0.0.0/8')
                expr type() in ['A']
                answer \"{{ .Name }} 60 IN A 10.0.0.{{ len .Var }}\"
            }",
            ask: "www.example. A",
            told: "NoError www.example. 60 IN A 10.0.0.0",
        },
        Case {
            name: "a condition that does not",
            corefile: "template IN A example {
                expr true
                expr incidr(client_ip(), '192.0.2.0/24')
            }",
            ask: "www.example. A",
            told: "ServFail: answered with Server Failure",
        },
        Case {
            name: "a condition that does not, with fallthrough",
            corefile: "template IN A example {
                expr 1
                fallthrough
            }",
            ask: "www.example. A",
            told: "NoError www.example. 60 IN A 192.0.2.99",
        },
        Case {
            name: "an error does not fall through",
            corefile: "template IN A example {
                expr incidr('nowhere', '10.0.0.0/8')
                fallthrough
            }",
            ask: "www.example. A",
            told: "ServFail: answered with Server Failure",
        },
        Case {
            name: "no error where the pattern does not match",
            corefile: "template IN A example {
                match ^x
                var bad int('x')
                fallthrough
            }",
            ask: "www.example. A",
            told: "NoError www.example. 60 IN A 192.0.2.99",
        },
    ])
    .await;
}

#[tokio::test]
async fn every_function_about_a_query_answers() {
    let cases = [
        ("type()", "A"),
        ("name()", "www.example."),
        ("class()", "IN"),
        ("proto()", "udp"),
        ("size() > 12", "true"),
        ("client_ip()", "10.240.0.1"),
        ("port()", "40212"),
        ("server_ip()", "127.0.0.1"),
        ("server_port()", "53"),
        ("id()", "4711"),
        ("opcode()", "0"),
        ("do()", "true"),
        ("bufsize()", "4096"),
        ("metadata('a/b') == ''", "true"),
        ("group(0) + group('first') + group('none') + group(9)", "www.example.w"),
        ("incidr('10.1.2.3', '10.0.0.0/8')", "true"),
        ("incidr('::ffff:10.1.2.3', '10.0.0.0/8')", "true"),
        ("incidr('11.1.2.3', '10.0.0.0/8')", "false"),
        ("incidr('2001:db8::1', '2001:db8::/32')", "true"),
        ("incidr('2001:db8::1', '10.0.0.0/8')", "false"),
        ("incidr('192.0.2.1', '0.0.0.0/0')", "true"),
    ];
    for (expression, expected) in cases {
        let corefile = format!(
            "template ANY ANY {{
                match \"^(?P<first>.).*\"
                var v \"{expression}\"
                answer \"{{{{ .Name }}}} 60 IN TXT \\\"{{{{ .Var.v }}}}\\\"\"
            }}"
        );
        let chain = chain(&Kit::new(), &corefile);
        let told = told(&chain, &query("www.example. A").dnssec_ok()).await;
        assert_eq!(told, format!("NoError www.example. 60 IN TXT {expected}"), "{expression}");
    }
}

#[tokio::test]
async fn failures_are_servfail_and_are_counted_by_template() {
    let kit = Kit::new();
    let text = "template IN A example {
        match ^a
        answer \"{{ .Name }} 60 IN A {{ index .Match 3 }}\"
    }
    template IN A example {
        authority \"{{ .Name }} 60 IN A nowhere\"
    }";
    let chain = chain(&kit, &text.replacen("match ^a", "match ^a\n fallthrough", 1));
    assert_eq!(
        told(&chain, &query("a.example. A")).await,
        "ServFail: cannot fill in the template `{{.Name}} 60 IN A {{index .Match 3}}`: \
         error calling index: index out of range: 3"
    );
    assert_eq!(
        told(&chain, &query("b.example. A")).await,
        "ServFail: `b.example. 60 IN A nowhere` is not a record: `nowhere` is not an IPv4 address"
    );
    for line in [
        r#"coredns_template_matches_total{class="IN",server="dns://:53",type="A",view="",zone="example."} 2"#,
        "section=\"answer\"",
        "section=\"authority\"",
        "template=\"{{.Name}} 60 IN A {{index .Match 3}}\"",
        "coredns_template_template_failures_total{class=\"IN\"",
        "coredns_template_rr_failures_total{class=\"IN\"",
    ] {
        assert!(kit.metrics.text().contains(line), "{line}\n{}", kit.metrics.text());
    }
}

#[tokio::test]
async fn targets_of_aliases_are_looked_up_for_address_queries() {
    let corefile = "template IN ANY alias.example {
        answer \"{{ .Name }} 60 IN CNAME target.example\"
    }
    template IN A target.example {
        answer \"{{ .Name }} 60 IN A 192.0.2.1\"
    }";
    let chain = chain(&Kit::new(), corefile);
    let cases = [
        ("A", "alias.example. 60 IN CNAME target.example., target.example. 60 IN A 192.0.2.1"),
        ("AAAA", "alias.example. 60 IN CNAME target.example., target.example. 60 IN A 192.0.2.99"),
        ("MX", "alias.example. 60 IN CNAME target.example."),
    ];
    for (qtype, expected) in cases {
        let told = told(&chain, &query(&format!("alias.example. {qtype}"))).await;
        assert_eq!(told, format!("NoError {expected}"), "{qtype}");
    }
}

#[tokio::test]
async fn an_extended_error_comes_in_an_opt_record_even_without_edns() {
    let corefile = "template ANY ANY {
        rcode NXDOMAIN
        ederror 21 \"not here\"
    }";
    let chain = chain(&Kit::new(), corefile);
    let reply = ask(&chain, &query("www.example. A")).await.unwrap();
    let edns = reply.message().unwrap().edns.as_ref().expect("an OPT record");
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (4096, true));
    let options: Vec<_> = edns.options().as_ref().iter().collect();
    assert!(format!("{options:?}").contains(&format!("{:?}", b"\x00\x15not here".to_vec())));
}

#[tokio::test]
async fn replies_are_replayed_where_they_depend_on_the_question_alone() {
    let pure = "template IN A { \n answer \"{{ .Name }} 60 IN A 192.0.2.1\" \n }";
    let cases = [
        ("the question", pure, true, true),
        (
            "the client",
            "template IN A { \n answer \"{{ .Name }} 60 IN A {{ .Remote }}\" \n }",
            true,
            false,
        ),
        (
            "the message",
            "template IN A { \n answer \"{{ .Name }} {{ $.Message.Id }} IN A 192.0.2.1\" \n }",
            true,
            false,
        ),
        (
            "a condition on the client",
            "template IN A { \n expr client_ip() != '' \n answer \"{{ .Name }} 60 IN A 192.0.2.1\" \n }",
            false,
            false,
        ),
        (
            "a condition on the question",
            "template IN A { \n expr type() == 'A' \n answer \"{{ .Name }} 60 IN A 192.0.2.1\" \n }",
            true,
            true,
        ),
        (
            "a target that is looked up",
            "template IN A a { \n answer \"a 60 IN CNAME b\" \n }",
            true,
            false,
        ),
    ];
    for (name, corefile, is_pure, is_replayed) in cases {
        let kit = Kit::new();
        assert_eq!(kit.plugin(&PLUGIN, corefile).unwrap().is_pure(), is_pure, "{name}");
        let reply = ask(&chain(&kit, corefile), &query("a. A")).await.unwrap();
        assert_eq!(matches!(reply.replay(), Replay::While(_)), is_replayed, "{name}");
    }
}

#[tokio::test]
async fn other_classes_are_answered_in_their_class() {
    let corefile = "template ANY ANY {
        answer \"{{ .Name }} 60 {{ .Class }} TXT x\"
    }";
    let chain = chain(&Kit::new(), corefile);
    let told = told(&chain, &query("www.example. TXT").class(DNSClass::CH)).await;
    assert_eq!(told, "NoError www.example. 60 CH TXT x");
}

#[test]
fn what_coredns_accepts_is_accepted() {
    for text in [
        "template ANY ANY",
        "template IN NSAP-PTR example",
        "template NONE None a b c",
        "template ANY ANY (?P<x>",
        "template ANY ANY {\n rcode NOTIMPL\n}",
        "template ANY ANY {\n rcode BADCOOKIE\n}",
        "template ANY ANY {\n answer \"{{ parseInt }}\"\n}",
        "template ANY ANY {\n match [[] a{ (?P<a>b) \\Qa.b\\E\n}",
        "template ANY ANY {\n ederror 0\n ederror 65535 text\n}",
        "template ANY ANY {\n upstream\n upstream 192.0.2.1\n fallthrough a b\n}",
        "template ANY ANY {\n var _a1 1\n var b _a1 + 1\n expr b > 1\n}",
    ] {
        if let Err(error) = Kit::new().plugin(&PLUGIN, text) {
            panic!("{text}: {error}");
        }
    }
}

#[test]
fn mistakes_are_refused_with_what_is_wrong() {
    let long = format!("template ANY ANY {{\n match {}\n}}", "a".repeat(10_001));
    let cases = [
        ("template", "`template` wants at least 2 arguments, not 0"),
        ("template IN", "`template` wants at least 2 arguments, not 1"),
        ("template X A", "expected a class, not `X`"),
        ("template in A", "expected a class, not `in`"),
        ("template IN a", "expected a record type, not `a`"),
        ("template IN TYPE1", "expected a record type, not `TYPE1`"),
        ("template IN A {\n match\n}", "`match` wants at least 1 argument"),
        ("template IN A {\n match (\n}", "`(` is not a regular expression"),
        (&long, "more than 10000"),
        ("template IN A {\n answer\n}", "`answer` wants at least 1 argument"),
        ("template IN A {\n answer \"{{\"\n}", "`{{` is not a template"),
        ("template IN A {\n additional \"{{ x }}\"\n}", "there is no function `x`"),
        ("template IN A {\n authority \"{{ html 1 }}\"\n}", "`html` is not supported"),
        ("template IN A {\n rcode\n}", "`rcode` wants 1 argument"),
        ("template IN A {\n rcode nxdomain\n}", "expected a response code, not `nxdomain`"),
        ("template IN A {\n ederror\n}", "`ederror` wants 1 to 2 arguments"),
        ("template IN A {\n ederror +1\n}", "expected an extended error code"),
        ("template IN A {\n ederror 65536\n}", "expected an extended error code"),
        ("template IN A {\n var\n}", "`var` wants at least 2 arguments"),
        ("template IN A {\n var 1a 1\n}", "expected a variable's name, not `1a`"),
        ("template IN A {\n var a-b 1\n}", "expected a variable's name, not `a-b`"),
        ("template IN A {\n var name 1\n}", "the name `name` is taken"),
        ("template IN A {\n var len 1\n}", "the name `len` is taken"),
        ("template IN A {\n var a 1\n var a 2\n}", "the name `a` is taken"),
        ("template IN A {\n var a b + 1\n var b 1\n}", "`b` is not known"),
        ("template IN A {\n expr\n}", "`expr` wants at least 1 argument"),
        ("template IN A {\n expr name() ==\n}", "the expression ends too early"),
        ("template IN A {\n expr a\n var a 1\n}", "`a` is not known"),
        ("template IN A {\n awnser x\n}", "did you mean `answer`?"),
    ];
    for (text, message) in cases {
        let rendered = rendered(&PLUGIN, text);
        assert!(rendered.contains(message), "{text}: {rendered}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let rendered = rendered(
        &PLUGIN,
        "template X A {\n var a nothing()\n expr a > 1\n rcode X\n}\ntemplate IN X",
    );
    assert_eq!(rendered.matches("error:").count(), 4, "{rendered}");
}

#[test]
fn a_field_that_is_never_there_is_doubted() {
    let text = "template IN A {
        answer \"{{ .Grup.a }}{{ $.Nmae }}{{ .Group.any }}{{ range .Match }}{{ .x }}{{ end }}\"
    }";
    let (made, diagnostics) = with_setup(&Kit::new(), text, |setup| (PLUGIN.setup)(setup).is_ok());
    assert!(made);
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
    assert!(diagnostics[0].contains("warning: templates have no field `.Grup`"));
    assert!(diagnostics[1].contains("warning: templates have no field `.Nmae`"));
}
