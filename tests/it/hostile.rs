//! Clients that mean harm, while others go on asking.
//!
//! Bounded and on loopback. `RHUMB_HOSTILE=full` sends a million datagrams and opens ten thousand connections;
//! `RHUMB_SEED` repeats a run.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::harness::client::{self, Tcp, Transport, Udp, framed, query, query_edns};
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;
use crate::harness::{LONG, eventually, tell};

/// What stands above and below a query: forwarding, caching, the cluster's names, logs.
const COREFILE: &str = "\
.:{PORT} {
    errors
    prometheus :{METRICS}
    cache 30
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests {DIR}/objects.yaml
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . {UPSTREAM}
    loadbalance
}
";

const ZONE: &str = "\
example. 300 IN SOA ns.example. root.example. 1 7200 1800 86400 60
*.example. 300 IN A 192.0.2.1
example.org. 300 IN A 192.0.2.2
";

fn server(name: &str) -> (Server, Upstream) {
    let upstream = Upstream::start(ZONE);
    let mut places = crate::harness::places::Places::new(name);
    places.set("UPSTREAM", &upstream.address);
    let objects = crate::harness::root().join("tests/scenarios/kubeadm/objects.yaml");
    places.write("objects.yaml", &std::fs::read_to_string(objects).expect("the objects"));
    (Server::start_in(places, COREFILE), upstream)
}

#[test]
fn a_storm_of_datagrams_neither_stops_nor_swells_the_server() {
    let n_datagrams = if is_full() { 1_000_000 } else { 50_000 };
    let (mut server, _upstream) = server("storm");
    let address = server.address();
    let seed = seed();
    tell(&format!("a storm of {n_datagrams} datagrams, RHUMB_SEED={seed}"));

    // Every path has been taken once: what is opened on the way is open.
    storm(address, seed, n_datagrams / 5);
    settle(&server);
    let n_descriptors = server.n_descriptors();

    let is_over = Arc::new(AtomicBool::new(false));
    let storms: Vec<_> = (1..=2)
        .map(|n| {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                for round in 0.. {
                    storm(address, seed ^ (n << 32) ^ (round << 40), n_datagrams / 5);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
        })
        .collect();
    for n in 0..100 {
        let found = "web.shop.svc.cluster.local. A".to_owned();
        for question in [found, format!("name{n}.example. A")] {
            assert!(is_answered(address, &question), "{question} in the storm\n{}", server.log);
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for storm in storms {
        storm.join().expect("the storm does not panic");
    }
    assert_memory_levels_off(&server, |round| {
        storm(address, seed ^ (round << 48), n_datagrams / 5);
    });
    assert_descriptors_come_back(&server, n_descriptors);
    assert_eq!(server.metrics().sum("coredns_panics_total", &[]), 0);
    server.assert_sound();
}

#[test]
fn a_crowd_of_bad_connections_leaves_room_for_good_ones() {
    let n_connections = if is_full() { 10_000 } else { 600 };
    let (mut server, _upstream) = server("crowd");
    let address = server.address();
    tell(&format!("a crowd of {n_connections} connections"));
    let mut dice = StdRng::seed_from_u64(seed());
    let n_descriptors = server.n_descriptors();

    let is_over = Arc::new(AtomicBool::new(false));
    let n_answered = Arc::new(AtomicUsize::new(0));
    let other = {
        let (is_over, n_answered) = (Arc::clone(&is_over), Arc::clone(&n_answered));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                // A connection each: accepted while the crowd is at the door.
                client::ask(address, Transport::Tcp, "www.example. A").expect("TCP in the crowd");
                client::ask(address, Transport::Udp, "www.example. A").expect("UDP in the crowd");
                n_answered.fetch_add(2, Ordering::Relaxed);
            }
        })
    };
    crowd(address, &mut dice, n_connections);
    let more = n_answered.load(Ordering::Relaxed) + 4;
    let goes_on =
        || (n_answered.load(Ordering::Relaxed) >= more || other.is_finished()).then_some(());
    assert!(eventually(LONG, goes_on).is_some(), "others get no answers");
    is_over.store(true, Ordering::Relaxed);
    other.join().expect("the others are answered");

    assert_memory_levels_off(&server, |_| crowd(address, &mut dice, n_connections));
    assert_descriptors_come_back(&server, n_descriptors);
    assert_eq!(server.metrics().sum("coredns_panics_total", &[]), 0);
    server.assert_sound();
}

#[test]
fn a_flood_over_a_dead_upstream_fits_into_a_pod() {
    let upstream = Upstream::start(ZONE);
    upstream.set_silent(true);
    let corefile = format!(
        ".:{{PORT}} {{\n    prometheus :{{METRICS}}\n    cache 30\n    forward . {}\n}}\n",
        upstream.address
    );
    let mut server = Server::start("flood", &corefile);
    let encode = |n: usize| query(&format!("n{n}.example. A")).to_vec().expect("it encodes");
    let connections: Vec<Tcp> = (0..200)
        .filter_map(|client| {
            let mut tcp = Tcp::to(server.address()).ok()?;
            let _ = tcp.0.set_write_timeout(Some(Duration::from_millis(100)));
            let all: Vec<u8> = (0..200).flat_map(|n| framed(&encode(client * 1000 + n))).collect();
            let _ = tcp.0.write_all(&all);
            Some(tcp)
        })
        .collect();
    let udp = Udp::to(server.address()).expect("a socket");
    for n in 0..40_000 {
        let _ = udp.send(&encode(1_000_000 + n));
        if n % 64 == 63 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let rss = server.rss_kib();
    tell(&format!("a flood over a dead upstream: {rss} KiB"));
    // The limit of the usual Deployment.
    assert!(rss < 170 * 1024, "memory: {rss} KiB");
    drop(connections);
    upstream.set_silent(false);
    let is_back = || is_answered(server.address(), "again.example. A").then_some(());
    assert!(eventually(LONG, is_back).is_some(), "it does not come back\n{}", server.log);
    server.assert_sound();
}

#[test]
fn a_client_that_never_reads_its_replies_is_let_go() {
    let (mut server, _upstream) = server("deaf");
    let bytes = framed(&query("web.shop.svc.cluster.local. SRV").to_vec().expect("it encodes"));
    let mut deaf = Tcp::to(server.address()).expect("a connection");
    deaf.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let many = bytes.repeat(1000);
    let before = server.rss_kib();
    // Until the server's and our own buffers are full, or the server has had enough.
    let mut n_written = 0;
    while n_written < 64 << 20 {
        match deaf.0.write(&many) {
            Ok(n) => n_written += n,
            Err(_) => break,
        }
    }
    assert!(n_written < 64 << 20, "the server reads on and on from a client that does not read");
    assert!(server.rss_kib() < before + 16 * 1024, "replies pile up");
    assert_eq!(server.ask("web.shop.svc.cluster.local. A").answers(), ["10.96.7.7"]);
    let n_descriptors = server.n_descriptors();
    let is_gone = || (server.n_descriptors() < n_descriptors).then_some(());
    assert!(eventually(LONG, is_gone).is_some(), "the connection stays");
    server.assert_sound();
}

/// Holds more and more of the same against the server until it takes no more memory for it. What it takes at
/// its worst stays with the allocator, and how bad that is depends on how busy the machine is; a leak goes on.
fn assert_memory_levels_off(server: &Server, mut round: impl FnMut(u64)) {
    let mut seen = vec![server.rss_kib()];
    for number in 1..=12 {
        round(number);
        settle(server);
        let rss = server.rss_kib();
        let before = seen.last().copied().unwrap_or_default();
        seen.push(rss);
        if number > 1 && rss < before + 1024 {
            tell(&format!("  memory in KiB, round by round: {seen:?}"));
            return;
        }
    }
    panic!("memory grows and grows, KiB round by round: {seen:?}");
}

/// Pooled sockets to upstreams end when they have been idle for a while.
fn assert_descriptors_come_back(server: &Server, n_before: usize) {
    let is_back = || (server.n_descriptors() <= n_before + 8).then_some(());
    let given_back = eventually(LONG, is_back);
    assert!(given_back.is_some(), "descriptors: {n_before}, then {}", server.n_descriptors());
}

/// Asks as a stub resolver does, again each second: the kernel drops what does not fit into a socket's buffer.
fn is_answered(address: SocketAddr, question: &str) -> bool {
    let query = query(question).to_vec().expect("the query encodes");
    let client = Udp::to(address).expect("a socket");
    (0..5).any(|_| client.exchange(&query, Duration::from_secs(1)).is_ok())
}

/// Sends datagrams of every kind of wrong, from several ports. Replies are not read.
fn storm(address: SocketAddr, seed: u64, n_datagrams: usize) {
    let mut dice = StdRng::seed_from_u64(seed);
    let sockets: Vec<UdpSocket> = (0..8)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect(address).expect("an address");
            socket
        })
        .collect();
    let pace = Udp::to(address).expect("a socket");
    let marker = query("web.shop.svc.cluster.local. A").to_vec().expect("the query encodes");
    for n in 0..n_datagrams {
        let datagram = datagram(&mut dice);
        // Full buffers, and refusals of an earlier one.
        let _ = sockets[n % sockets.len()].send(&datagram);
        if n % 64 == 63 {
            // As fast as this machine lets the server be, and not much faster: others are to have their turn.
            let _ = pace.exchange(&marker, Duration::from_millis(20));
        }
    }
}

/// Something that looks more or less like a query.
fn datagram(dice: &mut StdRng) -> Vec<u8> {
    match dice.random_range(0..10) {
        // Noise.
        0 => (0..dice.random_range(0..600)).map(|_| dice.random()).collect(),
        // A header and noise: counts that promise too much.
        1 => {
            let mut bytes = good(dice);
            for octet in &mut bytes[4..12] {
                *octet = if dice.random_bool(0.5) { 0 } else { dice.random() };
            }
            bytes
        }
        // Cut off.
        2 => {
            let mut bytes = good(dice);
            bytes.truncate(dice.random_range(0..=bytes.len()));
            bytes
        }
        // Compression pointers: to themselves, forward, in circles.
        3 => {
            let mut bytes = good(dice)[..12].to_vec();
            for _ in 0..dice.random_range(1..40) {
                bytes.extend([0xC0 | dice.random_range(0..4_u8), dice.random()]);
            }
            bytes.extend([0, 1, 0, 1]);
            bytes
        }
        // Longer than any query.
        4 if dice.random_bool(0.05) => {
            let mut bytes = good(dice);
            bytes.resize(dice.random_range(4000..9000), 0);
            bytes
        }
        // EDNS with options that overrun.
        5 => {
            let mut bytes = good(dice);
            bytes[11] = 1;
            bytes.truncate(12 + question_len(&bytes[12..]));
            bytes.extend([0, 0, 41, dice.random(), dice.random(), dice.random(), dice.random()]);
            bytes.extend(dice.random::<u16>().to_be_bytes());
            let len: u16 = dice.random_range(0..64);
            bytes.extend(len.to_be_bytes());
            bytes.extend((0..dice.random_range(0..64)).map(|_| dice.random::<u8>()));
            bytes
        }
        // A few bits the wrong way.
        _ => {
            let mut bytes = good(dice);
            for _ in 0..dice.random_range(1..6) {
                let at = dice.random_range(0..bytes.len());
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
            bytes
        }
    }
}

/// A query that is answered, forwarded, found or not.
fn good(dice: &mut StdRng) -> Vec<u8> {
    const TYPES: [&str; 12] =
        ["A", "AAAA", "SRV", "PTR", "TXT", "SOA", "NS", "MX", "ANY", "DS", "HTTPS", "TYPE65280"];
    let number: u32 = dice.random();
    let name = match dice.random_range(0..8) {
        0 => "web.shop.svc.cluster.local.".to_owned(),
        1 => format!("x{number}.shop.svc.cluster.local."),
        2 => "_http._tcp.web.shop.svc.cluster.local.".to_owned(),
        3 => format!("{}-{}-1-2.shop.pod.cluster.local.", number % 256, number % 300),
        4 => format!("{}.7.96.10.in-addr.arpa.", number % 256),
        5 => format!("x{}.example.", number % 1000),
        6 => ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".") + ".",
        _ => ".".to_owned(),
    };
    let question = format!("{name} {}", TYPES[dice.random_range(0..TYPES.len())]);
    let message =
        if dice.random() { query_edns(&question, dice.random()) } else { query(&question) };
    message.to_vec().unwrap_or_else(|_| vec![0; 12])
}

fn question_len(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|octet| *octet == 0).unwrap_or(0);
    (end + 5).min(bytes.len())
}

/// Opens connections that are slow, silent, half closed, endless, or not about DNS at all.
fn crowd(address: SocketAddr, dice: &mut StdRng, n_connections: usize) {
    let mut open = Vec::new();
    for _ in 0..n_connections {
        let Ok(mut tcp) = Tcp::to(address) else { continue };
        let _ = tcp.0.set_write_timeout(Some(Duration::from_millis(100)));
        let query = good(dice);
        // Each of these may fail because the server has had enough.
        let _ = match dice.random_range(0..9) {
            // Silent.
            0 => Ok(()),
            // Slow: the beginning of a frame and no more.
            1 => tcp.0.write_all(&framed(&query)[..dice.random_range(1..query.len() + 2)]),
            // Half closed, with a query and without.
            2 => tcp.send(&query).and_then(|()| tcp.0.shutdown(Shutdown::Write)),
            3 => tcp.0.shutdown(Shutdown::Write),
            // A length that never comes true.
            4 => tcp.0.write_all(&[0xFF, 0xFF, 1, 2, 3, 4, 5]),
            // Noise.
            5 => {
                let noise: Vec<u8> =
                    (0..dice.random_range(1..5000)).map(|_| dice.random()).collect();
                tcp.0.write_all(&noise)
            }
            // Endless: queries without reading a reply.
            6 => tcp.0.write_all(&framed(&query).repeat(200)),
            // Every frame something else.
            7 => {
                let frames: Vec<u8> = (0..20).flat_map(|_| framed(&datagram(dice))).collect();
                tcp.0.write_all(&frames)
            }
            // Gone at once.
            _ => tcp.0.shutdown(Shutdown::Both),
        };
        open.push(tcp);
        // As many as a hostile client may keep open.
        if open.len() >= 400 {
            open.drain(..200);
        }
    }
}

/// Waits until what was sent has been worked through: a query of our own comes back at once.
fn settle(server: &Server) {
    let quiet = || {
        client::ask(server.address(), Transport::Udp, "web.shop.svc.cluster.local. A").ok()?;
        (pending(server) == 0).then_some(())
    };
    assert!(eventually(LONG, quiet).is_some(), "the storm does not end\n{}", server.log);
}

/// Octets that wait in the server's UDP sockets.
fn pending(server: &Server) -> usize {
    let port = format!(":{:04X}", server.address().port());
    let queued = |file: &str| -> usize {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines
            .filter(|words| words.get(1).is_some_and(|local| local.ends_with(&port)))
            .filter_map(|words| usize::from_str_radix(words.get(4)?.split_once(':')?.1, 16).ok())
            .sum()
    };
    queued("/proc/net/udp") + queued("/proc/net/udp6")
}

fn is_full() -> bool {
    std::env::var("RHUMB_HOSTILE").is_ok_and(|value| value == "full")
}

fn seed() -> u64 {
    let given = std::env::var("RHUMB_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| u64::from(rand::random::<u32>()))
}
