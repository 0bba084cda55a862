use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::Name;
use plugin::{
    Chain, Next, Plugin, Reply, Request, ServeError, Shutdown, ShutdownTrigger, async_trait,
};
use testkit::{Kit, Logs, ask, query, rendered};
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::PLUGIN;
use super::consolidate::as_go_prints;

/// Fails with one text after the other, then goes on with the last.
struct Failing {
    errors: Vec<Fails>,
    asked: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Fails {
    With(&'static str),
    Chained,
    ChainedAndTold,
    OnPurpose,
    EndOfChain,
}

#[derive(Debug)]
struct Outer(&'static str, std::io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

#[async_trait]
impl Plugin for Failing {
    async fn serve(&self, _request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Err(match self.errors[asked.min(self.errors.len() - 1)] {
            Fails::With(text) => ServeError::failed(text),
            Fails::Chained => {
                let refused = std::io::Error::from_raw_os_error(111);
                let reason = Outer("cannot reach 192.0.2.1:53", refused);
                ServeError::failed(reason).with_rcode(ResponseCode::Refused)
            }
            Fails::ChainedAndTold => {
                let refused = std::io::Error::from_raw_os_error(111);
                let told = Outer("read udp: connection refused", refused);
                ServeError::failed(told)
            }
            Fails::OnPurpose => ServeError::rcode_only(ResponseCode::Refused),
            Fails::EndOfChain => ServeError::ChainEnded,
        })
    }
}

/// The plugin above one that fails, with its background work going on.
struct Bench {
    chain: Chain,
    logs: Logs,
    end: ShutdownTrigger,
    work: JoinHandle<()>,
}

impl Bench {
    fn new(corefile: &str, errors: &[Fails]) -> Self {
        let logs = Logs::capture();
        let plugin = Kit::new().plugin(&PLUGIN, corefile).unwrap();
        let failing = Failing { errors: errors.to_vec(), asked: AtomicUsize::new(0) };
        let chain = Chain::new([
            ("errors", Arc::clone(&plugin)),
            ("failing", Arc::new(failing) as Arc<dyn Plugin>),
        ]);
        let (end, shutdown) = Shutdown::pair();
        let work = tokio::spawn(async move { plugin.run(shutdown).await });
        Self { chain, logs, end, work }
    }

    async fn ask(&self, question: &str) {
        ask(&self.chain, &query(question)).await.unwrap_err();
        // Let the background work see what was counted.
        tokio::task::yield_now().await;
    }

    async fn after(&self, secs: u64) -> Vec<String> {
        advance(Duration::from_secs(secs)).await;
        tokio::task::yield_now().await;
        self.logs.take()
    }

    async fn shut_down(self) -> Vec<String> {
        self.end.fire();
        self.work.await.unwrap();
        self.logs.take()
    }
}

#[tokio::test]
async fn an_error_is_one_line_with_rcode_name_type_and_reason() {
    let cases = [
        ("www.Example.ORG. A", Fails::With("i/o timeout"), "2 www.example.org. A: i/o timeout"),
        (". NS", Fails::EndOfChain, "2 . NS: no next plugin found"),
        (
            "example.org. AAAA",
            Fails::Chained,
            "5 example.org. AAAA: cannot reach 192.0.2.1:53: Connection refused",
        ),
        ("example.org. A", Fails::ChainedAndTold, "2 example.org. A: read udp: connection refused"),
        (
            "example.org. A",
            Fails::With("bad\n[INFO] forged"),
            r"2 example.org. A: bad\n[INFO] forged",
        ),
    ];
    for (question, fails, line) in cases {
        let bench = Bench::new("errors", &[fails]);
        bench.ask(question).await;
        assert_eq!(bench.shut_down().await, [format!("[ERROR] plugin/errors: {line}")]);
    }
}

#[tokio::test]
async fn a_name_cannot_forge_a_line() {
    let bench = Bench::new("errors", &[Fails::With("x")]);
    let hostile = Name::from_labels([&b"a\nb c.D\"e\xff"[..], b"example", b"org"]).unwrap();
    let query = query("example.org. TXT").edit(|message| {
        message.queries[0].set_name(hostile);
    });
    ask(&bench.chain, &query).await.unwrap_err();
    let line = r#"[ERROR] plugin/errors: 2 a\010b\ c\.d\"e\255.example.org. TXT: x"#;
    assert_eq!(bench.logs.take(), [line]);
}

#[tokio::test]
async fn a_type_without_a_name_is_shown_by_its_number() {
    let bench = Bench::new("errors", &[Fails::With("x")]);
    let mut query = query("example.org. A");
    query = query.edit(|message| {
        message.queries[0].set_query_type(65_280.into());
    });
    ask(&bench.chain, &query).await.unwrap_err();
    assert_eq!(bench.logs.take(), ["[ERROR] plugin/errors: 2 example.org. TYPE65280: x"]);
}

#[tokio::test]
async fn an_rcode_on_purpose_is_not_logged_and_passed_on() {
    let bench = Bench::new("errors", &[Fails::OnPurpose]);
    let error = ask(&bench.chain, &query("example.org. A")).await.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::Refused);
    assert_eq!(bench.shut_down().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_rule_are_one_line_when_its_period_is_over() {
    let bench = Bench::new(
        "errors {\n consolidate 5s \"timeout$\" warning\n consolidate 1m .* info\n}",
        &[
            Fails::With("i/o timeout"),
            Fails::With("refused"),
            Fails::With("other timeout"),
            Fails::With("timeout"),
        ],
    );
    for _ in 0..3 {
        bench.ask("example.org. A").await;
    }
    assert_eq!(bench.after(4).await, [""; 0]);
    assert_eq!(
        bench.after(1).await,
        ["[WARNING] plugin/errors: 2 errors like 'timeout$' occurred in last 5s"]
    );
    // The next window begins with the next error.
    bench.ask("example.org. A").await;
    assert_eq!(bench.after(4).await, [""; 0]);
    assert_eq!(
        bench.after(1).await,
        ["[WARNING] plugin/errors: 1 errors like 'timeout$' occurred in last 5s"]
    );
    assert_eq!(
        bench.after(60).await,
        ["[INFO] plugin/errors: 1 errors like '.*' occurred in last 1m0s"]
    );
    assert_eq!(bench.after(600).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn show_first_logs_the_first_error_and_no_summary_of_it_alone() {
    let bench = Bench::new("errors {\n consolidate 5s .* debug show_first\n}", &[Fails::With("x")]);
    let first = "[DEBUG] plugin/errors: 2 example.org. A: x";
    bench.ask("example.org. A").await;
    assert_eq!(bench.after(5).await, [first]);
    for _ in 0..3 {
        bench.ask("example.org. A").await;
    }
    assert_eq!(
        bench.after(5).await,
        [first, "[DEBUG] plugin/errors: 3 errors like '.*' occurred in last 5s"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_prints_what_was_counted_and_holds_nothing_back_after() {
    let bench = Bench::new("errors {\n consolidate 1h x\n}", &[Fails::With("x")]);
    bench.ask("example.org. A").await;
    bench.ask("example.org. A").await;
    let chain = bench.chain.clone();
    let summary = "[ERROR] plugin/errors: 2 errors like 'x' occurred in last 1h0m0s";
    let logs = Logs::capture();
    bench.end.fire();
    bench.work.await.unwrap();
    assert_eq!(logs.take(), [summary]);
    ask(&chain, &query("example.org. A")).await.unwrap_err();
    assert_eq!(logs.take(), ["[ERROR] plugin/errors: 2 example.org. A: x"]);
}

#[test]
fn durations_are_printed_as_go_prints_them() {
    let cases = [
        (0, "0s"),
        (7, "7ns"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_000_000_000, "1s"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (90_250_000_000, "1m30.25s"),
        (3_600_000_000_000, "1h0m0s"),
        (90_061_000_000_001, "25h1m1.000000001s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(as_go_prints(Duration::from_nanos(nanos)), text);
    }
}

#[test]
fn expressions_mean_what_they_mean_to_coredns() {
    // The expression, an error that it matches, and one that it does not.
    let cases = [
        ("^exact$", "exact", "not exact"),
        (".* i/o timeout$", "read udp: i/o timeout", "i/o timeout: x"),
        ("(?i)TIMEOUT", "timeout", "time out"),
        ("a{2}b", "aab", "ab"),
        ("{zone}", "in {zone}", "in zone"),
        ("x{,2}", "x{,2}", "xx"),
        ("[[a]b", "[b", "b"),
        ("[]a]b", "]b", "b"),
        ("[^]a]b", "xb", "]b"),
        ("[a&&b]$", "x&", "x"),
        ("^[[:alpha:]]+$", "abc", "ab1"),
        (r"\Q1.+\E$", "at 1.+", "at 1xx"),
        (r"\Qa.b", "a.b", "axb"),
        (r"\x{41}\pL", "Ab", "A1"),
        (r"\p{Greek}", "α", "a"),
        (r"\[\d+\]", "[12]", "12"),
    ];
    for (expression, matching, other) in cases {
        let argument =
            plugin::Argument { text: expression.to_owned(), span: plugin::Span::default() };
        let pattern =
            plugin::pattern::compile(&argument).unwrap_or_else(|d| panic!("{}", d.message));
        assert!(pattern.is_match(matching), "{expression} on {matching}");
        assert!(!pattern.is_match(other), "{expression} on {other}");
    }
}

#[test]
fn what_coredns_accepts_is_accepted() {
    let long = format!("errors {{\n consolidate 1m {}\n}}", "x".repeat(10_000));
    let cases = [
        "errors",
        "errors stdout",
        "errors {\n stacktrace\n}",
        "errors stdout {\n stacktrace\n consolidate 1m ^exact$\n}",
        "errors {\n consolidate 1m \"format error\"\n}",
        "errors {\n consolidate 1m error1\n consolidate 5s error2\n}",
        "errors {\n consolidate 0 x\n}",
        "errors {\n consolidate 1m error show_first\n}",
        "errors {\n consolidate 1m error warning show_first\n}",
        "errors {\n consolidate 1m .* warning\n}",
        "errors {\n consolidate 1m .* error\n}",
        "errors {\n consolidate 1m .* info\n}",
        "errors {\n consolidate 1m .* debug\n}",
        &long,
    ];
    for text in cases {
        Kit::new().plugin(&PLUGIN, text).unwrap_or_else(|d| panic!("{text}\n{d}"));
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let long = format!("errors {{\n consolidate 1m {}\n}}", "x".repeat(10_001));
    let cases = [
        ("errors errors.txt", "cannot be logged to `errors.txt`"),
        ("errors a b", "wants at most 1 argument"),
        ("errors\nerrors", "once per server block"),
        ("errors {\n log visible\n}", "unknown property `log`"),
        ("errors {\n stacktrac\n}", "did you mean `stacktrace`?"),
        ("errors {\n stacktrace on\n}", "no argument"),
        ("errors {\n consolidate\n}", "2 to 4 arguments"),
        ("errors {\n consolidate 1m\n}", "2 to 4 arguments"),
        ("errors {\n consolidate 1m x info show_first more\n}", "2 to 4 arguments"),
        ("errors {\n consolidate abc .*\n}", "a duration"),
        ("errors {\n consolidate 1 .*\n}", "a duration"),
        ("errors {\n consolidate -1s .*\n}", "a duration"),
        ("errors {\n consolidate 1m ())\n}", "not a regular expression"),
        ("errors {\n consolidate 1m [a\n}", "not a regular expression"),
        ("errors {\n consolidate 1m (?=x)\n}", "not a regular expression"),
        (&long, "more than 10000"),
        ("errors {\n consolidate 1m .* extra\n}", "a log level or `show_first`"),
        ("errors {\n consolidate 1m x warning error\n}", "one log level"),
        ("errors {\n consolidate 1m x show_first warning\n}", "comes before `show_first`"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}\n{diagnostics}");
    }
}

#[test]
fn every_mistake_is_shown_at_once() {
    let text = "errors file {\n consolidate abc .*\n wrong\n consolidate 1m (\n}";
    assert_eq!(rendered(&PLUGIN, text).matches("error: ").count(), 4);
}
