//! Whether an upstream is down, and how it gets up again.
//!
//! ```text
//!             exchange fails: suspect()              check fails: n_failed + 1
//!   quiet ───────────────────────────────► probing ◄──────────┐
//!     ▲                                       │  └── interval ─┘
//!     └────────── check succeeds: n_failed = 0 ┘
//! ```
//!
//! A healthy upstream is never probed. It counts as down once more checks than `max_fails` failed in a row; what an
//! ordinary exchange failed for does not count, it only starts the checks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// How an upstream is probed while it is under suspicion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The pause between two probes.
    pub interval: Duration,
    /// Whether the probe has the RD bit set.
    pub recursion_desired: bool,
    /// Whose NS records are asked for: a name in wire format, root label included.
    pub domain: Box<[u8]>,
    /// Whether a plain upstream is probed over TCP.
    pub over_tcp: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    n_failed: AtomicU32,
    is_probed: AtomicBool,
    is_lagging: AtomicBool,
    has_answered: AtomicBool,
}

impl Health {
    /// Consecutive failed checks.
    pub(crate) fn n_failed(&self) -> u32 {
        self.n_failed.load(Ordering::Relaxed)
    }

    /// Returns how many checks had failed in a row.
    pub(crate) fn check_succeeded(&self) -> u32 {
        self.is_lagging.store(false, Ordering::Relaxed);
        self.n_failed.swap(0, Ordering::Relaxed)
    }

    /// Returns how many checks have failed in a row.
    pub(crate) fn check_failed(&self) -> u32 {
        // Checks of one upstream run one after the other, so nobody else writes meanwhile.
        let n_failed = self.n_failed().saturating_add(1);
        self.n_failed.store(n_failed, Ordering::Relaxed);
        n_failed
    }

    /// Begins a series of probes; `false` while there is one.
    pub(crate) fn begin_probing(&self) -> bool {
        !self.is_probed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.is_probed.load(Ordering::Acquire)
    }

    pub(crate) fn end_probing(&self) {
        self.is_probed.store(false, Ordering::Release);
    }

    pub(crate) fn exchange_ended(&self, was_answered: bool) {
        // Stores only what changes: on a good day nothing is written here.
        if self.has_answered.load(Ordering::Relaxed) != was_answered {
            self.has_answered.store(was_answered, Ordering::Relaxed);
        }
        if was_answered && self.is_lagging.load(Ordering::Relaxed) {
            self.is_lagging.store(false, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_lagging(&self) {
        self.is_lagging.store(true, Ordering::Relaxed);
    }

    pub(crate) fn forgive(&self) {
        self.is_lagging.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_lagging(&self) -> bool {
        self.is_lagging.load(Ordering::Relaxed)
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }
}

/// The shortest pause between two probes, whatever is configured: a probe that is refused takes no time at all.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// How long a probe may take.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
