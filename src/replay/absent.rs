//! A build without the fast path: every query takes the chain.

use std::net::IpAddr;

use tokio::time::Instant;

use crate::finish::Finished;

/// Always empty.
pub(crate) struct Table;

/// No query has one.
pub(crate) enum Key {}

#[expect(clippy::unused_self, reason = "the shape of the real table")]
impl Table {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn key(&self, _message: &[u8], _client: IpAddr) -> Option<Key> {
        None
    }

    pub(crate) fn follow(&mut self, _generation: u64) {}

    pub(crate) fn replay(&mut self, key: &Key, _: [u8; 2], _: Instant, _: &mut Vec<u8>) -> bool {
        match *key {}
    }

    pub(crate) fn keep(&mut self, key: &Key, _finished: &Finished, _made: Instant) {
        match *key {}
    }
}
