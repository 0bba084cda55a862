//! AXFR and IXFR.

use std::sync::Arc;

use plugin::capability::Transfer as Zones;
use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::proto::serialize::binary::{BinEncodable, BinEncoder};
use plugin::{Next, Plugin, Replay, Reply, Request, ServeError, Shutdown, async_trait};
use tokio::task::spawn_blocking;

use crate::{Transfer, notify};

/// A zone on its way out.
struct Whole {
    serial: u32,
    n_records: usize,
    /// The answer sections of its messages, in order; never empty.
    sections: Vec<Vec<Record>>,
}

#[async_trait]
impl Plugin for Transfer {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if !matches!(request.qtype(), RecordType::AXFR | RecordType::IXFR) {
            return next.serve(request).await;
        }
        let refused = || ServeError::rcode_only(ResponseCode::Refused);
        // RFC 5936 §4.2: AXFR is for streams. An IXFR over UDP may be answered, but rarely fits.
        if !request.origin().transport.is_stream() {
            return Err(refused());
        }
        let origin = request.qname().to_lowercase();
        let Some(rule) = self.config.rule(&origin) else { return pass_on(request, next).await };
        if !rule.allows(request.client().ip()) {
            return Err(refused());
        }
        let known = match request.qtype() {
            RecordType::IXFR => Some(known_serial(request.message())?),
            _ => None,
        };
        for source in self.capabilities.all::<dyn Zones>() {
            if !source.origins().contains(&origin) {
                continue;
            }
            if let Some(whole) = fetch(source, origin.clone(), known).await? {
                return Ok(respond(request, whole));
            }
        }
        pass_on(request, next).await
    }

    /// Other questions are passed on untouched; replies to these are never replayed.
    fn is_pure(&self) -> bool {
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        // Those that are announced are announced until then.
        let _announcing = notify::announce(&self.config, &self.capabilities);
        shutdown.fired().await;
    }
}

/// Asks the next plugin; whom that refuses depends on more than the question.
async fn pass_on(request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
    let mut reply = next.serve(request).await?;
    reply.set_replay(Replay::Never);
    Ok(reply)
}

/// RFC 1995 §3: the SOA record of the client's version is all there is in the authority section.
fn known_serial(query: &Message) -> Result<u32, ServeError> {
    match query.authorities.as_slice() {
        [Record { data: RData::SOA(soa), .. }] => Ok(soa.serial),
        _ => Err(ServeError::rcode_only(ResponseCode::ServFail)),
    }
}

/// Gets a zone ready, on a thread of its own: a large one takes a while.
async fn fetch(
    source: Arc<dyn Zones>,
    origin: Name,
    known: Option<u32>,
) -> Result<Option<Whole>, ServeError> {
    let whole = spawn_blocking(move || {
        source.records(&origin).map(|records| Whole::new(records?, known)).transpose()
    });
    whole.await.map_err(ServeError::failed)?
}

fn respond(request: &Request, whole: Whole) -> Reply {
    let (zone, client, serial) = (request.qname(), request.client().ip(), whole.serial);
    let is_noop = whole.n_records == 1;
    let n_records = whole.n_records;
    let mut messages = whole.sections.into_iter().map(|records| {
        let mut message = request.reply();
        // As CoreDNS: "you have it already" comes without the bit.
        message.metadata.authoritative = !is_noop;
        message.answers = records;
        message
    });
    let first = messages.next().unwrap_or_else(|| request.reply());
    let reply = Reply::from(first).followed_by(messages.collect());
    if is_noop {
        tracing::info!(
            target: TARGET,
            "Outgoing noop, incremental transfer for up to date zone \"{zone}\" to {client} for {serial} SOA serial"
        );
    } else {
        tracing::info!(
            target: TARGET,
            "Outgoing transfer of {n_records} records of zone \"{zone}\" to {client} for {serial} SOA serial"
        );
    }
    reply
}

impl Whole {
    /// The zone, framed by its SOA record; the SOA record alone for a client that knows that serial.
    fn new(mut records: Vec<Record>, known: Option<u32>) -> Result<Self, ServeError> {
        let Some(Record { data: RData::SOA(soa), .. }) = records.first() else {
            return Err(ServeError::failed("a zone without an SOA record"));
        };
        let serial = soa.serial;
        if known == Some(serial) {
            // RFC 1995 §2: the client has the newest version.
            records.truncate(1);
        } else {
            // RFC 5936 §2.2: the same record at both ends.
            records.push(records[0].clone());
        }
        let n_records = records.len();
        let mut sections = Vec::new();
        let mut section = Vec::new();
        let mut n_octets = 0;
        let mut encoded = Vec::new();
        for record in records {
            encoded.clear();
            record.emit(&mut BinEncoder::new(&mut encoded)).map_err(ServeError::failed)?;
            if !section.is_empty() && n_octets + encoded.len() > MAX_SECTION {
                sections.push(std::mem::take(&mut section));
                n_octets = 0;
            }
            n_octets += encoded.len();
            section.push(record);
        }
        sections.push(section);
        Ok(Self { serial, n_records, sections })
    }
}

/// Octets of records in one message: header, question and OPT record have room beside them.
const MAX_SECTION: usize = 63_000;
pub(crate) const TARGET: &str = "plugin/transfer";
