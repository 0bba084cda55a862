//! Asking again for what is kept already.
//!
//! ```text
//!             popular, nearly over   stale, immediate   stale, verify
//!  client     answered at once       answered at once   waits, at most for the timeout
//!  takes      what is kept           what is kept       the new reply, else what is kept
//!  replaces   whatever may be kept   NOERROR, NXDOMAIN  NOERROR, NXDOMAIN
//! ```

use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::{Message, ResponseCode};
use plugin::{Chain, Next, Reply, Request, Transport};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Inner;
use crate::entry::{Entry, Refreshing};
use crate::kind::{Kind, answers_question, is_match};
use crate::metrics::Series;
use crate::serve::{asking_for_authentic, fresh_message, keep};
use crate::store;

/// What has to be done before a stale entry is served; the reply that replaces it, if there is one.
pub(crate) async fn before_stale(
    cache: &Arc<Inner>,
    request: &Request,
    next: Next<'_>,
    series: &Arc<Series>,
    entry: &Arc<Entry>,
) -> Option<Reply> {
    let stale = cache.config.stale?;
    let Some(timeout) = stale.verify else {
        in_background(cache, request, next, series, entry, true);
        return None;
    };
    // Every client that would be served stale data asks first, unless failures are remembered: then
    // one asks for all.
    let refreshing = match stale.recheck {
        Duration::ZERO => None,
        _ => Some(entry.begin_refresh(Instant::now())?),
    };
    if timeout.is_zero() {
        let verified = replace_stale(cache, request, next, series).await;
        settle(refreshing, verified.is_some(), stale.recheck);
        verified
    } else {
        verify_within(timeout, cache, request, next.to_owned(), series, refreshing).await
    }
}

/// Refreshes an entry unless that is under way. Nobody waits for it.
pub(crate) fn in_background(
    cache: &Arc<Inner>,
    request: &Request,
    next: Next<'_>,
    series: &Arc<Series>,
    entry: &Arc<Entry>,
    is_stale: bool,
) {
    let Some(refreshing) = entry.begin_refresh(Instant::now()) else { return };
    let request = for_nobody(request);
    let (cache, series, chain) = (Arc::clone(cache), Arc::clone(series), next.to_owned());
    tokio::spawn(async move {
        series.prefetches.inc();
        let is_refreshed = if is_stale {
            replace_stale_by(&cache, &request, &chain, &series).await.is_some()
        } else {
            replace_fresh(&cache, &request, &chain, &series).await;
            true
        };
        if is_refreshed && let Some(entry) = cache.store.get_any(&store::key(&request)) {
            entry.frequency.inherit(&refreshing.entry.frequency);
        }
        let recheck = match cache.config.stale {
            Some(stale) if is_stale => stale.recheck,
            _ => Duration::ZERO,
        };
        settle(Some(refreshing), is_refreshed, recheck);
    });
}

/// Asks for a stale entry in the background and waits for a while.
async fn verify_within(
    timeout: Duration,
    cache: &Arc<Inner>,
    request: &Request,
    chain: Chain,
    series: &Arc<Series>,
    refreshing: Option<Refreshing>,
) -> Option<Reply> {
    let (done, verified) = oneshot::channel();
    let (cache_kept, series) = (Arc::clone(cache), Arc::clone(series));
    let recheck = cache.config.stale.map_or(Duration::ZERO, |stale| stale.recheck);
    let asked = request.clone();
    tokio::spawn(async move {
        let reply = replace_stale_by(&cache_kept, &asked, &chain, &series).await;
        settle(refreshing, reply.is_some(), recheck);
        // Where the client has been served the stale entry, nobody listens any more.
        let _ = done.send(reply);
    });
    let reply = tokio::time::timeout(timeout, verified).await.ok()?.ok()??;
    // As every later client gets it: what is kept is authoritative.
    let now = Instant::now();
    let kept = cache.store.find(&store::key(request), now, &cache.config, cache.generation);
    let fresh = kept.filter(|(entry, _)| entry.left_secs(now) > 0);
    Some(match fresh.and_then(|(entry, _)| fresh_message(cache, request, &entry, now)) {
        Some(message) => message.into(),
        None => reply,
    })
}

fn settle(refreshing: Option<Refreshing>, is_refreshed: bool, recheck: Duration) {
    if let Some(refreshing) = refreshing
        && !is_refreshed
    {
        refreshing.failed(recheck);
    }
}

/// Keeps what the next plugins reply now, whatever it is.
async fn replace_fresh(cache: &Inner, request: &Request, chain: &Chain, series: &Series) {
    match chain.serve(&asking_for_authentic(request)).await {
        Ok(mut reply) => {
            keep(cache, request, &store::key(request), series, &mut reply);
        }
        Err(error) => tracing::debug!(target: "plugin/cache", %error, "cannot refresh"),
    }
}

async fn replace_stale_by(
    cache: &Inner,
    request: &Request,
    chain: &Chain,
    series: &Series,
) -> Option<Reply> {
    let reply = chain.serve(&asking_for_authentic(request)).await;
    accept(cache, request, series, reply)
}

async fn replace_stale(
    cache: &Inner,
    request: &Request,
    next: Next<'_>,
    series: &Series,
) -> Option<Reply> {
    let reply = next.serve(&asking_for_authentic(request)).await;
    accept(cache, request, series, reply)
}

/// The reply where it is better than stale data (RFC 8767 §4).
fn accept(
    cache: &Inner,
    request: &Request,
    series: &Series,
    reply: Result<Reply, plugin::ServeError>,
) -> Option<Reply> {
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => {
            tracing::debug!(target: "plugin/cache", %error, "cannot refresh");
            return None;
        }
    };
    let message = reply.message()?;
    if message.metadata.truncation || !is_match(request, message) {
        return None;
    }
    if cache.config.prefers_positive {
        let is_better = is_answer(message);
        // What is no answer is kept beside the stale one, which goes on being served.
        keep(cache, request, &store::key(request), series, &mut reply);
        return is_better.then_some(reply);
    }
    let rcode = message.metadata.response_code;
    let is_data = matches!(rcode, ResponseCode::NoError | ResponseCode::NXDomain);
    if !is_data || matches!(Kind::of(message), Kind::Meta | Kind::Other) {
        return None;
    }
    keep(cache, request, &store::key(request), series, &mut reply);
    Some(reply)
}

fn is_answer(message: &Message) -> bool {
    Kind::of(message) == Kind::Answer && answers_question(message)
}

/// The request as nobody's: it comes from no address, over a transport on which replies are whole.
fn for_nobody(request: &Request) -> Request {
    let mut origin = *request.origin();
    origin.client = ([0, 0, 0, 0], 0).into();
    origin.transport = Transport::Tcp;
    origin.arrived = Instant::now();
    let mut request = request.clone();
    request.set_origin(origin);
    request
}
