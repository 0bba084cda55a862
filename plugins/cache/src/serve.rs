//! Hits and misses.

use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::{Message, ResponseCode};
use plugin::{Ede, Next, Replay, Reply, Request, ServeError};
use tokio::time::Instant;

use crate::Inner;
use crate::config::Prefetch;
use crate::entry::{Entry, wants_authentic};
use crate::kind::{Class, Kind, is_match, is_storable};
use crate::metrics::Series;
use crate::{refresh, store};

/// Answers a request whose name is in the zones of the cache.
pub(crate) async fn serve(
    cache: &Arc<Inner>,
    request: &Request,
    next: Next<'_>,
) -> Result<Reply, ServeError> {
    let now = Instant::now();
    let key = store::key(request);
    let series = cache.metrics.series(request, &cache.store);
    let found = if cache.config.keeps_nothing_of(request.qname()) {
        None
    } else {
        cache.store.find(&key, now, &cache.config, cache.generation)
    };
    let Some((entry, class)) = found else {
        return miss(cache, request, next, &key, &series).await;
    };
    let hit = Hit { cache, request, series: &series, entry: &entry, class };
    if entry.left_secs(now) > 0 {
        return match hit.fresh(now, next) {
            Some(reply) => Ok(reply),
            None => miss(cache, request, next, &key, &series).await,
        };
    }
    match refresh::before_stale(cache, request, next, &series, &entry).await {
        Some(mut reply) => {
            hit.count(&mut reply);
            // The next client may find the stale entry again, and has it verified.
            reply.set_replay(Replay::Never);
            Ok(reply)
        }
        None => match hit.stale() {
            Some(reply) => Ok(reply),
            None => miss(cache, request, next, &key, &series).await,
        },
    }
}

/// An entry that was found for a request.
struct Hit<'a> {
    cache: &'a Arc<Inner>,
    request: &'a Request,
    series: &'a Arc<Series>,
    entry: &'a Arc<Entry>,
    class: Class,
}

impl Hit<'_> {
    fn count(&self, reply: &mut Reply) {
        reply.count(&self.series.requests);
        reply.count(self.series.hits(self.class));
    }

    fn fresh(&self, now: Instant, next: Next<'_>) -> Option<Reply> {
        let mut reply: Reply = fresh_message(self.cache, self.request, self.entry, now)?.into();
        self.count(&mut reply);
        if self.entry.rcode == ResponseCode::ServFail {
            reply.add_ede(Ede::new(Ede::CACHED_ERROR, ""));
        }
        let replay = Replay::while_unchanged(self.entry.epochs().iter().cloned());
        let until = match self.cache.config.prefetch {
            None => Some(self.entry.when_left(0)),
            Some(prefetch) => self.prefetch(prefetch, now, next),
        };
        reply.set_replay(match until {
            None => Replay::Never,
            // A replay counts TTLs down. Within the first second there is nothing to count.
            Some(until) if self.cache.config.keeps_ttl => {
                replay.until(until.min(now + Duration::from_secs(1)))
            }
            Some(until) => replay.until(until),
        });
        Some(reply)
    }

    /// Counts the hit, and refreshes the entry where it is popular and nearly over. Says until when the
    /// reply may be replayed, uncounted: not before the entry is popular, nor once it is nearly over.
    fn prefetch(&self, prefetch: Prefetch, now: Instant, next: Next<'_>) -> Option<Instant> {
        let age = now.saturating_duration_since(self.entry.stored);
        let n_hits = self.entry.frequency.hit(age, prefetch.gap);
        if n_hits < prefetch.amount {
            return None;
        }
        let ttl_secs = u64::from(self.entry.ttl_secs);
        let nearly_over = (ttl_secs * u64::from(prefetch.percent)).div_ceil(100);
        let window = self.entry.when_left(u32::try_from(nearly_over).unwrap_or(u32::MAX));
        if now >= window {
            refresh::in_background(self.cache, self.request, next, self.series, self.entry, false);
            return None;
        }
        let until = window.min(now + prefetch.gap);
        self.entry.frequency.defer(until.saturating_duration_since(self.entry.stored));
        Some(until)
    }

    fn stale(&self) -> Option<Reply> {
        let stale_ttl_secs = self.cache.config.stale.map_or(0, |stale| stale.ttl_secs);
        let ttl_secs = match stale_ttl_secs {
            0 if self.cache.config.keeps_ttl => self.entry.ttl_secs,
            secs => secs,
        };
        let mut reply: Reply = self.entry.reply(self.request, ttl_secs)?.into();
        self.count(&mut reply);
        reply.count(&self.series.served_stale);
        // RFC 8914 §4.4 and §4.20.
        let code = match self.entry.rcode {
            ResponseCode::NXDomain => Ede::STALE_NXDOMAIN,
            _ => Ede::STALE_ANSWER,
        };
        reply.add_ede(Ede::new(code, ""));
        Some(reply)
    }
}

/// The reply of an entry that is not stale.
pub(crate) fn fresh_message(
    cache: &Inner,
    request: &Request,
    entry: &Entry,
    now: Instant,
) -> Option<Message> {
    let ttl_secs = if cache.config.keeps_ttl {
        entry.ttl_secs
    } else {
        u32::try_from(entry.left_secs(now)).unwrap_or(0)
    };
    entry.reply(request, ttl_secs)
}

async fn miss(
    cache: &Arc<Inner>,
    request: &Request,
    next: Next<'_>,
    key: &[u8],
    series: &Series,
) -> Result<Reply, ServeError> {
    let reply = next.serve(&asking_for_authentic(request)).await;
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => {
            series.requests.inc();
            series.misses.inc();
            return Err(error);
        }
    };
    reply.count(&series.requests);
    reply.count(&series.misses);
    keep(cache, request, key, series, &mut reply);
    Ok(reply)
}

/// The request as the next plugins see it: with AD set, since one entry serves those who want to know
/// whether data is authentic and those who do not.
pub(crate) fn asking_for_authentic(request: &Request) -> Request {
    let mut asked = request.clone();
    asked.message_mut().metadata.authentic_data = true;
    asked
}

/// Keeps a reply where that is allowed, and makes it one for the client. Says whether it was kept.
pub(crate) fn keep(
    cache: &Inner,
    request: &Request,
    key: &[u8],
    series: &Series,
    reply: &mut Reply,
) -> bool {
    let Some(message) = reply.message_mut() else { return false };
    let kind = Kind::of(message);
    // RFC 6891 §6.2.1: an OPT record is between two neighbours and is not kept.
    message.edns = None;
    if kind == Kind::Meta {
        // The TTLs of a zone under transfer are data.
        return false;
    }
    let ttl_secs = kind.ttl_secs(message, &cache.config);
    // One TTL for all, so that it does not leap when the reply comes from the cache next time.
    let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
    for record in sections.into_iter().flatten() {
        record.ttl = ttl_secs;
    }
    let is_drop = !is_match(request, message);
    let is_storable = ttl_secs > 0 && is_storable(message, kind);
    if is_storable && is_drop {
        reply.count(&series.drops);
    }
    let class = kind.class().filter(|_| is_storable && !is_drop);
    let is_kept =
        class.is_some_and(|class| put(cache, request, key, series, reply, class, ttl_secs));
    if is_kept {
        // The next one is a hit and counted as such.
        reply.set_replay(Replay::Never);
    }
    if !wants_authentic(request)
        && let Some(message) = reply.message_mut()
    {
        message.metadata.authentic_data = false;
    }
    is_kept
}

fn put(
    cache: &Inner,
    request: &Request,
    key: &[u8],
    series: &Series,
    reply: &Reply,
    class: Class,
    ttl_secs: u32,
) -> bool {
    let tier = match class {
        Class::Success => &cache.config.success,
        Class::Denial => &cache.config.denial,
    };
    if tier.disabled.contain(request.qname()) {
        return false;
    }
    let Some(message) = reply.message() else { return false };
    let evictions = series.evictions(class).clone();
    let entry = Entry::new(message, reply.epochs(), ttl_secs, cache.generation, evictions);
    let Some(entry) = entry else { return false };
    cache.store.put(key, entry, class, &cache.config)
}
