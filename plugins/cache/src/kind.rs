//! What sort of reply a message is, and how long it may be kept.

use plugin::Request;
use plugin::clock::unix_now;
use plugin::proto::op::{Message, MessageType, OpCode, ResponseCode};
use plugin::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use plugin::proto::serialize::binary::BinEncodable;

use crate::config::{Config, MIN_TTL_SECS};

/// The sort of a reply, as far as caching goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data, or at least nothing that says there is none.
    Answer,
    /// A referral to other servers.
    Delegation,
    /// NXDOMAIN.
    NameError,
    /// The name exists without that type (RFC 2308 §2.2).
    NoData,
    /// SERVFAIL or NOTIMP.
    ServerError,
    /// Transfers, notifications and updates.
    Meta,
    /// Anything else: REFUSED, NXDOMAIN with an answer, signatures out of date.
    Other,
}

/// Which of the two maps a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The positive one.
    Success,
    /// The negative one.
    Denial,
}

impl Kind {
    /// The sort of `reply`.
    pub(crate) fn of(reply: &Message) -> Self {
        if matches!(reply.metadata.op_code, OpCode::Update | OpCode::Notify) {
            return Self::Meta;
        }
        if let Some(question) = reply.queries.first()
            && matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR)
        {
            return Self::Meta;
        }
        let wants_dnssec = reply.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        if wants_dnssec && reply.all_sections().any(is_signature_out_of_date) {
            return Self::Other;
        }
        let has_answers = !reply.answers.is_empty();
        match reply.metadata.response_code {
            // RFC 2308 §2.2 knows a CNAME chain that ends without data; its SOA bounds the TTL.
            ResponseCode::NoError if has_answers => {
                if has_soa(reply) && !answers_question(reply) {
                    Self::NoData
                } else {
                    Self::Answer
                }
            }
            ResponseCode::NXDomain if has_answers => Self::Other,
            ResponseCode::NoError if has_soa(reply) => Self::NoData,
            ResponseCode::NXDomain => Self::NameError,
            ResponseCode::ServFail | ResponseCode::NotImp => Self::ServerError,
            ResponseCode::NoError if has(&reply.authorities, RecordType::NS) => Self::Delegation,
            ResponseCode::NoError => Self::Answer,
            _ => Self::Other,
        }
    }

    /// The map that a reply of this sort belongs to; `None` where it is never kept.
    pub(crate) fn class(self) -> Option<Class> {
        match self {
            Self::Answer | Self::Delegation => Some(Class::Success),
            Self::NameError | Self::NoData | Self::ServerError => Some(Class::Denial),
            Self::Meta | Self::Other => None,
        }
    }

    /// The one TTL that every record of the reply gets, and that it is kept for.
    pub(crate) fn ttl_secs(self, reply: &Message, config: &Config) -> u32 {
        let tier = match self {
            Self::ServerError => {
                return u32::try_from(config.servfail.as_secs()).unwrap_or(u32::MAX);
            }
            Self::NameError | Self::NoData => &config.denial,
            _ => &config.success,
        };
        let lowest = match self {
            Self::Answer | Self::NameError | Self::NoData => {
                reply.all_sections().map(|record| record.ttl).min().unwrap_or(MIN_TTL_SECS)
            }
            _ => MIN_TTL_SECS,
        };
        lowest.max(tier.min_ttl_secs).min(tier.max_ttl_secs)
    }
}

/// Whether a reply of that kind may be kept, but for its TTL and its question.
pub(crate) fn is_storable(reply: &Message, kind: Kind) -> bool {
    if reply.metadata.truncation {
        return false;
    }
    match kind {
        Kind::Meta | Kind::Other => false,
        // RFC 2308 §5: without an SOA nothing says how long a denial holds.
        Kind::NameError => has_soa(reply),
        // The same for a CNAME chain that leads nowhere. An empty answer section is kept: the data
        // may stand in the additional section.
        Kind::Answer => reply.answers.is_empty() || answers_question(reply),
        Kind::Delegation | Kind::NoData | Kind::ServerError => true,
    }
}

/// Whether `reply` is one to the question of `request`.
pub(crate) fn is_match(request: &Request, reply: &Message) -> bool {
    let [question] = reply.queries.as_slice() else { return false };
    reply.metadata.message_type == MessageType::Response
        && question.query_type() == request.qtype()
        && question.query_class() == request.question().query_class()
        && question.name() == request.qname()
}

/// Whether a NOERROR reply has what was asked for, at the end of the CNAME chain from the QNAME.
pub(crate) fn answers_question(reply: &Message) -> bool {
    let Some(question) = reply.queries.first() else { return false };
    if reply.metadata.response_code != ResponseCode::NoError {
        return false;
    }
    let (qtype, qclass) = (question.query_type(), question.query_class());
    let is_at = |record: &Record, owner: &Name| {
        (qclass == DNSClass::ANY || record.dns_class == qclass) && record.name == *owner
    };
    // RFC 2181 §10.1: an alias has one canonical name; with two of them it leads nowhere.
    let target = |owner: &Name| {
        let mut found: Option<&Name> = None;
        for record in reply.answers.iter().filter(|record| is_at(record, owner)) {
            let RData::CNAME(cname) = &record.data else { continue };
            if found.is_some_and(|before| *before != cname.0) {
                return Err(());
            }
            found = Some(&cname.0);
        }
        Ok(found)
    };
    match qtype {
        RecordType::ANY => reply.answers.iter().any(|record| is_at(record, question.name())),
        RecordType::CNAME => matches!(target(question.name()), Ok(Some(_))),
        _ => {
            // RFC 1034 §3.6.2: the query starts again at each canonical name. A chain that is longer
            // than this, or a loop, is no answer.
            let mut owner = question.name();
            for _ in 0..MOST_ALIASES {
                match target(owner) {
                    Ok(Some(canonical)) => owner = canonical,
                    Ok(None) => {
                        return reply
                            .answers
                            .iter()
                            .any(|record| record.record_type() == qtype && is_at(record, owner));
                    }
                    Err(()) => return false,
                }
            }
            false
        }
    }
}

fn has_soa(reply: &Message) -> bool {
    has(&reply.authorities, RecordType::SOA)
}

fn has(records: &[Record], rtype: RecordType) -> bool {
    records.iter().any(|record| record.record_type() == rtype)
}

/// Whether the record is an RRSIG that does not hold now.
fn is_signature_out_of_date(record: &Record) -> bool {
    if record.record_type() != RecordType::RRSIG {
        return false;
    }
    // RFC 4034 §3.1: expiration and inception are at the octets 8 and 12 of the RDATA, whether or
    // not the codec was built to understand signatures.
    let Ok(rdata) = record.data.to_bytes() else { return true };
    let field = |at: usize| {
        rdata.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes)
    };
    let (Some(expiration), Some(inception)) = (field(8), field(12)) else { return true };
    // RFC 4034 §3.1.5: they count modulo 2^32.
    #[expect(clippy::cast_possible_truncation, reason = "serial number arithmetic")]
    let now = unix_now().as_secs() as u32;
    let is_before = |a: u32, b: u32| b.wrapping_sub(a) != 0 && b.wrapping_sub(a) < 1 << 31;
    is_before(now, inception) || is_before(expiration, now)
}

const MOST_ALIASES: usize = 64;
