//! `reload [INTERVAL] [JITTER]`: how often the Corefile is looked at for changes.

use std::time::Duration;

use corefile::{Diagnostic, Directive};

use crate::assemble::BlockDraft;

pub(crate) const SETTING: super::Setting = set;

/// When to look for a changed Corefile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reload {
    /// From one look to the next. At least 2 s; 30 s unless set.
    pub(crate) interval: Duration,
    /// By how much each look may come earlier or later, halved, so that many servers do not look at
    /// once. 0, or at least 1 s and at most half of the interval; 15 s unless set.
    pub(crate) jitter: Duration,
}

fn set(directives: &[Directive], block: &mut BlockDraft) -> Result<(), Diagnostic> {
    if let Some(again) = directives.get(1) {
        return Err(Diagnostic::error(
            again.name.span,
            "`reload` can only be used once per server block",
        ));
    }
    let directive = &directives[0];
    directive.expect_arguments(0..=2)?;
    directive.expect_no_block()?;
    let mut reload = Reload { interval: INTERVAL, jitter: INTERVAL / 2 };
    if let Some(interval) = directive.arguments.first() {
        reload.interval = interval.duration()?;
        if reload.interval < MIN_INTERVAL {
            return Err(Diagnostic::error(
                interval.span,
                format!("`{interval}` is too short an interval: at least 2s"),
            )
            .label("too short"));
        }
    }
    if let Some(jitter) = directive.arguments.get(1) {
        reload.jitter = jitter.duration()?;
        if !reload.jitter.is_zero() && reload.jitter < MIN_JITTER {
            return Err(Diagnostic::error(
                jitter.span,
                format!("`{jitter}` is too short a jitter: 0s, or at least 1s"),
            )
            .label("too short"));
        }
    }
    reload.jitter = reload.jitter.min(reload.interval / 2);
    block.server.reload = Some(reload);
    Ok(())
}

const INTERVAL: Duration = Duration::from_secs(30);
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MIN_JITTER: Duration = Duration::from_secs(1);
