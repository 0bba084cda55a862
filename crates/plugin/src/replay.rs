//! How long a finished reply stays right.
//!
//! A reply may be sent again to the next client with the same question as long as nothing it was made
//! from has changed. What it was made from is named by *epochs*: counters that a store bumps after each
//! change. A plugin reads the epoch of the key **before** it looks the data up:
//!
//! ```text
//!   plugin:  read epoch e ──► look up data ──► reply carries (stripe, e)
//!   store:                change data ──► bump epoch
//! ```
//!
//! Whatever the interleaving, a reply made from old data carries an old epoch, so it is never taken for
//! fresh. Many keys share one stripe: a change may end the replay of an unrelated answer, never the reverse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use tokio::time::Instant;

/// How long a finished reply may be replayed; travels with the reply.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Replay {
    /// Every query runs the chain.
    #[default]
    Never,
    /// Until an instant, and while every epoch read before the look-up still stands.
    While(Validity),
}

impl Replay {
    /// Replayable while the epochs stand, without an end in time.
    pub fn while_unchanged(epochs: impl IntoIterator<Item = Epoch>) -> Self {
        Self::While(Validity { expires: None, epochs: epochs.into_iter().collect() })
    }

    /// Whether the reply may be sent again at `now`.
    pub fn holds(&self, now: Instant) -> bool {
        match self {
            Self::Never => false,
            Self::While(validity) => validity.holds(now),
        }
    }

    /// Holds only where both do: for an answer that was made from two others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::While(mut left), Self::While(right)) => {
                left.expires = match (left.expires, right.expires) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                left.epochs.extend(right.epochs);
                Self::While(left)
            }
            _ => Self::Never,
        }
    }

    /// Holds until `instant` at the most.
    #[must_use]
    pub fn until(self, instant: Instant) -> Self {
        self.and(Self::While(Validity { expires: Some(instant), epochs: SmallVec::new() }))
    }
}

/// What has to stay true for a reply to be replayed.
#[derive(Clone, Debug)]
pub struct Validity {
    /// When the reply came through the cache or its TTLs count down: the end of it.
    pub expires: Option<Instant>,
    /// The epochs read before the data was looked up.
    pub epochs: SmallVec<[Epoch; 2]>,
}

impl Validity {
    /// Whether it is all still true.
    pub fn holds(&self, now: Instant) -> bool {
        self.expires.is_none_or(|end| now < end) && self.epochs.iter().all(Epoch::stands)
    }
}

/// The epochs of one store, striped by key: constant memory whatever the number of keys.
#[derive(Clone, Debug)]
pub struct Epochs(Arc<Table>);

#[derive(Debug)]
struct Table {
    stripes: Box<[AtomicU64]>,
    hasher: ahash::RandomState,
}

impl Epochs {
    /// A table of `n_stripes`, rounded up to a power of two. 4096 stripes cost 32 KiB.
    pub fn new(n_stripes: usize) -> Self {
        let n_stripes = n_stripes.max(1).next_power_of_two();
        Self(Arc::new(Table {
            stripes: (0..n_stripes).map(|_| AtomicU64::new(0)).collect(),
            hasher: ahash::RandomState::new(),
        }))
    }

    /// The epoch of `key` as it stands. Read it before the data that it guards.
    pub fn read(&self, key: impl std::hash::Hash) -> Epoch {
        let stripe = self.stripe(key);
        // Acquire: what is looked up after this is at least as new as the epoch.
        let value = self.0.stripes[stripe as usize].load(Ordering::Acquire);
        Epoch { table: Arc::clone(&self.0), stripe, value }
    }

    /// Ends every replay of an answer made from `key`. Call it after the change is visible.
    pub fn bump(&self, key: impl std::hash::Hash) {
        // Release: who sees the new value sees the change as well.
        self.0.stripes[self.stripe(key) as usize].fetch_add(1, Ordering::Release);
    }

    /// Ends every replay of an answer made from this store.
    pub fn bump_all(&self) {
        for stripe in &self.0.stripes {
            stripe.fetch_add(1, Ordering::Release);
        }
    }

    fn stripe(&self, key: impl std::hash::Hash) -> u32 {
        let mask = self.0.stripes.len() as u64 - 1;
        u32::try_from(self.0.hasher.hash_one(key) & mask)
            .expect("there are fewer than 2^32 stripes")
    }
}

/// The value of one stripe at one time.
#[derive(Clone, Debug)]
pub struct Epoch {
    table: Arc<Table>,
    stripe: u32,
    value: u64,
}

impl Epoch {
    /// Whether nothing in the stripe has changed since.
    pub fn stands(&self) -> bool {
        self.table.stripes[self.stripe as usize].load(Ordering::Acquire) == self.value
    }
}
