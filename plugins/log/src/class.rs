//! What kind of answer a reply is.

use plugin::proto::op::{Message, OpCode, ResponseCode};
use plugin::proto::rr::{RData, Record, RecordType};

/// The kind of a reply, finer than a [`Class`]: `{/log/type}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// There is an answer, or an empty NOERROR without any hint why.
    NoError,
    /// NXDOMAIN.
    NameError,
    /// SERVFAIL or NOTIMP.
    ServerError,
    /// The name exists without that type: NOERROR and an SOA (RFC 2308 §2.2).
    NoData,
    /// A referral.
    Delegation,
    /// NOTIFY or a zone transfer.
    Meta,
    /// A dynamic update.
    Update,
    /// Anything else, no reply at all included.
    OtherError,
}

/// What `class` selects by: `{/log/class}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Success,
    Denial,
    Error,
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes(u8);

impl Type {
    /// The kind of `reply`. A signature that is not valid at `verified_at`, in seconds since the Unix epoch, makes an
    /// error of it; `None` where the client does not care about signatures.
    pub(crate) fn of(reply: Option<&Message>, verified_at: Option<u64>) -> Self {
        let Some(reply) = reply else { return Self::OtherError };
        match reply.metadata.op_code {
            OpCode::Update => return Self::Update,
            OpCode::Notify => return Self::Meta,
            _ => {}
        }
        let qtype = reply.queries.first().map(plugin::proto::op::Query::query_type);
        if matches!(qtype, Some(RecordType::AXFR | RecordType::IXFR)) {
            return Self::Meta;
        }
        if let Some(now) = verified_at
            && all_records(reply).any(|record| is_out_of_time(record, now))
        {
            return Self::OtherError;
        }
        let has = |rtype| reply.authorities.iter().any(|rr| rr.record_type() == rtype);
        match reply.metadata.response_code {
            ResponseCode::NoError if !reply.answers.is_empty() => Self::NoError,
            ResponseCode::NXDomain if !reply.answers.is_empty() => Self::OtherError,
            ResponseCode::NoError if has(RecordType::SOA) => Self::NoData,
            ResponseCode::NXDomain => Self::NameError,
            ResponseCode::ServFail | ResponseCode::NotImp => Self::ServerError,
            ResponseCode::NoError if has(RecordType::NS) => Self::Delegation,
            ResponseCode::NoError => Self::NoError,
            _ => Self::OtherError,
        }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::NoError | Self::Delegation => Class::Success,
            Self::NameError | Self::NoData => Class::Denial,
            Self::ServerError | Self::Meta | Self::Update | Self::OtherError => Class::Error,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::ServerError => "SERVERERROR",
            Self::NoData => "NODATA",
            Self::Delegation => "DELEGATION",
            Self::Meta => "META",
            Self::Update => "UPDATE",
            Self::OtherError => "OTHERERROR",
        }
    }
}

impl Class {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
            Self::Error => "error",
        }
    }
}

impl Classes {
    pub(crate) const ALL: Self = Self(0b111);

    pub(crate) fn insert(&mut self, class: Class) {
        self.0 |= 1 << class as u8;
    }

    pub(crate) fn contains(self, class: Class) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn all_records(reply: &Message) -> impl Iterator<Item = &Record> {
    reply.answers.iter().chain(&reply.authorities).chain(&reply.additionals)
}

/// Whether the record is a signature outside its time (RFC 4034 §3.1.5). Its data is opaque to the codec as built here.
fn is_out_of_time(record: &Record, now: u64) -> bool {
    let RData::Unknown { code: RecordType::RRSIG, rdata } = &record.data else { return false };
    let seconds_at = |offset: usize| {
        let octets = rdata.anything.get(offset..offset + 4)?;
        Some(u32::from_be_bytes(octets.try_into().ok()?))
    };
    // RFC 4034 §3.1: type, algorithm, labels and original TTL come before the two times.
    let (Some(expiration), Some(inception)) = (seconds_at(8), seconds_at(12)) else { return false };
    // RFC 1982: the times are serial numbers, so the difference counts and not the value.
    let now = u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0);
    let is_before = |left: u32, right: u32| right.wrapping_sub(left).cast_signed() > 0;
    is_before(now, inception) || is_before(expiration, now)
}
