//! The line of an error, and when the summaries are printed.

use std::error::Error;
use std::fmt::Write as _;

use plugin::names::{push_name, push_type};
use plugin::{Next, Plugin, Reply, Request, ServeError, Shutdown, async_trait};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::{Config, Level};
use crate::consolidate::{Consolidation, Verdict};

/// The plugin.
pub(crate) struct Errors {
    rules: Vec<Consolidation>,
    /// A window was opened: [`Plugin::run`] has a new end to wait for.
    opened: Notify,
}

impl Errors {
    pub(crate) fn new(config: Config) -> Self {
        let rules = config.rules.into_iter().map(Consolidation::new).collect();
        Self { rules, opened: Notify::new() }
    }

    fn log(&self, request: &Request, error: &ServeError) {
        let reason = with_sources(error);
        let verdict = match self.rules.iter().find(|rule| rule.matches(&reason)) {
            Some(rule) => rule.count(|| self.opened.notify_one()),
            None => Verdict::Log(Level::Error),
        };
        if let Verdict::Log(level) = verdict {
            let (mut qname, mut qtype) = (String::new(), String::new());
            push_name(&mut qname, request.qname());
            push_type(&mut qtype, request.qtype());
            let rcode = u16::from(error.rcode());
            level.log(&format!("{rcode} {qname} {qtype}: {}", without_controls(&reason)));
        }
    }
}

#[async_trait]
impl Plugin for Errors {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let result = next.serve(request).await;
        if let Err(error) = &result
            && error.is_logged()
        {
            self.log(request, error);
        }
        result
    }

    /// It leaves replies alone, and errors are never replayed.
    fn is_pure(&self) -> bool {
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        while !shutdown.has_fired() {
            let end = self.rules.iter().filter_map(Consolidation::ends).min();
            let wait = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.fired() => break,
                () = self.opened.notified() => {}
                () = wait => self.rules.iter().for_each(|rule| rule.settle(Instant::now())),
            }
        }
        self.rules.iter().for_each(Consolidation::close);
    }
}

/// The error and what caused it, outermost first. A cause that the text above it tells already is left out, so that
/// expressions anchored at the end find the words they look for.
fn with_sources(error: &ServeError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // The standard library adds a number that says the same once more.
        let words = cause_text.split(" (os error").next().unwrap_or_default();
        if !text.to_lowercase().contains(&words.to_lowercase()) {
            let _ = write!(text, ": {words}");
        }
        source = cause.source();
    }
    text
}

/// The text with control characters escaped: part of it may come from an upstream.
fn without_controls(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}
