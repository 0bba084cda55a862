//! Identical questions under way are asked once.
//!
//! The first to ask leads; the others wait for its reply. Identical means: the same octets but for the ID and the
//! letter case of the name, over the same transport. So flags, EDNS size and every EDNS option have to agree, and
//! nobody gets a reply that was meant for somebody else's subnet or cookie.
//!
//! When the leader's client goes away its work is dropped, and one of those who waited leads in its place.

use std::future::Future;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::watch;
use upstream::message::HEADER_LEN;

/// Questions under way, with what they will become.
pub(crate) struct Flights<T> {
    under_way: DashMap<Box<[u8]>, watch::Receiver<Option<T>>, ahash::RandomState>,
}

/// What became of a question.
pub(crate) enum Landed<T> {
    /// This caller asked it.
    Led(T),
    /// Another caller asked it.
    Shared(T),
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { under_way: DashMap::default() }
    }
}

impl<T: Clone + Send + Sync> Flights<T> {
    /// Asks with `ask`, or waits for the caller who is asking the same.
    pub(crate) async fn join<F: Future<Output = T>>(&self, key: &[u8], ask: F) -> Landed<T> {
        loop {
            let mut followed = match self.under_way.entry(key.into()) {
                Entry::Occupied(leader) => leader.get().clone(),
                Entry::Vacant(vacant) => {
                    let (sender, receiver) = watch::channel(None);
                    let seat = Seat { flights: self, key: vacant.key().clone() };
                    vacant.insert(receiver);
                    let landed = ask.await;
                    // Before the others hear of it, so that whoever comes now asks anew.
                    drop(seat);
                    if sender.receiver_count() > 0 {
                        sender.send_replace(Some(landed.clone()));
                    }
                    return Landed::Led(landed);
                }
            };
            if let Ok(landed) = followed.wait_for(Option::is_some).await
                && let Some(landed) = landed.clone()
            {
                return Landed::Shared(landed);
            }
            // The leader is gone without a result.
        }
    }
}

/// The leader's place; leaving it, by whatever way, makes it vacant.
struct Seat<'a, T> {
    flights: &'a Flights<T>,
    key: Box<[u8]>,
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        self.flights.under_way.remove(&self.key);
    }
}

/// What identical queries have in common: a tag for the transport, and the query without ID and letter case.
pub(crate) fn key(transport: u8, query: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(query.len() + 1);
    key.push(transport);
    key.extend_from_slice(query);
    key[1..].iter_mut().take(2).for_each(|octet| *octet = 0);
    let mut at = 1 + HEADER_LEN;
    while let Some(&len @ 1..=63) = key.get(at) {
        let end = (at + 1 + usize::from(len)).min(key.len());
        key[at + 1..end].make_ascii_lowercase();
        at = end;
    }
    key
}

#[cfg(test)]
impl<T> Flights<T> {
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }
}
