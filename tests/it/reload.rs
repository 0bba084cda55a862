//! A changed Corefile, mostly under load.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use crate::command_line::{TEN_MISTAKES, mistaken_lines};
use crate::harness::client::{self, Transport, Udp, query};
use crate::harness::load::Load;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;
use crate::harness::{LONG, eventually, http};

const ZONE: &str = "\
example. 300 IN SOA ns.example. root.example. 1 7200 1800 86400 60
*.example. 300 IN A 192.0.2.1
";

fn forwarding(upstream: &Upstream, more: &str) -> String {
    format!(
        ".:{{PORT}} {{
    errors
    prometheus :{{METRICS}}
    ready :{{READY}}
    cache 300
    forward . {}
    {more}
}}
",
        upstream.address
    )
}

#[test]
fn no_query_is_lost_by_reloads_under_load() {
    let upstream = Upstream::start(ZONE);
    let mut server = Server::start("reload-load", &forwarding(&upstream, ""));
    // Some from the cache, some that wait for the upstream while the configuration changes.
    let question = |client: usize, n: usize| match n % 4 {
        0 => format!("new-{client}-{n}.example. A"),
        _ => format!("known-{}.example. A", n % 16),
    };
    let udp = Load::start(server.address(), Transport::Udp, 3, question);
    let tcp = Load::start(server.address(), Transport::Tcp, 2, question);
    for n in 0..6 {
        udp.wait_for_answers(50);
        tcp.wait_for_answers(20);
        server.write_corefile(&forwarding(&upstream, if n % 2 == 0 { "loadbalance" } else { "" }));
        server.reload();
    }
    udp.wait_for_answers(50);
    tcp.wait_for_answers(20);
    udp.stop().assert_all_answered();
    tcp.stop().assert_all_answered();
    assert_eq!(server.metrics().sum("coredns_reload_failed_total", &[]), 0);
    server.assert_sound();
}

#[test]
fn the_cache_survives_a_reload() {
    let upstream = Upstream::start(ZONE);
    let mut server = Server::start("reload-cache", &forwarding(&upstream, ""));
    for n in 0..20 {
        server.ask(&format!("name{n}.example. A"));
    }
    let n_asked = upstream.n_asked();
    assert_eq!(n_asked, 20);
    let n_entries =
        |server: &Server| server.metrics().sum("coredns_cache_entries", &["type=\"success\""]);
    assert_eq!(n_entries(&server), 20);
    server.write_corefile(&forwarding(&upstream, "loadbalance"));
    server.reload();
    assert_eq!(n_entries(&server), 20, "entries after the reload");
    upstream.set_silent(true);
    for n in 0..20 {
        let reply = server.ask(&format!("name{n}.example. A"));
        assert_eq!(reply.answers(), ["192.0.2.1"], "name{n}");
    }
    assert_eq!(upstream.n_asked(), n_asked, "the upstream was asked again");
}

#[test]
fn a_bad_corefile_is_told_whole_and_changes_nothing() {
    let upstream = Upstream::start(ZONE);
    let good = forwarding(&upstream, "");
    let mut server = Server::start("reload-bad", &good);
    let load = Load::start(server.address(), Transport::Udp, 2, |_, n| {
        format!("name{}.example. A", n % 8)
    });
    load.wait_for_answers(20);
    server.places.write("Corefile", TEN_MISTAKES);
    server.signal(nix::sys::signal::Signal::SIGUSR1);
    server.wait_for_log("plugin/reload: Corefile changed but reload failed");
    let path = server.places.path("Corefile");
    let last = mistaken_lines().pop().expect("ten lines");
    server.wait_for_log(&format!("--> {}:{last}:", path.display()));
    let lines: Vec<u64> = server
        .log
        .text()
        .lines()
        .filter_map(|line| {
            let place = line.split_once(&format!("--> {}:", path.display()))?.1;
            place.split(':').next()?.parse().ok()
        })
        .collect();
    assert_eq!(lines, mistaken_lines(), "{}", server.log);
    load.wait_for_answers(20);
    let failed = |server: &Server| server.metrics().sum("coredns_reload_failed_total", &[]);
    assert_eq!(failed(&server), 1);
    assert_eq!(server.ready().status, 200);
    // The next one is good again.
    server.write_corefile(&good);
    server.reload();
    load.wait_for_answers(20);
    load.stop().assert_all_answered();
    assert_eq!(failed(&server), 1);
    let shown = server.metrics().sum("coredns_reload_version_info", &["hash=\"sha512\""]);
    assert_eq!(shown, 1, "one version is shown");
    server.assert_sound();
}

#[test]
fn a_port_that_cannot_be_had_changes_nothing() {
    let upstream = Upstream::start(ZONE);
    let mut server = Server::start("reload-taken", &forwarding(&upstream, ""));
    // Without SO_REUSEPORT: nobody else can listen there.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let more = format!("}}\n.:{port} {{\n    bind 127.0.0.1\n    whoami");
    server.write_corefile(&forwarding(&upstream, &more));
    server.signal(nix::sys::signal::Signal::SIGUSR1);
    server.wait_for_log("plugin/reload: Corefile changed but reload failed");
    server.wait_for_log(&format!("127.0.0.1:{port}"));
    assert_eq!(server.metrics().sum("coredns_reload_failed_total", &[]), 1);
    assert_eq!(server.ask("name.example. A").answers(), ["192.0.2.1"]);
}

#[test]
fn listeners_come_and_go_with_the_corefile() {
    let first = "\
.:{PORT} {
    whoami
    prometheus :{METRICS}
    health :{HEALTH}
    ready :{READY}
}
";
    let second = "\
.:{PORT2} {
    erratic {
        drop 0
    }
    prometheus :{METRICS2}
    health :{HEALTH2}
    ready :{READY2}
}
";
    let mut server = Server::start("reload-ports", first);
    let is_closed = |server: &Server, port: &str| {
        let address = server.at("127.0.0.1", port);
        let outcome = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        outcome.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    server.write_corefile(second);
    server.reload();
    for transport in Transport::BOTH {
        let reply = client::ask(server.at("127.0.0.1", "PORT2"), transport, "example.org. A");
        assert_eq!(reply.expect("the new port answers").answers(), ["192.0.2.53"]);
    }
    for (port, path) in [("METRICS2", "/metrics"), ("HEALTH2", "/health"), ("READY2", "/ready")] {
        let page = http::get(server.at("127.0.0.1", port), path).expect(path);
        // erratic is not ready yet.
        assert_eq!(page.status, if path == "/ready" { 503 } else { 200 }, "{path}: {page:?}");
    }
    for port in ["PORT", "METRICS", "HEALTH", "READY"] {
        let is_gone = || is_closed(&server, port).then_some(());
        let limit = Duration::from_secs(10);
        assert!(eventually(limit, is_gone).is_some(), "{port} is still open");
    }
    let bytes = query("example.org. A").to_vec().expect("the query encodes");
    let udp = Udp::to(server.address()).and_then(|udp| udp.exchange(&bytes, client::TIMEOUT));
    let error = udp.expect_err("nobody is left there");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // And back.
    server.write_corefile(first);
    server.reload();
    assert_eq!(server.ask("example.org. A").rcode(), "NOERROR");
    assert_eq!(server.ready().status, 200);
    server.assert_sound();
}

#[test]
fn the_reload_plugin_notices_a_change() {
    let corefile = ".:{PORT} {\n    whoami\n    reload 2s 0s\n}\n";
    let mut server = Server::start("reload-look", corefile);
    server.wait_for_log("plugin/reload: Running configuration SHA512 = ");
    server.write_corefile(&corefile.replace("whoami", "erratic {\n    drop 0\n    }"));
    let has_changed = || (!server.ask("example.org. A").answers().is_empty()).then_some(());
    assert!(eventually(LONG, has_changed).is_some(), "{}", server.log);
    assert_eq!(server.log.count("Running configuration SHA512 = "), 2);
}

#[test]
fn counters_go_on_over_a_reload() {
    let upstream = Upstream::start(ZONE);
    let mut server = Server::start("reload-counters", &forwarding(&upstream, ""));
    let requests =
        |server: &Server| server.metrics().sum("coredns_dns_requests_total", &["type=\"A\""]);
    for _ in 0..5 {
        server.ask("name.example. A");
    }
    assert_eq!(requests(&server), 5);
    server.write_corefile(&forwarding(&upstream, "loadbalance"));
    server.reload();
    assert_eq!(requests(&server), 5, "after the reload");
    server.ask("name.example. A");
    assert_eq!(requests(&server), 6);
}
