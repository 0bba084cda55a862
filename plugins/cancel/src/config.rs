//! The directive, typed.

use std::time::Duration;

use plugin::{Diagnostic, Directive, Setup};

/// What the directive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// How long the plugins below may take for a query. More than 0; 5.001 s unless set: a resolver of the C
    /// library gives up after 5 s.
    pub(crate) timeout: Duration,
}

impl Config {
    /// Reads the directive, and any repetition of it: the last holds. Every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self { timeout: TIMEOUT };
        for directive in setup.directives {
            setup.note(directive.expect_no_block());
            let timeout = timeout(directive);
            config.timeout = setup.note(timeout).unwrap_or(TIMEOUT);
        }
        config
    }
}

fn timeout(directive: &Directive) -> Result<Duration, Diagnostic> {
    let Some(written) = directive.expect_arguments(0..=1)?.first() else { return Ok(TIMEOUT) };
    let timeout = written.duration()?;
    if timeout.is_zero() {
        return Err(Diagnostic::error(written.span, "the time for a query has to be more than 0")
            .label("no time at all")
            .help("leave `cancel` out to set no limit"));
    }
    Ok(timeout)
}

const TIMEOUT: Duration = Duration::from_millis(5001);
