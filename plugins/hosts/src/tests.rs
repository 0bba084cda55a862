use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::{Chain, Replay, Shutdown};
use testkit::{Kit, Logs, Table, ask, lines, query, with_setup};
use tokio::time::Instant;

use super::PLUGIN;
use crate::config::Config;

/// A file of its own for a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hosts-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const HOSTS: &str = "\
# A comment.
127.0.0.1   localhost localhost.domain
192.0.2.1   www.example.org www # alias
192.0.2.2\twww.example.org.
2001:db8::1 www.example.org
192.0.2.3 v4.example.org
2001:db8::3 v6.example.org
fe80::1%lo0 scoped.example.org
::ffff:192.0.2.9 mapped.example.org
not.an.ip   bad.example.org
192.0.2.77
192.0.2.7   UPPER.Example.Org
192.0.2.8   .bad..example.org
192.0.2.10  *.wild.example.org
192.0.2.11  here.wild.example.org
2001:db8::11 *.wild.example.org
192.0.2.12  *
192.0.2.6   x.example.com
";

/// `hosts` with a table below that answers a few questions.
fn chain(text: &str) -> Chain {
    chain_of(&Kit::new(), text)
}

fn chain_of(kit: &Kit, text: &str) -> Chain {
    let hosts = kit.plugin(&PLUGIN, text).unwrap();
    let below = Arc::new(Table::new(
        "www.example.org. 60 IN TXT below\n\
         other.example.org. 60 IN A 198.51.100.1\n\
         www.example.net. 60 IN A 198.51.100.2",
    ));
    Chain::new([("hosts", hosts), ("table", below.link())])
}

/// The answers, or the RCODE where the plugin fails, or `table` where the next plugin answered.
async fn answers(chain: &Chain, question: &str) -> Vec<String> {
    match ask(chain, &query(question)).await {
        Ok(reply) if reply.answered_by() == Some("hosts") => {
            let message = reply.message().unwrap();
            assert!(message.metadata.authoritative, "{question}");
            assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{question}");
            assert_eq!(lines(&message.authorities), [""; 0], "{question}");
            lines(&message.answers)
        }
        Ok(reply) => vec![reply.answered_by().unwrap().to_owned()],
        Err(error) => {
            assert!(!error.is_logged(), "{question}");
            vec![error.rcode().to_string()]
        }
    }
}

#[tokio::test]
async fn a_hosts_file_answers_addresses_and_names() {
    let file = Scratch::new("file", HOSTS);
    let chain = chain(&format!("hosts {}", file.path()));
    let cases: &[(&str, &[&str])] = &[
        ("localhost. A", &["localhost. 3600 IN A 127.0.0.1"]),
        (
            "www.example.org. A",
            &["www.example.org. 3600 IN A 192.0.2.1", "www.example.org. 3600 IN A 192.0.2.2"],
        ),
        ("www.example.org. AAAA", &["www.example.org. 3600 IN AAAA 2001:db8::1"]),
        // The owner is in lower case whatever the question.
        ("V4.Example.ORG. A", &["v4.example.org. 3600 IN A 192.0.2.3"]),
        ("upper.example.org. A", &["upper.example.org. 3600 IN A 192.0.2.7"]),
        ("www. A", &["www. 3600 IN A 192.0.2.1"]),
        // NODATA has no SOA.
        ("v4.example.org. AAAA", &[]),
        ("v6.example.org. A", &[]),
        ("www.example.org. TXT", &[]),
        ("www.example.org. ANY", &[]),
        ("scoped.example.org. AAAA", &["scoped.example.org. 3600 IN AAAA fe80::1"]),
        ("mapped.example.org. A", &["mapped.example.org. 3600 IN A 192.0.2.9"]),
        ("nope.example.org. A", &["Server Failure"]),
        ("nope.example.org. TXT", &["Server Failure"]),
        ("bad.example.org. A", &["Server Failure"]),
        (". A", &["Server Failure"]),
        // A wildcard is one label, in the place of names that have no address of the family.
        ("a.wild.example.org. A", &["a.wild.example.org. 3600 IN A 192.0.2.10"]),
        ("here.wild.example.org. A", &["here.wild.example.org. 3600 IN A 192.0.2.11"]),
        ("here.wild.example.org. AAAA", &["here.wild.example.org. 3600 IN AAAA 2001:db8::11"]),
        ("*.wild.example.org. A", &["*.wild.example.org. 3600 IN A 192.0.2.10"]),
        ("a.wild.example.org. MX", &[]),
        ("a.b.wild.example.org. A", &["Server Failure"]),
        ("wild.example.org. A", &["Server Failure"]),
        ("anything. A", &["anything. 3600 IN A 192.0.2.12"]),
        (
            "1.2.0.192.in-addr.arpa. PTR",
            &[
                "1.2.0.192.in-addr.arpa. 3600 IN PTR www.example.org.",
                "1.2.0.192.in-addr.arpa. 3600 IN PTR www.",
            ],
        ),
        (
            "7.2.0.192.IN-ADDR.arpa. PTR",
            &["7.2.0.192.in-addr.arpa. 3600 IN PTR upper.example.org."],
        ),
        (
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR",
            &[
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR \
               www.example.org.",
            ],
        ),
        (
            "9.2.0.192.in-addr.arpa. PTR",
            &["9.2.0.192.in-addr.arpa. 3600 IN PTR mapped.example.org."],
        ),
        // Wildcards have no reverse, and neither have addresses that nobody has.
        ("10.2.0.192.in-addr.arpa. PTR", &["table"]),
        ("99.2.0.192.in-addr.arpa. PTR", &["table"]),
        ("01.2.0.192.in-addr.arpa. PTR", &["table"]),
        ("2.0.192.in-addr.arpa. PTR", &["table"]),
        ("www.example.org. PTR", &["table"]),
        ("1.2.0.192.in-addr.arpa. A", &["Server Failure"]),
    ];
    for (question, expected) in cases {
        assert_eq!(answers(&chain, question).await, *expected, "{question}");
    }
}

#[tokio::test]
async fn lines_of_the_corefile_come_after_those_of_the_file() {
    let file = Scratch::new("inline", "192.0.2.6 x.example.com\n192.0.2.5 both.example.com");
    let chain = chain(&format!(
        "hosts {} {{\n 192.168.1.10 *.example.com\n 192.168.1.11 both.example.com also.example.com\n}}",
        file.path()
    ));
    let cases: &[(&str, &[&str])] = &[
        (
            "x.example.com. A",
            &["x.example.com. 3600 IN A 192.0.2.6", "x.example.com. 3600 IN A 192.168.1.10"],
        ),
        (
            "both.example.com. A",
            &["both.example.com. 3600 IN A 192.0.2.5", "both.example.com. 3600 IN A 192.168.1.11"],
        ),
        ("also.example.com. A", &["also.example.com. 3600 IN A 192.168.1.11"]),
        (
            "11.1.168.192.in-addr.arpa. PTR",
            &[
                "11.1.168.192.in-addr.arpa. 3600 IN PTR both.example.com.",
                "11.1.168.192.in-addr.arpa. 3600 IN PTR also.example.com.",
            ],
        ),
    ];
    for (question, expected) in cases {
        assert_eq!(answers(&chain, question).await, *expected, "{question}");
    }
}

#[tokio::test]
async fn properties_change_what_is_answered() {
    let own = "hosts /nonexistent/hosts example.org";
    let host = "192.0.2.1 www.example.org www.example.net";
    let reverse = "1.2.0.192.in-addr.arpa. PTR";
    let www = "www.example.org. 3600 IN A 192.0.2.1";
    let cases: &[(&str, &str, &[&str])] = &[
        // Names outside of the zones are neither taken nor answered; addresses are, whatever the zones.
        ("", "www.example.org. A", &[www]),
        ("", "www.example.net. A", &["table"]),
        ("", "nope.example.org. A", &["Server Failure"]),
        ("", reverse, &["1.2.0.192.in-addr.arpa. 3600 IN PTR www.example.org."]),
        ("no_reverse", reverse, &["table"]),
        ("ttl 60", "www.example.org. A", &["www.example.org. 60 IN A 192.0.2.1"]),
        ("ttl 65535", "www.example.org. A", &["www.example.org. 65535 IN A 192.0.2.1"]),
        ("fallthrough", "other.example.org. A", &["table"]),
        ("fallthrough", "nope.example.org. TXT", &["table"]),
        ("fallthrough", "www.example.org. AAAA", &[]),
        ("fallthrough example.org", "other.example.org. A", &["table"]),
        ("fallthrough sub.example.org", "other.example.org. A", &["Server Failure"]),
        ("fallthrough", "www.example.org. TXT", &[]),
        ("fallthrough\n fallthrough_unsupported", "www.example.org. TXT", &["table"]),
        ("fallthrough_unsupported\n fallthrough", "www.example.org. TXT", &["table"]),
        ("fallthrough_unsupported\n fallthrough", "www.example.org. AAAA", &[]),
        ("fallthrough_unsupported\n fallthrough sub.example.org", "www.example.org. TXT", &[]),
    ];
    for (properties, question, expected) in cases {
        let chain = chain(&format!("{own} {{\n {host}\n {properties}\n}}"));
        assert_eq!(answers(&chain, question).await, *expected, "{properties}: {question}");
    }
}

#[tokio::test]
async fn zones_are_those_of_the_block_unless_named() {
    let kit = Kit::new().zones(&["example.org."]);
    let lines = "192.0.2.1 www.example.org www.example.net";
    let own = chain_of(&kit, &format!("hosts {{\n {lines}\n}}"));
    assert_eq!(answers(&own, "www.example.net. A").await, ["table"]);
    let named = chain_of(&kit, &format!("hosts /nonexistent/hosts example.net {{\n {lines}\n}}"));
    assert_eq!(answers(&named, "www.example.net. A").await.len(), 1);
    assert_eq!(answers(&named, "www.example.org. A").await, ["table"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_read_again_after_the_interval() {
    let file = Scratch::new("reload", "192.0.2.1 www.example.org");
    let kit = Kit::new();
    let plugin = kit.plugin(&PLUGIN, &format!("hosts {} {{\n reload 2s\n}}", file.path())).unwrap();
    let chain = Chain::new([("hosts", Arc::clone(&plugin))]);
    let (trigger, shutdown) = Shutdown::pair();
    let run = tokio::spawn(async move { plugin.run(shutdown).await });
    let first = ask(&chain, &query("www.example.org. A")).await.unwrap();
    assert!(first.replay().holds(Instant::now()));

    fs::write(&file.0, "192.0.2.100 www.example.org").unwrap();
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert_eq!(
        answers(&chain, "www.example.org. A").await,
        ["www.example.org. 3600 IN A 192.0.2.1"]
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        answers(&chain, "www.example.org. A").await,
        ["www.example.org. 3600 IN A 192.0.2.100"]
    );
    assert!(!first.replay().holds(Instant::now()), "the first answer is no longer true");

    // A file that is gone takes nothing away.
    let second = ask(&chain, &query("www.example.org. A")).await.unwrap();
    fs::remove_file(&file.0).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(answers(&chain, "www.example.org. A").await.len(), 1);
    assert!(second.replay().holds(Instant::now()));
    trigger.fire();
    run.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_zero_never_reads_again() {
    let plugin = Kit::new().plugin(&PLUGIN, "hosts {\n reload 0\n}").unwrap();
    let (_trigger, shutdown) = Shutdown::pair();
    plugin.run(shutdown).await;
}

#[tokio::test]
async fn replies_passed_on_end_when_the_file_changes() {
    let file = Scratch::new("replay", "192.0.2.1 www.example.org");
    let kit = Kit::new();
    let constant = Arc::new(Table::new("other.example.org. 60 IN A 198.51.100.1"));
    let hosts =
        kit.plugin(&PLUGIN, &format!("hosts {} {{\n fallthrough\n}}", file.path())).unwrap();
    let chain = Chain::new([("hosts", hosts), ("constant", Arc::new(Constant(constant)) as _)]);
    let passed_on = ask(&chain, &query("other.example.org. A")).await.unwrap();
    assert!(passed_on.replay().holds(Instant::now()));
    fs::write(&file.0, "192.0.2.200 other.example.org").unwrap();
    // Setting the plugin up once more finds the store again, and reads the file.
    let _again =
        kit.plugin(&PLUGIN, &format!("hosts {} {{\n fallthrough\n}}", file.path())).unwrap();
    assert!(!passed_on.replay().holds(Instant::now()));
}

/// Answers from the table, and says that the answers hold for ever.
struct Constant(Arc<Table>);

#[plugin::async_trait]
impl plugin::Plugin for Constant {
    async fn serve(
        &self,
        request: &plugin::Request,
        next: plugin::Next<'_>,
    ) -> Result<plugin::Reply, plugin::ServeError> {
        let reply = self.0.link().serve(request, next).await?;
        Ok(reply.replay_while(Replay::while_unchanged([])))
    }
}

#[tokio::test]
async fn answers_outlive_a_reload_only_where_the_directive_stays() {
    let line = "hosts /nonexistent/hosts {\n 192.0.2.1 www.example.org\n}";
    for (after, holds) in [(line, true), ("hosts /nonexistent/hosts", false)] {
        let before = Kit::new();
        let chain = chain_of(&before, line);
        let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
        let reloaded = before.reloaded();
        let _chain = chain_of(&reloaded, after);
        reloaded.shared.keep.settle();
        drop((chain, before));
        assert_eq!(reply.replay().holds(Instant::now()), holds, "{after}");
    }
}

#[tokio::test]
async fn entries_and_time_of_the_file_show_in_the_metrics() {
    let file =
        Scratch::new("metrics", "192.0.2.1 a.example.org b.example.org\n192.0.2.2 *.example.org");
    let kit = Kit::new();
    assert!(!kit.metrics.text().contains("coredns_hosts"));
    let _chain = chain_of(&kit, &format!("hosts {} {{\n 192.0.2.3 c.example.org\n}}", file.path()));
    let text = kit.metrics.text();
    // Two names with their reverse, a wildcard without, and one more name with its reverse.
    let entries = format!("coredns_hosts_entries{{hostsfile=\"{}\"}} 7\n", file.path());
    assert!(text.contains(&entries), "{text}");
    let modified = fs::metadata(&file.0).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let reloaded = kit.metrics.gauge("coredns_hosts_reload_timestamp_seconds", "").get();
    assert!((reloaded - seconds).abs() < 1e-3, "{reloaded} {seconds}");
}

#[test]
fn a_missing_file_is_a_warning_and_one_behind_a_file_is_refused() {
    let logs = Logs::capture();
    let kit = Kit::new();
    assert!(kit.plugin(&PLUGIN, "hosts /nonexistent/hosts").is_ok());
    assert_eq!(logs.take()[0], "[WARNING] plugin/hosts: file does not exist: /nonexistent/hosts");
    assert!(kit.plugin(&PLUGIN, "hosts /tmp").is_ok());
    assert_eq!(logs.take()[0], "[WARNING] plugin/hosts: hosts file \"/tmp\" is a directory");
    let file = Scratch::new("plain", "");
    let text = format!("hosts {}/hosts", file.path());
    assert!(testkit::rendered(&PLUGIN, &text).contains("cannot access hosts file"));
}

#[tokio::test]
async fn files_are_relative_to_root() {
    let file = Scratch::new("root", "192.0.2.1 www.example.org");
    let mut kit = Kit::new();
    kit.block.root = file.0.parent().unwrap().to_owned();
    let name = file.0.file_name().unwrap().to_str().unwrap();
    let chain = chain_of(&kit, &format!("hosts {name}"));
    assert_eq!(answers(&chain, "www.example.org. A").await.len(), 1);
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("hosts {\n ttl\n}", "wants at least 1 argument"),
        ("hosts {\n ttl 0\n}", "out of range: from 1 to 65535"),
        ("hosts {\n ttl 65536\n}", "out of range: from 1 to 65535"),
        ("hosts {\n ttl -1\n}", "expected a number of seconds"),
        ("hosts {\n ttl 1h\n}", "expected a number of seconds"),
        ("hosts {\n reload\n}", "wants 1 argument"),
        ("hosts {\n reload 5\n}", "expected a duration"),
        ("hosts {\n reload -1s\n}", "expected a duration"),
        ("hosts {\n reload 1s 2s\n}", "wants 1 argument"),
        ("hosts {\n fallthrough\n 10.0.0.1 example.org\n}", "after `fallthrough`"),
        ("hosts {\n fallthrough\n tll 5\n}", "did you mean `ttl`?"),
        ("hosts {\n fallthrough_unsupported\n}", "goes with `fallthrough` only"),
        ("hosts {\n fallthrough\n fallthrough_unsupported example.org\n}", "wants no argument"),
        ("hosts\nhosts", "only be used once"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
        assert!(diagnostics.contains("error: "), "{text}: {diagnostics}");
    }
}

#[test]
fn lines_that_say_nothing_are_warned_about() {
    let cases = [
        ("hosts {\n tll 60\n}", "neither an address nor a property"),
        ("hosts {\n 192.0.2.1\n}", "there is an address and no name"),
        ("hosts {\n ttl 60 70\n}", "`ttl` does not want `70`"),
        ("hosts {\n no_reverse please\n}", "`no_reverse` does not want `please`"),
    ];
    for (text, expected) in cases {
        let (config, diagnostics) = with_setup(&Kit::new(), text, Config::parse);
        assert!(config.is_ok_and(|config| config.inline.is_empty()), "{text}");
        assert!(diagnostics[0].starts_with("warning: "), "{text}: {diagnostics:?}");
        assert!(diagnostics[0].contains(expected), "{text}: {diagnostics:?}");
    }
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        let (_, from) = corefile.split_at(corefile.find("    hosts").unwrap());
        let directive = match from.find("\n    }") {
            Some(end) if from.lines().next().unwrap().ends_with('{') => {
                &from[..end + "\n    }".len()]
            }
            _ => from.lines().next().unwrap(),
        };
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, directive) {
            panic!("{corefile}: {diagnostics}");
        }
        n_examples += 1;
    }
    assert_eq!(n_examples, 3);
}
