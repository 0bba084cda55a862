//! Which messages are worth decoding.

use crate::{HEADER_LEN, query::question_end, u16_at};

/// What to do with a message that arrived at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screened {
    /// It may be a query: decode it.
    Query,
    /// It is none, or none that may be answered: say nothing.
    Ignore,
    /// FORMERR: see [`rejection`].
    FormErr,
    /// NOTIMP: see [`rejection`].
    NotImp,
}

/// RFC 1035 §4.1.1 RCODEs.
const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;
const OPCODE_QUERY: u8 = 0;
/// RFC 1996.
const OPCODE_NOTIFY: u8 = 4;

/// Looks at the header, and at the question as far as it can be known without decoding.
pub fn screen(message: &[u8]) -> Screened {
    let [_, _, flags, _, ..] = *message else { return Screened::Ignore };
    // Answering a reply, or something without a header, could start a ping-pong.
    if message.len() < HEADER_LEN || flags & 0x80 != 0 {
        return Screened::Ignore;
    }
    let opcode = (flags >> 3) & 0x0F;
    if opcode != OPCODE_QUERY && opcode != OPCODE_NOTIFY {
        return Screened::NotImp;
    }
    let count = |at| u16_at(message, at).unwrap_or(0);
    // One question; an answer and an authority may come with NOTIFY and IXFR; OPT and TSIG.
    if count(4) != 1 || count(6) > 1 || count(8) > 1 || count(10) > 2 {
        return Screened::FormErr;
    }
    if question_end(message).is_none() { Screened::FormErr } else { Screened::Query }
}

/// The reply to a message that is not decoded: a header alone, with the client's ID and flags, or with
/// the question where that could be read. `None` where there is to be no reply.
pub fn rejection(message: &[u8], screened: Screened) -> Option<Vec<u8>> {
    let rcode = match screened {
        Screened::FormErr => FORMERR,
        Screened::NotImp => NOTIMP,
        Screened::Query | Screened::Ignore => return None,
    };
    let header = message.get(..4)?;
    let mut reply = vec![0; HEADER_LEN];
    reply[..4].copy_from_slice(header);
    // QR set, AA cleared; the opcode stays with NOTIMP only.
    let opcode = if screened == Screened::NotImp { header[2] & 0x78 } else { 0 };
    reply[2] = 0x80 | opcode | (header[2] & 0x03);
    reply[3] = (header[3] & 0xB0) | rcode;
    Some(reply)
}

/// FORMERR for a message whose question could be read, but nothing after it: with the question echoed.
pub fn malformed_after_question(message: &[u8]) -> Option<Vec<u8>> {
    let mut reply = rejection(message, Screened::FormErr)?;
    let end = question_end(message)?;
    reply.extend_from_slice(&message[HEADER_LEN..end]);
    reply[5] = 1;
    Some(reply)
}
