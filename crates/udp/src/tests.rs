use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;

/// Receives until `n` datagrams came, and echoes each from where it was sent to.
fn echo(socket: &UdpSocket, n: usize) {
    let mut inbox = Inbox::new(8, 512);
    let mut outbox = Outbox::new();
    let mut n_echoed = 0;
    while n_echoed < n {
        match inbox.receive(socket.as_fd()) {
            Ok(n_received) => {
                for idx in 0..n_received {
                    let datagram = inbox.datagram(idx).unwrap();
                    outbox.push(datagram.bytes, datagram.from, datagram.to);
                }
                n_echoed += n_received;
                assert_eq!(outbox.flush(socket.as_fd()), 0);
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    for (bound, asked) in [
        ("0.0.0.0:0", "127.0.0.7"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("127.0.0.9:0", "127.0.0.9"),
        ("[::]:0", "127.0.0.8"),
        ("[::]:0", "::1"),
        ("[::1]:0", "::1"),
    ] {
        let Ok(server) = bind(bound.parse().unwrap()) else {
            assert!(bound.contains(':') && !std::path::Path::new("/proc/net/if_inet6").exists());
            continue;
        };
        let port = server.local_addr().unwrap().port();
        let asked: std::net::IpAddr = asked.parse().unwrap();
        let client =
            UdpSocket::bind(if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
        // A connected socket takes datagrams from that address only.
        client.connect((asked, port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for i in 0..20_u8 {
            client.send(&[i; 40]).unwrap();
        }
        let echoing = std::thread::spawn(move || echo(&server, 20));
        let mut buffer = [0; 64];
        for i in 0..20_u8 {
            assert_eq!(client.recv(&mut buffer).unwrap_or(0), 40, "{bound} asked at {asked}");
            assert_eq!(buffer[..40], [i; 40]);
        }
        echoing.join().unwrap();
    }
}

#[test]
fn a_datagram_larger_than_the_buffer_is_marked() {
    let server = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&[7; 600], server.local_addr().unwrap()).unwrap();
    let mut inbox = Inbox::new(2, 512);
    let n = loop {
        match inbox.receive(server.as_fd()) {
            Ok(n) => break n,
            Err(_) => std::thread::yield_now(),
        }
    };
    assert_eq!(n, 1);
    let datagram = inbox.datagram(0).unwrap();
    assert!(datagram.is_truncated);
    assert_eq!(datagram.bytes.len(), 512);
}

#[test]
fn an_address_that_cannot_be_reached_does_not_hold_up_the_others() {
    let server = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut outbox = Outbox::new();
    outbox.push(b"lost", "[2001:db8::1]:53".parse().unwrap(), None);
    outbox.push(b"kept", client.local_addr().unwrap(), None);
    assert_eq!(outbox.flush(server.as_fd()), 1);
    let mut buffer = [0; 16];
    assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    assert!(outbox.is_empty());
}
