use testkit::{Kit, rendered};

use super::PLUGIN;

#[test]
fn every_option_is_accepted_within_its_bounds() {
    let block = [
        "except miek.nl example.org",
        "max_fails 3",
        "max_fails 0",
        "force_tcp",
        "prefer_udp",
        "force_tcp\nprefer_udp",
        "resolver 10.96.0.10 10.96.0.11:5353",
        "resolver ::1 [2001:db8::1]:53",
        "policy random",
        "policy round_robin",
        "policy sequential",
        "source_address 192.0.2.1",
        "source_address 2001:db8:85a3:0000:1319:8a2e:0370:7344",
        "source_address ::ffff:192.0.2.1",
        "tls_servername dns",
        "tls",
        "max_concurrent 1000",
        "max_concurrent 0",
        "max_connect_attempts 0",
        "max_connect_attempts 5",
        "max_idle_conns 10",
        "max_idle_conns 0",
        "health_check 0.5s",
        "health_check 0s",
        "health_check 0.5s no_rec",
        "health_check 0.5s no_rec domain example.org",
        "health_check 0.5s domain .",
        "health_check 0.5s domain example.org.",
        "next NXDOMAIN",
        "next nxdomain ServFail REFUSED NOTIMPL 	DSOTYPENI",
        "next NOERROR",
        "next_on_nodata",
        "failfast_all_unhealthy_upstreams",
        "failover SERVFAIL REFUSED",
        "max_age 30s",
        "max_age 0s",
        "expire 10s\nmax_age 10s",
        "expire 30s\nmax_age 0s",
        "expire 0s",
        "read_timeout 5s",
        "read_timeout 500ms",
        "doh_method GET",
        "doh_method POST",
    ];
    for text in block {
        let text = format!("forward . 127.0.0.1 {{\n{text}\n}}");
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, &text) {
            panic!("{text}\n{diagnostics}");
        }
    }
}

#[test]
fn every_way_to_write_an_upstream_is_accepted() {
    let lines = [
        "forward . 127.0.0.1",
        "forward . 127.0.0.1:53",
        "forward . dns://127.0.0.1:8080",
        "forward . [::1]:53 [2001:db8::1] 2001:db8::2",
        "forward . ::1\nforward com ::2",
        "forward 10.9.3.0/24 127.0.0.1",
        "forward . tls://127.0.0.1",
        "forward . tls://[2001:db8::1%dns.example.com]:853 {\ntls\n}",
        "forward . tls://127.0.0.1%example.net {\ntls\n}",
        "forward . tls://127.0.0.1%example.net:854 tls://127.0.0.2%example.net tls://fe80::1%example.com {\ntls\n}",
        "forward . tls://[2001:db8::1]:853 {\ntls\ntls_servername dns.example.com\n}",
        "forward . 127.0.0.1 127.0.0.1:53 dns://127.0.0.1",
        "forward . https://127.0.0.1",
        "forward . https://127.0.0.1 {\ntls_servername dns.example\ndoh_method GET\n}",
        "forward . https://127.0.0.1%dns.example:8443",
        "forward . 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 \
         192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15",
    ];
    for text in lines {
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, text) {
            panic!("{text}\n{diagnostics}");
        }
    }
}

#[test]
fn every_mistake_in_a_block_is_refused_by_name() {
    let block = [
        ("blaatl", "unknown property `blaatl`"),
        ("max_fail 3", "did you mean `max_fails`?"),
        ("except", "`except` wants"),
        ("max_fails", "`max_fails` wants"),
        ("max_fails -1", "failed checks"),
        ("max_fails 5000000000", "failed checks"),
        ("force_tcp yes", "`force_tcp` wants no argument"),
        ("prefer_udp yes", "`prefer_udp` wants no argument"),
        ("resolver", "`resolver` wants"),
        ("resolver dns.example.com", "not `dns.example.com`"),
        ("policy", "`policy` wants"),
        ("policy random2", "unknown policy `random2`"),
        ("source_address", "`source_address` wants"),
        ("source_address not-an-ip", "not an IP address"),
        ("max_concurrent many", "queries"),
        ("max_concurrent -4", "queries"),
        ("max_connect_attempts many", "attempts"),
        ("max_connect_attempts -4", "attempts"),
        ("max_idle_conns many", "connections"),
        ("max_idle_conns -1", "connections"),
        ("health_check", "`health_check` wants"),
        ("health_check no_rec", "a duration"),
        ("health_check domain example.org", "a duration"),
        ("health_check -1s", "a duration"),
        ("health_check 0.5s rec", "unknown option `rec`"),
        ("health_check 0.5s domain", "`domain` wants a domain name"),
        ("health_check 0.5s domain example..org", "a domain name"),
        ("next", "`next` wants"),
        ("next NOPE", "`NOPE` is not a valid rcode"),
        ("next_on_nodata yes", "`next_on_nodata` wants no argument"),
        ("failfast_all_unhealthy_upstreams yes", "wants no argument"),
        ("failover", "`failover` wants"),
        ("failover NOERROR", "cannot be used in `failover`"),
        ("failover NOT_A_VALID_RCODE", "not a valid rcode"),
        ("expire -1s", "a duration"),
        ("expire 10", "a duration"),
        ("max_age -1s", "a duration"),
        ("max_age invalid", "a duration"),
        ("expire 30s\nmax_age 10s", "is less than `expire`"),
        ("max_age 9s", "is less than `expire`"),
        ("read_timeout", "`read_timeout` wants"),
        ("read_timeout 0s", "above zero"),
        ("read_timeout -1s", "a duration"),
        ("read_timeout invalid", "a duration"),
        ("doh_method PUT", "`POST` or `GET`"),
        ("doh_method", "`doh_method` wants"),
        ("tls a b c d", "`tls` wants at most 3"),
        ("tls /nonexistent/ca.pem", "cannot read `/nonexistent/ca.pem`"),
        ("tls_servername", "`tls_servername` wants"),
    ];
    for (text, expected) in block {
        let diagnostics = rendered(&PLUGIN, &format!("forward . 127.0.0.1 {{\n{text}\n}}"));
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}

#[test]
fn every_mistake_in_the_arguments_is_refused_by_name() {
    let lines = [
        ("forward", "wants a zone and an upstream"),
        ("forward .", "wants a zone and an upstream"),
        (&format!("forward {} 127.0.0.1", "x".repeat(64)), "expected a zone"),
        ("forward . a27.0.0.1", "not an IP address, file, or host name"),
        ("forward . 127.0.0.1:0", "a port is a number"),
        ("forward . 127.0.0.1:99999", "a port is a number"),
        ("forward . dns://", "expected an upstream"),
        ("forward . https://192.0.2.1/", "has a path"),
        ("forward . quic://192.0.2.1", "no protocol to forward by"),
        ("forward . grpc://192.0.2.1", "no protocol to forward by"),
        ("forward . https3://192.0.2.1", "no protocol to forward by"),
        ("forward . unix:///run/dns", "no protocol to forward by"),
        ("forward . /nonexistent/resolv.conf", "cannot read `/nonexistent/resolv.conf`"),
        ("forward . /dev/null", "no valid upstream addresses found"),
        (&format!("forward . {}", "192.0.2.1 ".repeat(16)), "more than 15 upstreams"),
        (
            "forward . tls://127.0.0.1%example.net:854 {\ntls_servername foo\n}",
            "and so has `tls_servername foo`",
        ),
    ];
    for (text, expected) in lines {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let diagnostics = rendered(
        &PLUGIN,
        "forward . 127.0.0.1 {\nmax_fails x\npolicy y\n}\nforward . 127.0.0.1 {\nexpire z\n}",
    );
    for bad in ["`x`", "`y`", "`z`"] {
        assert!(diagnostics.contains(bad), "{bad}\n{diagnostics}");
    }
}

#[test]
fn a_network_off_the_octet_is_used_in_part_with_a_warning() {
    let diagnostics = rendered(&PLUGIN, "forward 10.9.0.0/18 127.0.0.1");
    assert!(diagnostics.starts_with("warning"), "{diagnostics}");
    assert!(diagnostics.contains("only `0.9.10.in-addr.arpa.` is forwarded"), "{diagnostics}");
}
