use std::sync::Arc;

use plugin::capability::SearchPath;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::Name;
use plugin::{Chain, Next, Plugin, Reply, Request, ServeError, async_trait};
use testkit::{Kit, Logs, Table, ask, lines, query, rendered, with_setup};

use super::PLUGIN;

/// A resolv.conf file for a test.
struct ResolvConf(std::path::PathBuf);

impl ResolvConf {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("autopath-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Knows one client, whose path is `a.example`, `b.example` and the root.
struct OneClient;

impl SearchPath for OneClient {
    fn plugin(&self) -> &'static str {
        "kubernetes"
    }

    fn search_path(&self, request: &Request) -> Option<Vec<Name>> {
        let path = ["a.example.", "b.example.", "."];
        (request.client().port() == 1)
            .then(|| path.map(|name| Name::from_ascii(name).unwrap()).to_vec())
    }
}

fn offer(kit: &Kit) {
    with_setup(kit, "whoami", |setup| setup.provide::<dyn SearchPath>(Arc::new(OneClient)));
}

/// What there is, below the directive.
fn chain(kit: &Kit, text: &str) -> (Chain, Arc<Table>) {
    let below = Arc::new(Table::new(
        "in-a.a.example. 60 IN A 192.0.2.1\n\
         in-b.b.example. 50 IN A 192.0.2.2\n\
         in-b.b.example. 50 IN AAAA 2001:db8::2\n\
         www.example.org. 40 IN A 192.0.2.3\n\
         alias.b.example. 30 IN A 192.0.2.4",
    ));
    let plugin = kit.plugin(&PLUGIN, text).unwrap();
    (Chain::new([("autopath", plugin), ("table", below.link())]), below)
}

#[tokio::test]
async fn the_first_name_of_the_path_that_exists_is_answered_with() {
    let kit = Kit::new();
    offer(&kit);
    let (chain, below) = chain(&kit, "autopath @kubernetes");
    let from_b = "in-b.a.example. 50 IN CNAME in-b.b.example.";
    let cases: [(&str, &str, &[&str], usize); 9] = [
        ("the first", "in-a.a.example. A", &["in-a.a.example. 60 IN A 192.0.2.1"], 1),
        ("a later one", "in-b.a.example. A", &[from_b, "in-b.b.example. 50 IN A 192.0.2.2"], 2),
        (
            "the same for AAAA",
            "in-b.a.example. AAAA",
            &[from_b, "in-b.b.example. 50 IN AAAA 2001:db8::2"],
            2,
        ),
        (
            "the name itself",
            "www.example.org.a.example. A",
            &[
                "www.example.org.a.example. 40 IN CNAME www.example.org.",
                "www.example.org. 40 IN A 192.0.2.3",
            ],
            3,
        ),
        ("none", "nosuch.a.example. A", &[], 3),
        ("not below the first", "in-b.b.example. A", &["in-b.b.example. 50 IN A 192.0.2.2"], 1),
        ("the first suffix itself", "a.example. A", &[], 1),
        (
            "letter case",
            "IN-B.A.example. A",
            &["IN-B.A.example. 50 IN CNAME in-b.b.example.", "in-b.b.example. 50 IN A 192.0.2.2"],
            2,
        ),
        ("something else", "www.example.org. A", &["www.example.org. 40 IN A 192.0.2.3"], 1),
    ];
    for (name, question, expected, n_asked) in cases {
        let before = below.asked();
        let reply = ask(&chain, &query(question).client("192.0.2.9:1")).await.unwrap();
        let message = reply.message().unwrap();
        assert_eq!(lines(&message.answers), expected, "{name}");
        assert_eq!(
            message.metadata.response_code == ResponseCode::NXDomain,
            expected.is_empty(),
            "{name}"
        );
        let asked = question.split(' ').next().unwrap();
        assert_eq!(message.queries[0].name().to_string(), asked, "{name}");
        assert_eq!(below.asked() - before, n_asked, "{name}");
    }
    let expected = "coredns_autopath_success_total{server=\"dns://:53\"} 5";
    assert!(kit.metrics.text().contains(expected), "{}", kit.metrics.text());
}

#[tokio::test]
async fn a_client_that_is_not_known_searches_by_itself() {
    let kit = Kit::new();
    offer(&kit);
    for text in ["autopath @kubernetes", "autopath @nobody", "autopath example.net @kubernetes"] {
        let (chain, below) = chain(&kit, text);
        let port = if text == "autopath @kubernetes" { 2 } else { 1 };
        let client = format!("192.0.2.9:{port}");
        let reply = ask(&chain, &query("in-b.a.example. A").client(&client)).await.unwrap();
        assert_eq!(reply.rcode(), ResponseCode::NXDomain, "{text}");
        assert_eq!(below.asked(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_file_holds_for_all_clients() {
    let cases = [
        ("search", "search a.example b.example\nnameserver 192.0.2.53\n", 2),
        ("last", "search c.example\nsearch A.example. b.example\n", 2),
        ("domain", "domain a.example b.example\n", 2),
        ("none", "nameserver 192.0.2.53\n", 1),
    ];
    for (name, text, n_asked) in cases {
        let file = ResolvConf::new(name, text);
        let (chain, below) = chain(&Kit::new(), &format!("autopath {}", file.0.display()));
        ask(&chain, &query("in-b.a.example. A")).await.unwrap();
        assert_eq!(below.asked(), n_asked, "{name}");
    }
}

/// Answers names below `a.example` with an error, others with the table below.
struct Failing(MakeError);

type MakeError = fn() -> ServeError;

#[async_trait]
impl Plugin for Failing {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if Name::from_ascii("a.example.").unwrap().zone_of(request.qname()) {
            return Err((self.0)());
        }
        next.serve(request).await
    }
}

#[tokio::test]
async fn a_failure_ends_the_walk_and_a_refusal_does_not() {
    let file = ResolvConf::new("failures", "search a.example b.example\n");
    let failing: [(&str, MakeError, Option<ResponseCode>); 3] = [
        ("refused", || ServeError::rcode_only(ResponseCode::Refused), None),
        ("failed", || ServeError::failed("on purpose"), Some(ResponseCode::ServFail)),
        ("ended", || ServeError::ChainEnded, Some(ResponseCode::ServFail)),
    ];
    for (name, error, expected) in failing {
        let text = format!("autopath {}", file.0.display());
        let plugin = Kit::new().plugin(&PLUGIN, &text).unwrap();
        let below = Arc::new(Table::new("in-b.b.example. 50 IN A 192.0.2.2"));
        let chain = Chain::new([
            ("autopath", plugin),
            ("failing", Arc::new(Failing(error)) as Arc<dyn Plugin>),
            ("table", below.link()),
        ]);
        let result = ask(&chain, &query("in-b.a.example. A")).await;
        assert_eq!(result.err().map(|error| error.rcode()), expected, "{name}");
        // Where nothing is found, the first outcome is the client's.
        let nothing = ask(&chain, &query("nosuch.a.example. A")).await.unwrap_err();
        assert_eq!(nothing.rcode(), error().rcode(), "{name}");
    }
}

#[tokio::test]
async fn a_plugin_without_a_search_path_is_said_at_the_start() {
    let kit = Kit::new();
    offer(&kit);
    for (text, n_warnings) in [("autopath @kubernetes", 0), ("autopath @forward", 1)] {
        let logs = Logs::capture();
        kit.plugin(&PLUGIN, text).unwrap().start().await.unwrap();
        assert_eq!(logs.take().len(), n_warnings, "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("autopath", "`autopath` needs a search path"),
        ("autopath \"\"", "resolv.conf file ``"),
        ("autopath kubernetes", "resolv.conf file `kubernetes`"),
        ("autopath @kubernetes {\n zones\n}", "autopath"),
        ("autopath /nosuch\nautopath @kubernetes", "another `autopath` follows"),
    ];
    for (text, expected) in cases {
        let diagnostics = rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
