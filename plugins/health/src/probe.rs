//! Names that have to be answered for the process to count as alive.
//!
//! A process can serve HTTP and be deaf on port 53. A probe asks one of our own listeners over a real socket, as a pod
//! would, and turns `/health` to 503 where it gets no good answer three times in a row:
//!
//! ```text
//!  healthy ── failure ─► 1 ── failure ─► 2 ── failure ─► unhealthy
//!     ▲                  │               │                  │
//!     └──── success ─────┴───────────────┴──────────────────┘
//! ```
//!
//! A restart is no remedy for a plugin that still waits for its data, so until every plugin was ready failures are
//! counted and do no more.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plugin::Setup;
use plugin::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use plugin::setup::Readiness;
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::check::reachable;
use crate::config::ProbeSettings;
use crate::metrics::ProbeMetrics;

/// One name that is asked for.
pub(crate) struct Probe {
    settings: ProbeSettings,
    /// Our own listener; `None` where the block has none.
    target: Option<SocketAddr>,
    readiness: Arc<Readiness>,
    metrics: ProbeMetrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    n_failures_in_a_row: u32,
    /// Why the last one failed.
    reason: String,
    /// Every plugin was ready once.
    is_armed: bool,
}

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("no answer within 1s")]
    Silence,
    #[error("{0}")]
    Rcode(ResponseCode),
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("the question cannot be encoded")]
    Question,
}

impl Probe {
    pub(crate) fn new(settings: ProbeSettings, setup: &Setup<'_>) -> Self {
        let label = format!("{} {}", settings.qname, settings.qtype);
        Self {
            target: setup.block.listen.first().copied().map(reachable),
            readiness: Arc::clone(&setup.shared.readiness),
            metrics: ProbeMetrics::declare(setup.metrics, &label),
            settings,
            state: Mutex::default(),
        }
    }

    /// Never returns. The first question comes after one interval: listeners open only when every plugin has started.
    pub(crate) async fn run(&self) {
        let every = self.settings.every;
        let mut tick = interval_at(Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.once().await;
        }
    }

    /// Why `/health` should be 503.
    pub(crate) fn why_unhealthy(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unhealthy = state.is_armed && state.n_failures_in_a_row >= N_FAILURES;
        let ProbeSettings { qname, qtype, .. } = &self.settings;
        is_unhealthy.then(|| format!("probe {qname} {qtype}: {}", state.reason))
    }

    pub(crate) async fn once(&self) {
        let Some(target) = self.target else { return };
        let began = Instant::now();
        let answered = match timeout(TIMEOUT, self.ask(target)).await {
            Ok(answered) => answered,
            Err(_) => Err(ProbeError::Silence),
        };
        self.metrics.duration.observe(began.elapsed().as_secs_f64());
        self.record(answered);
    }

    fn record(&self, answered: Result<(), ProbeError>) {
        let ProbeSettings { qname, qtype, .. } = &self.settings;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_armed |= self.readiness.plugins().iter().all(|(_, plugin)| plugin.ready());
        let Err(error) = answered else {
            if state.n_failures_in_a_row >= N_FAILURES {
                tracing::info!(target: "plugin/health", "Probe {qname} {qtype} is answered again");
            }
            state.n_failures_in_a_row = 0;
            return;
        };
        self.metrics.failures.inc();
        state.n_failures_in_a_row = state.n_failures_in_a_row.saturating_add(1);
        state.reason = error.to_string();
        if state.n_failures_in_a_row == N_FAILURES {
            tracing::warn!(
                target: "plugin/health",
                "Probe {qname} {qtype} failed {N_FAILURES} times in a row: {error}"
            );
        }
    }

    /// Asks once. NOERROR is what is wanted: the name is expected to exist, so NXDOMAIN is as bad as SERVFAIL.
    async fn ask(&self, target: SocketAddr) -> Result<(), ProbeError> {
        let ProbeSettings { qname, qtype, .. } = &self.settings;
        let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(qname.clone(), *qtype));
        let octets = query.to_vec().map_err(|_| ProbeError::Question)?;

        let any: SocketAddr = match target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(target).await?;
        socket.send(&octets).await?;
        let mut buffer = [0; MAX_REPLY_LEN];
        loop {
            let len = socket.recv(&mut buffer).await?;
            let Ok(reply) = Message::from_vec(&buffer[..len]) else { continue };
            if reply.metadata.id != query.metadata.id || reply.queries != query.queries {
                continue;
            }
            return match reply.metadata.response_code {
                ResponseCode::NoError => Ok(()),
                rcode => Err(ProbeError::Rcode(rcode)),
            };
        }
    }
}

/// In a row, so that a lost datagram restarts nothing.
const N_FAILURES: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(1);
/// RFC 1035 §4.2.1: nothing longer comes without EDNS.
const MAX_REPLY_LEN: usize = 512;
