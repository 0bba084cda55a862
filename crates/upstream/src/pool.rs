//! Idle connections, kept apart by thread.
//!
//! A socket is registered with the runtime that made it, and a worker is a thread with a runtime of its own. So
//! connections go back to a shard that belongs to the thread and remember their runtime; a worker meets nobody
//! else at its shard's lock. A connection left over from a runtime that ended is never handed out, and goes with
//! the next sweep.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

/// How long and how many connections are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest idle time.
    pub(crate) expire: Duration,
    /// Longest life, idle or not.
    pub(crate) max_age: Option<Duration>,
    /// Most idle connections over all threads; `None` for no limit.
    pub(crate) max_idle: Option<usize>,
    /// Most exchanges over one connection.
    pub(crate) max_exchanges: u32,
}

pub(crate) struct Pool<C> {
    shards: Box<[Shard<C>]>,
    limits: Limits,
    n_idle: AtomicUsize,
}

/// On a cache line of its own, so that workers do not slow each other down.
#[repr(align(64))]
struct Shard<C>(Mutex<VecDeque<Idle<C>>>);

struct Idle<C> {
    connection: C,
    age: Age,
    since: Instant,
    runtime: Id,
}

/// How old a connection is; it travels with the connection while that is in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    made: Instant,
    n_exchanges: u32,
}

impl Age {
    pub(crate) fn new() -> Self {
        Self { made: Instant::now(), n_exchanges: 0 }
    }
}

impl<C> Pool<C> {
    pub(crate) fn new(limits: Limits) -> Self {
        let shards = (0..N_SHARDS).map(|_| Shard(Mutex::default())).collect();
        Self { shards, limits, n_idle: AtomicUsize::new(0) }
    }

    /// The connection that has idled longest, so that source ports take turns.
    pub(crate) fn take(&self) -> Option<(C, Age)> {
        let runtime = Handle::current().id();
        let now = Instant::now();
        let mut idle = self.shard();
        let mut at = 0;
        while let Some(candidate) = idle.get(at) {
            let is_usable = self.holds(candidate, now);
            if is_usable && candidate.runtime != runtime {
                at += 1;
                continue;
            }
            let taken = idle.remove(at)?;
            self.n_idle.fetch_sub(1, Ordering::Relaxed);
            if is_usable {
                return Some((taken.connection, taken.age));
            }
        }
        None
    }

    /// Keeps a connection after a good exchange, unless it has reached a limit.
    pub(crate) fn put(&self, connection: C, mut age: Age) {
        age.n_exchanges += 1;
        let now = Instant::now();
        let idle = Idle { connection, age, since: now, runtime: Handle::current().id() };
        if age.n_exchanges >= self.limits.max_exchanges || !self.holds(&idle, now) {
            return;
        }
        let n_before = self.n_idle.fetch_add(1, Ordering::Relaxed);
        if self.limits.max_idle.is_some_and(|max| n_before >= max) {
            self.n_idle.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.shard().push_back(idle);
    }

    /// Closes what has idled too long, whichever runtime it belongs to.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        for shard in &self.shards {
            let mut idle = lock(shard);
            let n_before = idle.len();
            idle.retain(|candidate| self.holds(candidate, now));
            self.n_idle.fetch_sub(n_before - idle.len(), Ordering::Relaxed);
        }
    }

    /// Idle connections over all threads.
    pub(crate) fn n_idle(&self) -> usize {
        self.n_idle.load(Ordering::Relaxed)
    }

    fn holds(&self, idle: &Idle<C>, now: Instant) -> bool {
        now.duration_since(idle.since) <= self.limits.expire
            && self.limits.max_age.is_none_or(|max| now.duration_since(idle.age.made) <= max)
    }

    fn shard(&self) -> MutexGuard<'_, VecDeque<Idle<C>>> {
        lock(&self.shards[thread_number() % self.shards.len()])
    }
}

fn lock<C>(shard: &Shard<C>) -> MutexGuard<'_, VecDeque<Idle<C>>> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads are numbered as they come.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// More than most machines have cores; with more threads than that, some share a shard.
const N_SHARDS: usize = 64;
