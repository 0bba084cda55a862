//! Answers badly on purpose: drops, delays and truncates, for tests of clients and of what stands
//! between them and a server.
//!
//! Queries are counted from zero, all of them together. Which one is dropped, delayed or truncated
//! depends on its number alone.

mod config;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin::capability::SearchPath;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::rdata::{A, AAAA, NS, SOA};
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

use crate::config::Config;

/// The `erratic` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "erratic", setup };

#[expect(clippy::unnecessary_wraps, reason = "the shape of every set-up function")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    setup.provide::<dyn SearchPath>(Arc::new(MadeUp));
    Ok(Box::new(Erratic { config: Config::parse(setup), n_queries: AtomicU64::new(0) }))
}

struct Erratic {
    config: Config,
    n_queries: AtomicU64,
}

#[async_trait]
impl Plugin for Erratic {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        let number = self.n_queries.fetch_add(1, Ordering::Relaxed);
        let Config { drop, delay, lateness, truncate, is_large } = self.config;
        let is_multiple = |of: u64| of > 0 && number.is_multiple_of(of);
        if is_multiple(drop) {
            return Ok(Reply::silence());
        }
        if is_multiple(delay) {
            tokio::time::sleep(lateness).await;
        }
        // Bits, not multiples: CoreDNS counts so, and tests rely on which queries it hits.
        let is_truncated = truncate > 0 && number & truncate == 0;
        let qname = request.qname();
        let record = |data| Record::from_rdata(qname.clone(), 0, data);
        let mut reply = request.reply();
        reply.metadata.authoritative = true;
        match request.qtype() {
            RecordType::A => {
                let n_records = if is_large { 30 } else { 1 };
                reply.answers = vec![record(RData::A(A::new(192, 0, 2, 53))); n_records];
                reply.metadata.truncation = is_truncated;
            }
            RecordType::AAAA => {
                let address = AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
                reply.answers = vec![record(RData::AAAA(address))];
                reply.metadata.truncation = is_truncated;
            }
            RecordType::AXFR => reply.answers = zone(qname, is_truncated),
            _ => return Err(ServeError::rcode_only(ResponseCode::ServFail)),
        }
        Ok(reply.into())
    }

    /// For a few queries only, so that tests see readiness come and go.
    fn ready(&self) -> bool {
        (3..5).contains(&self.n_queries.load(Ordering::Relaxed))
    }
}

/// A search path that all clients have, for tests of `autopath`.
struct MadeUp;

impl SearchPath for MadeUp {
    fn plugin(&self) -> &'static str {
        "erratic"
    }

    fn search_path(&self, _request: &Request) -> Option<Vec<Name>> {
        ["a.example.org.", "b.example.org.", "."].iter().map(|n| Name::from_ascii(n).ok()).collect()
    }
}

/// A small zone of that origin; without the closing SOA, and so incomplete, where it is cut short.
fn zone(origin: &Name, is_cut_short: bool) -> Vec<Record> {
    let below = |label: &str| origin.prepend_label(label).unwrap_or_else(|_| origin.clone());
    let record = |owner: &Name, data| Record::from_rdata(owner.clone(), 0, data);
    let (a, b) = (below("a"), below("b"));
    let soa =
        SOA::new(below("ns"), below("hostmaster"), 2_018_050_825, 7200, 3600, 1_209_600, 3600);
    let mut records = vec![
        record(origin, RData::SOA(soa)),
        record(origin, RData::NS(NS(b.clone()))),
        record(origin, RData::NS(NS(a.clone()))),
        record(&a, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53))),
        record(&b, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x54))),
    ];
    if !is_cut_short {
        records.push(records[0].clone());
    }
    records
}

#[cfg(test)]
mod tests;
