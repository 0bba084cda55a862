//! The fast path: finished replies, sent again while they hold.
//!
//! A cluster asks few distinct questions very often. The chain's reply to one of them is kept as the bytes
//! that were sent; the next client that asks the same way gets a copy, with its own ID, TTLs counted down,
//! and RRsets in a new order where `loadbalance` would shuffle them. What the chain counted for the reply
//! is counted again, so `/metrics` shows the same with and without this module.
//!
//! ```text
//!  query ─ view ─ key ─► slot ─ holds? ─ copy, patch ─► outbox
//!                          │ no
//!                          └─► chain ─► keep, if asked for more often than what is in the way
//! ```
//!
//! Each worker has a table of its own: nothing is shared but the epochs that a reply was made from. A slot is
//! taken over only by a question that is asked more often (a sketch of 8-bit counts, halved now and
//! then), so a flood of random names leaves the hot ones where they are.
//!
//! The key is everything of a query that an answer can depend on, the letter case included: answers carry
//! the client's case in more places than the question. What the key does not know — EDNS options, other
//! classes, opcodes and flags — goes to the chain.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::rc::Rc;

use plugin::{Replay, Tally};
use smallvec::SmallVec;
use tokio::time::Instant;
use wire::{HEADER_LEN, QueryView, skip_name};

use crate::finish::Finished;

/// One worker's replies for one listener.
pub(crate) struct Table {
    sets: Box<[[Option<Box<Entry>>; WAYS]]>,
    sketch: Sketch,
    hasher: ahash::RandomState,
    n_octets: usize,
    /// Most replies are counted like others are: each way once.
    tallies: VecDeque<Rc<[Tally]>>,
    /// The listener's blocks that the replies are from.
    generation: u64,
    is_on: bool,
}

/// What a reply depends on, on the stack.
pub(crate) struct Key {
    octets: SmallVec<[u8; 96]>,
    hash: u64,
}

struct Entry {
    key: Box<[u8]>,
    hash: u64,
    bytes: Box<[u8]>,
    replay: Replay,
    tallies: Rc<[Tally]>,
    made: Instant,
    /// Where TTLs stand that count down; empty where they do not.
    ttls: Box<[u16]>,
    /// Records that may change places: where the first stands, octets of each, how many.
    runs: Box<[Run]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u16,
    record_len: u16,
    n_records: u16,
}

/// RD, AD and CD are in the key; opcode QUERY and nothing else is set.
const KEYED_FLAGS: u16 = 0x0130;
const CLASS_IN: u16 = 1;

impl Key {
    /// The key of a query that may be answered from a table.
    pub(crate) fn new(
        view: &QueryView<'_>,
        client: IpAddr,
        hasher: &ahash::RandomState,
    ) -> Option<Self> {
        let flags = view.flags();
        if flags & !KEYED_FLAGS != 0 || view.qclass() != CLASS_IN {
            return None;
        }
        let mut octets: SmallVec<[u8; 96]> = SmallVec::new();
        match view.opt() {
            None => octets.extend_from_slice(&[0, 0, 0, 0]),
            Some(opt) if opt.version == 0 && opt.options.is_empty() => {
                let [high, low] = opt.udp_payload_size.to_be_bytes();
                octets.extend_from_slice(&[1, u8::from(opt.dnssec_ok), high, low]);
            }
            Some(_) => return None,
        }
        octets.extend_from_slice(&flags.to_be_bytes());
        // Metrics tell the families apart, and so does the size from which replies are compressed.
        octets.push(u8::from(client.is_ipv4()));
        octets.extend_from_slice(view.question());
        let mut state = hasher.build_hasher();
        state.write(&octets);
        Some(Self { hash: state.finish(), octets })
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| [const { None }; WAYS]).collect(),
            sketch: Sketch::new(),
            hasher: ahash::RandomState::new(),
            n_octets: 0,
            tallies: VecDeque::new(),
            generation: 0,
            // For finding out whether an answer is wrong because of this table.
            is_on: std::env::var("RHUMB_REPLAY").as_deref() != Ok("off"),
        }
    }

    /// The key of a query, where its reply may be in the table.
    pub(crate) fn key(&self, message: &[u8], client: IpAddr) -> Option<Key> {
        if !self.is_on {
            return None;
        }
        Key::new(&QueryView::parse(message)?, client, &self.hasher)
    }

    /// Forgets everything where the listener serves other blocks now.
    pub(crate) fn follow(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.sets.fill_with(|| [const { None }; WAYS]);
            self.tallies.clear();
            self.n_octets = 0;
        }
    }

    /// Writes the reply to the query and counts it; `false` where there is none that holds.
    pub(crate) fn replay(
        &mut self,
        key: &Key,
        id: [u8; 2],
        arrived: Instant,
        reply: &mut Vec<u8>,
    ) -> bool {
        self.sketch.count(key.hash);
        let set = &mut self.sets[set_idx(key.hash)];
        let Some(slot) = set.iter_mut().find(|slot| {
            slot.as_ref().is_some_and(|entry| entry.hash == key.hash && *entry.key == *key.octets)
        }) else {
            return false;
        };
        let Some(entry) = slot else { return false };
        if !entry.replay.holds(arrived) {
            self.n_octets -= entry.octets();
            *slot = None;
            return false;
        }
        reply.clear();
        reply.extend_from_slice(&entry.bytes);
        reply[..2].copy_from_slice(&id);
        let elapsed_secs = arrived.duration_since(entry.made).as_secs();
        if elapsed_secs > 0 {
            count_down(reply, &entry.ttls, elapsed_secs);
        }
        for run in &entry.runs {
            shuffle(reply, *run);
        }
        for tally in entry.tallies.iter() {
            match tally {
                Tally::Count(counter) => counter.inc(),
                Tally::Observe(histogram, value) => histogram.observe(*value),
                Tally::Elapsed(histogram) => histogram.observe(arrived.elapsed().as_secs_f64()),
                // A kind of count that is newer than this table: such replies are not kept.
                _ => {}
            }
        }
        true
    }

    /// Keeps a reply, where it may be replayed and is asked for often enough.
    pub(crate) fn keep(&mut self, key: &Key, finished: &Finished, made: Instant) {
        let Some(mut entry) = Entry::new(key, finished, made) else { return };
        let set = &mut self.sets[set_idx(entry.hash)];
        let same = |slot: &Option<Box<Entry>>| {
            slot.as_ref().is_some_and(|old| old.hash == entry.hash && old.key == entry.key)
        };
        let idx = set.iter().position(same).or_else(|| set.iter().position(Option::is_none));
        let idx = idx.unwrap_or_else(|| {
            // The least asked for of those in the way.
            let count = |slot: &Option<Box<Entry>>| {
                slot.as_ref().map_or(0, |old| self.sketch.estimate(old.hash))
            };
            (0..WAYS).min_by_key(|&idx| count(&set[idx])).unwrap_or(0)
        });
        let freed = set[idx].as_ref().map_or(0, |old| old.octets());
        if let Some(old) = &set[idx]
            && old.key != entry.key
            && old.replay.holds(made)
            && self.sketch.estimate(old.hash) >= self.sketch.estimate(entry.hash)
        {
            return;
        }
        let n_octets = self.n_octets - freed + entry.octets();
        if n_octets <= MAX_OCTETS {
            entry.tallies = self.share(&finished.tallies);
            self.n_octets = n_octets;
            let slot = &mut self.sets[set_idx(entry.hash)][idx];
            *slot = Some(Box::new(entry));
        }
    }

    /// The tallies, shared with replies that are counted the same way.
    fn share(&mut self, tallies: &[Tally]) -> Rc<[Tally]> {
        if let Some(shared) = self.tallies.iter().find(|shared| ***shared == *tallies) {
            return Rc::clone(shared);
        }
        if self.tallies.len() >= MAX_SHARED_TALLIES {
            self.tallies.pop_front();
        }
        let shared: Rc<[Tally]> = tallies.into();
        self.tallies.push_back(Rc::clone(&shared));
        shared
    }
}

impl Entry {
    /// Without its tallies.
    fn new(key: &Key, finished: &Finished, made: Instant) -> Option<Self> {
        let Replay::While(validity) = &finished.replay else { return None };
        let is_known = |tally: &Tally| {
            matches!(tally, Tally::Count(_) | Tally::Observe(..) | Tally::Elapsed(_))
        };
        if finished.bytes.len() > MAX_REPLY_LEN || !finished.tallies.iter().all(is_known) {
            return None;
        }
        let records = Records::of(&finished.bytes)?;
        // TTLs count down where the data came with an end; otherwise they are what the plugin says.
        let ttls = if validity.expires.is_some() { records.ttls() } else { Box::default() };
        let runs = if finished.is_shuffled { records.runs()? } else { Box::default() };
        Some(Self {
            key: key.octets.as_slice().into(),
            hash: key.hash,
            bytes: finished.bytes.as_slice().into(),
            replay: finished.replay.clone(),
            tallies: Rc::default(),
            made,
            ttls,
            runs,
        })
    }

    fn octets(&self) -> usize {
        size_of::<Self>()
            + self.key.len()
            + self.bytes.len()
            + self.ttls.len() * size_of::<u16>()
            + self.runs.len() * size_of::<Run>()
    }
}

/// The records of a reply: where each stands, by section.
struct Records {
    places: SmallVec<[Place; 16]>,
}

/// Where a record stands.
struct Place {
    section: u8,
    rtype: u16,
    start: u16,
    ttl_at: u16,
    end: u16,
}

impl Place {
    fn len(&self) -> u16 {
        self.end - self.start
    }
}

const TYPE_A: u16 = 1;
const TYPE_MX: u16 = 15;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;

impl Records {
    fn of(reply: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
        let mut at = HEADER_LEN;
        for _ in 0..u16_at(4)? {
            at = skip_name(reply, at)? + 4;
        }
        let mut places = SmallVec::new();
        for (section, count_at) in [(0_u8, 6), (1, 8), (2, 10)] {
            for _ in 0..u16_at(count_at)? {
                let start = at;
                let fixed = skip_name(reply, at)?;
                let rtype = u16_at(fixed)?;
                let end = fixed + 10 + usize::from(u16_at(fixed + 8)?);
                let narrow = |at: usize| u16::try_from(at).ok();
                places.push(Place {
                    section,
                    rtype,
                    start: narrow(start)?,
                    ttl_at: narrow(fixed + 4)?,
                    end: narrow(end)?,
                });
                at = end;
            }
        }
        (at == reply.len()).then_some(Self { places })
    }

    fn ttls(&self) -> Box<[u16]> {
        let counts_down = |place: &&Place| place.rtype != TYPE_OPT;
        self.places.iter().filter(counts_down).map(|place| place.ttl_at).collect()
    }

    /// The records that `loadbalance` shuffles; `None` where they cannot simply change places.
    fn runs(&self) -> Option<Box<[Run]>> {
        let mut runs = Vec::new();
        for section in 0..3 {
            let of_type = |wanted: &[u16]| -> SmallVec<[&Place; 16]> {
                let here =
                    |place: &&Place| place.section == section && wanted.contains(&place.rtype);
                self.places.iter().filter(here).collect()
            };
            // The name in one may be what a pointer elsewhere leads to.
            if of_type(&[TYPE_MX]).len() > 1 {
                return None;
            }
            let addresses = of_type(&[TYPE_A, TYPE_AAAA]);
            let [first, .., last] = addresses.as_slice() else { continue };
            let record_len = first.len();
            let n_records = u16::try_from(addresses.len()).ok()?;
            // Side by side and of one length, so none has a name that a pointer in another leads to.
            if addresses.iter().any(|place| place.len() != record_len)
                || last.end - first.start != record_len * n_records
            {
                return None;
            }
            runs.push(Run { start: first.start, record_len, n_records });
        }
        Some(runs.into())
    }
}

fn count_down(reply: &mut [u8], ttls: &[u16], elapsed_secs: u64) {
    let elapsed_secs = u32::try_from(elapsed_secs).unwrap_or(u32::MAX);
    for &at in ttls {
        if let Some(ttl) = reply.get_mut(usize::from(at)..usize::from(at) + 4) {
            let secs = u32::from_be_bytes([ttl[0], ttl[1], ttl[2], ttl[3]]);
            ttl.copy_from_slice(&secs.saturating_sub(elapsed_secs).to_be_bytes());
        }
    }
}

/// Fisher and Yates.
fn shuffle(reply: &mut [u8], run: Run) {
    let (start, len) = (usize::from(run.start), usize::from(run.record_len));
    for i in (1..usize::from(run.n_records)).rev() {
        let j = rand::random_range(0..=i);
        if i != j {
            let (before, from_i) = reply.split_at_mut(start + i * len);
            before[start + j * len..start + (j + 1) * len].swap_with_slice(&mut from_i[..len]);
        }
    }
}

/// How often questions were asked lately, roughly: a count-min sketch of two rows.
struct Sketch {
    counts: Box<[u8]>,
    n_counted: u32,
}

impl Sketch {
    fn new() -> Self {
        Self { counts: vec![0; SKETCH_LEN].into(), n_counted: 0 }
    }

    fn count(&mut self, hash: u64) {
        for at in Self::places(hash) {
            self.counts[at] = self.counts[at].saturating_add(1);
        }
        self.n_counted += 1;
        if self.n_counted >= HALVE_AFTER {
            self.n_counted = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn estimate(&self, hash: u64) -> u8 {
        Self::places(hash).into_iter().map(|at| self.counts[at]).min().unwrap_or(0)
    }

    fn places(hash: u64) -> [usize; 2] {
        [(hash >> 20) as usize % SKETCH_LEN, (hash >> 42) as usize % SKETCH_LEN]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn set_idx(hash: u64) -> usize {
    hash as usize % SETS
}

/// 16,384 replies.
const SETS: usize = 4096;
const WAYS: usize = 4;
/// Larger replies are rare, and TCP's business.
const MAX_REPLY_LEN: usize = 1400;
/// Of keys, replies and tallies, per worker and listener; some 10,000 usual answers.
const MAX_OCTETS: usize = 4 << 20;
/// Ways to count.
const MAX_SHARED_TALLIES: usize = 256;
const SKETCH_LEN: usize = 1 << 16;
const HALVE_AFTER: u32 = 1 << 18;

#[cfg(test)]
mod tests;
