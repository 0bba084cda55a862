//! Answers for names that mean this host, so that such questions never leave it.
//!
//! `localhost.`, `0.in-addr.arpa.`, `127.in-addr.arpa.` and `255.in-addr.arpa.` are answered as zones
//! (RFC 6303, RFC 6761 §6.3). Two kinds of names get the loopback addresses although no record says so:
//!
//! | name | why |
//! |---|---|
//! | `NAME.localhost.` | RFC 6761 §6.3: it resolves to this host |
//! | `localhost.NAME.` | a resolver put a name of its search list behind `localhost`; `localhost_prefix off` stops it |
//!
//! Every answer is made from the question and constants alone, so it may be replayed for ever.

mod config;

use std::net::{Ipv4Addr, Ipv6Addr};

use plugin::metrics::Counter;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::rdata::{A, AAAA, NS, PTR, SOA};
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Replay, Reply, Request, ServeError, Setup, Zones,
    async_trait,
};

use crate::config::Config;

/// The `local` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "local", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    let localhost_requests = setup.metrics.counter(
        "coredns_local_localhost_requests_total",
        "Queries for names below `localhost.` or with `localhost` in front.",
    );
    Ok(Box::new(Local {
        has_localhost_prefix: config.has_localhost_prefix,
        localhost_requests,
        zones: Zones::new(ZONES.iter().map(|&zone| zone.to_owned())),
        localhost: name("localhost."),
        mailbox: name("root.localhost."),
        loopback_reverse: name("1.0.0.127.in-addr.arpa."),
    }))
}

struct Local {
    has_localhost_prefix: bool,
    localhost_requests: Counter,
    zones: Zones,
    localhost: Name,
    /// Who is responsible, as a name (RFC 1035 §8).
    mailbox: Name,
    loopback_reverse: Name,
}

#[async_trait]
impl Plugin for Local {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let qname = request.qname();
        if self.stands_for_localhost(qname) {
            tracing::debug!(
                target: "plugin/local",
                "answering {} {qname} of {} with this host",
                request.qtype(),
                request.client().ip()
            );
            let mut reply = Reply::from(self.loopback(request));
            reply.count(&self.localhost_requests);
            return Ok(reply.replay_while(Replay::while_unchanged([])));
        }
        match self.zones.matching(qname) {
            Some(zone) => {
                let reply = Reply::from(self.authority(request, zone));
                Ok(reply.replay_while(Replay::while_unchanged([])))
            }
            None => next.serve(request).await,
        }
    }

    /// Whether it answers depends on the name alone, and so does the answer on the question.
    fn is_pure(&self) -> bool {
        true
    }
}

impl Local {
    /// Whether the name is below `localhost.`, or has `localhost` in front.
    fn stands_for_localhost(&self, qname: &Name) -> bool {
        let mut labels = qname.iter();
        let (Some(first), Some(last)) = (labels.next(), labels.next_back()) else { return false };
        is_localhost(last) || (self.has_localhost_prefix && is_localhost(first))
    }

    /// The loopback addresses; nothing else.
    fn loopback(&self, request: &Request) -> Message {
        let mut reply = request.reply();
        match address(request.qtype()) {
            Some(rdata) => reply.answers.push(record(request.qname(), rdata)),
            None => reply.authorities.push(self.soa(request.qname())),
        }
        reply
    }

    /// What the zone says.
    fn authority(&self, request: &Request, zone: &Name) -> Message {
        let (qname, qtype) = (request.qname(), request.qtype());
        // In the client's letter case, as all owners are here.
        // `Name::num_labels` leaves a `*` in front out, so the labels are counted here.
        let apex = qname.trim_to(zone.iter().len());
        let is_apex = qname.iter().len() == zone.iter().len();
        let answer = match qtype {
            RecordType::A | RecordType::AAAA if is_apex && *zone == self.localhost => {
                address(qtype).map(|rdata| record(qname, rdata))
            }
            RecordType::SOA if is_apex => Some(self.soa(qname)),
            RecordType::NS if is_apex => Some(record(qname, RData::NS(NS(self.localhost.clone())))),
            RecordType::PTR if *qname == self.loopback_reverse => {
                Some(record(qname, RData::PTR(PTR(self.localhost.clone()))))
            }
            _ => None,
        };
        let mut reply = request.reply();
        match answer {
            Some(answer) => reply.answers.push(answer),
            None => {
                if !is_apex && *qname != self.loopback_reverse {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                }
                reply.authorities.push(self.soa(&apex));
            }
        }
        reply
    }

    fn soa(&self, owner: &Name) -> Record {
        let (mname, rname) = (self.localhost.clone(), self.mailbox.clone());
        record(owner, RData::SOA(SOA::new(mname, rname, 1, 0, 0, 0, TTL_SECS)))
    }
}

fn is_localhost(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"localhost")
}

/// The loopback address of that type, if it is a type of addresses.
fn address(qtype: RecordType) -> Option<RData> {
    match qtype {
        RecordType::A => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
        RecordType::AAAA => Some(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        _ => None,
    }
}

fn record(owner: &Name, rdata: RData) -> Record {
    Record::from_rdata(owner.clone(), TTL_SECS, rdata)
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("the constants are names")
}

const ZONES: [&str; 4] =
    ["localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa."];

/// A week: nothing of it ever changes.
const TTL_SECS: u32 = 604_800;

#[cfg(test)]
mod tests;
