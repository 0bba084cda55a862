//! Messages, transports and addresses.

use std::io::Write as _;
use std::net::{Shutdown, UdpSocket};
use std::process::Command;
use std::time::Duration;

use hickory_proto::op::Message;

use crate::harness::client::{self, Tcp, Transport, Udp, exchange, framed, query, query_edns};
use crate::harness::left_out;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;

const WHOAMI: &str = ".:{PORT} {\n    whoami\n}\n";
/// So long that 30 addresses for it take more than 512 octets even where it is written once.
const LONG_NAME: &str = "a-name-of-some-length.in-a-zone.example.";
/// 30 addresses for every name.
const LARGE: &str = ".:{PORT} {\n    erratic {\n        drop 0\n        large\n    }\n}\n";

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let server = Server::start("addresses", WHOAMI);
    for ip in ["127.0.0.1", "127.0.0.7", "::1"] {
        if ip == "::1" && UdpSocket::bind("[::1]:0").is_err() {
            left_out("replies from ::1", "this machine has no IPv6");
            continue;
        }
        for transport in Transport::BOTH {
            // The sockets are connected: a reply from another address would not arrive.
            let reply = client::ask(server.at(ip, "PORT"), transport, "example.org. A");
            let reply = reply.unwrap_or_else(|error| panic!("{ip} over {transport:?}: {error}"));
            assert_eq!(reply.rcode(), "NOERROR", "{ip} over {transport:?}");
        }
    }
}

#[test]
fn bound_blocks_answer_on_their_address_alone() {
    let corefile = "\
.:{PORT} {
    bind 127.0.0.7
    whoami
}
.:{PORT} {
    bind 127.0.0.8
    erratic {
        drop 0
    }
}
";
    let server = Server::start("bound", corefile);
    for (ip, answers) in [("127.0.0.7", vec![]), ("127.0.0.8", vec!["192.0.2.53".to_owned()])] {
        for transport in Transport::BOTH {
            let reply = client::ask(server.at(ip, "PORT"), transport, "example.org. A");
            let reply = reply.unwrap_or_else(|error| panic!("{ip} over {transport:?}: {error}"));
            assert_eq!(reply.answers(), answers, "{ip} over {transport:?}");
        }
    }
    let elsewhere = server.at("127.0.0.9", "PORT");
    let bytes = query("example.org. A").to_vec().expect("the query encodes");
    let outcome = Udp::to(elsewhere).and_then(|udp| udp.exchange(&bytes, client::TIMEOUT));
    let error = outcome.expect_err("nothing listens on 127.0.0.9");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// What comes back for a message.
enum Back {
    Silence,
    /// RCODE; whether the question comes back too.
    Reply(u8, bool),
}

#[test]
fn messages_that_are_no_queries_get_what_the_rfcs_say() {
    use Back::{Reply, Silence};
    let good = [
        &[0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0][..],
        b"\x07example\x03org\x00\x00\x01\x00\x01",
    ]
    .concat();
    let edit = |at: usize, octets: &[u8]| {
        let mut message = good.clone();
        message[at..at + octets.len()].copy_from_slice(octets);
        message
    };
    let longer = |more: &[u8]| [&good, more].concat();
    let opt = |version: u8| {
        let mut message = longer(&[0, 0, 41, 0x04, 0xd0, 0, version, 0, 0, 0, 0]);
        message[11] = 1;
        message
    };
    let cases: Vec<(&str, Vec<u8>, Back)> = vec![
        ("a query", good.clone(), Reply(0, true)),
        ("a reply is not replied to", edit(2, &[0x81]), Silence),
        ("no header", good[..11].to_vec(), Silence),
        ("nothing", vec![], Silence),
        ("IQUERY", edit(2, &[0x09]), Reply(4, false)),
        ("STATUS", edit(2, &[0x11]), Reply(4, false)),
        ("UPDATE", edit(2, &[0x29]), Reply(4, false)),
        ("an opcode that nobody knows", edit(2, &[0x79]), Reply(4, false)),
        ("no question", edit(4, &[0, 0]), Reply(1, false)),
        ("two questions", edit(4, &[0, 2]), Reply(1, false)),
        ("two answers", edit(6, &[0, 2]), Reply(1, false)),
        ("two authorities", edit(8, &[0, 2]), Reply(1, false)),
        ("three additionals", edit(10, &[0, 3]), Reply(1, false)),
        ("an additional record that is not there", edit(10, &[0, 1]), Reply(1, true)),
        ("a name that is cut off", good[..18].to_vec(), Reply(1, false)),
        ("a question without class", good[..good.len() - 2].to_vec(), Reply(1, false)),
        ("a name that points to itself", edit(12, &[0xC0, 0x0C]), Reply(1, false)),
        ("a label of a type that is no more", edit(12, &[0x47]), Reply(1, false)),
        ("class CH where nobody serves it", edit(good.len() - 1, &[3]), Reply(5, true)),
        ("EDNS version 0", opt(0), Reply(0, true)),
        // 16 is BADVERS: the lower four bits are 0, the others are in the OPT record.
        ("EDNS version 1", opt(1), Reply(0, true)),
    ];
    let server = Server::start("messages", WHOAMI);
    for (name, message, back) in cases {
        // A good query behind it: silence is seen at once, and that the socket is still served.
        let udp = Udp::to(server.address()).expect("a socket");
        udp.send(&message).expect("it is sent");
        let mut marker = query("marker.example. A").to_vec().expect("the query encodes");
        marker[..2].copy_from_slice(&[0x55, 0x55]);
        udp.send(&marker).expect("it is sent");
        let first = udp.receive(client::TIMEOUT).unwrap_or_else(|e| panic!("{name}: {e}"));
        match back {
            Silence => assert_eq!(first[..2], marker[..2], "{name}: {first:02x?}"),
            Reply(rcode, has_question) => {
                assert_eq!(first[..2], message[..2], "{name}: the ID: {first:02x?}");
                assert_eq!(first[2] & 0x80, 0x80, "{name}: QR: {first:02x?}");
                assert_eq!(first[2] & 0x78, message[2] & 0x78, "{name}: opcode: {first:02x?}");
                assert_eq!(first[3] & 0x0F, rcode, "{name}: RCODE: {first:02x?}");
                assert_eq!(first[5], u8::from(has_question), "{name}: QDCOUNT: {first:02x?}");
                let second = udp.receive(client::TIMEOUT).expect("the marker's reply");
                assert_eq!(second[..2], marker[..2], "{name}");
            }
        }
    }
}

#[test]
fn badvers_comes_with_a_bare_opt_of_version_0() {
    let server = Server::start("badvers", WHOAMI);
    for transport in Transport::BOTH {
        let mut query = query_edns("example.org. A", 1232);
        query.edns.as_mut().expect("it has one").set_version(1);
        let reply = exchange(server.address(), transport, &query).expect("a reply");
        assert_eq!(reply.rcode(), "BADVERS", "{transport:?}");
        let edns = reply.message.edns.expect("RFC 6891 §6.1.3: an OPT record");
        assert_eq!(edns.version(), 0, "{transport:?}");
        assert!(reply.message.answers.is_empty(), "{transport:?}");
    }
}

#[test]
fn replies_fit_what_the_client_can_take() {
    let server = Server::start("sizes", LARGE);
    // Octets of the reply at the most; whether TC is set.
    for (name, transport, size, most, is_cut) in [
        ("no EDNS", Transport::Udp, None, 512, true),
        ("less than the least", Transport::Udp, Some(100), 512, true),
        ("512", Transport::Udp, Some(512), 512, true),
        ("compressed it fits", Transport::Udp, Some(1232), 1232, false),
        ("all", Transport::Udp, Some(4096), 4096, false),
        ("TCP", Transport::Tcp, None, 65_535, false),
        ("TCP, where the size says nothing", Transport::Tcp, Some(512), 65_535, false),
    ] {
        let question = format!("{LONG_NAME} A");
        let query = size.map_or_else(|| query(&question), |size| query_edns(&question, size));
        let reply = exchange(server.address(), transport, &query).expect(name);
        assert!(reply.bytes.len() <= most, "{name}: {} octets", reply.bytes.len());
        assert_eq!(reply.message.metadata.truncation, is_cut, "{name}: TC");
        assert_eq!(reply.message.answers.len() < 30, is_cut, "{name}: records");
        assert!(!reply.message.answers.is_empty(), "{name}: no record at all");
        assert_eq!(reply.message.edns.is_some(), size.is_some(), "{name}: OPT");
    }
}

#[test]
fn a_slow_query_does_not_hold_up_the_next_on_a_connection() {
    let upstream =
        Upstream::start("example. 60 IN SOA a. b. 1 2 3 4 5\n*.example. 60 IN A 192.0.2.1");
    let corefile = format!(".:{{PORT}} {{\n    forward . {}\n}}\n", upstream.address);
    let server = Server::start("pipeline", &corefile);
    let slow = query("slow.example. A").to_vec().expect("the query encodes");
    let fast: Vec<Vec<u8>> = (0..20)
        .map(|n| query(&format!("fast{n}.example. A")).to_vec().expect("the query encodes"))
        .collect();

    let mut tcp = Tcp::to(server.address()).expect("a connection");
    let all: Vec<u8> = std::iter::once(&slow).chain(&fast).flat_map(|q| framed(q)).collect();
    tcp.0.write_all(&all).expect("it is sent");
    let mut ids: Vec<[u8; 2]> = Vec::new();
    for _ in &fast {
        let reply = tcp.receive().expect("the fast ones are answered");
        ids.push([reply[0], reply[1]]);
    }
    ids.sort_unstable();
    let mut expected: Vec<[u8; 2]> = fast.iter().map(|q| [q[0], q[1]]).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected, "each of the fast queries once");
    upstream.wait_for_held(1);
    upstream.release();
    assert_eq!(tcp.receive().expect("the slow one at last")[..2], slow[..2]);

    let udp = Udp::to(server.address()).expect("a socket");
    udp.send(&query("slow2.example. A").to_vec().expect("the query encodes")).expect("it is sent");
    upstream.wait_for_held(1);
    for query in &fast {
        udp.exchange(query, client::TIMEOUT).expect("an answer while another waits");
    }
    upstream.release();
    udp.receive(client::TIMEOUT).expect("the slow one at last");
}

#[test]
fn tcp_takes_queries_as_they_come() {
    let server = Server::start("tcp", WHOAMI);
    let bytes = query("example.org. A").to_vec().expect("the query encodes");
    let connect = || Tcp::to(server.address()).expect("a connection");

    let mut drip = connect();
    for octet in framed(&bytes) {
        drip.0.write_all(&[octet]).expect("it is sent");
    }
    assert_eq!(drip.receive().expect("octet by octet")[..2], bytes[..2]);

    let mut two = connect();
    two.0.write_all(&[framed(&bytes), framed(&bytes)].concat()).expect("it is sent");
    assert_eq!(two.receive().expect("the first of a segment")[..2], bytes[..2]);
    assert_eq!(two.receive().expect("the second of a segment")[..2], bytes[..2]);

    let mut half = connect();
    half.send(&bytes).expect("it is sent");
    half.0.shutdown(Shutdown::Write).expect("half of it closes");
    assert_eq!(half.receive().expect("the other half is still there")[..2], bytes[..2]);
    assert!(half.is_closed(client::TIMEOUT), "nothing more to say");

    for n in 0..200 {
        drip.exchange(&bytes).unwrap_or_else(|e| panic!("query {n} of a connection: {e}"));
    }
}

#[test]
fn garbage_on_one_connection_leaves_the_others_alone() {
    let mut server = Server::start("garbage", WHOAMI);
    let bytes = query("example.org. A").to_vec().expect("the query encodes");
    let mut good = Tcp::to(server.address()).expect("a connection");
    good.exchange(&bytes).expect("a reply");
    for (name, garbage) in [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec()),
        ("TLS", [&[0x16, 0x03, 0x01, 0x00, 0xF0, 0x01][..], &[0; 300]].concat()),
        ("nothing, framed", vec![0, 0]),
        ("eleven octets", framed(&[1; 11])),
        ("a long message of ones", framed(&vec![0xFF; 65_535])),
        ("a length and no message", vec![0xFF, 0xFF]),
    ] {
        let mut bad = Tcp::to(server.address()).expect(name);
        // The server may close before all is sent.
        let _ = bad.0.write_all(&garbage);
        let _ = bad.0.shutdown(Shutdown::Write);
        assert!(bad.is_closed(client::TIMEOUT), "{name}: the connection lives on");
        good.exchange(&bytes).unwrap_or_else(|e| panic!("after {name}: {e}"));
    }
    server.assert_sound();
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed() {
    let server = Server::start("silent", WHOAMI);
    let mut silent = Tcp::to(server.address()).expect("a connection");
    let mut begun = Tcp::to(server.address()).expect("a connection");
    begun.0.write_all(&[0, 40, 1, 2, 3]).expect("it is sent");
    // 3 s for the first query; the rest is for a busy machine.
    assert!(silent.is_closed(Duration::from_secs(30)), "silence");
    assert!(begun.is_closed(Duration::from_secs(30)), "a query that never ends");
}

#[test]
fn every_source_port_gets_its_answer() {
    // The kernel spreads source ports over the workers' sockets.
    let server = Server::start("spread", WHOAMI);
    let bytes = query("example.org. A").to_vec().expect("the query encodes");
    let sockets: Vec<Udp> =
        (0..256).map(|_| Udp::to(server.address()).expect("a socket")).collect();
    for socket in &sockets {
        socket.send(&bytes).expect("it is sent");
    }
    for (n, socket) in sockets.iter().enumerate() {
        socket.receive(client::TIMEOUT).unwrap_or_else(|e| panic!("client {n}: {e}"));
    }
}

#[test]
fn dig_finds_nothing_to_complain_about() {
    let Ok(version) = Command::new("dig").arg("-v").output() else {
        left_out("dig_finds_nothing_to_complain_about", "there is no dig (bind9-dnsutils)");
        return;
    };
    drop(version);
    let server = Server::start("dig", LARGE);
    let port = server.address().port().to_string();
    for (name, arguments, expected) in [
        ("its defaults", vec!["example.org", "A"], "ANSWER: 30,"),
        ("TCP", vec!["+tcp", "example.org", "A"], "ANSWER: 30,"),
        ("no EDNS, TCP after TC", vec!["+noedns", LONG_NAME, "A"], "ANSWER: 30,"),
        ("no second try", vec!["+noedns", "+ignore", LONG_NAME, "A"], "flags: qr aa tc rd;"),
        ("DO", vec!["+dnssec", "example.org", "A"], "flags: do; udp:"),
        ("AAAA", vec!["example.org", "AAAA"], "2001:db8::53"),
        ("keep-alive", vec!["+tcp", "+keepalive", "example.org", "A"], "ANSWER: 30,"),
        ("padding", vec!["+padding=468", "example.org", "AAAA"], "2001:db8::53"),
        ("a version of EDNS to come", vec!["+edns=7", "+noednsneg", "a.example", "A"], "BADVERS"),
        ("an opcode", vec!["+opcode=2", "example.org", "A"], "status: NOTIMP"),
        ("another class", vec!["-c", "CH", "version.bind", "TXT"], "status: REFUSED"),
        ("an unknown type", vec!["example.org", "TYPE65280"], "status: SERVFAIL"),
    ] {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+tries=1", "+timeout=5"])
            .args(arguments)
            .output()
            .expect("dig runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(expected), "{name}: no `{expected}` in\n{text}");
        for complaint in ["malformed", "bad packet", "mismatch", "timed out", "extra bytes"] {
            assert!(!text.contains(complaint), "{name}: `{complaint}` in\n{text}");
        }
    }
}

#[test]
fn a_reply_holds_what_the_query_said_of_itself() {
    let server = Server::start("echo", WHOAMI);
    for transport in Transport::BOTH {
        for (name, edit) in EDITS {
            let mut query = query_edns("eXaMpLe.OrG. A", 1400);
            edit(&mut query);
            let reply = exchange(server.address(), transport, &query)
                .unwrap_or_else(|error| panic!("{name} over {transport:?}: {error}"));
            let (asked, got) = (&query.metadata, &reply.message.metadata);
            assert_eq!(got.id, asked.id, "{name}");
            assert_eq!(got.recursion_desired, asked.recursion_desired, "{name}: RD");
            assert_eq!(got.checking_disabled, asked.checking_disabled, "{name}: CD");
            assert!(!got.recursion_available, "{name}: RA");
            assert!(!got.authentic_data, "{name}: AD");
            let edns = reply.message.edns.expect(name);
            assert_eq!(edns.max_payload(), 1400, "{name}: size");
            assert_eq!(
                edns.flags().dnssec_ok,
                query.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok),
                "{name}: DO"
            );
        }
    }
}

type Edit = fn(&mut Message);

const EDITS: [(&str, Edit); 5] = [
    ("RD alone", |_| {}),
    ("no RD", |query| query.metadata.recursion_desired = false),
    ("CD", |query| query.metadata.checking_disabled = true),
    ("AD", |query| query.metadata.authentic_data = true),
    ("DO", |query| {
        query.edns.as_mut().map(|edns| edns.set_dnssec_ok(true));
    }),
];
