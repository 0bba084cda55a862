//! The last steps of a reply: its OPT record, its size, its bytes.

use std::net::SocketAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Header, HeaderCounts, Message, MessageType, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use plugin::{Ede, Replay, Tally, Transport};
use smallvec::SmallVec;

/// What of the query decides how its reply is sent.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its OPT record.
    pub(crate) edns: Option<Edns>,
    /// The UDP payload size in its OPT record, as written.
    pub(crate) advertised_size: u16,
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// How it asked.
    pub(crate) transport: Transport,
}

/// A reply as it is sent, and for how long it holds.
#[derive(Debug)]
#[cfg_attr(not(feature = "replay"), expect(dead_code, reason = "read by the replay table alone"))]
pub(crate) struct Finished {
    pub(crate) bytes: Vec<u8>,
    /// The messages that follow it on a stream.
    pub(crate) more: Vec<Vec<u8>>,
    pub(crate) replay: Replay,
    /// What was counted for it, to be counted again with each replay.
    pub(crate) tallies: SmallVec<[Tally; 8]>,
    /// Whether each client gets another order.
    pub(crate) is_shuffled: bool,
}

impl From<Vec<u8>> for Finished {
    /// One that is never replayed.
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            more: Vec::new(),
            replay: Replay::Never,
            tallies: SmallVec::new(),
            is_shuffled: false,
        }
    }
}

/// Encodes a reply for the client that asked.
pub(crate) fn finish(
    mut reply: Message,
    edes: &[Ede],
    client: &Client,
) -> Result<Vec<u8>, ProtoError> {
    reply.metadata.message_type = MessageType::Response;
    if let Some(edns) = &client.edns {
        reply.edns = Some(opt_for(reply.edns.take(), edns, edes));
    }
    let budget = match (client.transport.is_stream(), &client.edns) {
        (true, _) => u16::MAX,
        // RFC 6891 §6.2.3: values lower than 512 are treated as 512.
        (false, Some(_)) => client.advertised_size.max(512),
        // RFC 1035 §2.3.4.
        (false, None) => 512,
    };
    // As CoreDNS: replies go out uncompressed while they fit, and while IP need not fragment them.
    let uncompressed_most = if client.transport.is_stream() {
        budget
    } else if client.address.ip().to_canonical().is_ipv4() {
        budget.min(1480)
    } else {
        budget.min(1220)
    };
    let mut bytes = Vec::with_capacity(512);
    if encode(&reply, NameEncoding::Uncompressed, uncompressed_most, client, &mut bytes)? {
        return Ok(bytes);
    }
    bytes.clear();
    encode(&reply, NameEncoding::Compressed, budget, client, &mut bytes)?;
    Ok(bytes)
}

/// The OPT record of a reply to a client that sent one: with the client's own size and DO bit. Without
/// one in the reply it is the client's, with the options that are hop by hop.
fn opt_for(reply: Option<Edns>, client: &Edns, edes: &[Ede]) -> Edns {
    let mut edns = reply.unwrap_or_else(|| {
        let mut edns = Edns::new();
        for (code, option) in client.options().as_ref() {
            if is_echoed(*code) {
                edns.options_mut().insert(option.clone());
            }
        }
        edns
    });
    edns.set_version(0);
    edns.set_rcode_high(0);
    edns.set_max_payload(client.max_payload());
    // A reply that came with the bit keeps it, as with CoreDNS.
    edns.set_dnssec_ok(client.flags().dnssec_ok || edns.flags().dnssec_ok);
    for ede in edes {
        // RFC 8914 §2: INFO-CODE, then EXTRA-TEXT.
        let mut data = ede.code.to_be_bytes().to_vec();
        data.extend_from_slice(ede.text.as_bytes());
        edns.options_mut().insert(EdnsOption::Unknown(15, data));
    }
    edns
}

/// NSID, EXPIRE, COOKIE, TCP-KEEPALIVE and PADDING go back as they came, as with CoreDNS.
fn is_echoed(code: EdnsCode) -> bool {
    matches!(
        code,
        EdnsCode::NSID
            | EdnsCode::Expire
            | EdnsCode::Cookie
            | EdnsCode::Keepalive
            | EdnsCode::Padding
    )
}

/// Encodes what fits into `most` octets and returns whether everything did. What does not fit is left
/// out from the end, whole records at a time, and TC is set (RFC 2181 §9); the OPT record always fits.
fn encode(
    reply: &Message,
    names: NameEncoding,
    most: u16,
    client: &Client,
    bytes: &mut Vec<u8>,
) -> Result<bool, ProtoError> {
    let opt = reply.edns.as_ref().map(|edns| {
        let mut edns = edns.clone();
        edns.set_rcode_high(reply.metadata.response_code.high());
        let mut record = Record::from(&edns);
        if client.edns.is_some() {
            // As the client wrote it, also where that is less than 512: as CoreDNS.
            // (The codec has no such OPT class: it would write 512.)
            record.dns_class = DNSClass::Unknown(client.advertised_size);
        }
        record
    });
    let opt_len = opt.as_ref().map_or(Ok(0), |opt| opt.to_bytes().map(|bytes| bytes.len()))?;
    let is_compressed = matches!(names, NameEncoding::Compressed);
    let mut encoder = BinEncoder::new(bytes);
    encoder.set_name_encoding(names);
    let header = encoder.place::<Header>()?;
    let mut counts = HeaderCounts::default();
    for query in &reply.queries {
        Query::emit(query, &mut encoder)?;
        counts.queries += 1;
    }
    // The encoder's own limit would count names before they are compressed.
    let most = usize::from(most).saturating_sub(opt_len);
    let mut is_whole = true;
    let sections = [
        (&reply.answers, &mut counts.answers),
        (&reply.authorities, &mut counts.authorities),
        (&reply.additionals, &mut counts.additionals),
    ];
    'sections: for (records, count) in sections {
        for record in records {
            let start = encoder.offset();
            let emitted = if is_compressed && is_asked(record, reply) {
                emit_at_question(record, &mut encoder)
            } else {
                record.emit(&mut encoder)
            };
            let fits = match emitted {
                Ok(()) => encoder.offset() <= most,
                Err(ProtoError::MaxBufferSizeExceeded(_)) => false,
                Err(error) => return Err(error),
            };
            if !fits {
                if !is_compressed {
                    // Another try follows, with compression.
                    return Ok(false);
                }
                encoder.set_offset(start);
                encoder.trim();
                is_whole = false;
                break 'sections;
            }
            *count += 1;
        }
    }
    if let Some(opt) = &opt {
        opt.emit(&mut encoder)?;
        counts.additionals += 1;
    }
    if let Some(signature) = &reply.signature {
        signature.emit(&mut encoder)?;
        counts.additionals += 1;
    }
    let mut metadata = reply.metadata;
    metadata.truncation |= !is_whole;
    header.replace(&mut encoder, Header { metadata, counts })?;
    Ok(is_whole)
}

/// Whether the record sits at the name that was asked for, letter case included.
fn is_asked(record: &Record, reply: &Message) -> bool {
    let is_same = |query: &Query| query.name().eq_case(&record.name);
    reply.queries.len() == 1 && reply.queries.first().is_some_and(is_same)
}

/// Emits a record whose owner is a pointer to the question's name, right behind the header. Most records
/// of large replies are such, and the encoder stops compressing after a thousand names.
fn emit_at_question(record: &Record, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
    // RFC 1035 §4.1.4: two bits set, then the offset.
    encoder.emit_u16(0xC000 | 0x000C)?;
    record.record_type().emit(encoder)?;
    record.dns_class.emit(encoder)?;
    encoder.emit_u32(record.ttl)?;
    let rdata_len = encoder.place::<u16>()?;
    record.data.emit(encoder)?;
    let len = u16::try_from(encoder.len_since_place(&rdata_len)).unwrap_or(u16::MAX);
    rdata_len.replace(encoder, len)
}

#[cfg(test)]
mod tests;
