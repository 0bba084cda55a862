//! Makes IPv6 addresses of IPv4 addresses, for clients behind a NAT64 (RFC 6147).
//!
//! ```text
//!   AAAA? ─► next ─► has addresses, or NXDOMAIN ─► as it is
//!                 └► otherwise: look A up ─► each address behind the prefix
//! ```
//!
//! A synthesized reply is made anew each time: it stands on two look-ups, and both may be cached below.

mod address;
mod config;

use plugin::metrics::CounterVec;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::rdata::AAAA;
use plugin::proto::rr::{DNSClass, RData, Record, RecordType};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Replay, Reply, Request, ServeError, Setup, async_trait,
};

use crate::config::Config;

/// The `dns64` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "dns64", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    let translated = setup.metrics.counter_vec(
        "coredns_dns64_requests_translated_total",
        "Queries that were answered with synthesized addresses.",
        &["server"],
    );
    Ok(Box::new(Dns64 { config, translated }))
}

struct Dns64 {
    config: Config,
    translated: CounterVec,
}

#[async_trait]
impl Plugin for Dns64 {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        // RFC 6147 §5.1: AAAA queries of class IN, and nothing else.
        let (qtype, class) = (request.qtype(), request.question().query_class());
        if (qtype, class) != (RecordType::AAAA, DNSClass::IN) {
            return next.serve(request).await;
        }
        let mut reply = next.serve(request).await?;
        if !self.config.allows_ipv4 {
            // Clients of the other family get another answer.
            reply.set_replay(Replay::Never);
            if request.client().ip().to_canonical().is_ipv4() {
                return Ok(reply);
            }
        }
        let Some(missing) = reply.message().filter(|message| self.is_wanting(message)) else {
            return Ok(reply);
        };
        let lookup = request.lookup(request.qname().to_lowercase(), RecordType::A).await?;
        let Some(found) = lookup.into_message() else { return Ok(reply) };
        let mut reply = Reply::from(self.synthesize(request, missing, found));
        reply.count(&self.translated.with(&[&request.server().label]));
        Ok(reply)
    }

    /// What depends on the client's address is not replayed, reply by reply.
    fn is_pure(&self) -> bool {
        true
    }
}

impl Dns64 {
    /// Whether the reply to the AAAA query calls for addresses to be made.
    fn is_wanting(&self, reply: &Message) -> bool {
        // RFC 6147 §5.1.2: there are no IPv4 addresses either. Any other error is as no data.
        let is_nxdomain = reply.metadata.response_code == ResponseCode::NXDomain;
        if is_nxdomain && reply.answers.is_empty() {
            return false;
        }
        let has_address = reply.answers.iter().any(|rr| rr.record_type() == RecordType::AAAA);
        self.config.translates_all || !has_address
    }

    /// The reply to the A query, its addresses made into IPv6 ones.
    fn synthesize(&self, request: &Request, missing: &Message, found: Message) -> Message {
        // RFC 6147 §5.1.7: no longer than the denial of AAAA records holds.
        let denial_ttl_secs = missing
            .authorities
            .iter()
            .rfind(|record| record.record_type() == RecordType::SOA)
            .map_or(NO_SOA_TTL_SECS, |soa| soa.ttl);
        let mut reply = request.reply();
        reply.metadata.truncation = found.metadata.truncation;
        reply.answers = found
            .answers
            .into_iter()
            .map(|record| match record.data {
                RData::A(ipv4) => {
                    let ipv6 = RData::AAAA(AAAA(address::embed(self.config.prefix, ipv4.0)));
                    let ttl = record.ttl.min(denial_ttl_secs);
                    let mut synthesized = Record::from_rdata(record.name, ttl, ipv6);
                    synthesized.dns_class = record.dns_class;
                    synthesized
                }
                _ => record,
            })
            .collect();
        // RFC 6147 §5.3.2 and §5.3.3: the rest is passed on unchanged.
        reply.authorities = found.authorities;
        reply.additionals = found.additionals;
        reply.edns = found.edns;
        reply
    }
}

/// RFC 6147 §5.1.7: for a denial without an SOA record.
const NO_SOA_TTL_SECS: u32 = 600;

#[cfg(test)]
mod tests;
