//! The plugin as a whole, and what it takes; `answers` asks zones.

mod answers;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugin::capability::Transfer;
use plugin::proto::op::{OpCode, ResponseCode};
use plugin::proto::rr::RecordType;
use plugin::{Chain, Shutdown};
use testkit::{Kit, Logs, Table, ask, lines, query, with_setup};
use tokio::time::Instant;

use super::PLUGIN;
use crate::config::Config;

/// A directory of its own for a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("file-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A zone with that serial and that address for `www`.
fn zone(serial: u32, address: &str) -> String {
    format!("$TTL 60\n@ SOA ns root {serial} 1 2 3 4\n@ NS ns\nwww A {address}\n")
}

fn chain_of(kit: &Kit, text: &str) -> Chain {
    let below = Arc::new(Table::new("other.example.org. 60 IN A 198.51.100.1"));
    Chain::new([("file", kit.plugin(&PLUGIN, text).unwrap()), ("table", below.link())])
}

/// The answers in the words after the type, or the RCODE where there is none.
async fn answers(chain: &Chain, question: &str) -> Vec<String> {
    match ask(chain, &query(question)).await {
        Ok(reply) if reply.answered_by() == Some("table") => vec!["table".to_owned()],
        Ok(reply) => {
            let message = reply.message().unwrap();
            let answers = lines(&message.answers);
            if answers.is_empty() {
                vec![message.metadata.response_code.to_string()]
            } else {
                answers
            }
        }
        Err(error) => {
            assert!(!error.is_logged(), "{question}: {error}");
            vec![error.rcode().to_string()]
        }
    }
}

#[tokio::test]
async fn each_question_goes_to_the_longest_zone() {
    let scratch = Scratch::new("zones");
    let (org, sub) = (zone(1, "192.0.2.1"), zone(1, "192.0.2.2"));
    let (org, sub) = (scratch.write("org", &org), scratch.write("sub", &sub));
    let chain = chain_of(
        &Kit::new(),
        &format!("file {org} example.org example.net\nfile {sub} sub.example.org"),
    );
    let cases = [
        ("www.example.org. A", "www.example.org. 60 IN A 192.0.2.1"),
        ("WWW.example.NET. A", "www.example.net. 60 IN A 192.0.2.1"),
        ("www.sub.example.org. A", "www.sub.example.org. 60 IN A 192.0.2.2"),
        ("x.sub.example.org. A", "Non-Existent Domain"),
        ("www.example.com. A", "table"),
    ];
    for (question, expected) in cases {
        assert_eq!(answers(&chain, question).await, [expected], "{question}");
    }
}

#[tokio::test]
async fn of_the_same_zone_written_twice_the_last_is_served() {
    let scratch = Scratch::new("twice");
    let one = scratch.write("one", &zone(1, "192.0.2.1"));
    let two = scratch.write("two", &zone(1, "192.0.2.2"));
    let text = format!("file {one} example.org\nfile {two} example.org");
    let chain = chain_of(&Kit::new(), &text);
    assert_eq!(answers(&chain, "www.example.org. A").await, ["www.example.org. 60 IN A 192.0.2.2"]);
}

#[tokio::test]
async fn outside_of_the_zones_the_last_plugin_refuses() {
    let scratch = Scratch::new("refused");
    let db = scratch.write("db", &zone(1, "192.0.2.1"));
    let chain = Kit::new().chain(&[(&PLUGIN, &format!("file {db} example.org"))]).unwrap();
    assert_eq!(answers(&chain, "www.example.com. A").await, ["Query Refused"]);
}

#[tokio::test]
async fn transfers_are_refused_and_notifies_dropped() {
    let scratch = Scratch::new("transfer");
    let db = scratch.write("db", &zone(1, "192.0.2.1"));
    let chain = chain_of(&Kit::new(), &format!("file {db} example.org"));
    for (name, rtype) in [
        ("example.org.", RecordType::AXFR),
        ("example.org.", RecordType::IXFR),
        ("www.example.org.", RecordType::AXFR),
    ] {
        let transfer = query(&format!("{name} A")).edit(|m| {
            m.queries[0].set_query_type(rtype);
        });
        let error = ask(&chain, &transfer).await.unwrap_err();
        assert_eq!(error.rcode(), ResponseCode::Refused, "{name} {rtype}");
    }
    let notify = query("example.org. SOA").edit(|m| m.metadata.op_code = OpCode::Notify);
    assert!(ask(&chain, &notify).await.unwrap().message().is_none());
}

#[tokio::test]
async fn names_that_are_not_there_fall_through_where_it_says_so() {
    let scratch = Scratch::new("fallthrough");
    let text = format!("{}a.ent A 192.0.2.9\n*.wild A 192.0.2.8\n", zone(1, "192.0.2.1"));
    let db = scratch.write("db", &text);
    let (www, wild) = ("www.example.org. TXT", "x.wild.example.org. TXT");
    let cases: &[(&str, &str, &str)] = &[
        ("", "other.example.org. A", "Non-Existent Domain"),
        ("fallthrough", "other.example.org. A", "table"),
        ("fallthrough example.org", "other.example.org. A", "table"),
        ("fallthrough sub.example.org", "other.example.org. A", "Non-Existent Domain"),
        ("fallthrough", "ent.example.org. A", "table"),
        ("", "ent.example.org. A", "No Error"),
        ("fallthrough", www, "No Error"),
        ("fallthrough", wild, "No Error"),
        ("fallthrough", "www.example.org. A", "www.example.org. 60 IN A 192.0.2.1"),
    ];
    for (property, question, expected) in cases {
        let chain = chain_of(&Kit::new(), &format!("file {db} example.org {{\n {property}\n}}"));
        assert_eq!(answers(&chain, question).await, [*expected], "{property}: {question}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_its_serial_differs() {
    let scratch = Scratch::new("serial");
    let db = scratch.write("db", &zone(7, "192.0.2.1"));
    let kit = Kit::new();
    let plugin = kit.plugin(&PLUGIN, &format!("file {db} example.org {{\n reload 2s\n}}")).unwrap();
    let chain = Chain::new([("file", Arc::clone(&plugin))]);
    let (trigger, shutdown) = Shutdown::pair();
    let run = tokio::spawn(async move { plugin.run(shutdown).await });
    let first = ask(&chain, &query("www.example.org. A")).await.unwrap();
    let (one, two) = ("www.example.org. 60 IN A 192.0.2.1", "www.example.org. 60 IN A 192.0.2.2");
    let later = |secs| tokio::time::sleep(Duration::from_secs(secs));

    scratch.write("db", &zone(7, "192.0.2.200"));
    later(5).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, [one], "the serial is the same");
    assert!(first.replay().holds(Instant::now()));

    scratch.write("db", "$TTL 1\n@ SOA x");
    later(2).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, [one], "the file is wrong");

    // Any other serial will do, be it smaller.
    scratch.write("db", &zone(6, "192.0.2.2"));
    later(2).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, [two]);
    assert!(!first.replay().holds(Instant::now()));

    fs::remove_file(&db).unwrap();
    later(5).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, [two], "the file is gone");
    trigger.fire();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_when_it_is_newer() {
    let scratch = Scratch::new("mtime");
    let db = scratch.write("db", &zone(7, "192.0.2.1"));
    let text = format!("file {db} example.org {{\n reload 2s\n reload_by_mtime\n}}");
    let plugin = Kit::new().plugin(&PLUGIN, &text).unwrap();
    let chain = Chain::new([("file", Arc::clone(&plugin))]);
    let (_trigger, shutdown) = Shutdown::pair();
    tokio::spawn(async move { plugin.run(shutdown).await });
    let written = fs::metadata(&db).unwrap().modified().unwrap();
    for (older_secs, address) in [(0_u64, "192.0.2.1"), (1, "192.0.2.1")] {
        // Not newer: the same time, or an older one.
        scratch.write("db", &zone(8, "192.0.2.2"));
        let file = fs::File::options().write(true).open(&db).unwrap();
        file.set_modified(written - Duration::from_secs(older_secs)).unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let expected = format!("www.example.org. 60 IN A {address}");
        assert_eq!(answers(&chain, "www.example.org. A").await, [expected], "{older_secs}");
    }
    scratch.write("db", &zone(7, "192.0.2.3"));
    let file = fs::File::options().write(true).open(&db).unwrap();
    file.set_modified(written + Duration::from_secs(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, ["www.example.org. 60 IN A 192.0.2.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_zone_without_its_file_fails_until_the_file_comes() {
    let scratch = Scratch::new("late");
    let db = scratch.0.join("db");
    let logs = Logs::capture();
    let plugin = Kit::new().plugin(&PLUGIN, &format!("file {} example.org", db.display())).unwrap();
    let log = logs.take();
    assert!(log[0].starts_with("[WARNING] plugin/file: Failed to open \""), "{log:?}");
    assert!(log[0].ends_with("trying again in 60s"), "{log:?}");
    let chain = Chain::new([("file", Arc::clone(&plugin))]);
    let (_trigger, shutdown) = Shutdown::pair();
    tokio::spawn(async move { plugin.run(shutdown).await });
    assert_eq!(answers(&chain, "www.example.org. A").await, ["Server Failure"]);
    scratch.write("db", &zone(1, "192.0.2.1"));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, ["Server Failure"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(answers(&chain, "www.example.org. A").await, ["www.example.org. 60 IN A 192.0.2.1"]);
}

#[tokio::test]
async fn zones_outlive_a_reload_of_the_corefile_and_follow_their_file() {
    let scratch = Scratch::new("keep");
    let db = scratch.write("db", &zone(1, "192.0.2.1"));
    let text = format!("file {db} example.org");
    let before = Kit::new();
    let chain = chain_of(&before, &text);
    let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
    let reloaded = before.reloaded();
    let after = chain_of(&reloaded, &text);
    reloaded.shared.keep.settle();
    drop((chain, before));
    assert!(reply.replay().holds(Instant::now()), "nothing has changed");

    // A reload takes what is in the file, whatever its serial.
    scratch.write("db", &zone(1, "192.0.2.200"));
    let again = reloaded.reloaded();
    let chain = chain_of(&again, &text);
    assert!(!reply.replay().holds(Instant::now()));
    let answers = answers(&chain, "www.example.org. A").await;
    assert_eq!(answers, ["www.example.org. 60 IN A 192.0.2.200"]);

    let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
    let other = again.reloaded();
    let _other = other.plugin(&PLUGIN, &format!("file {db} example.net")).unwrap();
    other.shared.keep.settle();
    drop((chain, after, reloaded, again));
    assert!(!reply.replay().holds(Instant::now()), "the zone is gone");
}

#[tokio::test]
async fn files_are_relative_to_root_and_zones_those_of_the_block() {
    let scratch = Scratch::new("root");
    scratch.write("db", &zone(1, "192.0.2.1"));
    let mut kit = Kit::new().zones(&["example.org.", "example.net."]);
    kit.block.root.clone_from(&scratch.0);
    let chain = chain_of(&kit, "file db");
    for name in ["www.example.org.", "www.example.net."] {
        let expected = format!("{name} 60 IN A 192.0.2.1");
        assert_eq!(answers(&chain, &format!("{name} A")).await, [expected]);
    }
}

#[test]
fn options_hold_for_later_directives_too() {
    let text = "file a {\n reload 5s\n}\nfile b {\n reload_by_mtime\n fallthrough\n}\nfile c {\n upstream x\n}";
    let (config, diagnostics) = with_setup(&Kit::new(), text, Config::parse);
    assert_eq!(diagnostics, [""; 0]);
    let reloads: Vec<(u64, bool)> =
        config.files.iter().map(|f| (f.reload.interval.as_secs(), f.reload.by_mtime)).collect();
    assert_eq!(reloads, [(5, false), (5, true), (5, true)]);
}

#[test]
fn mistakes_are_refused() {
    let scratch = Scratch::new("mistakes");
    scratch.write("good", &zone(1, "192.0.2.1"));
    scratch.write("nosoa", "www 60 IN A 192.0.2.1");
    scratch.write("wrong", "@ 60 SOA ns root 1 1 1 1 1\n\nwww A 192.0.2\n");
    scratch.write("nsec3", "@ 60 SOA ns root 1 1 1 1 1\n@ NSEC3PARAM 1 0 0 -\n");
    let cases = [
        ("file", "wants at least 1 argument"),
        ("file good {\n reload\n}", "wants at least 1 argument"),
        ("file good {\n reload 60\n}", "expected a duration"),
        ("file good {\n reload -1s\n}", "expected a duration"),
        ("file good {\n transfer to *\n}", "unknown property `transfer`"),
        ("file good {\n reload_by_mtim\n}", "did you mean `reload_by_mtime`?"),
        ("file good {\n reload_by_mtime on\n}", "wants no argument"),
        ("file missing {\n reload 0\n}", "zone file `missing`: No such file"),
        ("file good\nfile missing {\n reload 0s\n}", "zone file `missing`: No such file"),
        ("file nosoa", "zone file `nosoa`: there is no SOA record for ."),
        ("file wrong", "wrong:3: expected an IPv4 address, not `192.0.2`"),
        ("file nsec3", "nsec3:2: NSEC3 is not supported"),
        ("file wrong\nfile nosoa {\n what\n}", "unknown property `what`"),
    ];
    let mut kit = Kit::new();
    kit.block.root.clone_from(&scratch.0);
    for (text, expected) in cases {
        let diagnostics = kit.plugin(&PLUGIN, text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
    let all = kit.plugin(&PLUGIN, "file wrong\nfile nosoa\nfile").err().unwrap();
    assert_eq!(all.matches("error: ").count(), 3, "all at once: {all}");
}

#[tokio::test]
async fn a_failed_lookup_is_a_servfail_and_so_is_an_alias_to_it() {
    let scratch = Scratch::new("alias");
    let db = scratch.write("db", &format!("{}out CNAME a.example.com.\n", zone(1, "192.0.2.1")));
    let file = Kit::new().plugin(&PLUGIN, &format!("file {db} example.org")).unwrap();
    let failing = Arc::new(Table::new("").failing());
    let chain = Chain::new([("file", file), ("table", failing.link())]);
    let reply = ask(&chain, &query("out.example.org. A")).await.unwrap();
    assert_eq!(reply.rcode(), ResponseCode::ServFail);
    let message = reply.message().unwrap();
    assert_eq!(lines(&message.answers), ["out.example.org. 60 IN CNAME a.example.com."]);
    assert!(message.metadata.authoritative);
    assert!(!reply.replay().holds(Instant::now()));
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        for from in corefile.split("    file ").skip(1) {
            let head = from.lines().next().unwrap();
            let end = if head.ends_with('{') {
                from.find("\n    }").unwrap() + "\n    }".len()
            } else {
                head.len()
            };
            let directive = format!("file {}", &from[..end]);
            let (config, diagnostics) = with_setup(&Kit::new(), &directive, Config::parse);
            assert_eq!(diagnostics, [""; 0], "{directive}");
            assert_eq!(config.files.len(), 1, "{directive}");
            n_examples += 1;
        }
    }
    assert_eq!(n_examples, 4);
}

#[tokio::test(start_paused = true)]
async fn a_whole_zone_is_offered_with_each_new_serial() {
    let scratch = Scratch::new("whole");
    let db = scratch.write("db", &zone(7, "192.0.2.1"));
    let kit = Kit::new();
    let text = format!("file {db} example.org {{\n reload 1s\n}}");
    let plugin = kit.plugin(&PLUGIN, &text).unwrap();
    let (_trigger, shutdown) = Shutdown::pair();
    tokio::spawn(async move { plugin.run(shutdown).await });
    let sources = kit.block.capabilities.all::<dyn Transfer>();
    let origin = &sources[0].origins()[0];
    assert_eq!(sources[0].serial_after(origin, None).await, 7);
    let records = sources[0].records(origin).unwrap().unwrap();
    assert_eq!(
        lines(&records),
        [
            "example.org. 60 IN SOA ns.example.org. root.example.org. 7 1 2 3 4",
            "example.org. 60 IN NS ns.example.org.",
            "www.example.org. 60 IN A 192.0.2.1",
        ]
    );
    scratch.write("db", &zone(8, "192.0.2.2"));
    assert_eq!(sources[0].serial_after(origin, Some(7)).await, 8);
    let www = query("www.example.org. A").request();
    assert!(sources[0].records(www.qname()).is_none(), "no zone is called so");
}
