//! Which zone a question goes to, and how its answer becomes a reply.

use std::sync::Arc;

use plugin::proto::op::{OpCode, ResponseCode};
use plugin::proto::rr::{Name, Record, RecordType};
use plugin::{
    Fallthrough, Next, Plugin, Replay, Reply, Request, ServeError, Shutdown, async_trait,
};
use tokio::task::{JoinSet, spawn_blocking};

use crate::config::Reload;
use crate::lookup::{Answer, Found, Kind};
use crate::store::Store;
use crate::zone::Zone;

/// The plugin.
pub(crate) struct File {
    /// Those with the longest names first.
    zones: Vec<Served>,
    fallthrough: Fallthrough,
}

/// A zone and when it is read again.
pub(crate) struct Served {
    pub(crate) store: Arc<Store>,
    pub(crate) reload: Reload,
}

impl File {
    /// Of zones with the same name the last one is served.
    pub(crate) fn new(zones: Vec<Served>, fallthrough: Fallthrough) -> Self {
        let mut kept: Vec<Served> = Vec::new();
        for zone in zones {
            kept.retain(|other| other.store.origin() != zone.store.origin());
            kept.push(zone);
        }
        kept.sort_by_key(|zone| std::cmp::Reverse(zone.store.origin().iter().len()));
        Self { zones: kept, fallthrough }
    }

    /// The zones that are served.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Arc<Store>> {
        self.zones.iter().map(|served| &served.store)
    }

    async fn answer(&self, request: &Request, zone: &Zone, qname: &Name) -> (Answer, Replay) {
        let (qtype, is_signed) = (request.qtype(), request.dnssec_ok());
        match zone.look_up(qname, qtype, is_signed) {
            Found::Here(answer) => (answer, Replay::while_unchanged([])),
            Found::Elsewhere { mut answers, target } => {
                let (found, kind, replay) = look_up_elsewhere(request, target, qtype).await;
                answers.extend(found);
                let answer = Answer {
                    kind,
                    authorities: zone.authorities(kind, is_signed),
                    additionals: zone.additionals(&answers, is_signed),
                    answers,
                };
                (answer, replay)
            }
        }
    }
}

#[async_trait]
impl Plugin for File {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let qname = request.qname().to_lowercase();
        let Some(served) = self.zones.iter().find(|z| z.store.origin().zone_of(&qname)) else {
            // It would have been for us to know, if for anybody.
            if next.names().next().is_none() {
                return Err(ServeError::rcode_only(ResponseCode::Refused));
            }
            return next.serve(request).await;
        };
        if let RecordType::AXFR | RecordType::IXFR = request.qtype() {
            // Transfers are for another plugin; what comes here is not allowed.
            return Err(ServeError::rcode_only(ResponseCode::Refused));
        }
        if request.message().metadata.op_code == OpCode::Notify {
            tracing::debug!(
                target: "plugin/file",
                "Dropping notify from {} for {}",
                request.client().ip(),
                served.store.origin()
            );
            return Ok(Reply::silence());
        }
        let (zone, epoch) = served.store.zone();
        let stands = Replay::while_unchanged([epoch]);
        let is_loop = N_LOOKUPS.try_with(|n| *n).unwrap_or(0) > MOST_LOOKUPS;
        let Some(zone) = zone.filter(|_| !is_loop) else {
            return Err(ServeError::rcode_only(ResponseCode::ServFail));
        };
        let (answer, replay) = self.answer(request, &zone, &qname).await;
        let replay = replay.and(stands);
        if matches!(answer.kind, Kind::NxDomain | Kind::EmptyNonTerminal)
            && answer.answers.is_empty()
            && self.fallthrough.covers(&qname)
        {
            let mut reply = next.serve(request).await?;
            reply.set_replay(reply.replay().clone().and(replay));
            return Ok(reply);
        }
        let rcode = match answer.kind {
            Kind::NxDomain => ResponseCode::NXDomain,
            Kind::Failure if answer.answers.is_empty() => {
                return Err(ServeError::rcode_only(ResponseCode::ServFail));
            }
            // RFC 6604 §3: the RCODE is that of the end of the chain of aliases.
            Kind::Failure => ResponseCode::ServFail,
            _ => ResponseCode::NoError,
        };
        let mut message = request.reply_with(rcode);
        // An alias is ours even where it leads to others.
        message.metadata.authoritative =
            answer.kind != Kind::Referral || !answer.answers.is_empty();
        message.answers = answer.answers;
        message.authorities = answer.authorities;
        message.additionals = answer.additionals;
        Ok(Reply::from(message).replay_while(replay))
    }

    /// Every reply, passed on or its own, carries the epoch of the zone that it was made from.
    fn is_pure(&self) -> bool {
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        let mut reloads = JoinSet::new();
        for served in self.zones.iter().filter(|served| !served.reload.interval.is_zero()) {
            reloads.spawn(follow(Arc::clone(&served.store), served.reload));
        }
        shutdown.fired().await;
    }
}

/// Reads the file again from time to time, on a thread of its own: a large zone takes a while.
async fn follow(store: Arc<Store>, reload: Reload) {
    loop {
        tokio::time::sleep(reload.interval).await;
        let store = Arc::clone(&store);
        if spawn_blocking(move || store.refresh(reload.by_mtime)).await.is_err() {
            tracing::error!(target: "plugin/file", "a zone could not be read again");
        }
    }
}

/// Looks an alias's target up through the server.
async fn look_up_elsewhere(
    request: &Request,
    target: Name,
    qtype: RecordType,
) -> (Vec<Record>, Kind, Replay) {
    let n_lookups = N_LOOKUPS.try_with(|n| *n).unwrap_or(0) + 1;
    let (found, rcode, replay) =
        match N_LOOKUPS.scope(n_lookups, request.lookup(target, qtype)).await {
            Ok(reply) => {
                let (rcode, replay) = (reply.rcode(), reply.replay().clone());
                let answers = reply.into_message().map(|message| message.answers);
                (answers, rcode, replay)
            }
            Err(error) => (Some(Vec::new()), error.rcode(), Replay::Never),
        };
    let kind = match (rcode, &found) {
        (ResponseCode::NXDomain, _) => Kind::NxDomain,
        (ResponseCode::ServFail, _) => Kind::Failure,
        (ResponseCode::NoError, Some(answers)) if answers.is_empty() => Kind::NoData,
        _ => Kind::Positive,
    };
    (found.unwrap_or_default(), kind, replay)
}

tokio::task_local! {
    /// How many aliases this query has been sent through the server for. It comes back to this plugin, or to that
    /// of another server block, within the same task.
    static N_LOOKUPS: u8;
}

/// An alias that leads to itself ends here, with the aliases so far.
const MOST_LOOKUPS: u8 = 8;
