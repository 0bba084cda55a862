use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::RecordType;
use plugin::{Chain, Plugin, Shutdown};
use testkit::{Kit, Query, Table, ask, lines, query, records};

use super::PLUGIN;
use super::weights::Weights;

/// The parts of a reply that a test looks at, record by record.
struct Sections {
    answers: Vec<String>,
    authorities: Vec<String>,
    additionals: Vec<String>,
}

/// What becomes of a reply whose three sections hold these records.
async fn ordered(plugin: &Arc<dyn Plugin>, question: &str, section: &'static str) -> Sections {
    ordered_with(plugin, &query(question), section, ResponseCode::NoError).await
}

async fn ordered_with(
    plugin: &Arc<dyn Plugin>,
    asked: &Query,
    section: &'static str,
    rcode: ResponseCode,
) -> Sections {
    let below = Arc::new(Table::new("").edit(move |_, reply| {
        reply.metadata.response_code = rcode;
        reply.answers = records(section);
        reply.authorities = records(section);
        reply.additionals = records(section);
    }));
    let chain = Chain::new([("loadbalance", Arc::clone(plugin)), ("table", below.link())]);
    let reply = ask(&chain, asked).await.unwrap();
    let message = reply.message().unwrap();
    Sections {
        answers: lines(&message.answers),
        authorities: lines(&message.authorities),
        additionals: lines(&message.additionals),
    }
}

fn plugin(text: &str) -> Arc<dyn Plugin> {
    Kit::new().plugin(&PLUGIN, text).unwrap()
}

/// The last words of the lines.
fn data(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect()
}

const MIXED: &str = "\
    example.org. 60 IN MX 10 mx1.example.org.
    www.example.org. 60 IN A 192.0.2.1
    www.example.org. 60 IN TXT one
    www.example.org. 60 IN AAAA 2001:db8::1
    example.org. 60 IN MX 10 mx2.example.org.
    a.example.org. 60 IN CNAME b.example.org.
    www.example.org. 60 IN A 192.0.2.2
    www.example.org. 60 IN TXT two
    b.example.org. 60 IN CNAME www.example.org.
    example.org. 60 IN MX 10 mx3.example.org.";

#[tokio::test]
async fn sections_are_cnames_then_others_then_addresses_then_mx() {
    for text in ["loadbalance", "loadbalance round_robin", "loadbalance {\n}"] {
        let plugin = plugin(text);
        let mut orders = BTreeSet::new();
        for _ in 0..200 {
            let sections = ordered(&plugin, "a.example.org. A", MIXED).await;
            for section in [&sections.answers, &sections.authorities, &sections.additionals] {
                let types: Vec<&str> =
                    section.iter().map(|line| line.split(' ').nth(3).unwrap()).collect();
                assert_eq!(types[..4], ["CNAME", "CNAME", "TXT", "TXT"], "{text}");
                assert!(types[4..7].iter().all(|t| ["A", "AAAA"].contains(t)), "{text}: {types:?}");
                assert_eq!(types[7..], ["MX", "MX", "MX"], "{text}");
                // What is not shuffled keeps its order.
                let ends = data(section);
                assert_eq!(ends[..2], ["b.example.org.", "www.example.org."], "{text}");
                assert!(ends[2].contains("one") && ends[3].contains("two"), "{text}");
            }
            orders.insert(sections.answers[4..7].to_vec());
            orders.insert(sections.answers[7..].to_vec());
        }
        // Three addresses and three exchanges have six orders each; each misses 200 times once in 10^15.
        assert_eq!(orders.len(), 12, "{text}");
    }
}

#[tokio::test]
async fn each_address_is_first_about_as_often() {
    let plugin = plugin("loadbalance");
    let three = "\
        www.example.org. 60 IN A 192.0.2.1
        www.example.org. 60 IN A 192.0.2.2
        www.example.org. 60 IN A 192.0.2.3";
    let mut firsts = BTreeMap::new();
    for _ in 0..1200 {
        let sections = ordered(&plugin, "www.example.org. A", three).await;
        *firsts.entry(data(&sections.answers)[0].to_owned()).or_insert(0) += 1;
    }
    // 400 expected; the standard deviation is 16.
    assert!(firsts.len() == 3 && firsts.values().all(|n| (300..500).contains(n)), "{firsts:?}");
}

#[tokio::test]
async fn transfers_and_errors_keep_their_order() {
    let as_is = lines(&records(MIXED));
    let cases = [
        (RecordType::AXFR, ResponseCode::NoError),
        (RecordType::IXFR, ResponseCode::NoError),
        (RecordType::A, ResponseCode::NXDomain),
        (RecordType::A, ResponseCode::ServFail),
    ];
    for text in ["loadbalance", "loadbalance {\n prefer 192.0.2.0/24\n}"] {
        let plugin = plugin(text);
        for (qtype, rcode) in cases {
            let asked = query("example.org. A").edit(|message| {
                message.queries[0].set_query_type(qtype);
            });
            let sections = ordered_with(&plugin, &asked, MIXED, rcode).await;
            assert_eq!(sections.answers, as_is, "{text}: {qtype} {rcode}");
            assert_eq!(sections.additionals, as_is, "{text}: {qtype} {rcode}");
        }
    }
}

#[tokio::test]
async fn preferred_subnets_come_first_in_their_order() {
    let plugin = plugin(
        "loadbalance {\n prefer 2001:db8:1::/48 198.51.100.0/24\n prefer 203.0.113.77/25\n}",
    );
    let section = "\
        www.example.org. 60 IN TXT rest
        www.example.org. 60 IN A 192.0.2.1
        www.example.org. 60 IN A 203.0.113.1
        example.org. 60 IN MX 10 mx.example.org.
        www.example.org. 60 IN A 198.51.100.1
        www.example.org. 60 IN AAAA 2001:db8:2::1
        a.example.org. 60 IN CNAME www.example.org.
        www.example.org. 60 IN AAAA 2001:db8:1::1";
    for _ in 0..20 {
        let sections = ordered(&plugin, "a.example.org. A", section).await;
        for section in [&sections.answers, &sections.additionals] {
            let section = data(section);
            let first = ["www.example.org.", "2001:db8:1::1", "198.51.100.1", "203.0.113.1"];
            assert_eq!(section[..4], first);
            assert_eq!(section[6], "mx.example.org.");
            assert!(section[7].contains("rest"));
        }
        // The authority section is shuffled, and that is all.
        assert!(data(&sections.authorities)[1].contains("rest"));
    }
}

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadbalance-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const WEIGHTS: &str = "\
# Two names.
WWW.example.org
192.0.2.1 3
 192.0.2.3\t2

web.example.org.
192.0.2.1 255
2001:db8::1 7
";

#[test]
fn a_weight_file_is_read() {
    let weights = Weights::parse(WEIGHTS).unwrap();
    let cases = [
        ("www.example.org.", "192.0.2.1", 3),
        ("Www.Example.Org.", "192.0.2.3", 2),
        ("www.example.org.", "192.0.2.2", 1),
        ("web.example.org.", "192.0.2.1", 255),
        ("web.example.org.", "2001:db8::1", 7),
        ("example.org.", "192.0.2.1", 1),
    ];
    for (owner, address, expected) in cases {
        let weight = weights.of(&owner.parse().unwrap(), address.parse().unwrap());
        assert_eq!(weight, expected, "{owner} {address}");
    }
    assert_eq!(Weights::parse("# nothing\n\n").unwrap(), Weights::default());
}

#[test]
fn mistakes_in_a_weight_file_are_found() {
    let cases = [
        ("192.0.2.1", "line 1: `192.0.2.1` is not a domain name"),
        ("192.0.2.1 1", "line 1: a weight before the first domain name"),
        ("a.example\n192.0.2.256 1", "line 2: `192.0.2.256` is not an address"),
        ("a.example\n192.0.2.1 0", "line 2: `0` is not a weight from 1 to 255"),
        ("a.example\n192.0.2.1 256", "line 2: `256` is not a weight"),
        ("a.example\n\n192.0.2.1 -1", "line 3: `-1` is not a weight"),
        ("a.example\n192.0.2.1 1 2", "line 2: neither a domain name nor"),
    ];
    for (text, expected) in cases {
        let error = Weights::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[tokio::test]
async fn one_address_is_put_in_front_by_weight() {
    let file = Scratch::new("weigh", WEIGHTS);
    let plugin = plugin(&format!("loadbalance weighted {}", file.0.display()));
    let section = "\
        example.org. 60 IN MX 10 mx.example.org.
        www.example.org. 60 IN A 192.0.2.1
        www.example.org. 60 IN A 192.0.2.2
        www.example.org. 60 IN A 192.0.2.3
        a.example.org. 60 IN CNAME www.example.org.";
    let mut firsts = BTreeMap::new();
    for _ in 0..1200 {
        let sections = ordered(&plugin, "a.example.org. A", section).await;
        let answers = data(&sections.answers);
        assert_eq!((answers[0], answers[4]), ("www.example.org.", "mx.example.org."));
        // The one in front changed places with the first; the others stay.
        let rest = match answers[1] {
            "192.0.2.1" => ["192.0.2.2", "192.0.2.3"],
            "192.0.2.2" => ["192.0.2.1", "192.0.2.3"],
            _ => ["192.0.2.2", "192.0.2.1"],
        };
        assert_eq!(answers[2..4], rest);
        assert_eq!(sections.authorities, lines(&records(section)), "left alone");
        *firsts.entry(answers[1].to_owned()).or_insert(0) += 1;
    }
    // Weights 3, 1 and 2: 600, 200 and 400 expected, with standard deviations below 18.
    for (address, expected) in [("192.0.2.1", 600), ("192.0.2.2", 200), ("192.0.2.3", 400)] {
        let n = firsts[address];
        assert!((expected - 100..expected + 100).contains(&n), "{address}: {firsts:?}");
    }
}

#[tokio::test]
async fn weights_are_for_address_and_srv_queries_with_addresses() {
    let file = Scratch::new("others", "www.example.org\n192.0.2.2 255\n");
    let plugin = plugin(&format!("loadbalance weighted {}", file.0.display()));
    let two = "\
        www.example.org. 60 IN A 192.0.2.1
        www.example.org. 60 IN A 192.0.2.2";
    for (question, is_weighed) in [("A", true), ("AAAA", true), ("SRV", true), ("MX", false)] {
        let mut n_second = 0;
        for _ in 0..40 {
            let question = format!("www.example.org. {question}");
            let sections = ordered(&plugin, &question, two).await;
            n_second += usize::from(data(&sections.additionals)[0] == "192.0.2.2");
        }
        assert_eq!(n_second > 30, is_weighed, "{question}: {n_second}");
    }
    let without = "\
        example.org. 60 IN MX 10 mx.example.org.
        a.example.org. 60 IN CNAME www.example.org.";
    let sections = ordered(&plugin, "a.example.org. A", without).await;
    assert_eq!(sections.answers, lines(&records(without)), "nothing to weigh, nothing to move");
}

#[tokio::test(start_paused = true)]
async fn a_changed_weight_file_is_read_again() {
    let file = Scratch::new("reload", "www.example.org\n192.0.2.1 1\n");
    fs::remove_file(&file.0).unwrap();
    let text = format!("loadbalance weighted {} {{\n reload 10s\n}}", file.0.display());
    let plugin = plugin(&text);
    let (trigger, shutdown) = Shutdown::pair();
    let work = tokio::spawn({
        let plugin = Arc::clone(&plugin);
        async move { plugin.run(shutdown).await }
    });
    let two = "\
        www.example.org. 60 IN A 192.0.2.1
        www.example.org. 60 IN A 192.0.2.2";
    // Each step: what is in the file, and which address is first nearly always after ten seconds.
    let steps = [
        ("www.example.org\n192.0.2.2 255\n", "192.0.2.2"),
        ("www.example.org\n192.0.2.1 255\n", "192.0.2.1"),
        ("www.example.org\n192.0.2.2 mistake\n", "192.0.2.1"),
    ];
    for (weights, expected) in steps {
        fs::write(&file.0, weights).unwrap();
        tokio::time::sleep(Duration::from_millis(10_001)).await;
        let mut n_first = 0;
        for _ in 0..40 {
            let sections = ordered(&plugin, "www.example.org. A", two).await;
            n_first += usize::from(data(&sections.answers)[0] == expected);
        }
        assert!(n_first > 30, "{weights}: {n_first}");
    }
    trigger.fire();
    work.await.unwrap();
}

#[test]
fn a_weight_file_that_cannot_be_used_is_refused() {
    let file = Scratch::new("mistake", "192.0.2.1 1");
    let diagnostics =
        testkit::rendered(&PLUGIN, &format!("loadbalance weighted {}", file.0.display()));
    assert!(diagnostics.contains("line 1: a weight before the first domain name"), "{diagnostics}");
    let missing = "loadbalance weighted /nonexistent/weights {\n reload 0\n}";
    assert!(testkit::rendered(&PLUGIN, missing).contains("cannot read the weight file"));
    let tried_again = "loadbalance weighted /nonexistent/weights {\n reload 1s\n}";
    assert!(Kit::new().plugin(&PLUGIN, tried_again).is_ok());
}

#[test]
fn weight_files_are_relative_to_root() {
    let file = Scratch::new("root", "192.0.2.1 1");
    let mut kit = Kit::new();
    kit.block.root = file.0.parent().unwrap().to_owned();
    let name = file.0.file_name().unwrap().to_str().unwrap();
    let diagnostics = kit.plugin(&PLUGIN, &format!("loadbalance weighted {name}")).err().unwrap();
    assert!(
        diagnostics.contains("a weight before the first domain name"),
        "it was read: {diagnostics}"
    );
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("loadbalance fleeb", "expected a policy"),
        ("loadbalance round_robin a", "`round_robin` does not want `a`"),
        ("loadbalance weighted {\n reload 1s\n}", "`weighted` wants a file"),
        ("loadbalance weighted a b", "`weighted` does not want `b`"),
        ("loadbalance weighted a {\n susu\n}", "unknown property `susu`"),
        ("loadbalance weighted a {\n reload a\n}", "expected a duration"),
        ("loadbalance weighted a {\n reload\n}", "wants 1 argument"),
        ("loadbalance weighted a {\n reload 30s a\n}", "wants 1 argument"),
        (
            "loadbalance weighted a {\n prefer 192.0.2.0/24\n}",
            "`prefer` does not go with `weighted`",
        ),
        ("loadbalance {\n reload 1s\n}", "unknown property `reload`"),
        ("loadbalance {\n prefers 192.0.2.0/24\n}", "did you mean `prefer`?"),
        ("loadbalance {\n prefer 192.0.2.1\n}", "expected a subnet"),
        ("loadbalance {\n prefer 192.0.2.0/33\n}", "expected a subnet"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let diagnostics = testkit::rendered(&PLUGIN, "loadbalance {\n prefer x y\n prefer z\n what\n}");
    for word in ["`x`", "`z`", "`what`"] {
        assert!(diagnostics.contains(word), "{word}: {diagnostics}");
    }
}

#[test]
fn only_a_plain_shuffle_may_be_replayed() {
    assert!(plugin("loadbalance").is_pure());
    assert!(!plugin("loadbalance {\n prefer 192.0.2.0/24\n}").is_pure());
    assert!(!plugin("loadbalance weighted /nonexistent/weights").is_pure());
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        let (_, from) = corefile.split_at(corefile.find("loadbalance").unwrap());
        let directive = match from.find("\n    }") {
            Some(end) if from[..end].contains('{') => &from[..end + "\n    }".len()],
            _ => from.lines().next().unwrap(),
        };
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, directive) {
            panic!("{corefile}: {diagnostics}");
        }
        n_examples += 1;
    }
    assert_eq!(n_examples, 3);
}
