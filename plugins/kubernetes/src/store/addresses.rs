//! The index by address.

use std::hash::Hash;
use std::net::IpAddr;

use dashmap::mapref::entry::Entry as MapEntry;
use smallvec::SmallVec;

use super::Map;

/// What is found by an address; nearly always one thing.
pub(crate) type Holders<T> = SmallVec<[T; 1]>;

/// An index by address, split by family because IPv4 keys are a quarter of the size.
#[derive(Debug)]
pub(super) struct Addresses<T> {
    v4: Map<u32, Holder<T>>,
    v6: Map<u128, Holder<T>>,
}

/// Two words for a thin `T`, where `Holders` are three.
#[derive(Debug)]
enum Holder<T> {
    One(T),
    Many(Box<[T]>),
}

impl<T> Holder<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<T> Default for Addresses<T> {
    fn default() -> Self {
        Self { v4: Map::default(), v6: Map::default() }
    }
}

impl<T: Clone> Addresses<T> {
    pub(super) fn get(&self, address: IpAddr) -> Holders<T> {
        let holders = |holder: &Holder<T>| Holders::from(holder.all());
        match address {
            IpAddr::V4(address) => self.v4.get(&address.to_bits()).map(|holder| holders(&holder)),
            IpAddr::V6(address) => self.v6.get(&address.to_bits()).map(|holder| holders(&holder)),
        }
        .unwrap_or_default()
    }

    pub(super) fn add(&self, address: IpAddr, value: T) {
        match address {
            IpAddr::V4(address) => add(&self.v4, address.to_bits(), value),
            IpAddr::V6(address) => add(&self.v6, address.to_bits(), value),
        }
    }

    pub(super) fn remove(&self, address: IpAddr, is_it: impl Fn(&T) -> bool) {
        match address {
            IpAddr::V4(address) => remove(&self.v4, address.to_bits(), is_it),
            IpAddr::V6(address) => remove(&self.v6, address.to_bits(), is_it),
        }
    }
}

fn add<K: Eq + Hash, T: Clone>(map: &Map<K, Holder<T>>, key: K, value: T) {
    match map.entry(key) {
        MapEntry::Vacant(free) => drop(free.insert(Holder::One(value))),
        MapEntry::Occupied(mut taken) => {
            let many = taken.get().all().iter().cloned().chain([value]).collect();
            taken.insert(Holder::Many(many));
        }
    }
}

fn remove<K: Eq + Hash, T: Clone>(map: &Map<K, Holder<T>>, key: K, is_it: impl Fn(&T) -> bool) {
    let MapEntry::Occupied(mut taken) = map.entry(key) else { return };
    let mut left: Vec<T> =
        taken.get().all().iter().filter(|holder| !is_it(holder)).cloned().collect();
    match left.len() {
        0 => drop(taken.remove()),
        1 => drop(taken.insert(Holder::One(left.remove(0)))),
        _ => drop(taken.insert(Holder::Many(left.into()))),
    }
}
