//! In which order upstreams are tried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::seq::SliceRandom;
use smallvec::SmallVec;

/// Indices of upstreams, the first to ask first.
pub(crate) type Order = SmallVec<[usize; 16]>;

/// `policy`: in which order upstreams are tried.
#[derive(Debug, Default)]
pub(crate) enum Policy {
    /// Shuffled for each query.
    #[default]
    Random,
    /// Each query begins with another one; the rest follow as written.
    RoundRobin(AtomicUsize),
    /// As written.
    Sequential,
}

impl Policy {
    pub(crate) const NAMES: &[&str] = &["random", "round_robin", "sequential"];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "random" => Some(Self::Random),
            "round_robin" => Some(Self::RoundRobin(AtomicUsize::new(0))),
            "sequential" => Some(Self::Sequential),
            _ => None,
        }
    }

    /// The order for one query.
    pub(crate) fn order(&self, n_upstreams: usize) -> Order {
        let mut order: Order = (0..n_upstreams).collect();
        if n_upstreams < 2 {
            return order;
        }
        match self {
            Self::Random => order.shuffle(&mut rand::rng()),
            Self::RoundRobin(turn) => {
                let first = turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1) % n_upstreams;
                order[..=first].rotate_right(1);
            }
            Self::Sequential => {}
        }
        order
    }

    /// How long to wait for an upstream before the next is asked as well: from its usual round trip, within bounds.
    ///
    /// With `sequential` the first upstream is preferred for a reason, so the next one waits longer.
    pub(crate) fn hedge_delay(&self, overdue_after: Option<Duration>) -> Duration {
        let bounds = match self {
            Self::Random | Self::RoundRobin(_) => HEDGE,
            Self::Sequential => HEDGE_SEQUENTIAL,
        };
        overdue_after.map_or(bounds.unknown, |usual| usual.clamp(bounds.min, bounds.max))
    }
}

struct HedgeBounds {
    unknown: Duration,
    min: Duration,
    max: Duration,
}

const HEDGE: HedgeBounds = HedgeBounds {
    unknown: Duration::from_millis(40),
    min: Duration::from_millis(30),
    max: Duration::from_millis(400),
};
const HEDGE_SEQUENTIAL: HedgeBounds = HedgeBounds {
    unknown: Duration::from_millis(200),
    min: Duration::from_millis(150),
    max: Duration::from_secs(1),
};
