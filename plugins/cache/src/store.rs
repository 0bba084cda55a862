//! The two maps of entries.
//!
//! Admission is by TinyLFU: an entry that is asked for once does not push out one that is asked for
//! often, so a flood of random names leaves the names in use where they are.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant as StdInstant};

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use plugin::Request;
use plugin::proto::op::ResponseCode;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::config::Config;
use crate::entry::Entry;
use crate::kind::Class;

/// Entries by key: a number of them, and not too many octets.
struct Map {
    entries: Cache<Key, Arc<Entry>, ahash::RandomState>,
    /// Octets of the entries that are larger than usual.
    n_large_octets: Arc<AtomicU64>,
    most_large_octets: u64,
}

/// What outlives a reload that leaves the settings as they are.
pub(crate) struct Store {
    success: Map,
    denial: Map,
    n_generations: AtomicU32,
}

/// The question with all that makes the reply another one: lower-case name in wire format, type, class,
/// DO and CD bit, view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(Box<[u8]>);

/// A key for look-ups, on the stack for all but the longest names.
pub(crate) type KeyBytes = SmallVec<[u8; 128]>;

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a request.
pub(crate) fn key(request: &Request) -> KeyBytes {
    let mut key = KeyBytes::new();
    for label in request.qname() {
        // A label has at most 63 octets.
        key.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        key.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    key.push(0);
    key.extend_from_slice(&u16::from(request.qtype()).to_be_bytes());
    key.extend_from_slice(&u16::from(request.question().query_class()).to_be_bytes());
    let is_checking_disabled = request.message().metadata.checking_disabled;
    key.push(u8::from(request.dnssec_ok()) | u8::from(is_checking_disabled) << 1);
    key.extend_from_slice(request.view().as_bytes());
    key
}

impl Store {
    /// Two empty maps.
    pub(crate) fn new(config: &Config) -> Self {
        // Longer than any look-up wants the entry. The clock of the maps is the machine's and coarse;
        // what an entry is good for is decided by its own times.
        let beyond = config.stale.map_or(Duration::ZERO, |stale| stale.up_to) + SLACK;
        Self {
            success: Map::new(config.success.capacity, beyond),
            denial: Map::new(config.denial.capacity, beyond),
            n_generations: AtomicU32::new(0),
        }
    }

    /// The number of the next configuration that uses the store.
    pub(crate) fn next_generation(&self) -> u32 {
        self.n_generations.fetch_add(1, Ordering::Relaxed)
    }

    fn map(&self, class: Class) -> &Map {
        match class {
            Class::Success => &self.success,
            Class::Denial => &self.denial,
        }
    }

    /// The entry that answers `key` at `now`, fresh or stale.
    pub(crate) fn find(
        &self,
        key: &[u8],
        now: Instant,
        config: &Config,
        generation: u32,
    ) -> Option<(Arc<Entry>, Class)> {
        let stale_secs = config.stale.map_or(0, |stale| stale.up_to.as_secs());
        let stale_secs = i64::try_from(stale_secs).unwrap_or(i64::MAX);
        let is_usable = |entry: &Arc<Entry>| {
            let left = entry.left_secs(now);
            // RFC 2308 §7.1: an error is kept for minutes, not for the hours that stale data may be.
            let may_be_stale = is_data(entry.rcode);
            (left > 0 || (may_be_stale && stale_secs > 0 && -left < stale_secs))
                && entry.stands(generation)
        };
        let success = || self.success.get(key).filter(is_usable).map(|e| (e, Class::Success));
        if config.prefers_positive && stale_secs > 0 {
            let answering = self.success.get(key).and_then(answering).filter(is_usable);
            if let Some(entry) = answering {
                return Some((entry, Class::Success));
            }
        }
        // Most keys are in the other map alone, and a look-up that finds nothing need not be counted.
        if self.denial.entries.contains_key(key)
            && let Some(entry) = self.denial.get(key).filter(is_usable)
        {
            // A failure passes; an answer that is there is the better one.
            let better = (entry.rcode == ResponseCode::ServFail).then(success).flatten();
            return Some(better.unwrap_or((entry, Class::Denial)));
        }
        success()
    }

    /// Keeps an entry. Says whether there was room.
    pub(crate) fn put(&self, key: &[u8], mut entry: Entry, class: Class, config: &Config) -> bool {
        if class == Class::Success {
            if config.prefers_positive && !entry.is_answering {
                entry.last_known_good = self.success.get(key).and_then(answering);
            }
            // An answer ends the denial before it; what is no answer does not, where answers are preferred.
            if !config.prefers_positive || entry.is_answering {
                self.denial.entries.invalidate(key);
            }
        }
        self.map(class).insert(Key(key.into()), Arc::new(entry))
    }

    /// Whatever is kept for `key`, good or not.
    pub(crate) fn get_any(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.denial.get(key).or_else(|| self.success.get(key))
    }

    /// Entries in a map, after housekeeping.
    pub(crate) fn n_entries(&self, class: Class) -> u64 {
        let map = self.map(class);
        map.tidy();
        map.entries.entry_count()
    }

    /// Lets go of what has expired, and of what is one too many.
    pub(crate) fn tidy(&self) {
        self.success.tidy();
        self.denial.tidy();
    }
}

impl Map {
    fn new(capacity: u64, beyond: Duration) -> Self {
        let n_large_octets = Arc::<AtomicU64>::default();
        let large = Arc::clone(&n_large_octets);
        // The maps could weigh entries themselves, but would then admit by a sketch of a quarter of the
        // size, which forgets what is in use.
        let entries = Cache::builder()
            .max_capacity(capacity)
            .expire_after(AfterTtl { beyond })
            .eviction_listener(move |_key, entry: Arc<Entry>, cause| {
                if cause == RemovalCause::Size {
                    entry.evictions.inc();
                }
                large.fetch_sub(large_octets(&entry), Ordering::Relaxed);
            })
            .build_with_hasher(ahash::RandomState::new());
        Self { entries, n_large_octets, most_large_octets: capacity * LARGE }
    }

    fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    fn insert(&self, key: Key, entry: Arc<Entry>) -> bool {
        let n_octets = large_octets(&entry);
        let n_before = self.n_large_octets.fetch_add(n_octets, Ordering::Relaxed);
        if n_octets > 0 && n_before + n_octets > self.most_large_octets {
            self.n_large_octets.fetch_sub(n_octets, Ordering::Relaxed);
            // What was kept before is older than the reply that there is no room for.
            self.entries.invalidate(&key);
            return false;
        }
        self.entries.insert(key, entry);
        true
    }

    fn tidy(&self) {
        self.entries.run_pending_tasks();
    }
}

/// The entry, or what it took the place of: the one that has what was asked for.
fn answering(entry: Arc<Entry>) -> Option<Arc<Entry>> {
    if entry.is_answering { Some(entry) } else { entry.last_known_good.clone() }
}

fn is_data(rcode: ResponseCode) -> bool {
    matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain)
}

/// Octets to count: none for an entry of ordinary size, which the number of entries bounds well enough.
fn large_octets(entry: &Entry) -> u64 {
    let len = entry.len() as u64;
    if len > LARGE { len } else { 0 }
}

struct AfterTtl {
    beyond: Duration,
}

impl AfterTtl {
    fn keep_for(&self, entry: &Entry) -> Duration {
        Duration::from_secs(u64::from(entry.ttl_secs)).saturating_add(self.beyond).min(LONGEST)
    }
}

impl Expiry<Key, Arc<Entry>> for AfterTtl {
    fn expire_after_create(
        &self,
        _key: &Key,
        entry: &Arc<Entry>,
        _now: StdInstant,
    ) -> Option<Duration> {
        Some(self.keep_for(entry))
    }

    fn expire_after_update(
        &self,
        _key: &Key,
        entry: &Arc<Entry>,
        _now: StdInstant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.keep_for(entry))
    }
}

/// What is longer is larger than usual. Such entries share 1 KiB times the capacity.
const LARGE: u64 = 1024;
const SLACK: Duration = Duration::from_secs(2);
/// The maps refuse to count further than a thousand years; a hundred do.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);
