//! A query that has the form nearly all queries have: one question, perhaps one OPT record.

use crate::{HEADER_LEN, u16_at};

/// A view of a query; the question's name is not compressed.
#[derive(Clone, Copy, Debug)]
pub struct QueryView<'a> {
    message: &'a [u8],
    /// Offset after the question.
    question_end: usize,
    opt: Option<Opt<'a>>,
}

/// The OPT record of a query (RFC 6891 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opt<'a> {
    /// The UDP payload size as advertised.
    pub udp_payload_size: u16,
    /// The EDNS version.
    pub version: u8,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
    /// The options, undecoded; empty for most clients.
    pub options: &'a [u8],
}

impl<'a> QueryView<'a> {
    /// Views a message that is exactly a header, one question with an uncompressed name and at most one
    /// OPT record; `None` for every other message, which may well be a query all the same.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let counts = [u16_at(message, 4)?, u16_at(message, 6)?, u16_at(message, 8)?];
        let n_additionals = u16_at(message, 10)?;
        if counts != [1, 0, 0] || n_additionals > 1 {
            return None;
        }
        let question_end = question_end(message)?;
        let opt = match n_additionals {
            0 if message.len() == question_end => None,
            0 => return None,
            _ => Some(Opt::parse(&message[question_end..])?),
        };
        Some(Self { message, question_end, opt })
    }

    /// The message ID.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.message[0], self.message[1]])
    }

    /// The two octets of flags.
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.message[2], self.message[3]])
    }

    /// The name asked for, in wire format and the client's letter case.
    pub fn qname(&self) -> &'a [u8] {
        &self.message[HEADER_LEN..self.question_end - 4]
    }

    /// QTYPE.
    pub fn qtype(&self) -> u16 {
        u16::from_be_bytes([
            self.message[self.question_end - 4],
            self.message[self.question_end - 3],
        ])
    }

    /// QCLASS.
    pub fn qclass(&self) -> u16 {
        u16::from_be_bytes([
            self.message[self.question_end - 2],
            self.message[self.question_end - 1],
        ])
    }

    /// The question section, as it was sent.
    pub fn question(&self) -> &'a [u8] {
        &self.message[HEADER_LEN..self.question_end]
    }

    /// The OPT record, where there is one.
    pub fn opt(&self) -> Option<Opt<'a>> {
        self.opt
    }

    /// The whole message.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }
}

impl<'a> Opt<'a> {
    /// From the bytes after the question, which must be the OPT record and nothing else.
    fn parse(record: &'a [u8]) -> Option<Self> {
        // Owner (the root), TYPE 41, CLASS, TTL, RDLENGTH.
        if *record.first()? != 0 || u16_at(record, 1)? != 41 {
            return None;
        }
        let rdata_len = usize::from(u16_at(record, 9)?);
        let options = record.get(11..)?;
        (options.len() == rdata_len).then_some(Self {
            udp_payload_size: u16_at(record, 3)?,
            version: record[6],
            dnssec_ok: record[7] & 0x80 != 0,
            options,
        })
    }
}

/// The first question of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name asked for, in wire format and the client's letter case; never compressed.
    pub qname: &'a [u8],
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
}

impl<'a> Question<'a> {
    /// Reads the first question; `None` where its name is compressed, too long or cut off.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let end = question_end(message)?;
        Some(Self {
            qname: &message[HEADER_LEN..end - 4],
            qtype: u16_at(message, end - 4)?,
            qclass: u16_at(message, end - 2)?,
        })
    }
}

/// The offset after the first question; `None` where its name is compressed, too long or cut off.
pub(crate) fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER_LEN;
    loop {
        match *message.get(at)? {
            0 => break,
            len @ 1..=63 => at += 1 + usize::from(len),
            _ => return None,
        }
        // With the root's octet still to come.
        if at - HEADER_LEN >= crate::MAX_NAME_LEN {
            return None;
        }
    }
    let end = at + 5;
    (message.len() >= end).then_some(end)
}
