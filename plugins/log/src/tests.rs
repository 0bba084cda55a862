use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::{Message, MessageType, OpCode, Query as Question, ResponseCode};
use plugin::proto::rr::rdata::NULL;
use plugin::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use plugin::{Chain, Next, Plugin, Reply, Request, ServeError, async_trait};
use testkit::{Kit, Logs, Query, Table, ask, query, record, rendered};

use super::PLUGIN;
use super::class::{Class, Type};
use super::format::{Exchange, Format};

/// A chain of `log` above a table with one name.
fn chain(corefile: &str) -> Chain {
    chain_above(corefile, Arc::new(table()).link())
}

fn table() -> Table {
    Table::new("a.example.org. 60 IN A 192.0.2.1\na.example.org. 60 IN A 192.0.2.2")
        .edit(|_, reply| reply.metadata.authoritative = true)
}

fn chain_above(corefile: &str, below: Arc<dyn Plugin>) -> Chain {
    let log = Kit::new().plugin(&PLUGIN, corefile).unwrap();
    Chain::new([("log", log), ("below", below)])
}

async fn logged(chain: &Chain, query: &Query) -> Vec<String> {
    let logs = Logs::capture();
    let _ = ask(chain, query).await;
    logs.take()
}

/// Says nothing.
struct Silent;

#[async_trait]
impl Plugin for Silent {
    async fn serve(&self, _request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        Ok(Reply::silence())
    }
}

#[tokio::test(start_paused = true)]
async fn the_common_format_is_that_of_coredns() {
    let chain = chain("log");
    let cases = [
        (
            "UDP without EDNS",
            query("a.example.org. A"),
            r#"[INFO] 10.240.0.1:40212 - 4711 "A IN a.example.org. udp 31 false 512" NOERROR qr,aa,rd 89 0s"#,
        ),
        (
            "EDNS and DO; the reply's own OPT comes later and is not counted",
            query("a.Example.ORG. A").dnssec_ok().edns(1232),
            r#"[INFO] 10.240.0.1:40212 - 4711 "A IN a.example.org. udp 42 true 1232" NOERROR qr,aa,rd 89 0s"#,
        ),
        (
            "TCP from an IPv6 client",
            query("b.example.org. MX").tcp().client("[2001:db8::1]:53"),
            r#"[INFO] [2001:db8::1]:53 - 4711 "MX IN b.example.org. tcp 31 false 65535" NXDOMAIN qr,aa,rd 108 0s"#,
        ),
        (
            "a small EDNS size counts as 512",
            query("a.example.org. A").edns(0),
            r#"[INFO] 10.240.0.1:40212 - 4711 "A IN a.example.org. udp 42 false 512" NOERROR qr,aa,rd 89 0s"#,
        ),
        (
            "what a name may hold",
            query("example.org. MX").client("[::ffff:192.0.2.7]:99").edit(|message| {
                let labels = [&b"a.b\"\x07 c"[..], b"EX\xffAMPLE", b"org"];
                message.queries[0].set_name(Name::from_labels(labels).unwrap());
            }),
            r#"[INFO] 192.0.2.7:99 - 4711 "MX IN a\.b\"\007\ c.ex\255ample.org. udp 38 false 512" NXDOMAIN qr,aa,rd 115 0s"#,
        ),
    ];
    for (name, query, line) in cases {
        assert_eq!(logged(&chain, &query).await, [line], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_placeholder_stands_for_its_value() {
    let request = query("a.Example.org. A")
        .edns(1400)
        .edit(|message| message.metadata.checking_disabled = true)
        .request();
    let mut reply = request.reply();
    reply.metadata.truncation = true;
    reply.metadata.recursion_available = true;
    reply.metadata.authentic_data = true;
    let exchange = Exchange {
        request: &request,
        reply: Some(&reply),
        reply_type: Type::NoData,
        duration: Duration::from_nanos(103_126),
    };
    let cases = [
        ("{type}", "A"),
        ("{name}", "a.example.org."),
        ("{class}", "IN"),
        ("{proto}", "udp"),
        ("{size}", "42"),
        ("{remote}", "10.240.0.1"),
        ("{port}", "40212"),
        ("{local}", "127.0.0.1"),
        ("{>id}", "4711"),
        ("{>opcode}", "0"),
        ("{>do}", "false"),
        ("{>bufsize}", "1400"),
        ("{rcode}", "NOERROR"),
        ("{rsize}", "31"),
        ("{duration}", "0.000103126s"),
        ("{>rflags}", "qr,tc,rd,ra,ad,cd"),
        ("{/log/type}", "NODATA"),
        ("{/log/class}", "denial"),
        ("{/view/name}", "-"),
        ("{/forward/upstream}", "-"),
        ("{/}", "-"),
        // Text, and braces that are no placeholders.
        ("", ""),
        ("plain", "plain"),
        ("{when} {}", "{when} {}"),
        ("{ {type} }", "{ A }"),
        ("{{type}}", "{A}"),
        ("} {type} {", "} A {"),
        ("{x}{type}{y}{class}{", "{x}A{y}IN{"),
        ("{Type} {ty pe}", "{Type} {ty pe}"),
        ("{type}{/a/b}{type}", "A-A"),
        ("ü{type}ü", "üAü"),
        (
            "{common}|",
            "10.240.0.1:40212 - 4711 \"A IN a.example.org. udp 42 false 1400\" NOERROR qr,tc,rd,ra,ad,cd 31 0.000103126s|",
        ),
        (
            "{combined}",
            "10.240.0.1:40212 - 4711 \"A IN a.example.org. udp 42 false 1400\" NOERROR qr,tc,rd,ra,ad,cd 31 0.000103126s \"0\"",
        ),
    ];
    for (format, line) in cases {
        assert_eq!(Format::parse(format).line(&exchange), line, "{format}");
    }
    let silence = Exchange { reply: None, ..exchange };
    let format = Format::parse("{rcode} {rsize} {>rflags} {name}");
    assert_eq!(format.line(&silence), "- 0 - a.example.org.");
}

#[tokio::test]
async fn a_reply_that_will_be_cut_short_shows_tc() {
    // Such a record takes 53 octets, and 16 when its owner is compressed.
    let address = record("www.a-name-of-some-length.example.org. 60 IN A 192.0.2.1");
    let cases = [
        ("fits", 8, None, "qr,rd"),
        ("fits when compressed", 20, None, "qr,rd"),
        ("does not fit", 40, None, "qr,tc,rd"),
        ("fits the EDNS size", 40, Some(1232), "qr,rd"),
        ("fits any stream", 400, Some(0), "qr,rd"),
    ];
    for (name, n_records, size, flags) in cases {
        let mut asked = query("www.a-name-of-some-length.example.org. A");
        match size {
            Some(0) => asked = asked.tcp(),
            Some(size) => asked = asked.edns(size),
            None => {}
        }
        let request = asked.request();
        let mut reply = request.reply();
        reply.answers = vec![address.clone(); n_records];
        let exchange = Exchange {
            request: &request,
            reply: Some(&reply),
            reply_type: Type::NoError,
            duration: Duration::ZERO,
        };
        assert_eq!(Format::parse("{>rflags}").line(&exchange), flags, "{name}");
    }
}

#[tokio::test]
async fn types_classes_and_rcodes_without_a_name_are_shown_by_number() {
    let cases = [
        (65_280, 1, 0, "TYPE65280 IN NOERROR"),
        (29, 3, 16, "LOC CH BADSIG"),
        (0, 4, 23, "None HS BADCOOKIE"),
        (257, 32, 12, "CAA CLASS32 12"),
        (255, 255, 4095, "ANY ANY 4095"),
        (64, 254, 9, "SVCB NONE NOTAUTH"),
        (39, 2, 10, "DNAME CS NOTZONE"),
        (52, 1, 3, "TLSA IN NXDOMAIN"),
    ];
    for (qtype, class, rcode, line) in cases {
        let request = query("example.org. A")
            .edit(|message| {
                message.queries[0].set_query_type(qtype.into());
                message.queries[0].set_query_class(class.into());
            })
            .request();
        let [high, low] = u16::to_be_bytes(rcode << 4);
        let rcode = ResponseCode::from(high, low >> 4);
        let reply = request.reply_with(rcode);
        let exchange = Exchange {
            request: &request,
            reply: Some(&reply),
            reply_type: Type::NoError,
            duration: Duration::ZERO,
        };
        assert_eq!(Format::parse("{type} {class} {rcode}").line(&exchange), line);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_logged_with_the_rcode_that_the_server_answers_with() {
    let chain = chain_above("log", Arc::new(Table::default().failing()).link());
    assert_eq!(
        logged(&chain, &query("a.example.org. A")).await,
        [
            r#"[INFO] 10.240.0.1:40212 - 4711 "A IN a.example.org. udp 31 false 512" SERVFAIL qr,rd 31 0s"#
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_error_without_an_rcode() {
    let chain = chain_above("log {\n class error\n}", Arc::new(Silent));
    assert_eq!(
        logged(&chain, &query("a.example.org. A")).await,
        [r#"[INFO] 10.240.0.1:40212 - 4711 "A IN a.example.org. udp 31 false 512" - - 0 0s"#]
    );
}

#[tokio::test]
async fn the_first_directive_for_a_name_decides() {
    let chain = chain(
        "log a.example.org. {\n class denial\n}\n\
         log example.org EXAMPLE.net. 192.0.2.0/24 \"two {name}\"\n\
         log example.net \"three {name}\"",
    );
    let cases: &[(&str, &[&str])] = &[
        ("a.example.org. A", &[]),
        ("b.example.org. A", &["[INFO] two b.example.org."]),
        ("example.org. A", &["[INFO] two example.org."]),
        ("badexample.org. A", &[]),
        ("x.Example.Net. A", &["[INFO] two x.example.net."]),
        ("1.2.0.192.in-addr.arpa. PTR", &["[INFO] two 1.2.0.192.in-addr.arpa."]),
        ("example.com. A", &[]),
    ];
    for (question, lines) in cases {
        assert_eq!(logged(&chain, &query(question)).await, *lines, "{question}");
    }
}

#[tokio::test]
async fn a_format_without_a_name_is_a_name_that_nobody_asks_for() {
    // With a warning, so not by way of `chain`.
    let kit = Kit::new();
    let (plugin, _) = testkit::with_setup(&kit, "log {combined}", PLUGIN.setup);
    let chain =
        Chain::new([("log", Arc::from(plugin.unwrap())), ("table", Arc::new(table()).link())]);
    assert_eq!(logged(&chain, &query("www.example.org. A")).await, [""; 0]);
}

#[tokio::test]
async fn only_the_classes_named_are_logged() {
    let failing = || Arc::new(Table::default().failing()).link();
    let answering = || Arc::new(table()).link();
    // The block, and whether success, denial and error are logged.
    let cases = [
        ("", [true, true, true]),
        ("class all", [true, true, true]),
        ("class success", [true, false, false]),
        ("class denial", [false, true, false]),
        ("class error", [false, false, true]),
        ("class denial error", [false, true, true]),
        ("class denial\n class success", [true, true, false]),
        ("class error all", [true, true, true]),
    ];
    for (block, expected) in cases {
        let corefile = format!("log . {{type}} {{\n {block}\n}}");
        let answering = chain_above(&corefile, answering());
        let failing = chain_above(&corefile, failing());
        let found = [
            logged(&answering, &query("a.example.org. A")).await,
            logged(&answering, &query("b.example.org. A")).await,
            logged(&failing, &query("a.example.org. A")).await,
        ];
        assert_eq!(found.map(|lines| !lines.is_empty()), expected, "{block}");
    }
}

#[test]
fn replies_are_typed_as_coredns_types_them() {
    struct Case {
        name: &'static str,
        rcode: ResponseCode,
        answer: &'static str,
        authority: &'static str,
        expected: (Type, Class),
    }
    const A: &str = "example.org. 60 IN A 192.0.2.1";
    const SOA: &str =
        "example.org. 60 IN SOA ns.example.org. root.example.org. 1 7200 1800 86400 60";
    const NS: &str = "example.org. 60 IN NS ns.example.org.";
    let case = |name, rcode, answer, authority, reply_type, class| Case {
        name,
        rcode,
        answer,
        authority,
        expected: (reply_type, class),
    };
    let (ok, nx) = (ResponseCode::NoError, ResponseCode::NXDomain);
    let cases = [
        case("answer", ok, A, "", Type::NoError, Class::Success),
        case("answer with authority", ok, A, SOA, Type::NoError, Class::Success),
        case("nothing at all", ok, "", "", Type::NoError, Class::Success),
        case("nodata", ok, "", SOA, Type::NoData, Class::Denial),
        case("referral", ok, "", NS, Type::Delegation, Class::Success),
        case("nxdomain", nx, "", SOA, Type::NameError, Class::Denial),
        case("nxdomain without an SOA", nx, "", "", Type::NameError, Class::Denial),
        case("nxdomain after a CNAME", nx, A, SOA, Type::OtherError, Class::Error),
        case("servfail", ResponseCode::ServFail, "", "", Type::ServerError, Class::Error),
        case(
            "servfail with an answer",
            ResponseCode::ServFail,
            A,
            "",
            Type::ServerError,
            Class::Error,
        ),
        case("notimp", ResponseCode::NotImp, "", NS, Type::ServerError, Class::Error),
        case("refused", ResponseCode::Refused, "", "", Type::OtherError, Class::Error),
        case("formerr", ResponseCode::FormErr, "", SOA, Type::OtherError, Class::Error),
    ];
    for case in cases {
        let mut reply = reply_to(RecordType::A);
        reply.metadata.response_code = case.rcode;
        reply.answers = testkit::records(case.answer);
        reply.authorities = testkit::records(case.authority);
        let found = Type::of(Some(&reply), None);
        assert_eq!((found, found.class()), case.expected, "{}", case.name);
    }
    assert_eq!(Type::of(None, None), Type::OtherError, "no reply");
    assert_eq!(Type::of(Some(&reply_to(RecordType::AXFR)), None), Type::Meta);
    assert_eq!(Type::of(Some(&reply_to(RecordType::IXFR)), None), Type::Meta);
    for (op_code, expected) in [(OpCode::Update, Type::Update), (OpCode::Notify, Type::Meta)] {
        let mut reply = reply_to(RecordType::A);
        reply.metadata.op_code = op_code;
        assert_eq!(Type::of(Some(&reply), None), expected);
    }
}

#[test]
fn a_signature_out_of_its_time_makes_an_error_for_clients_that_care() {
    let signed = |inception: u32, expiration: u32| {
        let mut rdata = vec![0, 1, 13, 2, 0, 0, 0, 60];
        rdata.extend(expiration.to_be_bytes());
        rdata.extend(inception.to_be_bytes());
        let rdata = RData::Unknown { code: RecordType::RRSIG, rdata: NULL::with(rdata) };
        let mut reply = reply_to(RecordType::A);
        reply.answers.push(record("example.org. 60 IN A 192.0.2.1"));
        reply.answers.push(Record::from_rdata(Name::root(), 60, rdata));
        reply
    };
    let cases = [
        ("in its time", signed(1_000, 2_000), Some(1_500), Type::NoError),
        ("expired", signed(1_000, 2_000), Some(2_001), Type::OtherError),
        ("not yet", signed(1_000, 2_000), Some(999), Type::OtherError),
        ("expired, and nobody cares", signed(1_000, 2_000), None, Type::NoError),
        ("across the end of 32 bits", signed(u32::MAX - 10, 10), Some(1 << 32), Type::NoError),
        (
            "expired after the end of 32 bits",
            signed(u32::MAX - 10, 10),
            Some((1 << 32) + 11),
            Type::OtherError,
        ),
    ];
    for (name, reply, now, expected) in cases {
        assert_eq!(Type::of(Some(&reply), now), expected, "{name}");
    }
    let mut cut = reply_to(RecordType::A);
    let rdata = RData::Unknown { code: RecordType::RRSIG, rdata: NULL::with(vec![0; 9]) };
    cut.answers.push(Record::from_rdata(Name::root(), 60, rdata));
    assert_eq!(Type::of(Some(&cut), Some(0)), Type::NoError, "too short to have times");
}

fn reply_to(qtype: RecordType) -> Message {
    let mut reply = Message::new(1, MessageType::Response, OpCode::Query);
    let mut question = Question::query(Name::root(), qtype);
    question.set_query_class(DNSClass::IN);
    reply.queries.push(question);
    reply
}

#[test]
fn what_coredns_accepts_is_accepted() {
    // The directives, and what they are warned about.
    let cases = [
        ("log", ""),
        ("log example.org", ""),
        ("log example.org. {common}", ""),
        ("log example.org {combined}", ""),
        ("log example.org.\nlog example.net {combined}", ""),
        ("log example.org {host}\nlog example.org {when}", "`{host}` is no placeholder"),
        ("log example.org example.net", ""),
        ("log example.org example.net {host}", "`{host}` is no placeholder"),
        ("log example.org example.net {when} {\n class denial\n}", "`{when}` is no placeholder"),
        ("log example.org {\n class all\n}", ""),
        ("log {\n class denial\n class error\n}", ""),
        ("log example.org \"{combined} {/forward/upstream}\"", ""),
        ("log example.org \"{when} {common} {/forward/upstream}\"", "`{when}` is no placeholder"),
        ("log . \"{proto} Request: {name} {type} {>id}\"", ""),
        ("log {common}", "write `log . {common}`"),
        ("log a..b", "`a..b` is no domain name"),
    ];
    for (text, warning) in cases {
        match Kit::new().plugin(&PLUGIN, text) {
            Ok(_) => assert_eq!(warning, "", "{text}"),
            Err(diagnostics) => {
                assert!(!diagnostics.contains("error: "), "{text}\n{diagnostics}");
                assert!(
                    !warning.is_empty() && diagnostics.contains(warning),
                    "{text}\n{diagnostics}"
                );
            }
        }
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let cases = [
        ("log {\n class abracadabra\n}", "a class of answers"),
        ("log {\n class\n}", "at least 1 argument"),
        ("log {\n class Error\n}", "a class of answers"),
        ("log {\n unknown\n}", "unknown property `unknown`"),
        ("log {\n clas all\n}", "did you mean `class`?"),
        ("log\nlog example.org {\n format x\n}", "unknown property `format`"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
        assert!(diagnostics.contains("error: "), "{text}\n{diagnostics}");
    }
}
