//! The header fields and the question of a message, as bytes.
//!
//! Only what matching a reply to its query needs: whoever wants records decodes the whole message.

/// Octets of the header, RFC 1035 §4.1.1.
pub const HEADER_LEN: usize = 12;

/// The ID; 0 where the message is shorter than that.
pub fn id(message: &[u8]) -> u16 {
    message.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// Writes the ID; a message shorter than that is left alone.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(bytes) = message.first_chunk_mut() {
        *bytes = id.to_be_bytes();
    }
}

/// Whether the TC bit is set.
pub fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// The low four bits of the RCODE, without what an OPT record adds.
pub fn rcode(message: &[u8]) -> u8 {
    message.get(3).map_or(0, |flags| flags & 0x0f)
}

/// How a message that came from an upstream relates to the query that is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the reply.
    Reply,
    /// It has another ID, or no header: a late reply to somebody else, or a forgery.
    Foreign,
    /// It has the ID, and yet another question or none, or it is a query itself.
    Mismatch,
}

/// Compares a message that came from an upstream with the query that is waiting.
///
/// The names are compared without regard to case: the query was not sent with random case.
pub fn relation(query: &[u8], message: &[u8]) -> Relation {
    if message.len() < HEADER_LEN || id(message) != id(query) {
        return Relation::Foreign;
    }
    let is_response = message[2] & 0x80 != 0;
    let same_opcode = message[2] & 0x78 == query.get(2).map_or(0, |flags| flags & 0x78);
    match (question(query), question(message)) {
        (Some(asked), Some(echoed))
            if is_response
                && same_opcode
                && asked.name.eq_ignore_ascii_case(echoed.name)
                && asked.type_and_class == echoed.type_and_class =>
        {
            Relation::Reply
        }
        _ => Relation::Mismatch,
    }
}

/// The one question of a message.
struct Question<'a> {
    /// In wire format, root label included.
    name: &'a [u8],
    type_and_class: [u8; 4],
}

/// `None` where there is not exactly one question, or it is cut short, or its name is compressed: there is nothing
/// before the first name that it could point to.
fn question(message: &[u8]) -> Option<Question<'_>> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER_LEN;
    loop {
        let len = usize::from(*message.get(at)?);
        at += 1;
        match len {
            0 => break,
            1..=63 => at += len,
            _ => return None,
        }
    }
    let name = message.get(HEADER_LEN..at)?;
    let type_and_class = *message.get(at..)?.first_chunk()?;
    Some(Question { name, type_and_class })
}

/// The header and the question of a reply that ends too early, without its records and with the TC bit.
pub fn cut_after_question(reply: &[u8]) -> Vec<u8> {
    let question_len = question(reply).map_or(0, |question| question.name.len() + 4);
    let mut cut: Vec<u8> = reply.iter().take(HEADER_LEN + question_len).copied().collect();
    cut.resize(cut.len().max(HEADER_LEN), 0);
    cut[2] |= 0x02;
    cut[4..HEADER_LEN].fill(0);
    cut[5] = u8::from(question_len > 0);
    cut
}

/// The reply with the header's counts set to the records that are there, where it ends between two records.
///
/// Some servers and boxes on the way leave records out and forget to say so. `None` where the counts are right, or the
/// reply ends within a record.
pub fn recounted(reply: &[u8]) -> Option<Vec<u8>> {
    let mut at = HEADER_LEN + question(reply)?.name.len() + 4;
    let mut recounted = reply.to_vec();
    for section in [6, 8, 10] {
        let count = u16::from_be_bytes(*reply.get(section..)?.first_chunk()?);
        let mut n_found = 0;
        while n_found < count && at < reply.len() {
            at = end_of_record(reply, at)?;
            n_found += 1;
        }
        recounted[section..section + 2].copy_from_slice(&n_found.to_be_bytes());
    }
    (recounted != reply).then_some(recounted)
}

/// The offset behind a record; `None` where the message ends before.
fn end_of_record(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*message.get(at)?) {
            0 => {
                at += 1;
                break;
            }
            len @ 1..=63 => at += 1 + len,
            // RFC 1035 §4.1.4: a pointer is the end of a name.
            0xc0.. => {
                at += 2;
                break;
            }
            _ => return None,
        }
    }
    // Type, class and TTL stand before the length.
    let len = u16::from_be_bytes(*message.get(at + 8..)?.first_chunk()?);
    let end = at + 10 + usize::from(len);
    (end <= message.len()).then_some(end)
}

/// A query for the NS records of `name` (wire format, root label included): what a health check asks.
pub(crate) fn ns_query(name: &[u8], recursion_desired: bool) -> Vec<u8> {
    let mut query = vec![0; HEADER_LEN];
    set_id(&mut query, rand::random());
    query[2] = u8::from(recursion_desired);
    query[5] = 1;
    query.extend_from_slice(name);
    query.extend_from_slice(&[0, 2, 0, 1]);
    query
}
