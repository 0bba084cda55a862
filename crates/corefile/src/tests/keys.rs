use proptest::prelude::*;

use crate::{Argument, Scheme, ServerKey, Span, cidr_zones, zones};

fn keys(text: &str) -> Result<Vec<String>, String> {
    let key = Argument { text: text.to_owned(), span: Span::default() };
    match ServerKey::parse(&key) {
        Ok(keys) => Ok(keys.iter().map(ToString::to_string).collect()),
        Err(diagnostic) => Err(diagnostic.message),
    }
}

#[test]
fn keys_are_a_scheme_a_zone_and_a_port() {
    let long = "a.".repeat(125) + "bbb";
    let cases: &[(&str, &[&str])] = &[
        (".", &["dns://."]),
        (".:53", &["dns://.:53"]),
        ("example.org", &["dns://example.org."]),
        ("Example.ORG.:1053", &["dns://example.org.:1053"]),
        ("dns://example.org", &["dns://example.org."]),
        ("tls://.", &["tls://."]),
        ("quic://.:8853", &["quic://.:8853"]),
        ("grpc://a.org", &["grpc://a.org."]),
        ("https://a.org:443", &["https://a.org.:443"]),
        ("https3://a.org", &["https3://a.org."]),
        ("unix://a.org", &["unix://a.org."]),
        // Letters of a scheme count as they are.
        ("TLS://a.org", &["dns://tls://a.org."]),
        // What is no number after the last colon belongs to the name.
        ("a.org:dns", &["dns://a.org:dns."]),
        ("a:b:53", &["dns://a:b.:53"]),
        ("a.org:0", &["dns://a.org.:0"]),
        ("a.org:+53", &["dns://a.org.:53"]),
        ("a.org:0053", &["dns://a.org.:53"]),
        ("a.org:99999999999999999999", &["dns://a.org:99999999999999999999."]),
        ("_a._b", &["dns://_a._b."]),
        (r"a\.b.org", &[r"dns://a\.b.org."]),
        (r"a\046b", &[r"dns://a\046b."]),
        ("2001:db8::1", &["dns://2001:db8:.:1"]),
        ("10.0.0.0/8", &["dns://10.in-addr.arpa."]),
        ("tls://10.0.0.0/8:853", &["tls://10.in-addr.arpa.:853"]),
        ("10.0.0.0/15:53", &["dns://0.10.in-addr.arpa.:53", "dns://1.10.in-addr.arpa.:53"]),
        (&long, &[&format!("dns://{long}.")]),
    ];
    for (text, wanted) in cases {
        let wanted: Vec<String> = wanted.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(keys(text), Ok(wanted), "{text}");
    }
}

#[test]
fn what_is_no_zone_is_refused() {
    let long = "a.".repeat(127) + "bc";
    let long_label = "a".repeat(64);
    let cases = [
        ("", "the key `` names no zone"),
        ("tls://", "the key `tls://` names no zone"),
        (":", "`:` ends in a colon"),
        ("a.org:", "`a.org:` ends in a colon"),
        (":53", "the key `:53` has a port but no zone"),
        ("..", "`..` is not a domain name"),
        ("a..b", "`a..b` is not a domain name"),
        (".a", "`.a` is not a domain name"),
        (r"a\", r"`a\` is not a domain name"),
        (".:53{", "`.:53{` is not a domain name"),
        (&long_label, &format!("`{long_label}` is not a domain name")),
        (&long, "the zone of this key is too long"),
        ("a.org:65536", "`a.org:65536` has a port out of range"),
        ("a.org:-1", "`a.org:-1` has a port out of range"),
        ("::/3", "`::/3` is not a network that can be a zone"),
        ("::ffff:b:f/115", "`::ffff:b:f/115` is not a network that can be a zone"),
        ("0db8::/32", "`0db8::/32` is not a network that can be a zone"),
    ];
    for (text, wanted) in cases {
        assert_eq!(keys(text), Err(wanted.to_owned()), "{text}");
    }
}

#[test]
fn the_final_dot_counts_for_the_length_of_a_key() {
    let longest = "a.".repeat(126) + "bc";
    assert_eq!(longest.len(), 254);
    assert!(keys(&longest).is_ok());
    assert!(keys(&(longest.clone() + ".")).is_ok());
    assert!(keys(&(longest.clone() + "d")).is_err());
    assert!(zones(&(longest + "d")).is_some(), "but not for an argument's");
}

#[test]
fn networks_are_cut_at_dots() {
    let cases: &[(&str, &[&str])] = &[
        ("0.0.0.0/0", &["in-addr.arpa."]),
        ("10.0.0.0/8", &["10.in-addr.arpa."]),
        ("10.0.0.0/16", &["0.10.in-addr.arpa."]),
        ("10.0.0.0/15", &["0.10.in-addr.arpa.", "1.10.in-addr.arpa."]),
        ("192.168.1.1/23", &["0.168.192.in-addr.arpa.", "1.168.192.in-addr.arpa."]),
        (
            "10.129.60.0/22",
            &[
                "60.129.10.in-addr.arpa.",
                "61.129.10.in-addr.arpa.",
                "62.129.10.in-addr.arpa.",
                "63.129.10.in-addr.arpa.",
            ],
        ),
        ("10.1.2.3/32", &["3.2.1.10.in-addr.arpa."]),
        ("10.1.2.254/31", &["254.2.1.10.in-addr.arpa.", "255.2.1.10.in-addr.arpa."]),
        ("10.0.0.0/0008", &["10.in-addr.arpa."]),
        ("2001:db8::/32", &["8.b.d.0.1.0.0.2.ip6.arpa."]),
        ("2001:db8::/31", &["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]),
        (
            "2001:DB8:ffff::/30",
            &[
                "8.b.d.0.1.0.0.2.ip6.arpa.",
                "9.b.d.0.1.0.0.2.ip6.arpa.",
                "a.b.d.0.1.0.0.2.ip6.arpa.",
                "b.b.d.0.1.0.0.2.ip6.arpa.",
            ],
        ),
        ("2001:db8::/108", &["0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."]),
        ("fd00::/8", &["d.f.ip6.arpa."]),
        ("1::/0", &["ip6.arpa."]),
    ];
    for (text, wanted) in cases {
        assert_eq!(cidr_zones(text).as_deref(), Some(wanted.map_to_owned().as_slice()), "{text}");
    }
    assert_eq!(cidr_zones("128.0.0.0/1").map(|zones| zones.len()), Some(128));
    assert_eq!(cidr_zones("10.0.0.0/9").map(|zones| zones.len()), Some(128));
    assert_eq!(cidr_zones("10.9.3.0/27").map(|zones| zones.len()), Some(32));
    assert_eq!(cidr_zones("2001:db8::/113").map(|zones| zones.len()), Some(8));
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for &[&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn what_is_no_network_has_no_reverse_zone() {
    for text in [
        "",
        "/",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8a",
        "10/8",
        "10.0.0/8",
        "010.0.0.0/8",
        "256.0.0.0/8",
        "2001:db8::/129",
        "fe80::1%eth0/64",
        "a.org/8",
        "10.0.0.0/99999999999999999999999",
    ] {
        assert_eq!(cidr_zones(text), None, "{text}");
    }
}

#[test]
fn zone_arguments_may_have_a_scheme_and_a_port() {
    let cases: &[(&str, Option<&[&str]>)] = &[
        (".", Some(&["."])),
        ("example.org:53", Some(&["example.org."])),
        ("example.org.:53", Some(&["example.org."])),
        ("dns://Example.org", Some(&["example.org."])),
        ("10.0.0.0/8:53", Some(&["10.in-addr.arpa."])),
        ("10.0.0.0/15", Some(&["0.10.in-addr.arpa.", "1.10.in-addr.arpa."])),
        // The number is not looked at, as nothing listens there.
        ("a.org:99999", Some(&["a.org."])),
        // A name that looks like an address is a name.
        ("10.0.0.0/33", Some(&["10.0.0.0/33."])),
        ("::ffff:b:f/115", None),
        ("", None),
        (":53", None),
        ("\u{fffd}\n:", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(zones(text), wanted.map(|zones| zones.map_to_owned()), "{text}");
    }
}

#[test]
fn schemes_have_the_ports_of_coredns() {
    let ports = Scheme::ALL.map(|scheme| (scheme.to_string(), scheme.default_port()));
    let ports = ports.map(|(scheme, port)| format!("{scheme} {port}"));
    assert_eq!(
        ports,
        ["dns 53", "tls 853", "quic 853", "grpc 443", "https 443", "https3 443", "unix 0"]
    );
    assert_eq!(Scheme::strip("https3://a"), (Scheme::Https3, "a"));
    assert_eq!(Scheme::strip("a"), (Scheme::Dns, "a"));
}

proptest! {
    #[test]
    fn keys_are_read_as_they_are_displayed(
        scheme in prop::sample::select(Scheme::ALL.as_slice()),
        labels in prop::collection::vec("[a-z0-9_-]{1,20}", 0..6),
        port in prop::option::of(any::<u16>()),
    ) {
        let zone = labels.join(".") + ".";
        let key = ServerKey { scheme, zone, port, span: Span::default() };
        let argument = Argument { text: key.to_string(), span: Span::default() };
        prop_assert_eq!(ServerKey::parse(&argument), Ok(vec![key]));
    }

    #[test]
    fn every_network_has_zones_that_cover_it(address in any::<u32>(), length in 0_u32..=32) {
        let address = std::net::Ipv4Addr::from(address);
        let zones = cidr_zones(&format!("{address}/{length}")).unwrap();
        prop_assert_eq!(zones.len(), 1 << (length.next_multiple_of(8) - length));
        let full = cidr_zones(&format!("{address}/32")).unwrap();
        prop_assert!(zones.iter().any(|zone| full[0].ends_with(zone.as_str())));
    }

    #[test]
    fn zones_are_never_a_panic(text in ".*") {
        let _ = zones(&text);
    }

    #[test]
    fn zones_of_zones_are_themselves(text in "[a-zA-Z0-9./:-]{0,20}") {
        for zone in zones(&text).unwrap_or_default() {
            prop_assert!(zone.ends_with('.'));
            prop_assert_eq!(zones(&zone), Some(vec![zone]));
        }
    }
}
