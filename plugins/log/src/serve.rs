//! The handler.

use plugin::{Next, Plugin, Reply, Request, ServeError, async_trait, clock};
use tokio::time::Instant;

use crate::class::Type;
use crate::config::Rule;
use crate::format::Exchange;

/// The plugin.
pub(crate) struct Log {
    pub(crate) rules: Vec<Rule>,
}

#[async_trait]
impl Plugin for Log {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let Some(rule) = self.rules.iter().find(|rule| rule.scope.contain(request.qname())) else {
            return next.serve(request).await;
        };
        let began = Instant::now();
        let result = next.serve(request).await;
        rule.log(request, &result, began);
        result
    }

    // A replay would leave no line. It can become `true` where the server logs replays itself.
    fn is_pure(&self) -> bool {
        false
    }
}

impl Rule {
    fn log(&self, request: &Request, result: &Result<Reply, ServeError>, began: Instant) {
        // The reply that the server will make of an error.
        let from_error;
        let reply = match result {
            Ok(reply) => reply.message(),
            Err(error) => {
                from_error = request.reply_with(error.rcode());
                Some(&from_error)
            }
        };
        let verified_at = request.dnssec_ok().then(|| clock::unix_now().as_secs());
        let reply_type = Type::of(reply, verified_at);
        if !self.classes.contains(reply_type.class()) {
            return;
        }
        let duration = began.elapsed();
        let line = self.format.line(&Exchange { request, reply, reply_type, duration });
        tracing::info!(target: "rhumb::query", "{line}");
    }
}
