//! One question, asked of as many upstreams as it takes.
//!
//! ```text
//!   first ──────────────────────────────► reply ── taken
//!     │ late?                  │ error
//!     └─► second as well ──┐   └─► the next one
//!              both under way: the first good reply is taken; the other is still waited for
//!              in the background, since what becomes of it says how healthy that upstream is
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use plugin::proto::op::Message;
use plugin::proto::serialize::binary::DecodeError;
use rand::seq::IndexedRandom;
use smallvec::SmallVec;
use tokio::time::{Instant, sleep, timeout_at};
use upstream::{Over, message};

use crate::error::{Failure, ForwardError};
use crate::policy::Order;
use crate::rcode;
use crate::stanza::{Member, Stanza};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The upstream's reply.
    Reply(Message),
    /// A reply to another question: the client gets FORMERR, as from CoreDNS.
    Mismatch,
}

type Attempt = Pin<Box<dyn Future<Output = (usize, Result<Answer, ForwardError>)> + Send>>;

/// The state of one question.
pub(crate) struct Race<'a> {
    stanza: &'a Arc<Stanza>,
    members: Arc<Vec<Arc<Member>>>,
    query: Arc<[u8]>,
    over: Over,
    deadline: Instant,
    /// Upstreams in service, the first to ask first; it is gone through in circles.
    order: Order,
    next: usize,
    attempts: FuturesUnordered<Attempt>,
    /// Those asked and not heard from, in the order they were asked.
    flying: SmallVec<[usize; 4]>,
    /// When one more upstream is asked.
    hedge_at: Option<Instant>,
    /// A reply that is not good, and how long a better one is waited for.
    second_best: Option<(Answer, Instant)>,
    n_errors: u64,
    n_failovers: usize,
    last_error: Option<ForwardError>,
}

/// What to do after a result.
enum Verdict {
    Done(Answer),
    GoOn,
    GiveUp,
}

impl<'a> Race<'a> {
    /// Asks until there is an answer, or no reason to go on.
    pub(crate) async fn run(
        stanza: &'a Arc<Stanza>,
        query: Arc<[u8]>,
        over: Over,
    ) -> Result<Answer, Failure> {
        stanza.budget.earn();
        let members = stanza.members();
        let mut order = stanza.config.policy.order(members.len());
        order.retain(|at| !members[*at].is_retired());
        // Stable: those that keep us waiting come last, else as the policy says.
        order.sort_by_key(|at| members[*at].upstream.is_lagging());
        let mut race = Race {
            stanza,
            members,
            query,
            over,
            deadline: Instant::now() + DEADLINE,
            order,
            next: 0,
            attempts: FuturesUnordered::new(),
            flying: SmallVec::new(),
            hedge_at: None,
            second_best: None,
            n_errors: 0,
            n_failovers: 0,
            last_error: None,
        };
        let answer = race.until_answered().await;
        race.wait_for_the_rest();
        answer.map_err(Failure::from)
    }

    async fn until_answered(&mut self) -> Result<Answer, ForwardError> {
        loop {
            if self.flying.is_empty() {
                match self.next_candidate() {
                    None => return self.try_although_down().await,
                    Some(candidate) if self.nobody_answers() => {
                        return self.try_briefly(candidate, SUSPECT_LIMIT).await;
                    }
                    Some(candidate) => self.launch(candidate, self.deadline),
                }
            }
            let Some((at, result)) = self.next_result().await else {
                // Time for something else than a result.
                match self.second_best.take() {
                    Some((answer, _)) => return Ok(answer),
                    None => self.hedge(),
                }
                continue;
            };
            match self.judge(at, result) {
                Verdict::Done(answer) => return Ok(answer),
                Verdict::GiveUp => break,
                Verdict::GoOn => {}
            }
            if self.flying.is_empty() {
                let pause = self.pause();
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
        }
        Err(self.last_error.take().unwrap_or(ForwardError::NoHealthy))
    }

    /// The next result; `None` when it is time to hedge or to take the second best.
    async fn next_result(&mut self) -> Option<(usize, Result<Answer, ForwardError>)> {
        let wake_at = self.second_best.as_ref().map(|(_, until)| *until).or(self.hedge_at);
        match wake_at {
            None => self.attempts.next().await,
            Some(at) => timeout_at(at, self.attempts.next()).await.ok().flatten(),
        }
    }

    fn judge(&mut self, at: usize, result: Result<Answer, ForwardError>) -> Verdict {
        let place = self.flying.iter().position(|flying| *flying == at);
        if let Some(place) = place {
            self.flying.remove(place);
        }
        let is_last = self.flying.is_empty();
        match result {
            Ok(answer) => {
                for earlier in &self.flying[..place.unwrap_or(0)] {
                    self.members[*earlier].upstream.overtaken();
                }
                let rcode = match &answer {
                    Answer::Reply(reply) => Some(rcode::of(reply)),
                    Answer::Mismatch => None,
                };
                if rcode.is_some_and(|rcode| self.stanza.config.failover.contains(&rcode)) {
                    self.n_failovers += 1;
                    if self.n_failovers < self.order.len() {
                        return Verdict::GoOn;
                    }
                    return Verdict::Done(answer);
                }
                let is_good = rcode.is_some_and(|r| r != rcode::SERVFAIL && r != rcode::REFUSED);
                if is_good || is_last {
                    return Verdict::Done(answer);
                }
                // Somebody else may know better, but not for long.
                let until = Instant::now() + SECOND_BEST_GRACE;
                self.second_best.get_or_insert((answer, until));
                Verdict::GoOn
            }
            Err(error) => {
                self.last_error = Some(error);
                self.n_errors += 1;
                if !is_last {
                    return Verdict::GoOn;
                }
                if let Some((answer, _)) = self.second_best.take() {
                    return Verdict::Done(answer);
                }
                let max = match self.stanza.config.max_connect_attempts {
                    Some(max) => u64::from(max),
                    None => DEFAULT_ATTEMPTS * self.members.len() as u64,
                };
                if (max != 0 && self.n_errors >= max) || Instant::now() >= self.deadline {
                    return Verdict::GiveUp;
                }
                Verdict::GoOn
            }
        }
    }

    /// The next upstream that is up and not being asked.
    fn next_candidate(&mut self) -> Option<usize> {
        let max_fails = self.stanza.config.max_fails;
        for _ in 0..self.order.len() {
            let at = self.order[self.next % self.order.len()];
            self.next += 1;
            if !self.flying.contains(&at) && !self.members[at].upstream.is_down(max_fails) {
                return Some(at);
            }
        }
        None
    }

    fn launch(&mut self, at: usize, deadline: Instant) {
        let member = Arc::clone(&self.members[at]);
        let config = &self.stanza.config;
        let delay = config.policy.hedge_delay(member.upstream.overdue_after());
        self.flying.push(at);
        self.hedge_at = (self.flying.len() < self.order.len()).then(|| Instant::now() + delay);
        let (stanza, query, over) = (Arc::clone(self.stanza), Arc::clone(&self.query), self.over);
        self.attempts.push(Box::pin(async move {
            (at, attempt(&stanza, &member, &query, over, deadline).await)
        }));
    }

    /// Asks one more upstream, because the last one asked is late.
    fn hedge(&mut self) {
        self.hedge_at = None;
        let Some(late) = self.flying.last() else { return };
        let late = &self.members[*late].upstream;
        // One that never answered, or lags already, is not slow but suspect: everybody may turn to another.
        let is_suspect = !late.has_answered() || late.is_lagging();
        if !is_suspect && !self.stanza.budget.spend() {
            // Perhaps somebody else finds out meanwhile.
            self.hedge_at = Some(Instant::now() + HEDGE_AGAIN);
            return;
        }
        if let Some(at) = self.next_candidate() {
            self.stanza.metrics().hedges.with(&[&self.members[at].name]).inc();
            self.launch(at, self.deadline);
        }
    }

    /// Whether every upstream left its last query unanswered, and its probe so far. It is not down yet, but there is
    /// no reason to keep clients waiting.
    fn nobody_answers(&self) -> bool {
        self.order.iter().all(|at| self.members[*at].upstream.is_suspect())
    }

    /// Every upstream is down. The health checks may be wrong, so one is asked all the same, but the client is not
    /// kept waiting, and only a few are tried at a time.
    async fn try_although_down(&mut self) -> Result<Answer, ForwardError> {
        self.stanza.metrics().healthcheck_broken.inc();
        let may_try = !self.stanza.config.failfast;
        let picked = self.order.choose(&mut rand::rng()).copied().filter(|_| may_try);
        let Some(at) = picked else {
            return Err(self.last_error.take().unwrap_or(ForwardError::NoHealthy));
        };
        let upstream = &self.members[at].upstream;
        if upstream.has_answered() {
            return self.try_briefly(at, DEADLINE).await;
        }
        let Some(_trial) = Trial::begin(&self.stanza.n_trials) else {
            return Err(self.last_error.take().unwrap_or(ForwardError::NoHealthy));
        };
        let usual = upstream.overdue_after().unwrap_or(TRIAL_MIN);
        self.try_briefly(at, usual.clamp(TRIAL_MIN, TRIAL_MAX)).await
    }

    /// The last attempt, and not a long one.
    async fn try_briefly(&mut self, at: usize, limit: Duration) -> Result<Answer, ForwardError> {
        let stanza = Arc::clone(self.stanza);
        let deadline = self.deadline.min(Instant::now() + limit);
        attempt(&stanza, &self.members[at], &self.query, self.over, deadline).await
    }

    /// How long to wait before the next attempt: once everybody failed, errors that come at once must not make this a
    /// busy loop.
    fn pause(&self) -> Duration {
        let n_upstreams = self.order.len().max(1) as u64;
        if self.n_errors == 0 || !self.n_errors.is_multiple_of(n_upstreams) {
            return Duration::ZERO;
        }
        let round = u32::try_from(self.n_errors / n_upstreams).unwrap_or(u32::MAX).min(6);
        PAUSE * 2_u32.pow(round)
    }

    /// Waits for the losers without the client.
    fn wait_for_the_rest(self) {
        let mut attempts = self.attempts;
        if !attempts.is_empty() {
            tokio::spawn(async move { while attempts.next().await.is_some() {} });
        }
    }
}

/// Asks one upstream, over TCP as well where that is called for.
async fn attempt(
    stanza: &Stanza,
    member: &Member,
    query: &[u8],
    mut over: Over,
    deadline: Instant,
) -> Result<Answer, ForwardError> {
    let config = &stanza.config;
    loop {
        let begun = Instant::now();
        let result = member.upstream.exchange(query, over, config.read_timeout, deadline).await;
        let result = match result {
            Err(upstream::Error::Mismatch { .. }) => Ok(Answer::Mismatch),
            Err(error) => Err(error.into()),
            Ok(reply) => decode(&reply, over).map(Answer::Reply).map_err(|source| {
                ForwardError::Undecodable { upstream: member.upstream.address(), source }
            }),
        };
        if let Ok(Answer::Reply(reply)) = &result {
            member.observe(stanza.metrics(), rcode::of(reply), begun.elapsed());
            let is_retried = config.prefer_udp && !config.force_tcp;
            if reply.metadata.truncation && over == Over::Udp && is_retried {
                over = Over::Tcp;
                continue;
            }
        }
        if result.is_err() && config.max_fails != 0 {
            member.upstream.suspect();
        }
        return result;
    }
}

/// The reply as records. One with fewer records than it says has those that are there. A datagram that ends within a
/// record becomes an empty reply with the TC bit, so that the client comes back over TCP.
fn decode(reply: &[u8], over: Over) -> Result<Message, DecodeError> {
    use DecodeError::{IncorrectRDataLengthRead, InsufficientBytes};
    match Message::from_vec(reply) {
        Err(error @ (InsufficientBytes | IncorrectRDataLengthRead { .. })) => {
            match message::recounted(reply) {
                Some(recounted) => Message::from_vec(&recounted),
                None if over == Over::Udp => Message::from_vec(&message::cut_after_question(reply)),
                None => Err(error),
            }
        }
        decoded => decoded,
    }
}

/// One of the few who may ask an upstream that is down.
struct Trial<'a>(&'a AtomicUsize);

impl<'a> Trial<'a> {
    fn begin(n_trials: &'a AtomicUsize) -> Option<Self> {
        let trial = Self(n_trials);
        (n_trials.fetch_add(1, Ordering::Relaxed) < MAX_TRIALS).then_some(trial)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a client is kept waiting at the most.
const DEADLINE: Duration = Duration::from_secs(5);
/// Attempts for each upstream, unless `max_connect_attempts` says otherwise.
const DEFAULT_ATTEMPTS: u64 = 2;
/// How long a better reply than SERVFAIL or REFUSED is waited for.
const SECOND_BEST_GRACE: Duration = Duration::from_millis(100);
/// When a hedge that there was no budget for is thought of again.
const HEDGE_AGAIN: Duration = Duration::from_millis(50);
const MAX_TRIALS: usize = 16;
/// How long an upstream that does not answer, and is not down yet, may take.
const SUSPECT_LIMIT: Duration = Duration::from_millis(500);
const TRIAL_MIN: Duration = Duration::from_millis(100);
const TRIAL_MAX: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(5);
