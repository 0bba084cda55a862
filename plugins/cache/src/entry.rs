//! One kept reply.
//!
//! The records are kept as they stand on the wire, with names compressed: a reply with one address
//! takes some 60 octets that way, and 600 as decoded records. The question comes first so that owner
//! names can point to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use plugin::metrics::Counter;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::Record;
use plugin::proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};
use plugin::{Epoch, Request};
use tokio::time::Instant;

/// A reply with when it was stored and how often it was wanted.
#[derive(Debug)]
pub(crate) struct Entry {
    wire: Box<[u8]>,
    question_len: u16,
    /// Records in the answer, authority and additional section.
    n_records: [u16; 3],
    pub(crate) rcode: ResponseCode,
    is_authentic: bool,
    is_recursive: bool,
    pub(crate) is_answering: bool,
    pub(crate) ttl_secs: u32,
    pub(crate) stored: Instant,
    /// What has to stand for the reply to be true; empty where only time tells.
    epochs: Box<[Epoch]>,
    /// The configuration that the epochs belong to: no later one bumps them.
    generation: u32,
    /// The answer that this reply, which is none, took the place of.
    pub(crate) last_known_good: Option<Arc<Self>>,
    /// Bumped when the entry makes room for others.
    pub(crate) evictions: Counter,
    pub(crate) frequency: Frequency,
    refresh: Refresh,
}

impl Entry {
    /// Keeps `reply` for `ttl_secs`. `None` where it cannot be encoded.
    pub(crate) fn new(
        reply: &Message,
        epochs: &[Epoch],
        ttl_secs: u32,
        generation: u32,
        evictions: Counter,
    ) -> Option<Self> {
        let mut wire = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut wire);
        reply.queries.first()?.emit(&mut encoder).ok()?;
        let question_len = u16::try_from(encoder.len()).ok()?;
        let mut n_records = [0; 3];
        let sections = [&reply.answers, &reply.authorities, &reply.additionals];
        for (n, section) in n_records.iter_mut().zip(sections) {
            *n = u16::try_from(encoder.emit_all(section.iter()).ok()?).ok()?;
        }
        Some(Self {
            wire: wire.into(),
            question_len,
            n_records,
            rcode: reply.metadata.response_code,
            is_authentic: reply.metadata.authentic_data,
            is_recursive: reply.metadata.recursion_available,
            is_answering: crate::kind::answers_question(reply),
            ttl_secs,
            stored: Instant::now(),
            epochs: epochs.into(),
            generation,
            last_known_good: None,
            evictions,
            frequency: Frequency::default(),
            refresh: Refresh::default(),
        })
    }

    /// Octets on the heap.
    pub(crate) fn len(&self) -> usize {
        self.wire.len() + size_of_val(&*self.epochs)
    }

    /// Whether what the reply was made from is unchanged, as far as that can be told.
    pub(crate) fn stands(&self, generation: u32) -> bool {
        self.epochs.is_empty()
            || (self.generation == generation && self.epochs.iter().all(Epoch::stands))
    }

    /// What has to stand.
    pub(crate) fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// Seconds left of the TTL; zero or less from the moment of expiry.
    pub(crate) fn left_secs(&self, now: Instant) -> i64 {
        let age = now.saturating_duration_since(self.stored).as_secs();
        i64::from(self.ttl_secs) - i64::try_from(age).unwrap_or(i64::MAX)
    }

    /// The instant at which `secs` of the TTL are left.
    pub(crate) fn when_left(&self, secs: u32) -> Instant {
        self.stored + Duration::from_secs(u64::from(self.ttl_secs.saturating_sub(secs)))
    }

    /// The reply to `request`, each record with that TTL. `None` where the octets are no records, which
    /// only an encoder that contradicts its decoder can do.
    pub(crate) fn reply(&self, request: &Request, ttl_secs: u32) -> Option<Message> {
        let mut reply = request.reply_with(self.rcode);
        // Some resolvers drop what no authority says, and a kept reply is as good as the first one was.
        reply.metadata.authoritative = true;
        reply.metadata.recursion_available = self.is_recursive;
        reply.metadata.authentic_data = self.is_authentic && wants_authentic(request);
        let mut decoder = BinDecoder::new(&self.wire).clone(self.question_len);
        let [n_answers, n_authorities, n_additionals] = self.n_records;
        reply.answers = records(&mut decoder, n_answers, ttl_secs)?;
        reply.authorities = records(&mut decoder, n_authorities, ttl_secs)?;
        reply.additionals = records(&mut decoder, n_additionals, ttl_secs)?;
        Some(reply)
    }

    /// Claims the one refresh that may be under way; `None` while it is, or while a failed one is not
    /// to be tried again.
    pub(crate) fn begin_refresh(self: &Arc<Self>, now: Instant) -> Option<Refreshing> {
        let since = now.saturating_duration_since(self.stored);
        if as_millis(since) < self.refresh.retry_after_ms.load(Ordering::Acquire) {
            return None;
        }
        let claim = self.refresh.is_under_way.swap(true, Ordering::AcqRel);
        (!claim).then(|| Refreshing { entry: Arc::clone(self), recheck: Duration::ZERO })
    }
}

/// RFC 6840 §5.7: the AD bit is for those who set DO or AD themselves.
pub(crate) fn wants_authentic(request: &Request) -> bool {
    request.dnssec_ok() || request.message().metadata.authentic_data
}

fn records(decoder: &mut BinDecoder<'_>, n: u16, ttl_secs: u32) -> Option<Vec<Record>> {
    let mut records = Vec::with_capacity(usize::from(n));
    for _ in 0..n {
        let mut record = Record::read(decoder).ok()?;
        record.ttl = ttl_secs;
        records.push(record);
    }
    Some(records)
}

/// How often an entry was wanted without a long pause.
#[derive(Debug, Default)]
pub(crate) struct Frequency {
    n_hits: AtomicU32,
    /// Milliseconds after the entry was stored.
    last_ms: AtomicU64,
}

impl Frequency {
    /// Counts a hit at `age`, from one again after a pause longer than `gap`. Says how many it are.
    pub(crate) fn hit(&self, age: Duration, gap: Duration) -> u32 {
        let age_ms = as_millis(age);
        let last_ms = self.last_ms.swap(age_ms, Ordering::Relaxed);
        if age_ms.saturating_sub(last_ms) > as_millis(gap) {
            self.n_hits.store(1, Ordering::Relaxed);
            return 1;
        }
        self.n_hits.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Moves the last hit to `age`, which is to come: until then hits are counted elsewhere.
    pub(crate) fn defer(&self, age: Duration) {
        self.last_ms.fetch_max(as_millis(age), Ordering::Relaxed);
    }

    /// Takes the count over from the entry that this one replaces.
    pub(crate) fn inherit(&self, before: &Self) {
        self.n_hits.store(before.n_hits.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Refresh {
    is_under_way: AtomicBool,
    /// Milliseconds after the entry was stored.
    retry_after_ms: AtomicU64,
}

/// A refresh under way; dropping it lets the next one begin.
#[derive(Debug)]
pub(crate) struct Refreshing {
    pub(crate) entry: Arc<Entry>,
    recheck: Duration,
}

impl Refreshing {
    /// It failed: the next one is not to begin within `recheck`.
    pub(crate) fn failed(mut self, recheck: Duration) {
        self.recheck = recheck;
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        let age = self.entry.stored.elapsed();
        let retry_after_ms = if self.recheck.is_zero() { 0 } else { as_millis(age + self.recheck) };
        // The deadline has to be seen before the next refresh can be claimed.
        self.entry.refresh.retry_after_ms.store(retry_after_ms, Ordering::Release);
        self.entry.refresh.is_under_way.store(false, Ordering::Release);
    }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
