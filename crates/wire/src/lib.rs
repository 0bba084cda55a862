//! A DNS message as borrowed bytes: what can be known of a query without decoding it.
//!
//! [`screen()`] decides in a few comparisons whether a message is worth decoding at all, and gives
//! a [`QueryView`] of those that are. Nothing here allocates, blocks or panics, whatever the bytes.
//!
//! ```text
//!  0      2      4      6      8     10     12
//!  │  ID  │flags │QDCNT │ANCNT │NSCNT │ARCNT │ QNAME … │QTYPE│QCLASS│ [OPT]
//! ```

mod name;
mod query;
mod screen;

pub use name::{LowerName, MAX_NAME_LEN, skip_name};
pub use query::{Opt, QueryView, Question};
pub use screen::{Screened, malformed_after_question, rejection, screen};

/// Octets of the header (RFC 1035 §4.1.1).
pub const HEADER_LEN: usize = 12;

/// Reads two octets in network order; `None` past the end.
pub(crate) fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

#[cfg(test)]
mod tests;
