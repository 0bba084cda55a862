//! What zones answer, in tables.

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::{Name, Record, RecordType};
use plugin::{Chain, Reply};
use testkit::{Kit, Query, ask, lines, query};

use super::{PLUGIN, Scratch};

const ZONE: &str = r#"
$TTL 3600
@         SOA    NS.Example.ORG. Root 7 1 2 3 4
@         NS     ns1
@         NS     ns.example.net.
@         MX     10 Mail
@         MX     20 mail
@         MX     30 mail.example.net.
ns1       A      192.0.2.53
mail      A      192.0.2.25
mail      AAAA   2001:db8::25
WWW       A      192.0.2.1
_X._tcp   SRV    1 2 3 WWW
_X._tcp   SRV    1 2 4 mail
https     HTTPS  1 mail alpn=h2
svcb      SVCB   1 . port=1
*.w       TXT    wild
a.b.c.w   TXT    "not wild"
*.c.deep  A      192.0.2.2
*.mx      MX     10 mail
x.*.ent   A      192.0.2.3
sub       NS     ns.sub
sub       NS     ns.sub.example.com.
sub       DS     1 8 2 ABCD
ns.sub    A      192.0.2.4
ns.sub    AAAA   2001:db8::4
unsigned  NS     ns1
alias     CNAME  WWW
alias2    CNAME  alias
tosub     CNAME  a.sub
toapex    CNAME  @
tomx      CNAME  @
towild    CNAME  x.w
todangle  CNAME  nowhere
toent     CNAME  c.w
out       CNAME  www.example.com.
*.cw      CNAME  mail
loop      CNAME  loop2
loop2     CNAME  loop
*.again   CNAME  x.again
dname     DNAME  target
dname     TXT    "itself"
www.target A     192.0.2.5
alias.target CNAME www.target
self      DNAME  self
away      DNAME  example.com.
has\.dot  A      192.0.2.6
TXT       TXT    "Case" "kept"
ptr       PTR    Host.Example.COM.
"#;

#[derive(Clone, Copy)]
struct Case {
    ask: &'static str,
    rcode: ResponseCode,
    answers: &'static [&'static str],
    authorities: &'static [&'static str],
    additionals: &'static [&'static str],
}

const NS: &[&str] =
    &["example.org. 3600 IN NS ns1.example.org.", "example.org. 3600 IN NS ns.example.net."];
const SOA: &[&str] = &["example.org. 3600 IN SOA ns.example.org. root.example.org. 7 1 2 3 4"];
const MAIL: &[&str] =
    &["mail.example.org. 3600 IN A 192.0.2.25", "mail.example.org. 3600 IN AAAA 2001:db8::25"];

const fn found(ask: &'static str, answers: &'static [&'static str]) -> Case {
    Case { ask, rcode: ResponseCode::NoError, answers, authorities: NS, additionals: &[] }
}

const fn with(case: Case, additionals: &'static [&'static str]) -> Case {
    Case {
        ask: case.ask,
        rcode: case.rcode,
        answers: case.answers,
        authorities: case.authorities,
        additionals,
    }
}

const fn nodata(ask: &'static str) -> Case {
    Case { ask, rcode: ResponseCode::NoError, answers: &[], authorities: SOA, additionals: &[] }
}

const fn nxdomain(ask: &'static str, answers: &'static [&'static str]) -> Case {
    Case { ask, rcode: ResponseCode::NXDomain, answers, authorities: SOA, additionals: &[] }
}

/// A referral to `sub`; with aliases in front it is an authoritative answer.
const fn referral(ask: &'static str, answers: &'static [&'static str]) -> Case {
    Case {
        ask,
        rcode: ResponseCode::NoError,
        answers,
        authorities: &[
            "sub.example.org. 3600 IN NS ns.sub.example.org.",
            "sub.example.org. 3600 IN NS ns.sub.example.com.",
        ],
        additionals: &[
            "ns.sub.example.org. 3600 IN A 192.0.2.4",
            "ns.sub.example.org. 3600 IN AAAA 2001:db8::4",
        ],
    }
}

const CASES: &[Case] = &[
    // The apex.
    found("example.org. SOA", SOA),
    Case {
        ask: "Example.ORG. NS",
        rcode: ResponseCode::NoError,
        answers: NS,
        authorities: &[],
        additionals: &["ns1.example.org. 3600 IN A 192.0.2.53"],
    },
    nodata("example.org. A"),
    nodata("example.org. ANY"),
    nodata("example.org. DS"),
    // Targets of one name count once; those elsewhere are not for us.
    with(
        found(
            "example.org. MX",
            &[
                "example.org. 3600 IN MX 10 mail.example.org.",
                "example.org. 3600 IN MX 20 mail.example.org.",
                "example.org. 3600 IN MX 30 mail.example.net.",
            ],
        ),
        MAIL,
    ),
    // Owners in lower case; services as they are written.
    found("wWw.example.org. A", &["www.example.org. 3600 IN A 192.0.2.1"]),
    with(
        found(
            "_x._TCP.example.org. SRV",
            &[
                "_X._tcp.example.org. 3600 IN SRV 1 2 3 WWW.example.org.",
                "_X._tcp.example.org. 3600 IN SRV 1 2 4 mail.example.org.",
            ],
        ),
        &[
            "www.example.org. 3600 IN A 192.0.2.1",
            "mail.example.org. 3600 IN A 192.0.2.25",
            "mail.example.org. 3600 IN AAAA 2001:db8::25",
        ],
    ),
    with(
        found(
            "https.example.org. HTTPS",
            &["https.example.org. 3600 IN HTTPS 1 mail.example.org. alpn=h2,"],
        ),
        MAIL,
    ),
    found("svcb.example.org. SVCB", &["svcb.example.org. 3600 IN SVCB 1 . port=1"]),
    found("ptr.example.org. PTR", &["ptr.example.org. 3600 IN PTR Host.Example.COM."]),
    found("has\\.dot.example.org. A", &["has\\.dot.example.org. 3600 IN A 192.0.2.6"]),
    nodata("www.example.org. AAAA"),
    nxdomain("nope.example.org. A", &[]),
    nxdomain("a.www.example.org. A", &[]),
    // Empty non-terminals.
    nodata("_tcp.example.org. SRV"),
    nodata("deep.example.org. A"),
    nodata("w.example.org. TXT"),
    // Wildcards.
    found("x.w.example.org. TXT", &["x.w.example.org. 3600 IN TXT wild"]),
    found("X.y.W.example.org. TXT", &["x.y.w.example.org. 3600 IN TXT wild"]),
    found("*.w.example.org. TXT", &["*.w.example.org. 3600 IN TXT wild"]),
    nodata("x.w.example.org. A"),
    // As CoreDNS has it: a wildcard stands for an empty non-terminal, if not for what is below that.
    found("c.w.example.org. TXT", &["c.w.example.org. 3600 IN TXT wild"]),
    nodata("b.c.w.example.org. TXT"),
    nxdomain("x.c.w.example.org. TXT", &[]),
    nxdomain("x.a.b.c.w.example.org. TXT", &[]),
    found("x.c.deep.example.org. A", &["x.c.deep.example.org. 3600 IN A 192.0.2.2"]),
    nxdomain("x.deep.example.org. A", &[]),
    with(
        found("a.mx.example.org. MX", &["a.mx.example.org. 3600 IN MX 10 mail.example.org."]),
        MAIL,
    ),
    nodata("z.ent.example.org. A"),
    nxdomain("y.*.ent.example.org. A", &[]),
    // Referrals.
    referral("sub.example.org. A", &[]),
    referral("sub.example.org. NS", &[]),
    referral("a.b.SUB.example.org. A", &[]),
    referral("ns.sub.example.org. A", &[]),
    referral("a.sub.example.org. DS", &[]),
    found("sub.example.org. DS", &["sub.example.org. 3600 IN DS AAEIAqvN"]),
    nodata("unsigned.example.org. DS"),
    Case {
        ask: "unsigned.example.org. A",
        rcode: ResponseCode::NoError,
        answers: &[],
        authorities: &["unsigned.example.org. 3600 IN NS ns1.example.org."],
        // The server's name is not below the zone that it serves, so its address is to be had elsewhere.
        additionals: &[],
    },
    // Aliases.
    found("alias.example.org. CNAME", &["alias.example.org. 3600 IN CNAME www.example.org."]),
    found(
        "alias2.example.org. A",
        &[
            "alias2.example.org. 3600 IN CNAME alias.example.org.",
            "alias.example.org. 3600 IN CNAME www.example.org.",
            "www.example.org. 3600 IN A 192.0.2.1",
        ],
    ),
    // As CoreDNS has it: NS records, not the SOA, where the target lacks the type.
    found("alias.example.org. TXT", &["alias.example.org. 3600 IN CNAME www.example.org."]),
    referral("tosub.example.org. A", &["tosub.example.org. 3600 IN CNAME a.sub.example.org."]),
    found(
        "toapex.example.org. SOA",
        &[
            "toapex.example.org. 3600 IN CNAME example.org.",
            "example.org. 3600 IN SOA ns.example.org. root.example.org. 7 1 2 3 4",
        ],
    ),
    with(
        found(
            "tomx.example.org. MX",
            &[
                "tomx.example.org. 3600 IN CNAME example.org.",
                "example.org. 3600 IN MX 10 mail.example.org.",
                "example.org. 3600 IN MX 20 mail.example.org.",
                "example.org. 3600 IN MX 30 mail.example.net.",
            ],
        ),
        MAIL,
    ),
    found(
        "towild.example.org. TXT",
        &[
            "towild.example.org. 3600 IN CNAME x.w.example.org.",
            "x.w.example.org. 3600 IN TXT wild",
        ],
    ),
    nxdomain(
        "todangle.example.org. A",
        &["todangle.example.org. 3600 IN CNAME nowhere.example.org."],
    ),
    Case {
        ask: "toent.example.org. A",
        rcode: ResponseCode::NoError,
        answers: &["toent.example.org. 3600 IN CNAME c.w.example.org."],
        authorities: SOA,
        additionals: &[],
    },
    // Nobody knows the target: the alias is the answer.
    found("out.example.org. A", &["out.example.org. 3600 IN CNAME www.example.com."]),
    found(
        "x.cw.example.org. A",
        &[
            "x.cw.example.org. 3600 IN CNAME mail.example.org.",
            "mail.example.org. 3600 IN A 192.0.2.25",
        ],
    ),
    // DNAME.
    found(
        "WWW.dname.example.org. A",
        &[
            "dname.example.org. 3600 IN DNAME BnRhcmdldAdleGFtcGxlA29yZwA=",
            "www.dname.example.org. 3600 IN CNAME www.target.example.org.",
            "www.target.example.org. 3600 IN A 192.0.2.5",
        ],
    ),
    found(
        "alias.dname.example.org. A",
        &[
            "dname.example.org. 3600 IN DNAME BnRhcmdldAdleGFtcGxlA29yZwA=",
            "alias.dname.example.org. 3600 IN CNAME alias.target.example.org.",
            "alias.target.example.org. 3600 IN CNAME www.target.example.org.",
            "www.target.example.org. 3600 IN A 192.0.2.5",
        ],
    ),
    found(
        "www.dname.example.org. CNAME",
        &[
            "dname.example.org. 3600 IN DNAME BnRhcmdldAdleGFtcGxlA29yZwA=",
            "www.dname.example.org. 3600 IN CNAME www.target.example.org.",
        ],
    ),
    nxdomain(
        "x.dname.example.org. A",
        &[
            "dname.example.org. 3600 IN DNAME BnRhcmdldAdleGFtcGxlA29yZwA=",
            "x.dname.example.org. 3600 IN CNAME x.target.example.org.",
        ],
    ),
    found(
        "dname.example.org. DNAME",
        &["dname.example.org. 3600 IN DNAME BnRhcmdldAdleGFtcGxlA29yZwA="],
    ),
    found("dname.example.org. TXT", &["dname.example.org. 3600 IN TXT itself"]),
    nodata("dname.example.org. A"),
    found(
        "a.b.away.example.org. A",
        &[
            "away.example.org. 3600 IN DNAME B2V4YW1wbGUDY29tAA==",
            "a.b.away.example.org. 3600 IN CNAME a.b.example.com.",
        ],
    ),
];

fn chain(zone: &str) -> Chain {
    let scratch = Scratch::new(&format!("answers-{:?}", std::thread::current().id()));
    let db = scratch.write("db", zone);
    Kit::new().chain(&[(&PLUGIN, &format!("file {db} example.org"))]).unwrap()
}

async fn reply(chain: &Chain, query: &Query) -> Reply {
    ask(chain, query).await.unwrap()
}

#[tokio::test]
async fn a_zone_answers_as_its_file_says() {
    let chain = chain(ZONE);
    for case in CASES {
        let reply = reply(&chain, &query(case.ask)).await;
        let message = reply.message().unwrap();
        assert_eq!(message.metadata.response_code, case.rcode, "{}", case.ask);
        assert_eq!(lines(&message.answers), case.answers, "{}", case.ask);
        assert_eq!(lines(&message.authorities), case.authorities, "{}", case.ask);
        assert_eq!(lines(&message.additionals), case.additionals, "{}", case.ask);
        let is_referral = case.answers.is_empty()
            && case.rcode == ResponseCode::NoError
            && case.authorities != SOA;
        assert_eq!(message.metadata.authoritative, !is_referral, "{}", case.ask);
    }
}

#[tokio::test]
async fn aliases_that_never_end_fail_with_what_was_found() {
    let chain = chain(ZONE);
    for (question, n_answers) in [("a.again.example.org. A", 9), ("again.example.org. A", 0)] {
        let reply = reply(&chain, &query(question)).await;
        let message = reply.message().unwrap();
        let rcode = if n_answers > 0 { ResponseCode::ServFail } else { ResponseCode::NoError };
        assert_eq!(message.metadata.response_code, rcode, "{question}");
        assert_eq!(message.answers.len(), n_answers, "{question}");
    }
    // Within the zone they are cut, as CoreDNS does.
    let message = reply(&chain, &query("loop.example.org. A")).await.into_message().unwrap();
    assert_eq!(
        (message.metadata.response_code, message.answers.len()),
        (ResponseCode::NoError, 10)
    );
    let error = ask(&chain, &query("www.self.example.org. A")).await.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::ServFail);
}

#[tokio::test]
async fn a_dname_that_makes_names_too_long_fails() {
    let long = format!("{0}.{0}.{0}", "x".repeat(63));
    let chain = chain(&format!("$TTL 1\n@ SOA a b 1 1 1 1 1\nd DNAME {long}.example.com.\n"));
    let error =
        ask(&chain, &query(&format!("{}.d.example.org. A", "y".repeat(63)))).await.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::ServFail);
}

const SIGNED: &str = "
$TTL 60
@      SOA    ns root 1 2 3 4 5
       RRSIG  SOA 13 2 60 0 0 1 example.org. AQ==
       NS     ns
       RRSIG  NS 13 2 60 0 0 1 example.org. Ag==
       DNSKEY 257 3 13 AQ==
       NSEC   *.example.org. NS SOA RRSIG NSEC DNSKEY
       RRSIG  NSEC 13 2 60 0 0 1 example.org. Aw==
       RRSIG  DNSKEY 13 2 60 0 0 1 example.org. BA==
*.w    TXT    wild
       RRSIG  TXT 13 3 60 0 0 1 example.org. BQ==
       NSEC   a.example.org. TXT RRSIG NSEC
       RRSIG  NSEC 13 3 60 0 0 1 example.org. Bg==
a      A      192.0.2.1
       RRSIG  A 13 3 60 0 0 1 example.org. Bw==
       NSEC   ns.example.org. A RRSIG NSEC
       RRSIG  NSEC 13 3 60 0 0 1 example.org. CA==
c      CNAME  a
       RRSIG  CNAME 13 3 60 0 0 1 example.org. CQ==
ns     A      192.0.2.2
       RRSIG  A 13 3 60 0 0 1 example.org. Cg==
       NSEC   sub.example.org. A RRSIG NSEC
       RRSIG  NSEC 13 3 60 0 0 1 example.org. Cw==
sub    NS     ns.sub
       DS     1 13 2 ABCD
       RRSIG  DS 13 3 60 0 0 1 example.org. DA==
";

#[tokio::test]
async fn signatures_and_denials_come_with_the_do_bit_only() {
    let chain = chain(SIGNED);
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("a.example.org. A", &["a A", "a RRSIG A"], &[" NS", " RRSIG NS"]),
        ("example.org. SOA", &[" SOA", " RRSIG SOA"], &[" NS", " RRSIG NS"]),
        ("example.org. DNSKEY", &[" DNSKEY", " RRSIG DNSKEY"], &[" NS", " RRSIG NS"]),
        (
            "c.example.org. A",
            &["c CNAME", "c RRSIG CNAME", "a A", "a RRSIG A"],
            &[" NS", " RRSIG NS"],
        ),
        ("a.example.org. MX", &[], &[" SOA", " RRSIG SOA", "a NSEC", "a RRSIG NSEC"]),
        // The name, and the wildcard at the closest encloser.
        (
            "b.example.org. A",
            &[],
            &[" SOA", " RRSIG SOA", "a NSEC", "a RRSIG NSEC", " NSEC", " RRSIG NSEC"],
        ),
        ("b.a.example.org. A", &[], &[" SOA", " RRSIG SOA", "a NSEC", "a RRSIG NSEC"]),
        // The wildcard's records under the name asked for, and that this name is not there.
        (
            "x.w.example.org. TXT",
            &["x.w TXT", "x.w RRSIG TXT"],
            &[" NS", " RRSIG NS", "*.w NSEC", "*.w RRSIG NSEC"],
        ),
        ("x.w.example.org. A", &[], &[" SOA", " RRSIG SOA", "*.w NSEC", "*.w RRSIG NSEC"]),
        ("w.example.org. A", &[], &[" SOA", " RRSIG SOA"]),
        ("x.sub.example.org. A", &[], &["sub NS", "sub DS", "sub RRSIG DS"]),
        ("sub.example.org. DS", &["sub DS", "sub RRSIG DS"], &[" NS", " RRSIG NS"]),
        ("a.example.org. RRSIG", &["a RRSIG A", "a RRSIG NSEC"], &[" NS", " RRSIG NS"]),
    ];
    for (question, answers, authorities) in cases {
        let signed = reply(&chain, &query(question).dnssec_ok()).await.into_message().unwrap();
        assert_eq!(heads(&signed.answers), *answers, "{question}");
        assert_eq!(heads(&signed.authorities), *authorities, "{question}");
        let plain = reply(&chain, &query(question)).await.into_message().unwrap();
        for section in [&plain.answers, &plain.authorities, &plain.additionals] {
            let is_asked = |r: &&Record| r.record_type() != plain.queries[0].query_type();
            let n_signed = section
                .iter()
                .filter(is_asked)
                .filter(|r| {
                    matches!(r.record_type(), RecordType::RRSIG | RecordType::NSEC | RecordType::DS)
                })
                .count();
            assert_eq!(n_signed, 0, "{question}");
        }
    }
}

/// The records as `owner type`, with what a signature covers; the owner without the zone's name.
fn heads(records: &[Record]) -> Vec<String> {
    let origin = Name::from_ascii("example.org.").unwrap();
    let head = |record: &Record| {
        let n_labels = record.name.iter().len() - origin.iter().len();
        let owner: Vec<_> =
            record.name.iter().take(n_labels).map(String::from_utf8_lossy).collect();
        let covered = crate::master::type_covered(record);
        let covered = covered.map_or_else(String::new, |rtype| format!(" {rtype}"));
        format!("{} {}{covered}", owner.join("."), record.record_type())
    };
    records.iter().map(head).collect()
}

#[test]
fn records_are_listed_in_the_order_of_a_transfer() {
    let origin = Name::from_ascii("example.org.").unwrap();
    let zone =
        crate::zone::Zone::parse(SIGNED.into(), std::path::Path::new("db"), &origin).unwrap();
    let records: Vec<Record> = zone.records().cloned().collect();
    let heads = heads(&records);
    assert_eq!(heads[..4], [" SOA", " RRSIG SOA", " NS", " RRSIG NS"]);
    let owners: Vec<&str> = heads[4..].iter().map(|head| head.split(' ').next().unwrap()).collect();
    let mut once = owners.clone();
    once.dedup();
    assert_eq!(once, ["", "a", "c", "ns", "sub", "*.w"]);
    assert_eq!(heads.len(), 25);
}

#[tokio::test]
async fn records_elsewhere_are_left_out_and_the_apex_is_always_there() {
    let chain = chain(
        "$TTL 60\n@ SOA a b 1 1 1 1 1\n@ NS a.\nwww.example.com. A 192.0.2.1\nexample. NS b.\n",
    );
    let message = reply(&chain, &query("example.org. A")).await.into_message().unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    assert_eq!(lines(&message.authorities).len(), 1);
    let message = reply(&chain, &query("x.example.org. A")).await.into_message().unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn a_zone_without_ns_records_answers_without_them() {
    let chain = chain("$TTL 60\n@ SOA a b 1 1 1 1 1\nwww A 192.0.2.1\n");
    for (question, n_answers) in [("example.org. NS", 0), ("www.example.org. A", 1)] {
        let message = reply(&chain, &query(question)).await.into_message().unwrap();
        let sections = (message.answers.len(), message.authorities.len());
        assert_eq!(sections, (n_answers, 0), "{question}");
        assert!(message.metadata.authoritative, "{question}");
    }
}

#[tokio::test]
async fn the_root_can_be_served() {
    let scratch = Scratch::new("rootzone");
    let db = scratch.write("db", "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nwww A 192.0.2.1\nwww.example.org A 192.0.2.2\n* TXT any\n");
    let chain = Kit::new().chain(&[(&PLUGIN, &format!("file {db} ."))]).unwrap();
    let cases = [
        ("www. A", "www. 60 IN A 192.0.2.1"),
        ("www.example.org. A", "www.example.org. 60 IN A 192.0.2.2"),
        ("a.b.c. TXT", "a.b.c. 60 IN TXT any"),
        (". SOA", ". 60 IN SOA ns. h. 1 1 1 1 1"),
    ];
    for (question, expected) in cases {
        let message = reply(&chain, &query(question)).await.into_message().unwrap();
        assert_eq!(lines(&message.answers), [expected], "{question}");
    }
}
