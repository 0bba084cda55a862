//! Which question gets which answer.

use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::rdata::{A, AAAA, PTR};
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::{
    Fallthrough, Next, Plugin, Replay, Reply, Request, ServeError, Shutdown, Zones, async_trait,
};

use crate::config::Config;
use crate::reverse;
use crate::store::{Store, View};

/// The plugin.
pub(crate) struct Hosts {
    zones: Zones,
    ttl_secs: u32,
    fallthrough: Fallthrough,
    passes_other_types: bool,
    reload: Duration,
    store: Arc<Store>,
}

impl Hosts {
    pub(crate) fn new(config: Config, store: Arc<Store>) -> Self {
        Self {
            zones: config.zones,
            ttl_secs: config.ttl_secs,
            fallthrough: config.fallthrough,
            passes_other_types: config.passes_other_types,
            reload: config.reload,
            store,
        }
    }

    /// What becomes of a question.
    fn look_up(&self, qname: &Name, qtype: RecordType, view: &View<'_>) -> Outcome {
        let has_any = || {
            view.each(|table| table.v4(qname)).next().is_some()
                || view.each(|table| table.v6(qname)).next().is_some()
        };
        let answers: Vec<RData> = match qtype {
            // The zones are for names; any address may be asked for.
            RecordType::PTR => {
                let names = reverse::address(qname).map(|address| {
                    let names = view.each(|table| table.names(&address));
                    names.map(|name| RData::PTR(PTR(name.clone()))).collect::<Vec<_>>()
                });
                match names {
                    Some(names) if !names.is_empty() => names,
                    _ => return Outcome::Next,
                }
            }
            _ if !self.zones.contain(qname) => return Outcome::Next,
            RecordType::A => {
                view.each(|table| table.v4(qname)).map(|&v4| RData::A(A(v4))).collect()
            }
            RecordType::AAAA => {
                view.each(|table| table.v6(qname)).map(|&v6| RData::AAAA(AAAA(v6))).collect()
            }
            _ if self.passes_other_types && self.fallthrough.covers(qname) => return Outcome::Next,
            _ => Vec::new(),
        };
        if !answers.is_empty() || has_any() {
            Outcome::Answer(answers)
        } else if self.fallthrough.covers(qname) {
            Outcome::Next
        } else {
            Outcome::Fail
        }
    }
}

enum Outcome {
    /// NODATA where there is none.
    Answer(Vec<RData>),
    Next,
    /// Without an SOA record there is no NXDOMAIN that resolvers could keep (RFC 2308 §5), so say that
    /// nothing is known.
    Fail,
}

#[async_trait]
impl Plugin for Hosts {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let qname = request.qname();
        let (outcome, epoch) = {
            let view = self.store.view();
            (self.look_up(qname, request.qtype(), &view), view.epoch)
        };
        let stands = Replay::while_unchanged([epoch]);
        match outcome {
            Outcome::Answer(answers) => {
                // As CoreDNS does, and so that tables of names need not keep their letter case.
                let owner = qname.to_lowercase();
                let record = |rdata| Record::from_rdata(owner.clone(), self.ttl_secs, rdata);
                let mut reply = request.reply();
                reply.metadata.authoritative = true;
                reply.answers = answers.into_iter().map(record).collect();
                Ok(Reply::from(reply).replay_while(stands))
            }
            Outcome::Next => {
                // The next plugin answers because the name is not here: that may change.
                let mut reply = next.serve(request).await?;
                reply.set_replay(reply.replay().clone().and(stands));
                Ok(reply)
            }
            Outcome::Fail => Err(ServeError::rcode_only(ResponseCode::ServFail)),
        }
    }

    /// Every reply, passed on or its own, carries the epoch of the tables.
    fn is_pure(&self) -> bool {
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        if self.reload.is_zero() {
            return;
        }
        loop {
            tokio::select! {
                () = shutdown.fired() => return,
                () = tokio::time::sleep(self.reload) => self.store.refresh(),
            }
        }
    }
}
