//! A question that nobody else asks, to see where it comes out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plugin::proto::op::{Message, MessageType, OpCode, Query};
use plugin::proto::rr::{Name, RecordType};

/// The probes under way, by name in lower case, and where they arrived from.
#[derive(Default)]
pub(crate) struct Probes(Mutex<HashMap<Name, Option<SocketAddr>>>);

impl Probes {
    /// Whether the name is a probe's; notes that it came back.
    pub(crate) fn note_arrival(&self, qname: &Name, client: SocketAddr) -> bool {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get_mut(qname) {
            None => false,
            Some(source) => {
                source.get_or_insert(client);
                true
            }
        }
    }
}

/// One question under way; it is forgotten when this is dropped.
pub(crate) struct Probe {
    qname: Name,
    query: Vec<u8>,
    probes: Arc<Probes>,
}

impl Probe {
    /// `HINFO <random>.<random>.<zone>`; `None` where the zone's name is too long for two more labels.
    pub(crate) fn new(zone: &str, probes: &Arc<Probes>) -> Option<Self> {
        // 62 random bits in each, as CoreDNS has them.
        let [first, second] = [rand::random::<u64>() >> 2, rand::random::<u64>() >> 2];
        let qname =
            Name::from_ascii(format!("{first}.{second}.{}", zone.trim_start_matches('.'))).ok()?;
        let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(qname.clone(), RecordType::HINFO));
        let query = message.to_vec().ok()?;
        let mut under_way = probes.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(qname.clone(), None);
        drop(under_way);
        Some(Self { qname, query, probes: Arc::clone(probes) })
    }

    pub(crate) fn qname(&self) -> &Name {
        &self.qname
    }

    /// In wire format.
    pub(crate) fn query(&self) -> &[u8] {
        &self.query
    }

    /// Who sent it to us, if it came back.
    pub(crate) fn arrived_from(&self) -> Option<SocketAddr> {
        let under_way = self.probes.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(&self.qname).copied().flatten()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.probes.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.qname);
    }
}

/// How long a probe may be under way.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// The pause until an upstream that kept silent is asked again.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// So that silence is put up with for 30 seconds.
pub(crate) const MAX_ATTEMPTS: u32 = 10;
/// The pause until an upstream that loops is looked at again.
pub(crate) const AGAIN: Duration = Duration::from_secs(30);
