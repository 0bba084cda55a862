use std::fs;
use std::path::{Path, PathBuf};

use plugin::proto::rr::{Name, RData, Record};
use plugin::proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use super::Parser;

fn parse(text: &str) -> Result<Vec<Record>, String> {
    parse_at(Path::new("db.example.org"), text)
}

fn parse_at(path: &Path, text: &str) -> Result<Vec<Record>, String> {
    let origin = Name::from_ascii("example.org.").unwrap();
    Parser::new(text.as_bytes().to_vec(), path, &origin)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// The records as `owner ttl class type`.
fn heads(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|r| format!("{} {} {} {}", r.name, r.ttl, r.dns_class, r.record_type()))
        .collect()
}

/// The data of one record in wire format, as hexadecimal digits.
fn wire(text: &str) -> String {
    let records = parse(&format!("@ 60 IN {text}")).unwrap();
    assert_eq!(records.len(), 1, "{text}");
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    records[0].data.emit(&mut encoder).unwrap();
    wire.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

#[test]
fn owners_ttls_and_classes_come_from_the_line_or_from_those_before() {
    let text = "\
; a comment
$TTL 1h
@       IN NS  ns            ; an origin
        IN NS  ns.example.net.
ns   60 IN A   192.0.2.1
     IN 70 A   192.0.2.2
        AAAA   2001:db8::1
$ORIGIN sub
www     A      192.0.2.3
a.b 1w2d3h4m5s CH A 192.0.2.4
$ORIGIN example.net.
@       A      192.0.2.5

$TTL 0
*       a      192.0.2.6\r
";
    let expected = [
        "example.org. 3600 IN NS",
        "example.org. 3600 IN NS",
        "ns.example.org. 60 IN A",
        "ns.example.org. 70 IN A",
        "ns.example.org. 3600 IN AAAA",
        "www.sub.example.org. 3600 IN A",
        "a.b.sub.example.org. 788645 CH A",
        "example.net. 3600 IN A",
        "*.example.net. 0 IN A",
    ];
    assert_eq!(heads(&parse(text).unwrap()), expected);
}

#[test]
fn without_ttl_directive_the_last_ttl_holds() {
    let heads = heads(
        &parse("@ 60 IN NS a.\n b NS a.\nc IN NS a.\nd 70 NS a.\ne NS a.\n").unwrap_or_default(),
    );
    assert!(heads.is_empty(), "`b` is no type: {heads:?}");
    let heads = super::tests::heads(&parse("@ 60 NS a.\nc IN NS a.\nd 70 NS a.\ne NS a.").unwrap());
    let ttls: Vec<&str> = heads.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(ttls, ["60", "60", "70", "70"]);
}

#[test]
fn before_any_ttl_a_class_makes_it_zero() {
    assert_eq!(heads(&parse("@ IN NS a.").unwrap()), ["example.org. 0 IN NS"]);
    assert!(parse("@ NS a.").unwrap_err().contains("no TTL"));
}

#[test]
fn parentheses_quotes_and_comments_shape_lines() {
    let text = "\
@ 60 IN SOA ns root ( ; (
    1       ; serial
    4H 1h )
    7D 30M
a 60 IN TXT ( one \"two ; three\"
\"(\" four)
b 60 IN TXT \"a
b\"\"c\"d;e
 60 IN A 192.0.2.1";
    let error = parse(text).unwrap_err();
    assert_eq!(error, "db.example.org:1: expected a number of seconds at the end of the line");
    let text = text.replace("4H 1h )\n    7D", "4H 1h\n    7D").replace("30M\n", "30M )\n");
    let records = parse(&text).unwrap();
    let RData::SOA(soa) = &records[0].data else { panic!("{}", records[0]) };
    assert_eq!((soa.serial, soa.refresh, soa.retry), (1, 14_400, 3600));
    assert_eq!((soa.expire, soa.minimum), (604_800, 1800));
    let texts = |record: &Record| match &record.data {
        RData::TXT(txt) => {
            txt.txt_data.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect()
        }
        _ => vec![],
    };
    assert_eq!(texts(&records[1]), ["one", "two ; three", "(", "four"]);
    assert_eq!(texts(&records[2]), ["a\nb", "c", "d"]);
    assert_eq!(records[3].name.to_string(), "b.example.org.");
}

#[test]
fn escapes_are_decimal_and_dots_may_be_escaped() {
    let records = parse("a\\.b\\046c.d\\065 60 IN TXT \\\"x\\\\\\255\\; \"\\\"\"").unwrap();
    let labels: Vec<&[u8]> = records[0].name.iter().collect();
    assert_eq!(labels, [&b"a.b.c"[..], b"dA", b"example", b"org"]);
    assert_eq!(wire("TXT \\\"x\\\\\\255\\; \"\\\"\""), "0522785cff3b0122");
    for (text, expected) in [
        ("TXT a\\25", "escape"),
        ("TXT a\\256", "escape"),
        ("TXT a\\", "escape"),
        ("NS a..b.", "no domain name"),
        ("NS .a.", "no domain name"),
        ("NS \"\"", "no domain name"),
    ] {
        let error = parse(&format!("@ 60 IN {text}")).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = "a".repeat(64);
    assert!(parse(&format!("{long} 60 IN A 192.0.2.1")).unwrap_err().contains("no domain name"));
}

#[test]
fn data_of_each_type_is_encoded() {
    let cases = [
        ("A 192.0.2.1", "c0000201"),
        ("AAAA 2001:db8::1", "20010db8000000000000000000000001"),
        ("NS NS.Example.NET.", "026e73076578616d706c65036e657400"),
        ("PTR Host", "04486f7374076578616d706c65036f726700"),
        ("MX 10 .", "000a00"),
        ("SRV 1 2 65535 X.", "00010002ffff015800"),
        ("DNAME t.", "017400"),
        ("RP a. b.", "0161000162 00"),
        ("HINFO one", "036f6e6500"),
        ("HINFO one \"t wo\" three", "036f6e650a7420776f207468726565"),
        ("IPSECKEY 10 1 2 192.0.2.38 AQI=", "0a0102c00002260102"),
        ("IPSECKEY 10 0 0 .", "0a0000"),
        ("IPSECKEY 10 2 2 2001:db8::1 AQ==", "0a020220010db800000000000000000000000101"),
        ("IPSECKEY 10 3 2 gw.example.net. AQ==", "0a030202677707 6578616d706c65036e65740001"),
        ("IPSECKEY 10 4 2 x AQ==", ""),
        ("AMTRELAY 10 1 1 203.0.113.15", "0a81cb00710f"),
        ("AMTRELAY 10 2 1 203.0.113.15", ""),
        ("HIP 2 200100AA AQI= rvs.", "0402000220 0100aa0102 0372767300"),
        ("CAA 128 issue \"ca.example\"", "80056973737565 63612e6578616d706c65"),
        ("URI 10 1 \"ftp://x\"", "000a0001 6674703a2f2f78"),
        ("SSHFP 4 2 12 34 AB", "04021234ab"),
        ("TLSA 3 1 1 ab cd", "030101abcd"),
        (
            "NAPTR 1 2 \"S\" \"SIP+D2U\" \"\" _sip._udp.x.",
            "000100020153075349502b44325500045f736970045f756470017800",
        ),
        ("DS 12345 ECDSAP256SHA256 2 AABB", "30390d02aabb"),
        ("DS 12345 13 2 AA BB", "30390d02aabb"),
        ("CDS 0 0 0 00", "0000000000"),
        ("DNSKEY 257 3 8 AwEA AQ==", "01010308030100 01"),
        ("CERT PKIX 0 0 AAAA", "0001000000000000"),
        ("OPENPGPKEY AQI=", "0102"),
        ("CSYNC 66 3 A NS AAAA", "000000420003000460000008"),
        ("ZONEMD 1 1 1 ff", "000000010101ff"),
        (
            "NSEC a. A MX RRSIG NSEC TYPE1234",
            "01610000064001 00000003041b000000000000000000000000000000000000000000000000000020",
        ),
        (
            "RRSIG A 8 3 300 20380119031408 20030101000000 1 x. AQ==",
            "0001080300 00012c800000003e12 2f80 0001017800 01",
        ),
        (
            "RRSIG TYPE65280 8 3 300 4294967295 0 1 x. AQ==",
            "ff00080300 00012cffffffff00000000 0001017800 01",
        ),
        ("EUI48 00-00-5e-00-53-2a", "00005e00532a"),
        ("EUI64 00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
        ("NID 10 0014:4fff:ff20:ee64", "000a00144fffff20ee64"),
        ("L32 10 192.0.2.1", "000ac0000201"),
        ("APL 1:192.0.2.0/24 !2:2001:db8::/32", "00011803c00002 0002208420010db8"),
        ("LOC 42 21 54 N 71 06 18 W -24m 30m", "00331613 89172dd0 70be15f0 00988d20"),
        ("LOC 52 N 4 30.5 E 0.00m", ""),
        ("SPF \"v=spf1 -all\"", "0b763d73706631202d616c6c"),
        (
            "HTTPS 1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1",
            "000100 00010006026832026833 0003000220fb 00040004c0000201",
        ),
        ("SVCB 1 T. key7=a mandatory=port,alpn port=\"53\" alpn=a,", ""),
        ("SVCB 0 X.example.net.", "0000 0178076578616d706c65036e657400"),
        (
            "SVCB 1 . ipv6hint=2001:db8::1,2001:db8::2 ech=AQ== no-default-alpn alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
            "000100 0001000c08665c6f6f2c626172026832 00020000 00050001 01 00060020 20010db8000000000000000000000001 20010db8000000000000000000000002",
        ),
        ("SVCB 1 . key667=\"hello\\210qoo\"", "000100 029b000968656c6c6fd2716f6f"),
        ("TYPE65280 \\# 4 0A 00 00 01", "0a000001"),
        ("A \\# 4 0A000001", "0a000001"),
        ("TYPE65280 \\# 0", ""),
    ];
    for (text, expected) in cases {
        if expected.is_empty() && !text.contains("\\# 0") {
            assert!(parse(&format!("@ 60 IN {text}")).is_err(), "{text}");
            continue;
        }
        assert_eq!(wire(text), expected.replace(' ', ""), "{text}");
    }
}

#[test]
fn long_texts_are_cut_at_255_octets() {
    let wire = wire(&format!("TXT \"{}\" \"\"", "x".repeat(600)));
    let octets = |n: usize| wire[n * 2..n * 2 + 2].to_owned();
    assert_eq!(
        (octets(0), octets(256), octets(512), octets(603)),
        ("ff".into(), "ff".into(), "5a".into(), "00".into())
    );
    assert_eq!(wire.len(), 604 * 2);
}

#[test]
fn generate_makes_a_record_for_each_number() {
    let text = "\
$TTL 60
$GENERATE 1-3 host$ A 192.0.2.$
$GENERATE 10-20/5 $ 300 IN PTR h${-9,3,d}.x${0,2,x}.net.
$GENERATE 1-1 a\\$b.$$ TXT \"n ${0,4,o}\" \\#
www A 192.0.2.9
";
    let records = parse(text).unwrap();
    let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    let expected = [
        // As CoreDNS has it: `$TTL` does not count.
        "host1.example.org. 3600 IN A 192.0.2.1",
        "host2.example.org. 3600 IN A 192.0.2.2",
        "host3.example.org. 3600 IN A 192.0.2.3",
        "10.example.org. 300 IN PTR h001.x0a.net.",
        "15.example.org. 300 IN PTR h006.x0f.net.",
        "20.example.org. 300 IN PTR h011.x14.net.",
    ];
    assert_eq!(lines[..6], expected);
    let labels: Vec<&[u8]> = records[6].name.iter().collect();
    assert_eq!(labels, [&b"a$b"[..], b"$", b"example", b"org"]);
    assert_eq!(records[7].to_string(), "www.example.org. 60 IN A 192.0.2.9");
}

/// A directory of its own for a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("master-{}-{name}", std::process::id()));
        for (name, text) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn include_reads_another_file_and_changes_nothing_after_it() {
    let scratch = Scratch::new(
        "include",
        &[
            (
                "sub/hosts",
                "@ A 192.0.2.1\n$ORIGIN deep\n$TTL 5\nx A 192.0.2.2\n$INCLUDE more ; next to it\n",
            ),
            ("sub/more", "y A 192.0.2.3"),
        ],
    );
    let text = "$TTL 60\nfirst A 192.0.2.9\n$INCLUDE sub/hosts\n A 192.0.2.8\n$include \"sub/hosts\" other\nz A 192.0.2.7";
    let records = parse_at(&scratch.0.join("db"), text).unwrap();
    let expected = [
        "first.example.org. 60 IN A",
        "example.org. 60 IN A",
        "x.deep.example.org. 5 IN A",
        "y.deep.example.org. 5 IN A",
        "first.example.org. 60 IN A",
        "other.example.org. 60 IN A",
        "x.deep.other.example.org. 5 IN A",
        "y.deep.other.example.org. 5 IN A",
        "z.example.org. 60 IN A",
    ];
    assert_eq!(heads(&records), expected);
}

#[test]
fn files_that_include_themselves_are_refused() {
    let scratch = Scratch::new("loop", &[("db", "$INCLUDE db\n")]);
    let error = parse_at(&scratch.0.join("db"), "$INCLUDE db\n").unwrap_err();
    assert!(error.ends_with("db:1: files include files too often"), "{error}");
}

#[test]
fn mistakes_say_where_they_are() {
    let cases = [
        (
            "@ 60 IN NS a.\n\nwww 60 IN FOO b",
            "db.example.org:3: expected a type, a class or a TTL, not `FOO`",
        ),
        ("www 60 IN A 192.0.2", "db.example.org:1: expected an IPv4 address, not `192.0.2`"),
        ("www 60 IN A", "db.example.org:1: expected an IPv4 address at the end of the line"),
        ("www 60 IN A 192.0.2.1 x", "db.example.org:1: `x` is one word too many"),
        ("www 60 IN AAAA 192.0.2.1", "expected an IPv6 address"),
        ("www 60 IN MX 65536 a", "expected a number from 0 to 65535"),
        ("www 60 IN\n", "db.example.org:1: the record has no type"),
        ("www\n", "the record has no type"),
        (" 60 IN A 192.0.2.1", "the first record has no owner"),
        ("@ 60 IN SOA a. b. x 1 1 1 1", "expected a number from 0 to 4294967295, not `x`"),
        ("@ 60 IN TXT (\na\n", "db.example.org:1: `(` is not closed"),
        ("@ 60 IN TXT a\n )", "db.example.org:2: `)` closes nothing"),
        ("@ 60 IN TXT \"a\n\n", "db.example.org:1: a quote is not closed"),
        ("@ 60 IN NSEC3 1 0 1 - a A", "NSEC3 is not supported"),
        ("@ 60 IN NSEC3PARAM 1 0 1 -", "NSEC3 is not supported"),
        ("@ 60 IN NXT x A", "data of type NXT can only be written as `\\# LENGTH HEX`"),
        ("@ 60 IN TYPE999 x", "data of type TYPE999 can only be written"),
        ("@ 60 IN TYPE999 \\# 2 00", "the data is not what its type wants"),
        ("@ 60 IN A \\# 5 0000000000", "the data is not what its type wants"),
        ("@ 60 IN DS 1 8 2 abc", "expected hexadecimal digits"),
        ("@ 60 IN DNSKEY 257 3 8 a", "expected base 64"),
        ("@ 60 IN RRSIG A 8 3 300 20381319031408 0 1 x. AQ==", "expected a time"),
        ("@ 60 IN SVCB 1 . port=70000", "expected a parameter"),
        ("@ 60 IN SVCB 1 . port=1 port=2", "expected each parameter once"),
        ("@ 60 IN SVCB 1 . alpn=\"h2\"port=1", "expected a parameter"),
        ("$TTL", "`$TTL` wants a TTL"),
        ("$TTL x", "expected a TTL, not `x`"),
        ("$TTL 99999999999999999999", "expected a TTL"),
        ("$ORIGIN a b", "`$ORIGIN` wants a name"),
        ("$INCLUDE", "`$INCLUDE` wants a file"),
        ("$INCLUDE /nonexistent/db", "cannot read `/nonexistent/db`"),
        ("$GENERATE 1-2", "`$GENERATE` wants a range and a record"),
        ("$GENERATE 2-1 a A 192.0.2.1", "expected a range such as `1-254/2`"),
        ("$GENERATE 1-2/0 a A 192.0.2.1", "expected a range"),
        ("$GENERATE 0-65536 a A 192.0.2.1", "expected a range"),
        ("$GENERATE 1-2 a${0,0,y} A 192.0.2.1", "base d, o, x or X"),
        ("$GENERATE 1-2 a${0 A 192.0.2.1", "base d, o, x or X"),
        ("$GENERATE 1-2 a${-2} A 192.0.2.1", "the offset leads out"),
        ("\n$GENERATE 1-2 a A x$", "db.example.org:2: expected an IPv4 address, not `x1`"),
        ("$GENERATE 1-2 $$GENERATE 1-2 a A x", "cannot generate itself"),
    ];
    for (text, expected) in cases {
        match parse(text) {
            Ok(records) => panic!("{text}: {:?}", heads(&records)),
            Err(error) => assert!(error.contains(expected), "{text}: {error}"),
        }
    }
}

#[test]
fn no_octets_make_the_parser_panic() {
    // Every prefix of a text with a bit of everything, and the same with octets flipped.
    let text = b"$TTL 1h\n@ IN SOA a b ( 1 2 3 4 5 )\nx\\065 60 TXT \"a\\\"b\" c;d\n$GENERATE 1-2 ${1,2,x} A 192.0.2.$\n\
        y SVCB 1 . alpn=\"a,b\" key7=\"\\\\\"\nz LOC 1 2 3.4 N 5 E 6m\nw NSEC a. A TYPE9\n";
    let origin = Name::from_ascii("example.org.").unwrap();
    for end in 0..text.len() {
        for flip in [0, 0x20, 0x80, 0x0a] {
            let mut octets = text[..end].to_vec();
            if let Some(last) = octets.last_mut() {
                *last ^= flip;
            }
            octets.extend(b" 1 ");
            let n_items = Parser::new(octets, Path::new("db"), &origin).count();
            assert!(n_items < 20);
        }
    }
}
