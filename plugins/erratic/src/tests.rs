use std::time::Duration;

use plugin::proto::op::ResponseCode;
use testkit::{Kit, ask, lines, query};
use tokio::time::Instant;

use super::PLUGIN;

/// What eight queries of a type get, one letter each: `.` nothing, `=` an answer, `t` one with TC,
/// `!` SERVFAIL.
async fn fates(text: &str, question: &str) -> String {
    let chain = Kit::new().chain(&[(&PLUGIN, text)]).unwrap();
    let mut fates = String::new();
    for _ in 0..8 {
        fates.push(match ask(&chain, &query(question)).await {
            Err(error) => {
                assert_eq!(error.rcode(), ResponseCode::ServFail, "{text}");
                assert!(!error.is_logged(), "{text}");
                '!'
            }
            Ok(reply) => match reply.message() {
                None => '.',
                Some(message) if message.metadata.truncation => 't',
                Some(message) => {
                    assert!(message.metadata.authoritative, "{text}");
                    '='
                }
            },
        });
    }
    fates
}

#[tokio::test(start_paused = true)]
async fn the_number_of_a_query_is_its_fate() {
    let cases = [
        ("erratic", "A", ".=.=.=.="),
        ("erratic {\n drop\n}", "A", ".=.=.=.="),
        ("erratic {\n drop 3\n}", "AAAA", ".==.==.="),
        ("erratic {\n drop 3\n}", "TXT", ".!!.!!.!"),
        ("erratic {\n drop 0\n}", "A", "========"),
        ("erratic {\n delay\n}", "A", "========"),
        ("erratic {\n drop\n delay\n}", "A", "========"),
        ("erratic {\n drop 2\n delay\n}", "A", ".=.=.=.="),
        ("erratic {\n delay 0\n}", "A", ".=.=.=.="),
        ("erratic {\n truncate\n}", "A", "tt==tt=="),
        ("erratic {\n truncate 1\n}", "AAAA", "t=t=t=t="),
        ("erratic {\n truncate 5\n}", "A", "t=t==="),
        ("erratic {\n truncate 5\n drop 3\n}", "A", ".=t.==.="),
    ];
    for (text, qtype, expected) in cases {
        let fates = fates(text, &format!("example.org. {qtype}")).await;
        assert!(fates.starts_with(expected), "{text}: {fates}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_reply_is_as_late_as_configured() {
    let cases = [
        ("erratic {\n delay\n}", [100, 0, 100, 0]),
        ("erratic {\n delay 3 5ms\n}", [5, 0, 0, 5]),
        ("erratic {\n delay 1 1s\n}", [1000; 4]),
    ];
    for (text, expected) in cases {
        let chain = Kit::new().chain(&[(&PLUGIN, text)]).unwrap();
        for (number, expected) in expected.into_iter().enumerate() {
            let asked = Instant::now();
            ask(&chain, &query("example.org. A")).await.unwrap();
            assert_eq!(asked.elapsed(), Duration::from_millis(expected), "{text}: {number}");
        }
    }
}

#[tokio::test]
async fn records_have_the_name_asked_for_and_no_ttl() {
    let chain = Kit::new().chain(&[(&PLUGIN, "erratic {\n drop 0\n large\n}")]).unwrap();
    let reply = ask(&chain, &query("Example.ORG. AAAA")).await.unwrap();
    let answers = lines(&reply.message().unwrap().answers);
    assert_eq!(answers, ["Example.ORG. 0 IN AAAA 2001:db8::53"]);
    let reply = ask(&chain, &query("example.org. A")).await.unwrap();
    let answers = lines(&reply.message().unwrap().answers);
    assert_eq!(answers, vec!["example.org. 0 IN A 192.0.2.53"; 30]);
}

#[tokio::test]
async fn a_truncated_transfer_lacks_the_closing_soa() {
    let chain = Kit::new().chain(&[(&PLUGIN, "erratic {\n truncate 1\n}")]).unwrap();
    for closing_soas in [0, 1] {
        let reply = ask(&chain, &query("example.org. AXFR").tcp()).await.unwrap();
        let answers = lines(&reply.message().unwrap().answers);
        let n_soas = answers.iter().filter(|line| line.contains(" SOA ")).count();
        assert_eq!((n_soas, answers.len()), (1 + closing_soas, 5 + closing_soas));
        assert!(answers[0].contains(" SOA "));
    }
}

#[tokio::test]
async fn it_is_ready_after_the_third_query_and_before_the_fifth() {
    let kit = Kit::new();
    let plugin = kit.plugin(&PLUGIN, "erratic {\n drop 0\n}").unwrap();
    let chain = plugin::Chain::new([("erratic", std::sync::Arc::clone(&plugin))]);
    let mut seen = vec![plugin.ready()];
    for _ in 0..6 {
        ask(&chain, &query("example.org. A")).await.unwrap();
        seen.push(plugin.ready());
    }
    assert_eq!(seen, [false, false, false, true, true, false, false]);
}

#[test]
fn numbers_and_names_are_checked() {
    let refused = [
        ("erratic {\n drop -1\n}", "illegal amount value `-1`"),
        ("erratic {\n drop 1 2\n}", "`drop` wants at most 1 argument"),
        ("erratic {\n drop 2147483648\n}", "expected a whole number"),
        ("erratic {\n delay -1\n}", "illegal amount value"),
        ("erratic {\n delay 1 2 4\n}", "`delay` wants at most 2 arguments"),
        ("erratic {\n delay 15.a\n}", "expected a whole number"),
        ("erratic {\n delay 3 bla\n}", "expected a duration"),
        ("erratic {\n truncate 15.a\n}", "expected a whole number"),
        ("erratic {\n truncate -1\n}", "illegal amount value"),
        ("erratic {\n delays\n}", "did you mean `delay`?"),
    ];
    for (text, expected) in refused {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let diagnostics = testkit::rendered(&PLUGIN, "erratic {\n drop x\n delay y\n truncate z\n}");
    for word in ["`x`", "`y`", "`z`"] {
        assert!(diagnostics.contains(word), "{word}: {diagnostics}");
    }
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        let (_, block) = corefile.split_once("{\n").unwrap();
        let (directives, _) = block.rsplit_once('}').unwrap();
        if let Err(diagnostics) = Kit::new().plugin(&PLUGIN, directives) {
            panic!("{corefile}: {diagnostics}");
        }
        n_examples += 1;
    }
    assert!(n_examples > 0);
}
