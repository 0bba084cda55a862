//! The window in which the errors of one rule are counted.
//!
//! ```text
//!          first error                 period is over
//!  idle ───────────────► counting ───────────────────► idle
//!                          │  └─ every other error: +1   └─ one line, unless it was shown already
//!                          └─ shutdown: one line at once; from then on nothing is held back
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Level, Rule};

/// A rule and its window.
pub(crate) struct Consolidation {
    rule: Rule,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    n_errors: u64,
    /// `None` while nothing was counted.
    ends: Option<Instant>,
    is_over: bool,
}

/// What becomes of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No rule is for it, or nothing is counted any more.
    Log(Level),
    /// It was counted.
    Counted,
}

impl Consolidation {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, window: Mutex::default() }
    }

    /// Whether the rule is for this error.
    pub(crate) fn matches(&self, error: &str) -> bool {
        self.rule.pattern.is_match(error)
    }

    /// Counts an error. `opened` is called where it is the first of a window.
    pub(crate) fn count(&self, opened: impl FnOnce()) -> Verdict {
        let mut window = self.window();
        if window.is_over {
            return Verdict::Log(self.rule.level);
        }
        window.n_errors += 1;
        if window.ends.is_some() {
            return Verdict::Counted;
        }
        window.ends = Some(Instant::now() + self.rule.period);
        drop(window);
        opened();
        if self.rule.shows_first { Verdict::Log(self.rule.level) } else { Verdict::Counted }
    }

    /// When the window ends; `None` while it is not open.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.window().ends
    }

    /// Logs the summary of a window that has ended at `now`.
    pub(crate) fn settle(&self, now: Instant) {
        let mut window = self.window();
        if window.ends.is_none_or(|end| end > now) {
            return;
        }
        let n_errors = std::mem::take(&mut window.n_errors);
        window.ends = None;
        drop(window);
        self.summarize(n_errors);
    }

    /// Logs what was counted and counts no more.
    pub(crate) fn close(&self) {
        let mut window = self.window();
        window.is_over = true;
        window.ends = None;
        let n_errors = std::mem::take(&mut window.n_errors);
        drop(window);
        self.summarize(n_errors);
    }

    fn summarize(&self, n_errors: u64) {
        let Rule { written, period, level, shows_first, .. } = &self.rule;
        if n_errors > u64::from(*shows_first) {
            let period = as_go_prints(*period);
            level.log(&format!("{n_errors} errors like '{written}' occurred in last {period}"));
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A duration as Go prints it, for those who search the log for `1m0s`.
pub(crate) fn as_go_prints(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 6)),
        _ => {
            let minutes = nanos / NANOS_PER_MINUTE;
            let seconds = decimal(nanos % NANOS_PER_MINUTE, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `n · 10^-digits`, without zeros at the end.
fn decimal(n: u128, digits: usize) -> String {
    let unit = 10_u128.pow(u32::try_from(digits).unwrap_or(0));
    let fraction = format!("{:0digits$}", n % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}", n / unit)
}

const NANOS_PER_MINUTE: u128 = 60_000_000_000;
