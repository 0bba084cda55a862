//! How long a message is in wire format without name compression.
//!
//! Encoding every reply a second time only to measure it would cost as much as answering it. The length is the sum of
//! the parts, and the parts of nearly every reply are known without encoding; only rare types are encoded.

use plugin::proto::op::Message;
use plugin::proto::rr::{Name, RData, Record};
use plugin::proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

/// Octets of the message, names written out, in its present state: the OPT record that the server adds to a reply comes
/// later and does not count, as with CoreDNS.
pub(crate) fn uncompressed_len(message: &Message) -> usize {
    let questions = message.queries.iter().map(|query| name_len(query.name()) + 4);
    let records = message
        .answers
        .iter()
        .chain(&message.authorities)
        .chain(&message.additionals)
        .map(record_len);
    let edns = message.edns.as_ref().map_or(0, encoded_len);
    let signature = message.signature.as_deref().map_or(0, encoded_len);
    HEADER_LEN + questions.sum::<usize>() + records.sum::<usize>() + edns + signature
}

fn record_len(record: &Record) -> usize {
    name_len(&record.name) + RECORD_HEAD_LEN + rdata_len(&record.data)
}

fn rdata_len(rdata: &RData) -> usize {
    match rdata {
        RData::A(_) => 4,
        RData::AAAA(_) => 16,
        RData::CNAME(name) => name_len(name),
        RData::NS(name) => name_len(name),
        RData::PTR(name) => name_len(name),
        RData::SOA(soa) => name_len(&soa.mname) + name_len(&soa.rname) + 20,
        RData::SRV(srv) => 6 + name_len(&srv.target),
        RData::MX(mx) => 2 + name_len(&mx.exchange),
        RData::TXT(txt) => txt.txt_data.iter().map(|text| 1 + text.len()).sum(),
        other => encoded_len(other),
    }
}

/// RFC 1035 §3.1: each label with its length, and the root's zero.
fn name_len(name: &Name) -> usize {
    1 + name.iter().map(|label| 1 + label.len()).sum::<usize>()
}

fn encoded_len(part: &impl BinEncodable) -> usize {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    match part.emit(&mut encoder) {
        Ok(()) => octets.len(),
        Err(error) => {
            tracing::debug!(target: "plugin/prometheus", %error, "cannot measure a record");
            0
        }
    }
}

/// RFC 1035 §4.1.1.
const HEADER_LEN: usize = 12;
/// RFC 1035 §4.1.3: type, class, TTL and the length of the data.
const RECORD_HEAD_LEN: usize = 10;
