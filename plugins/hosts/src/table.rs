//! Names to addresses and back, as one hosts file gives them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugin::Zones;
use plugin::proto::rr::Name;
use smallvec::SmallVec;

use crate::config;

/// What a hosts file says. Names compare without regard to letter case.
#[derive(Debug, Default)]
pub(crate) struct Table {
    hosts: HashMap<Name, Host, ahash::RandomState>,
    names: HashMap<IpAddr, Vec<Name>, ahash::RandomState>,
    has_wildcards: bool,
}

/// The addresses of one name, in the order of the file.
#[derive(Debug, Default)]
struct Host {
    v4: SmallVec<[Ipv4Addr; 1]>,
    v6: SmallVec<[Ipv6Addr; 1]>,
}

impl Table {
    /// Reads lines of an address and names; `#` begins a comment. Lines that are no such are passed over,
    /// and so are names outside of `zones`.
    pub(crate) fn parse(text: &str, zones: &Zones, has_reverse: bool) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let (line, _comment) = line.split_once('#').unwrap_or((line, ""));
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(config::address) else { continue };
            for name in words.filter_map(host_name).filter(|name| zones.contain(name)) {
                table.add(name, address, has_reverse);
            }
        }
        table
    }

    fn add(&mut self, name: Name, address: IpAddr, has_reverse: bool) {
        let is_wildcard = name.iter().next() == Some(b"*");
        self.has_wildcards |= is_wildcard;
        if has_reverse && !is_wildcard {
            self.names.entry(address).or_default().push(name.clone());
        }
        let host = self.hosts.entry(name).or_default();
        match address {
            IpAddr::V4(v4) => host.v4.push(v4),
            IpAddr::V6(v6) => host.v6.push(v6),
        }
    }

    /// The IPv4 addresses of the name, or of the wildcard that stands for it.
    pub(crate) fn v4(&self, name: &Name) -> &[Ipv4Addr] {
        self.addresses(name, |host| &host.v4)
    }

    /// The IPv6 addresses of the name, or of the wildcard that stands for it.
    pub(crate) fn v6(&self, name: &Name) -> &[Ipv6Addr] {
        self.addresses(name, |host| &host.v6)
    }

    /// The names of the address.
    pub(crate) fn names(&self, address: &IpAddr) -> &[Name] {
        self.names.get(address).map_or(&[], Vec::as_slice)
    }

    /// Addresses of names and names of addresses.
    pub(crate) fn n_entries(&self) -> usize {
        let n_addresses: usize =
            self.hosts.values().map(|host| host.v4.len() + host.v6.len()).sum();
        n_addresses + self.names.values().map(Vec::len).sum::<usize>()
    }

    /// A wildcard stands in for one label, where the name itself has no address of the family.
    fn addresses<'a, A>(&'a self, name: &Name, family: impl Fn(&'a Host) -> &'a [A]) -> &'a [A] {
        let exact = self.hosts.get(name).map_or(&[][..], &family);
        if !exact.is_empty() || !self.has_wildcards {
            return exact;
        }
        let labels = [&b"*"[..]].into_iter().chain(name.iter().skip(1));
        match Name::from_labels(labels) {
            Ok(wildcard) if !name.is_root() => self.hosts.get(&wildcard).map_or(&[], &family),
            _ => &[],
        }
    }
}

/// The name in lower case, with a final dot; `None` where it cannot be asked for.
fn host_name(word: &str) -> Option<Name> {
    let word = word.strip_suffix('.').unwrap_or(word);
    if word.is_empty() {
        return None;
    }
    Name::from_labels(word.split('.').map(str::as_bytes)).ok().map(|name| name.to_lowercase())
}
