//! Flags, exit codes, `check`.

use std::io::Write as _;
use std::process::{Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::client::{self, Transport};
use crate::harness::places::Places;
use crate::harness::server::{Server, command};
use crate::harness::{LONG, eventually};

const GOOD: &str = ".:{PORT} {\n    whoami\n}\n";

/// Runs the binary to its end.
fn run(places: &mut Places, arguments: &[&str], stdin: &str) -> Output {
    let stdin = places.fill(stdin);
    let mut child = command(places)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // It may end without reading.
    let _ = child.stdin.take().expect("it is piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

#[test]
fn arguments_lead_to_exit_codes_and_words() {
    struct Case {
        name: &'static str,
        arguments: &'static [&'static str],
        stdin: &'static str,
        code: i32,
        stdout: &'static str,
        stderr: &'static str,
    }
    let case = |name, arguments, code, stdout, stderr| Case {
        name,
        arguments,
        stdin: "",
        code,
        stdout,
        stderr,
    };
    let reading = |stdin, case: Case| Case { stdin, ..case };
    let cases = [
        case("version", &["-version"], 0, concat!("Rhumb-", env!("CARGO_PKG_VERSION")), ""),
        case("two dashes", &["--version"], 0, "linux/", ""),
        case("plugins", &["-plugins"], 0, "whoami\n", ""),
        case("help", &["-help"], 0, "-conf", ""),
        case("an unknown flag", &["--nosuch"], 2, "", "--nosuch"),
        case("a stray word", &["serve-me"], 2, "", "serve-me"),
        case("no such Corefile", &["-conf", "nosuch"], 1, "", "nosuch"),
        case("a folder for a Corefile", &["-conf", "."], 1, "", "."),
        case("a port that is none", &["-dns.port", "fifty"], 2, "", "fifty"),
        case("a bad Corefile", &["-conf", "bad"], 1, "", "--> bad:2:5"),
        case("check a good one", &["check", "good"], 0, "", ""),
        case("check a bad one", &["check", "bad"], 1, "", "--> bad:2:5"),
        case("check a missing one", &["check", "nosuch"], 1, "", "nosuch"),
        case("check a good one, JSON", &["check", "--format", "json", "good"], 0, "[]", ""),
        reading(".:{PORT} {\n    whoami\n}\n", case("check stdin", &["check", "-"], 0, "", "")),
        reading(". {\n  nosuch\n}\n", case("a bad stdin", &["check", "-"], 1, "", "stdin:2:3")),
        reading(". {\n  no", case("stdin, cut off", &["-conf", "stdin"], 1, "", "stdin:2")),
        case("completions", &["completions", "bash"], 0, "rhumb", ""),
        case("man page", &["man"], 0, ".TH", ""),
    ];
    let mut places = Places::new("arguments");
    let good = places.fill(GOOD);
    places.write("good", &good);
    places.write("bad", ". {\n    nosuch\n}\n");
    for Case { name, arguments, stdin, code, stdout, stderr } in cases {
        let output = run(&mut places, arguments, stdin);
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {out}{err}");
        assert!(out.contains(stdout), "{name}: no `{stdout}` on stdout: {out}");
        assert!(err.contains(stderr), "{name}: no `{stderr}` on stderr: {err}");
        assert!(code == 0 || !err.is_empty(), "{name}: fails without a word");
        assert!(!err.contains("panicked"), "{name}: {err}");
    }
}

#[test]
fn plugins_are_listed_alphabetically_one_a_line() {
    let mut places = Places::new("plugins");
    let output = run(&mut places, &["-plugins"], "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    for name in ["cache", "errors", "forward", "kubernetes", "reload", "whoami"] {
        assert!(text.lines().any(|line| line == name), "{name} is not served:\n{text}");
    }
}

#[test]
fn check_tells_every_mistake_as_json() {
    let mut places = Places::new("json");
    places.write("Corefile", TEN_MISTAKES);
    let output = run(&mut places, &["check", "--format=json", "Corefile"], "");
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = found.as_array().expect("an array");
    let lines: Vec<u64> = found.iter().filter_map(|one| one["line"].as_u64()).collect();
    assert_eq!(lines, mistaken_lines(), "{found:#?}");
    for one in found {
        assert_eq!(one["severity"], "error", "{one}");
        assert_eq!(one["file"], "Corefile", "{one}");
        assert!(one["column"].as_u64().is_some_and(|column| column > 0), "{one}");
        assert!(one["message"].as_str().is_some_and(|message| !message.is_empty()), "{one}");
    }
}

#[test]
fn check_opens_nothing() {
    let mut server = Server::start("check-beside", GOOD);
    let output = run(&mut server.places, &["check", "Corefile"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!server.places.path("pid").exists());
    assert_eq!(server.ask("example.org. A").rcode(), "NOERROR");
}

#[test]
fn the_pidfile_is_there_while_it_serves() {
    let mut places = Places::new("pidfile");
    let corefile = places.fill(GOOD);
    places.write("Corefile", &corefile);
    let pidfile = places.path("pid");
    // Relative names, the equals sign, the Corefile that is there anyway.
    let mut server = Server::spawn(places, &["-pidfile=pid"], None);
    server.wait_for_log("Rhumb-");
    let written = std::fs::read_to_string(&pidfile).expect("the pidfile is written");
    assert_eq!(written, format!("{}\n", server.pid()));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!pidfile.exists(), "the pidfile is left behind");
}

#[test]
fn quiet_leaves_out_the_banner() {
    let mut places = Places::new("quiet");
    let corefile = places.fill(GOOD);
    places.write("Corefile", &corefile);
    let mut server = Server::spawn(places, &["-quiet"], None);
    let answers = || client::ask(server.address(), Transport::Tcp, "example.org. A").ok();
    assert!(eventually(LONG, answers).is_some(), "it does not serve\n{}", server.log);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    let lines = server.log.text();
    assert!(lines.lines().all(|line| line.starts_with("[INFO] ")), "{lines}");
}

#[test]
fn the_banner_says_what_is_served_and_where() {
    let corefile = "\
example.org:{PORT} example.com:{PORT} {
    whoami
}
.:{PORT2} {
    bind 127.0.0.1
    whoami
}
";
    let server = Server::start("banner", corefile);
    let (port, port2) = (server.places.known_port("PORT"), server.places.known_port("PORT2"));
    let text = server.log.text();
    let first: Vec<&str> = text.lines().take(3).collect();
    let expected = [
        format!("example.com.:{port}"),
        format!("example.org.:{port}"),
        format!(".:{port2} on 127.0.0.1"),
    ];
    assert_eq!(first, expected);
}

#[test]
fn a_corefile_from_stdin_serves() {
    let mut places = Places::new("stdin");
    let corefile = places.fill(GOOD);
    let server = Server::spawn(places, &["-conf", "stdin"], Some(&corefile));
    server.wait_for_log("Rhumb-");
    assert_eq!(server.ask("example.org. A").rcode(), "NOERROR");
}

#[test]
fn without_a_corefile_whoami_answers_on_the_port_of_the_flag() {
    for (name, flag) in [("p", "-p"), ("dns.port", "-dns.port")] {
        let mut places = Places::new("default");
        let port = places.port("PORT").to_string();
        let server = Server::spawn(places, &[flag, &port], None);
        server.wait_for_log("Rhumb-");
        let reply = server.ask("example.org. A");
        assert_eq!(reply.message.additionals.len(), 2, "{name}");
        server.wait_for_log("\"A IN example.org. udp");
    }
}

#[test]
fn the_port_of_the_flag_is_for_keys_without_one() {
    let mut places = Places::new("flag-port");
    let port = places.port("PORT").to_string();
    places.write("Corefile", "example.org {\n    whoami\n}\n");
    let server = Server::spawn(places, &["-dns.port", &port], None);
    server.wait_for_log("Rhumb-");
    assert_eq!(server.ask("example.org. A").rcode(), "NOERROR");
    assert_eq!(server.ask("example.com. A").rcode(), "REFUSED");
}

#[test]
fn every_signal_that_ends_it_ends_it_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut server = Server::start("signal", GOOD);
        server.signal(signal);
        assert_eq!(server.wait_for_exit().code(), Some(0), "{signal}");
    }
}

/// Ten mistakes, each told on a line of its own, that no other keeps from being told.
pub(crate) const TEN_MISTAKES: &str = "\
# Ten mistakes.
.:5300 {
    errors stdout stderr
    nosuch directive
    whoami now
    cache ten twenty {
        servfail never
        success none
    }
    reload soon
    forward . not-an-address:nor-a-port {
        max_fails many
    }
    kubernetes cluster.local {
        ttl lots
        pods all
    }
}
";

/// Where they are.
pub(crate) fn mistaken_lines() -> Vec<u64> {
    vec![3, 4, 5, 7, 8, 10, 11, 12, 15, 16]
}
