use testkit::{Kit, ask, lines, query};

use super::PLUGIN;

struct Case {
    name: &'static str,
    ask: &'static str,
    client: &'static str,
    tcp: bool,
    additional: &'static [&'static str],
}

#[tokio::test]
async fn the_clients_address_and_port_stand_in_the_additional_section() {
    let cases = [
        Case {
            name: "IPv4 over UDP",
            ask: "example.org. A",
            client: "10.240.0.1:40212",
            tcp: false,
            additional: &[
                "example.org. 0 IN A 10.240.0.1",
                "_udp.example.org. 0 IN SRV 0 0 40212 .",
            ],
        },
        Case {
            name: "IPv6 over TCP, case kept",
            ask: "Example.ORG. AAAA",
            client: "[2001:db8::1]:5353",
            tcp: true,
            additional: &[
                "Example.ORG. 0 IN AAAA 2001:db8::1",
                "_tcp.Example.ORG. 0 IN SRV 0 0 5353 .",
            ],
        },
        Case {
            name: "IPv4 on a dual-stack socket",
            ask: "example.org. SRV",
            client: "[::ffff:192.0.2.1]:53",
            tcp: false,
            additional: &["example.org. 0 IN A 192.0.2.1", "_udp.example.org. 0 IN SRV 0 0 53 ."],
        },
    ];
    let chain = Kit::new().chain(&[(&PLUGIN, "whoami")]).unwrap();
    for case in cases {
        let mut query = query(case.ask).client(case.client);
        if case.tcp {
            query = query.tcp();
        }
        let reply = ask(&chain, &query).await.unwrap();
        let message = reply.message().unwrap();
        assert!(message.metadata.authoritative, "{}", case.name);
        assert_eq!(lines(&message.answers), [""; 0], "{}", case.name);
        assert_eq!(lines(&message.additionals), case.additional, "{}", case.name);
    }
}

#[test]
fn arguments_and_blocks_are_refused() {
    for text in ["whoami me", "whoami {\n a\n}", "whoami\nwhoami again"] {
        assert!(testkit::rendered(&PLUGIN, text).contains("whoami"), "{text}");
    }
}
