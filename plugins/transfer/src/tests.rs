use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use plugin::capability::Transfer;
use plugin::proto::op::{Message, MessageType, OpCode, ResponseCode};
use plugin::proto::rr::{Name, Record, RecordType};
use plugin::{Chain, ServeError, Shutdown, async_trait};
use testkit::{Kit, Query, Table, ask, lines, query, record, records, rendered, with_setup};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::config::Config;
use crate::{PLUGIN, notify};

/// Has `example.org` in the version that was last sent, and `unread.example`, which cannot be had.
struct Zones {
    records: Vec<Record>,
    serial: watch::Receiver<u32>,
}

impl Zones {
    fn soa(serial: u32) -> Record {
        record(&format!(
            "example.org. 60 IN SOA ns.example.org. root.example.org. {serial} 1 2 3 4"
        ))
    }
}

#[async_trait]
impl Transfer for Zones {
    fn origins(&self) -> Vec<Name> {
        ["example.org.", "unread.example."].map(|name| Name::from_ascii(name).unwrap()).to_vec()
    }

    fn records(&self, origin: &Name) -> Option<Result<Vec<Record>, ServeError>> {
        if origin.to_string() != "example.org." {
            return Some(Err(ServeError::rcode_only(ResponseCode::ServFail)));
        }
        let mut records = vec![Self::soa(*self.serial.borrow())];
        records.extend_from_slice(&self.records);
        Some(Ok(records))
    }

    async fn serial_after(&self, origin: &Name, known: Option<u32>) -> u32 {
        let mut serials = self.serial.clone();
        if origin.to_string() != "example.org." {
            return std::future::pending().await;
        }
        let serial = serials.wait_for(|serial| Some(*serial) != known).await.map(|serial| *serial);
        match serial {
            Ok(serial) => serial,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Offers the zones to the plugins of a configuration; serials are sent to what is returned.
fn offer(kit: &Kit, records: Vec<Record>) -> watch::Sender<u32> {
    let (serials, serial) = watch::channel(7);
    let zones: Arc<dyn Transfer> = Arc::new(Zones { records, serial });
    with_setup(kit, "whoami", |setup| setup.provide::<dyn Transfer>(zones));
    serials
}

/// The directives, above a table that answers everything.
fn chain(kit: &Kit, text: &str) -> Chain {
    let below = Arc::new(Table::new("www.example.org. 60 IN A 192.0.2.1"));
    Chain::new([("transfer", kit.plugin(&PLUGIN, text).unwrap()), ("table", below.link())])
}

/// The types of the answer section, or the RCODE; `next` where the table was asked.
async fn outcome(chain: &Chain, query: &Query) -> String {
    match ask(chain, query).await {
        Ok(reply) if reply.answered_by() == Some("table") => "next".to_owned(),
        Ok(reply) => {
            let message = reply.message().unwrap();
            let types = message.answers.iter().map(|record| record.record_type().to_string());
            types.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.rcode().to_string(),
    }
}

fn small_zone() -> Vec<Record> {
    records("example.org. 60 IN NS ns.example.org.\nwww.example.org. 60 IN A 192.0.2.1")
}

const WHOLE: &str = "SOA NS A SOA";

#[tokio::test]
async fn a_zone_goes_to_those_who_may_have_it_over_tcp() {
    let open = "transfer {\n to *\n}";
    let closed = "transfer {\n to 192.0.2.53:5353 2001:db8::53\n}";
    let elsewhere = "transfer example.net {\n to *\n}";
    let two = "transfer . {\n to *\n}\ntransfer example.org {\n to 192.0.2.53\n}";
    let cases = [
        (open, "example.org. AXFR", "198.51.100.1:4000", WHOLE),
        (open, "EXAMPLE.org. AXFR", "198.51.100.1:4000", WHOLE),
        (open, "www.example.org. AXFR", "198.51.100.1:4000", "next"),
        (open, "example.com. AXFR", "198.51.100.1:4000", "next"),
        (open, "www.example.org. A", "198.51.100.1:4000", "next"),
        (open, "unread.example. AXFR", "198.51.100.1:4000", "Server Failure"),
        (closed, "example.org. AXFR", "192.0.2.53:4000", WHOLE),
        (closed, "example.org. AXFR", "[2001:db8::53]:4000", WHOLE),
        (closed, "example.org. AXFR", "192.0.2.54:4000", "Query Refused"),
        (closed, "www.example.org. A", "192.0.2.54:4000", "next"),
        (elsewhere, "example.org. AXFR", "192.0.2.54:4000", "next"),
        (two, "example.org. AXFR", "192.0.2.54:4000", "Query Refused"),
        (two, "example.org. AXFR", "192.0.2.53:4000", WHOLE),
    ];
    for (text, question, client, expected) in cases {
        let kit = Kit::new();
        let _serials = offer(&kit, small_zone());
        let chain = chain(&kit, text);
        let query = query(question).client(client);
        let outcome_tcp = outcome(&chain, &query.clone().tcp()).await;
        assert_eq!(outcome_tcp, expected, "{text}: {question} from {client}");
        if question.ends_with("AXFR") {
            let outcome_udp = outcome(&chain, &query).await;
            assert_eq!(outcome_udp, "Query Refused", "{text}: {question} over UDP");
        }
    }
}

#[tokio::test]
async fn an_ixfr_gets_the_whole_zone_unless_it_knows_the_serial() {
    let kit = Kit::new();
    let _serials = offer(&kit, small_zone());
    let chain = chain(&kit, "transfer {\n to *\n}");
    let www = || record("www.example.org. 60 IN A 192.0.2.1");
    let cases: [(&str, Vec<Record>, &str); 6] = [
        ("the same serial", vec![Zones::soa(7)], "SOA"),
        ("an older serial", vec![Zones::soa(6)], WHOLE),
        ("a newer serial", vec![Zones::soa(8)], WHOLE),
        ("no serial", vec![], "Server Failure"),
        ("no SOA", vec![www()], "Server Failure"),
        ("two records", vec![Zones::soa(7), www()], "Server Failure"),
    ];
    for (name, authorities, expected) in cases {
        let query = query("example.org. AXFR").tcp().edit(|query| {
            // The codec does not read the type's name.
            query.queries[0].set_query_type(RecordType::IXFR);
            query.authorities = authorities;
        });
        assert_eq!(outcome(&chain, &query).await, expected, "{name}");
        if let Ok(reply) = ask(&chain, &query).await {
            let message = reply.message().unwrap();
            assert_eq!(message.metadata.authoritative, expected == WHOLE, "{name}");
        }
    }
}

#[tokio::test]
async fn a_large_zone_comes_in_several_messages() {
    let kit = Kit::new();
    let line = |n: u32| format!("{n}.a-rather-long-label.example.org. 60 IN AAAA 2001:db8::1\n");
    let zone = records(&(0..5_000).map(line).collect::<String>());
    let _serials = offer(&kit, zone.clone());
    let chain = chain(&kit, "transfer {\n to *\n}");
    let mut reply = ask(&chain, &query("example.org. AXFR").tcp()).await.unwrap();
    let mut messages = vec![reply.message().unwrap().clone()];
    messages.extend(reply.take_more());
    assert!(messages.len() > 3, "{} messages", messages.len());
    let mut answers = Vec::new();
    for message in messages {
        assert!(message.metadata.authoritative);
        assert_eq!(message.metadata.id, 4711);
        assert!(message.to_vec().unwrap().len() < 65_535);
        answers.extend(message.answers);
    }
    let soa = Zones::soa(7);
    assert_eq!(answers.first(), Some(&soa));
    assert_eq!(answers.last(), Some(&soa));
    assert_eq!(lines(&answers[1..answers.len() - 1]), lines(&zone));
}

#[test]
fn settings_are_read() {
    let text = "transfer example.net {\n to 192.0.2.1 192.0.2.2:1053 [2001:db8::2]:34 [fe80::1%eth0]:53\n \
                to 2001:db8::3 fe80::2%7 *\n source 2001:db8::53\n}";
    let (config, diagnostics) = with_setup(&Kit::new(), text, Config::parse);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let [rule] = config.rules.as_slice() else { panic!("{config:?}") };
    let secondaries: Vec<(String, Option<&str>)> = rule
        .secondaries
        .iter()
        .map(|secondary| (secondary.to_string(), secondary.interface.as_deref()))
        .collect();
    let expected = [
        ("192.0.2.1:53", None),
        ("192.0.2.2:1053", None),
        ("[2001:db8::2]:34", None),
        ("[fe80::1]:53", Some("eth0")),
        ("[2001:db8::3]:53", None),
        ("[fe80::2]:53", Some("7")),
    ];
    assert_eq!(secondaries, expected.map(|(text, interface)| (text.to_owned(), interface)));
    assert_eq!(rule.secondaries[5].socket_address().unwrap(), "[fe80::2%7]:53".parse().unwrap());
    assert!(rule.is_open);
    assert_eq!(rule.source, Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53])));
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("transfer", "`transfer` needs `to`"),
        ("transfer example.org {\n}", "`transfer` needs `to`"),
        ("transfer {\n source 192.0.2.1\n}", "`transfer` needs `to`"),
        ("transfer {\n to\n}", "`to`"),
        ("transfer {\n to example.org 192.0.2.1\n}", "an IP address, with a port or without"),
        ("transfer {\n to 192.0.2.1:dns\n}", "an IP address, with a port or without"),
        ("transfer {\n to 192.0.2.1:65536\n}", "an IP address, with a port or without"),
        ("transfer {\n to [2001:db8::1]\n}", "an IP address, with a port or without"),
        ("transfer {\n to 192.0.2.0/24\n}", "an IP address, with a port or without"),
        ("transfer {\n to *\n source example.org\n}", "an IP address"),
        ("transfer {\n to *\n source\n}", "`source`"),
        ("transfer {\n to *\n source 192.0.2.1 192.0.2.2\n}", "`source`"),
        ("transfer {\n to *\n source 192.0.2.1\n source 192.0.2.2\n}", "`source` is set twice"),
        ("transfer {\n to *\n sauce 192.0.2.1\n}", "`sauce`"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

/// A secondary: its socket, and where it is.
async fn secondary() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The next NOTIFY, answered with that RCODE; who sent it.
async fn notified(socket: &UdpSocket, rcode: ResponseCode) -> (Message, SocketAddr) {
    let mut octets = [0; 512];
    let (len, from) = socket.recv_from(&mut octets).await.unwrap();
    let query = Message::from_vec(&octets[..len]).unwrap();
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Notify);
    reply.metadata.response_code = rcode;
    reply.queries.clone_from(&query.queries);
    socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
    (query, from)
}

#[tokio::test]
async fn secondaries_are_told_at_the_start_and_of_each_new_serial() {
    let (socket, address) = secondary().await;
    let kit = Kit::new();
    let serials = offer(&kit, small_zone());
    let text = format!("transfer {{\n to * {address}\n source 127.0.0.3\n}}");
    let plugin = kit.plugin(&PLUGIN, &text).unwrap();
    let (shutdown, over) = Shutdown::pair();
    let running = tokio::spawn(async move { plugin.run(over).await });
    for serial in [8, 9] {
        let (query, from) = notified(&socket, ResponseCode::NoError).await;
        assert_eq!(query.metadata.op_code, OpCode::Notify);
        assert!(query.metadata.authoritative);
        assert_eq!(query.queries[0].query_type(), RecordType::SOA);
        assert_eq!(query.queries[0].name().to_string(), "example.org.");
        assert_eq!(from.ip(), IpAddr::from([127, 0, 0, 3]));
        serials.send(serial).unwrap();
    }
    notified(&socket, ResponseCode::NoError).await;
    shutdown.fire();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_secondary_that_refuses_is_told_three_times() {
    let (socket, address) = secondary().await;
    let kit = Kit::new();
    let serials = offer(&kit, small_zone());
    let text = format!("transfer {{\n to {address}\n}}");
    let (config, _) = with_setup(&kit, &text, Config::parse);
    let announcing = notify::announce(&config, &kit.block.capabilities);
    for _ in 0..3 {
        notified(&socket, ResponseCode::NotAuth).await;
    }
    // The fourth is for the next serial, so there is no fifth.
    serials.send(8).unwrap();
    notified(&socket, ResponseCode::NoError).await;
    let mut octets = [0; 512];
    let more = tokio::time::timeout(Duration::from_mins(1), socket.recv_from(&mut octets));
    assert!(more.await.is_err());
    drop(announcing);
}
