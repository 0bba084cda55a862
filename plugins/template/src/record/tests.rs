use super::parse;

/// The record as a zone file would have it, or `error: …`.
fn record(text: &str) -> String {
    match parse(text) {
        Ok(record) => record.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

fn assert_records(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(record(text), *expected, "{text}");
    }
}

#[test]
fn ttl_and_class_stand_in_either_order_or_not_at_all() {
    assert_records(&[
        ("a. 60 IN A 192.0.2.1", "a. 60 IN A 192.0.2.1"),
        ("a. IN 60 A 192.0.2.1", "a. 60 IN A 192.0.2.1"),
        ("a. 60 A 192.0.2.1", "a. 60 IN A 192.0.2.1"),
        ("a. A 192.0.2.1", "a. 3600 IN A 192.0.2.1"),
        ("a. 1h30m in a 192.0.2.1", "a. 5400 IN A 192.0.2.1"),
        ("a. 60 CLASS3 TXT x", "a. 60 CH TXT x"),
        ("a. 4294967296 A 192.0.2.1", "error: `4294967296` is not a TTL, a class or a type"),
        ("a. 60 60 A 192.0.2.1", "error: `60` is not a TTL, a class or a type"),
        ("a. IN IN A 192.0.2.1", "error: `IN` is not a TTL, a class or a type"),
        ("a. 60 IN BOGUS x", "error: `BOGUS` is not a TTL, a class or a type"),
        ("a. 60", "error: the type is missing"),
        ("60 60 A 192.0.2.1", "60. 60 IN A 192.0.2.1"),
    ]);
}

#[test]
fn names_are_absolute_and_keep_their_case() {
    assert_records(&[
        ("A.b 60 CNAME C.d", "A.b. 60 IN CNAME C.d."),
        ("@ 60 NS .", ". 60 IN NS ."),
        ("a\\.b.c. 60 PTR d\\046e.", "a\\.b.c. 60 IN PTR d\\.e."),
        ("*.a. 60 MX 10 b", "*.a. 60 IN MX 10 b."),
        ("a..b 60 A 192.0.2.1", "error: `a..b` is not a name"),
        ("a. 60 CNAME", "error: the data is missing"),
        (" 60 A 192.0.2.1", "error: the owner is missing"),
        ("", "error: it is empty"),
        ("; nothing", "error: it is empty"),
    ]);
}

#[test]
fn data_is_read_by_type() {
    assert_records(&[
        ("a. 60 A 192.0.2.256", "error: `192.0.2.256` is not an IPv4 address"),
        ("a. 60 A 192.0.2.1 x", "error: `x` stands after the end of the data"),
        ("a. 60 AAAA 2001:db8::1", "a. 60 IN AAAA 2001:db8::1"),
        ("a. 60 MX 65536 b", "error: `65536` is not a number below 65536"),
        ("a. 60 SRV 1 2 3 b", "a. 60 IN SRV 1 2 3 b."),
        ("a. 60 SOA b c 1 1h 1m 1d 1w", "a. 60 IN SOA b. c. 1 3600 60 86400 604800"),
        ("a. 60 SOA b c (1\n2 ; two\n3 4 5)", "a. 60 IN SOA b. c. 1 2 3 4 5"),
        ("a. 60 SOA b c (1 2 3 4 5", "error: a quote or a parenthesis is not closed"),
        ("a. 60 TXT a \"b c\" \"d;e\" \"f\\\"g\\065\"", "a. 60 IN TXT ab cd;ef\"gA"),
        ("a. 60 TXT", "error: the data is missing"),
        ("a. 60 TXT \"a", "error: a quote or a parenthesis is not closed"),
        ("a. 60 CAA 0 issue \"ca.example\"", "a. 60 IN CAA 0 issue \"ca.example\""),
        ("a. 60 HTTPS 1 . alpn=h2", "a. 60 IN HTTPS 1 . alpn=h2,"),
        ("a. 60 TLSA 3 1 1 AB CD", "a. 60 IN TLSA 3 1 1 abcd"),
        ("a. 60 A \\# 4 c0000201", "a. 60 IN A 192.0.2.1"),
        ("a. 60 A \\# 3 c0000201", "error: `3` is not the length of the data"),
        ("a. 60 A 192.0.2.1 ; comment\nb. 60 A 192.0.2.2", "a. 60 IN A 192.0.2.1"),
    ]);
}

#[test]
fn types_that_the_codec_cannot_read_are_encoded() {
    let wire = |text: &str| {
        let record = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut wire = Vec::new();
        let mut encoder = plugin::proto::serialize::binary::BinEncoder::new(&mut wire);
        plugin::proto::serialize::binary::BinEncodable::emit(&record, &mut encoder).unwrap();
        // The owner is one octet; type, class, TTL and length are ten.
        wire.split_off(11)
    };
    assert_eq!(wire(". 60 DNAME a.b"), b"\x01a\x01b\x00");
    assert_eq!(wire(". 60 URI 1 2 \"http://a/\""), b"\x00\x01\x00\x02http://a/");
    assert_eq!(wire(". 60 RP a b"), b"\x01a\x00\x01b\x00");
    assert_eq!(wire(". 60 SPF \"v=spf1\""), b"\x06v=spf1");
    assert_eq!(wire(". 60 TYPE65400 \\# 3 abcdef"), b"\xab\xcd\xef");
    let long = wire(&format!(". 60 TXT {}", "x".repeat(300)));
    assert_eq!((long.len(), long[0], long[256]), (302, 255, 45));
}
