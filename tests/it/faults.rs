//! Upstreams that fail, and the end of the process under load.

use std::net::UdpSocket;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::harness::client::{self, Transport, query_edns};
use crate::harness::load::Load;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;
use crate::harness::{LONG, eventually, http, tell};

const ZONE: &str = "\
example. 300 IN SOA ns.example. root.example. 1 7200 1800 86400 60
*.example. 300 IN A 192.0.2.1
short.example. 1 IN A 192.0.2.2
";

#[test]
fn with_one_of_three_upstreams_black_holed_every_query_is_answered() {
    let upstreams: Vec<Upstream> = (0..3).map(|_| Upstream::start(ZONE)).collect();
    let to: Vec<String> = upstreams.iter().map(|u| u.address.to_string()).collect();
    for policy in ["random", "round_robin", "sequential"] {
        let corefile = format!(
            ".:{{PORT}} {{\n    errors\n    forward . {} {{\n        policy {policy}\n    }}\n}}\n",
            to.join(" ")
        );
        let mut server = Server::start("black-hole", &corefile);
        let load = Load::start(server.address(), Transport::Udp, 4, move |client, n| {
            format!("name-{client}-{n}.example. A")
        });
        load.wait_for_answers(100);
        upstreams[0].set_silent(true);
        load.wait_for_answers(400);
        let mut tally = load.stop();
        tally.assert_all_answered();
        let n_answers = tally.latencies.len();
        let (p99, worst) = (tally.p99(), tally.latencies.last().copied().unwrap_or_default());
        tell(&format!(
            "one of three upstreams black-holed, {policy}: {n_answers} answered, p99 {:.1} ms, worst {:.1} ms",
            p99.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        ));
        // Not a matter of speed: a client that waited this long has asked again, or given up.
        assert!(p99 < client::TIMEOUT / 2, "{policy}: p99 {p99:?}");
        server.assert_sound();
        upstreams[0].set_silent(false);
    }
}

#[test]
fn with_all_upstreams_down_the_client_is_told_before_it_gives_up() {
    for (name, is_black_hole) in [("nobody listens", false), ("nobody answers", true)] {
        let hole = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = hole.local_addr().expect("an address");
        // Where it is kept open, it takes queries and says nothing.
        let hole = is_black_hole.then_some(hole);
        let corefile = format!(".:{{PORT}} {{\n    errors\n    forward . {address}\n}}\n");
        let mut server = Server::start("all-down", &corefile);
        for n in 0..3 {
            let query = query_edns(&format!("name{n}.example. A"), 1232);
            let reply = client::exchange(server.address(), Transport::Udp, &query);
            let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(reply.rcode(), "SERVFAIL", "{name}");
            // RFC 8914: No Reachable Authority, or Network Error.
            let codes: Vec<u16> = reply.edes().iter().map(|(code, _)| *code).collect();
            assert!(codes.iter().any(|code| [22, 23].contains(code)), "{name}: {:?}", reply.edes());
        }
        server.wait_for_log("[ERROR] plugin/errors: 2 name0.example. A: ");
        server.assert_sound();
        drop(hole);
    }
}

#[test]
fn stale_answers_bridge_an_outage() {
    let upstream = Upstream::start(ZONE);
    let corefile = format!(
        ".:{{PORT}} {{\n    prometheus :{{METRICS}}\n    cache {{\n        success 1000 1 0\n        \
         serve_stale 1h\n    }}\n    forward . {}\n}}\n",
        upstream.address
    );
    let mut server = Server::start("stale", &corefile);
    assert_eq!(server.ask("short.example. A").answers(), ["192.0.2.2"]);
    upstream.set_silent(true);
    let stale = || {
        let reply = server.ask("short.example. A");
        assert_eq!(reply.answers(), ["192.0.2.2"], "{}", reply.rcode());
        (reply.message.answers[0].ttl == 0).then_some(())
    };
    assert!(eventually(LONG, stale).is_some(), "the entry never gets old");
    assert!(server.metrics().sum("coredns_cache_served_stale_total", &[]) >= 1);
    // RFC 8914 §4.4: Stale Answer, for clients that can be told.
    let query = query_edns("short.example. A", 1232);
    let reply = client::exchange(server.address(), Transport::Udp, &query).expect("a reply");
    assert_eq!(reply.answers(), ["192.0.2.2"]);
    let codes: Vec<u16> = reply.edes().iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [3], "{:?}", reply.edes());
    server.assert_sound();
}

#[test]
fn no_query_sent_before_the_end_stays_unanswered() {
    let upstream = Upstream::start(ZONE);
    for n in 0..3 {
        let corefile =
            format!(".:{{PORT}} {{\n    cache\n    forward . {}\n}}\n", upstream.address);
        let mut server = Server::start("end", &corefile);
        let question = move |client: usize, n: usize| match n % 3 {
            0 => format!("new-{client}-{n}.example. A"),
            _ => "known.example. A".to_owned(),
        };
        let udp = Load::start(server.address(), Transport::Udp, 6, question);
        let tcp = Load::start(server.address(), Transport::Tcp, 2, question);
        udp.wait_for_answers(100);
        tcp.wait_for_answers(20);
        server.signal(Signal::SIGTERM);
        // The clients go on until they are told that nobody listens any more.
        let (udp, tcp) = (udp.join(), tcp.join());
        assert_eq!(server.wait_for_exit().code(), Some(0), "round {n}");
        for (name, tally) in [("UDP", udp), ("TCP", tcp)] {
            assert!(tally.lost.is_empty(), "{name}, round {n}: {} lost", tally.lost.len());
            assert!(tally.failed.is_empty(), "{name}, round {n}: {:?}", tally.failed.first());
        }
    }
}

#[test]
fn a_new_process_takes_over_from_the_old_one_without_a_loss() {
    let upstream = Upstream::start(ZONE);
    let corefile = format!(".:{{PORT}} {{\n    cache\n    forward . {}\n}}\n", upstream.address);
    let mut server = Server::start("hand-over", &corefile);
    let port = server.address().port();
    let load = Load::start(server.address(), Transport::Udp, 6, |client, n| match n % 3 {
        0 => format!("new-{client}-{n}.example. A"),
        _ => format!("known-{}.example. A", n % 16),
    });
    for _ in 0..3 {
        load.wait_for_answers(50);
        // Both listen on the port for a while, as on a node that is upgraded.
        let next = Server::start("hand-over", &corefile.replace("{PORT}", &port.to_string()));
        load.wait_for_answers(50);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit().code(), Some(0));
        server = next;
    }
    load.wait_for_answers(50);
    load.stop().assert_all_answered();
    server.assert_sound();
}

#[test]
fn queries_in_flight_are_answered_before_the_end() {
    let upstream = Upstream::start(ZONE);
    let corefile = format!(".:{{PORT}} {{\n    forward . {}\n}}\n", upstream.address);
    let mut server = Server::start("in-flight", &corefile);
    let address = server.address();
    let clients: Vec<_> = Transport::BOTH
        .map(|transport| {
            std::thread::spawn(move || {
                client::ask(address, transport, &format!("slow-{transport:?}.example. A"))
            })
        })
        .into_iter()
        .collect();
    upstream.wait_for_held(2);
    server.signal(Signal::SIGTERM);
    // It does not listen any more, and it is still there for the two.
    let is_closed = || std::net::TcpStream::connect(address).is_err().then_some(());
    assert!(eventually(LONG, is_closed).is_some(), "it listens on and on");
    assert!(server.is_alive(), "it left two queries alone\n{}", server.log);
    upstream.release();
    for client in clients {
        let reply = client.join().expect("the client").expect("a reply");
        assert_eq!(reply.answers(), ["192.0.2.1"]);
    }
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_lame_duck_answers_on_and_says_that_it_is_not_ready() {
    let corefile = "\
.:{PORT} {
    whoami
    health :{HEALTH} {
        lameduck 3s
    }
    ready :{READY}
    prometheus :{METRICS}
}
";
    let mut server = Server::start("lame-duck", corefile);
    assert_eq!(server.ready().status, 200);
    let begin = Instant::now();
    server.signal(Signal::SIGTERM);
    let is_not_ready = || {
        let page = http::get(server.at("127.0.0.1", "READY"), "/ready").ok()?;
        (page.status == 503).then_some(page)
    };
    let page = eventually(LONG, is_not_ready).expect("/ready turns");
    assert!(page.body.contains("Shutting down"), "{page:?}");
    for transport in Transport::BOTH {
        assert_eq!(server.ask_by(transport, "example.org. A").rcode(), "NOERROR", "{transport:?}");
    }
    let health = http::get(server.at("127.0.0.1", "HEALTH"), "/health").expect("it lives");
    assert_eq!(health.status, 200, "{health:?}");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(begin.elapsed() >= Duration::from_secs(3), "it was lame for {:?}", begin.elapsed());
}

#[test]
fn a_second_signal_ends_a_lame_duck() {
    let corefile =
        ".:{PORT} {\n    whoami\n    health :{HEALTH} {\n        lameduck 1h\n    }\n}\n";
    let mut server = Server::start("impatient", corefile);
    server.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.is_alive(), "it is to be a lame duck\n{}", server.log);
    server.signal(Signal::SIGINT);
    server.wait_for_exit();
}
