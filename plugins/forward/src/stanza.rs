//! One `forward` directive at work.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use plugin::capability::Upstreams;
use plugin::metrics::Histogram;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::Name;
use plugin::{Request, ServeError, Transport, async_trait};
use tokio::time::Instant;
use tracing::{info, warn};
use upstream::{Over, Upstream};

use crate::budget::Budget;
use crate::config::Config;
use crate::error::{Failure, ForwardError};
use crate::flight::{self, Flights, Landed};
use crate::metrics::{Metrics, PROXY_NAME};
use crate::race::{Answer, Race};
use crate::rcode;
use crate::registry::Maker;
use crate::target::{self, Target};

/// One `forward` directive: where queries go, and how many may be under way.
pub(crate) struct Stanza {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) n_trials: AtomicUsize,
    maker: Maker,
    members: ArcSwap<Vec<Arc<Member>>>,
    /// Every upstream there ever was, so that a number given out by [`Upstreams::upstreams`] keeps its meaning when a
    /// file changes.
    known: RwLock<Vec<Arc<Member>>>,
    flights: Flights<Result<Answer, Failure>>,
    n_under_way: AtomicU64,
}

/// An upstream as one directive knows it.
pub(crate) struct Member {
    /// `ip:port`, the `to` label.
    pub(crate) name: String,
    pub(crate) upstream: Arc<Upstream>,
    is_retired: AtomicBool,
    /// By the low four bits of the RCODE.
    durations: [OnceLock<Histogram>; 16],
}

impl Member {
    fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            name: upstream.address().to_string(),
            upstream,
            is_retired: AtomicBool::new(false),
            durations: Default::default(),
        }
    }

    /// Whether it was taken out of service.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    pub(crate) fn observe(&self, metrics: &Metrics, rcode: u16, elapsed: Duration) {
        let make =
            || metrics.request_duration.with(&[PROXY_NAME, &self.name, &rcode::label(rcode)]);
        match self.durations.get(usize::from(rcode)) {
            Some(kept) => kept.get_or_init(make).observe(elapsed.as_secs_f64()),
            None => make().observe(elapsed.as_secs_f64()),
        }
    }
}

impl Stanza {
    pub(crate) fn new(config: Config, maker: Maker) -> Self {
        let members: Vec<_> = config
            .endpoints
            .iter()
            .map(|endpoint| Arc::new(Member::new(maker.upstream(endpoint, &config))))
            .collect();
        Self {
            budget: Budget::new(),
            n_trials: AtomicUsize::new(0),
            known: RwLock::new(members.clone()),
            members: ArcSwap::from_pointee(members),
            flights: Flights::default(),
            n_under_way: AtomicU64::new(0),
            maker,
            config,
        }
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.maker.metrics
    }

    pub(crate) fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.load_full()
    }

    /// Whether a name is forwarded: it is at or below FROM, and not at or below an exception. FROM itself always is.
    pub(crate) fn covers(&self, qname: &Name) -> bool {
        let Config { from, except, .. } = &self.config;
        from.zone_of(qname) && (from == qname || !except.contain(qname))
    }

    /// Whether a reply is not taken where there is another `forward` to ask.
    pub(crate) fn passes_on(&self, reply: &Message) -> bool {
        let rcode = rcode::of(reply);
        let is_nodata = rcode == rcode::NOERROR && reply.answers.is_empty();
        self.config.next.contains(&rcode) || (self.config.next_on_nodata && is_nodata)
    }

    /// Asks the upstreams what the client asks.
    pub(crate) async fn ask(self: &Arc<Self>, request: &Request) -> Result<Message, ServeError> {
        let _place = self.enter()?;
        let over = match request.origin().transport {
            _ if self.config.force_tcp => Over::Tcp,
            _ if self.config.prefer_udp => Over::Udp,
            Transport::Udp => Over::Udp,
            _ => Over::Tcp,
        };
        let query = request.message().to_vec();
        let query: Arc<[u8]> =
            query.map_err(|e| Failure::from(ForwardError::InvalidRequest(e)))?.into();
        let key = flight::key(u8::from(over == Over::Tcp), &query);
        let landed = self.flights.join(&key, Race::run(self, query, over)).await;
        let (outcome, is_shared) = match landed {
            Landed::Led(outcome) => (outcome, false),
            Landed::Shared(outcome) => {
                self.metrics().coalesced.inc();
                (outcome, true)
            }
        };
        match outcome? {
            Answer::Reply(mut reply) => {
                if is_shared {
                    readdress(&mut reply, request);
                }
                Ok(reply)
            }
            Answer::Mismatch => Ok(request.reply_with(ResponseCode::FormErr)),
        }
    }

    /// Takes one of the places that `max_concurrent` allows.
    fn enter(&self) -> Result<Option<Place<'_>>, Failure> {
        let Some(max) = self.config.max_concurrent else { return Ok(None) };
        let place = Place(&self.n_under_way);
        if self.n_under_way.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(Some(place));
        }
        self.metrics().max_concurrent_rejects.inc();
        Err(ForwardError::TooMany(max).into())
    }

    /// The files among the TO arguments.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.config.targets.iter().filter_map(|target| match target {
            Target::File(path) => Some(path.as_path()),
            Target::Endpoint(_) => None,
        })
    }

    /// Reads the files again. Upstreams that stay keep their state; files that make no sense change nothing.
    pub(crate) fn reread(&self) {
        if self.files().next().is_none() {
            return;
        }
        let endpoints = match target::expand(&self.config.targets) {
            Ok(endpoints) if endpoints.is_empty() => return,
            Ok(endpoints) => endpoints,
            Err((path, error)) => {
                warn!(target: "plugin/forward", file = %path.display(), %error, "cannot read upstreams, keeping those before");
                return;
            }
        };
        let before = self.members.load();
        let same = before.len() == endpoints.len()
            && before
                .iter()
                .zip(&endpoints)
                .all(|(member, e)| member.upstream.address() == e.address);
        if same {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let member = |endpoint| {
            let upstream = self.maker.upstream(endpoint, &self.config);
            let same = known.iter().find(|member| Arc::ptr_eq(&member.upstream, &upstream));
            same.map_or_else(|| Arc::new(Member::new(upstream)), Arc::clone)
        };
        let members: Vec<_> = endpoints.iter().map(member).collect();
        for member in &members {
            if !known.iter().any(|before| Arc::ptr_eq(before, member)) {
                known.push(Arc::clone(member));
            }
        }
        let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
        info!(target: "plugin/forward", upstreams = names.join(" "), "upstreams changed");
        self.members.store(Arc::new(members));
    }

    /// Closes connections that idled too long.
    pub(crate) fn tidy(&self) {
        for member in self.members.load().iter() {
            member.upstream.sweep();
            // Nothing probes an upstream without health checks, so a late reply must not count for ever.
            if self.config.max_fails == 0 {
                member.upstream.forgive();
            }
        }
    }
}

/// Turns a reply to somebody else's identical question into one to this request.
fn readdress(reply: &mut Message, request: &Request) {
    reply.metadata.id = request.message().metadata.id;
    let qname = request.qname();
    for record in &mut reply.answers {
        if record.name == *qname {
            record.name = qname.clone();
        }
    }
    reply.queries.clone_from(&request.message().queries);
}

/// A query under way; leaving it makes room for another.
struct Place<'a>(&'a AtomicU64);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Upstreams for Stanza {
    fn upstreams(&self) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|member| member.name.clone()).collect()
    }

    async fn ask(&self, upstream_idx: usize, query: &[u8], timeout: Duration) -> Option<Vec<u8>> {
        let member = self.known(upstream_idx)?;
        let over = if self.config.force_tcp { Over::Tcp } else { Over::Udp };
        let deadline = Instant::now() + timeout;
        member.upstream.exchange(query, over, timeout, deadline).await.ok()
    }

    fn set_in_service(&self, upstream_idx: usize, in_service: bool) {
        if let Some(member) = self.known(upstream_idx) {
            member.is_retired.store(!in_service, Ordering::Relaxed);
        }
    }
}

impl Stanza {
    fn known(&self, upstream_idx: usize) -> Option<Arc<Member>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(upstream_idx).cloned()
    }
}
