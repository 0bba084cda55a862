use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::{Chain, Next, Plugin, Reply, Request, ServeError, async_trait};
use testkit::{Kit, ask, query};
use tokio::time::Instant;

use super::PLUGIN;

/// Answers after a while.
struct Slow(Duration);

#[async_trait]
impl Plugin for Slow {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        tokio::time::sleep(self.0).await;
        Ok(request.reply().into())
    }
}

fn chain(text: &str, takes: Duration) -> Chain {
    let cancel = Kit::new().plugin(&PLUGIN, text).unwrap();
    Chain::new([("cancel", cancel), ("slow", Arc::new(Slow(takes)) as Arc<dyn Plugin>)])
}

#[tokio::test(start_paused = true)]
async fn queries_end_when_their_time_is_over() {
    let cases = [
        ("cancel", 5001),
        ("cancel 1s", 1000),
        ("cancel 1m1.5s", 61_500),
        ("cancel 1s\ncancel 300ms", 300),
    ];
    for (text, millis) in cases {
        let in_time = chain(text, Duration::from_millis(millis - 1));
        assert!(ask(&in_time, &query("www.example.org. A")).await.is_ok(), "{text}");
        let late = chain(text, Duration::from_millis(millis + 1));
        let asked = Instant::now();
        let error = ask(&late, &query("www.example.org. A")).await.unwrap_err();
        assert_eq!(error.rcode(), ResponseCode::ServFail, "{text}");
        assert_eq!(asked.elapsed(), Duration::from_millis(millis), "{text}");
    }
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("cancel 5", "expected a duration, not `5`"),
        ("cancel -1s", "expected a duration, not `-1s`"),
        ("cancel 0", "has to be more than 0"),
        ("cancel 0s", "has to be more than 0"),
        ("cancel soon", "expected a duration, not `soon`"),
        ("cancel 1s 2s", "`cancel` wants at most 1 argument"),
        ("cancel 1s {\n foo\n}", "`cancel` takes no block"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
