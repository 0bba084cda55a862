//! From names to what they stand for.
//!
//! The labels left of the zone are read from the right, as Kubernetes' DNS specification lays them out:
//!
//! ```text
//!                            web . shop . svc . cluster.local.     a service
//!                     web-0. web . shop . svc . cluster.local.     one endpoint of it
//!             _http . _tcp . web . shop . svc . cluster.local.     one port of it
//!   zone-a . pin  . _zone . web . shop . svc . cluster.local.     its endpoints in one topology zone
//!                  10-0-0-1 . shop . pod . cluster.local.          a pod
//! ```
//!
//! Everything here is a look-up in the store: nothing waits, and what the answer was made from is noted
//! as epochs before it is read.

use std::net::IpAddr;
use std::sync::Arc;

use plugin::proto::rr::rdata::{A, AAAA, SRV};
use plugin::proto::rr::{Name, RData, Record};
use plugin::{Epoch, Replay};
use smallvec::SmallVec;

use crate::config::{Config, Pods};
use crate::kept::{Endpoint, Label, Port, Service, Shape, dashed};
use crate::store::{Entry, Key, Store, Stripe, split};

/// What the labels left of the zone ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// The apex, `svc` or `pod`: there are names below and no records.
    Top,
    /// `shop.svc` or `shop.pod`.
    Namespace(Branch, &'a [u8]),
    /// Something in a namespace.
    Item { branch: Branch, namespace: &'a [u8], name: &'a [u8], part: Part<'a> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    Svc,
    Pod,
}

/// What of a service is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Whole,
    Endpoint(&'a [u8]),
    Port {
        name: &'a [u8],
        protocol: &'a [u8],
    },
    /// The endpoints in a topology zone; with `prefer` all of them where it has none.
    Zone {
        zone: String,
        prefer: bool,
    },
}

impl Part<'_> {
    /// Whether all of the service is meant: also by `_._`, whose empty labels fit any port.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole | Self::Port { name: [], protocol: [] })
    }
}

impl<'a> Place<'a> {
    /// `None` for labels that no name of this shape has. `zonal` allows the topology zone's form.
    pub(crate) fn parse(labels: &[&'a [u8]], zonal: bool) -> Option<Self> {
        let Some((branch, labels)) = labels.split_last() else { return Some(Self::Top) };
        let branch = match () {
            () if branch.eq_ignore_ascii_case(b"svc") => Branch::Svc,
            () if branch.eq_ignore_ascii_case(b"pod") => Branch::Pod,
            () => return None,
        };
        let Some((namespace, labels)) = labels.split_last() else { return Some(Self::Top) };
        let Some((name, labels)) = labels.split_last() else {
            return Some(Self::Namespace(branch, namespace));
        };
        let part = match labels {
            [] => Part::Whole,
            [endpoint] => Part::Endpoint(endpoint),
            [port, protocol] => Part::Port { name: bare(port), protocol: bare(protocol) },
            [zone @ .., how, anchor] if zonal && branch == Branch::Svc => {
                let prefer = how.eq_ignore_ascii_case(b"prefer");
                if !anchor.eq_ignore_ascii_case(b"_zone")
                    || !(prefer || how.eq_ignore_ascii_case(b"pin"))
                {
                    return None;
                }
                let zone = String::from_utf8(zone.join(&b'.')).ok()?.to_ascii_lowercase();
                Part::Zone { zone, prefer }
            }
            _ => return None,
        };
        Some(Self::Item { branch, namespace, name, part })
    }
}

/// Without the underscore, which either label of a port may lack.
fn bare(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// There is no such name.
    Nothing,
    /// The name exists and has no records, whatever the type.
    Empty,
    /// The name is another name for this one.
    Alias(Arc<Service>),
    Pod(IpAddr),
    Service(FoundService<'a>),
}

/// A service, and what of it was asked for.
#[derive(Debug)]
pub(crate) struct FoundService<'a> {
    key: Key,
    entry: Arc<Entry>,
    service: Arc<Service>,
    part: Part<'a>,
}

/// One address with one port.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    address: IpAddr,
    port: &'a Port,
    /// `None` for the service as a whole.
    endpoint: Option<Endpoint<'a>>,
}

/// The answers to one query, and what they were made from.
pub(crate) struct Look<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a Config,
    epochs: SmallVec<[Epoch; 4]>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(store: &'a Store, config: &'a Config) -> Self {
        Self { store, config, epochs: SmallVec::new() }
    }

    /// Notes that the answer is made from what `stripe` guards. Call it before reading that.
    pub(crate) fn guard(&mut self, stripe: Stripe<'_>) {
        self.epochs.push(self.store.epoch(stripe));
    }

    /// For how long the answer holds.
    pub(crate) fn replay(&mut self) -> Replay {
        Replay::while_unchanged(std::mem::take(&mut self.epochs))
    }

    /// Whether the namespace exists and is one of those that are answered for.
    pub(crate) fn is_exposed(&mut self, namespace: &str) -> bool {
        if !self.is_listed(namespace) {
            return false;
        }
        self.guard(Stripe::Namespace(namespace));
        self.store.has_namespace(namespace)
    }

    fn is_listed(&self, namespace: &str) -> bool {
        let listed = &self.config.namespaces;
        listed.is_empty() || listed.iter().any(|name| name == namespace)
    }

    /// What the labels left of the zone stand for.
    pub(crate) fn find<'q>(&mut self, labels: &[&'q [u8]]) -> Found<'q> {
        match Place::parse(labels, self.config.detail.zones) {
            None => Found::Nothing,
            Some(Place::Top) => Found::Empty,
            Some(Place::Namespace(branch, namespace)) => {
                let Some(key) = Key::new(namespace, b"") else { return Found::Nothing };
                let is_answered = branch == Branch::Svc || self.config.pods != Pods::Disabled;
                if is_answered && self.is_exposed(key.namespace()) {
                    Found::Empty
                } else {
                    Found::Nothing
                }
            }
            Some(Place::Item { branch, namespace, name, part }) => {
                let Some(key) = Key::new(namespace, name) else { return Found::Nothing };
                if !self.is_exposed(key.namespace()) {
                    return Found::Nothing;
                }
                match branch {
                    Branch::Pod => self.find_pod(&key, name),
                    Branch::Svc => self.find_service(key, part),
                }
            }
        }
    }

    fn find_pod(&mut self, key: &Key, name: &[u8]) -> Found<'static> {
        let Some(address) = undashed(name) else { return Found::Nothing };
        let is_there = match self.config.pods {
            Pods::Disabled => false,
            Pods::Insecure => true,
            Pods::Verified => {
                self.guard(Stripe::Address(address));
                let pods = self.store.pods_at(address);
                pods.iter().any(|pod| *pod.namespace == *key.namespace())
            }
        };
        if is_there { Found::Pod(address) } else { Found::Nothing }
    }

    fn find_service<'q>(&mut self, key: Key, part: Part<'q>) -> Found<'q> {
        self.guard(Stripe::Service(key.as_str()));
        let Some(entry) = self.store.entry(key.as_str()) else { return Found::Nothing };
        let Some(service) = entry.service.clone() else { return Found::Nothing };
        match &service.shape {
            // An address is no name, and the endpoints and ports of an alias are not ours.
            Shape::ExternalName(target) if !part.is_whole() || target.parse::<IpAddr>().is_ok() => {
                return Found::Nothing;
            }
            Shape::ExternalName(_) => return Found::Alias(service),
            Shape::ClusterIp(_) => {
                let is_empty = self.config.ignore_empty && !entry.has_endpoints();
                // A cluster IP is in no topology zone.
                if is_empty || matches!(part, Part::Zone { .. }) {
                    return Found::Nothing;
                }
            }
            Shape::Headless => {}
        }
        let found = FoundService { key, entry, service, part };
        let mut n_items = 0;
        let exists = found.each(&mut |_| n_items += 1);
        match exists {
            false => Found::Nothing,
            true if n_items == 0 => Found::Empty,
            true => Found::Service(found),
        }
    }
}

impl FoundService<'_> {
    /// Calls `visit` for each address with each port; whether the name exists.
    fn each(&self, visit: &mut dyn FnMut(Item<'_>)) -> bool {
        if let (Shape::ClusterIp(addresses), Part::Whole | Part::Port { .. }) =
            (&self.service.shape, &self.part)
        {
            let mut exists = false;
            for port in self.service.ports.iter().filter(|port| self.wants(port)) {
                exists = true;
                for &address in addresses {
                    visit(Item { address, port, endpoint: None });
                }
            }
            return exists;
        }
        match &self.part {
            Part::Zone { zone, prefer } => {
                let n_items = self.each_endpoint(visit, |endpoint| endpoint.zone == Some(zone));
                if n_items == 0 && *prefer {
                    self.each_endpoint(visit, |_| true);
                }
                // The name of a zone without endpoints exists: the zone may have been drained.
                true
            }
            Part::Endpoint(label) => {
                let wanted = Wanted::new(label);
                self.each_endpoint(visit, |endpoint| wanted.is(endpoint)) > 0
            }
            Part::Whole | Part::Port { .. } => self.each_endpoint(visit, |_| true) > 0,
        }
    }

    fn each_endpoint(
        &self,
        visit: &mut dyn FnMut(Item<'_>),
        is_wanted: impl Fn(&Endpoint<'_>) -> bool,
    ) -> usize {
        let mut n_items = 0;
        for slice in &self.entry.slices {
            for endpoint in slice.endpoints().filter(&is_wanted) {
                for port in slice.ports.iter().filter(|port| self.wants(port)) {
                    visit(Item { address: endpoint.address, port, endpoint: Some(endpoint) });
                    n_items += 1;
                }
            }
        }
        n_items
    }

    fn wants(&self, port: &Port) -> bool {
        match &self.part {
            Part::Port { name, protocol } => port.fits(name, protocol),
            Part::Whole | Part::Endpoint(_) | Part::Zone { .. } => true,
        }
    }

    /// The address records at `owner`, each address once.
    pub(crate) fn addresses(&self, owner: &Name, ttl_secs: u32, v6: bool) -> Vec<Record> {
        let mut seen = Seen::default();
        let mut records = Vec::new();
        self.each(&mut |item| {
            let address = item.address.to_canonical();
            if address.is_ipv6() == v6 && seen.is_new(address) {
                records.push(address_record(owner.clone(), ttl_secs, address));
            }
        });
        records
    }

    /// The SRV records at `owner`, and the addresses of their targets.
    ///
    /// Each pair of address and port weighs the same. CoreDNS counts them before it drops duplicates, so
    /// two addresses behind one target weigh 50, and so they do here.
    pub(crate) fn srv(
        &self,
        owner: &Name,
        zone: &Name,
        ttl_secs: u32,
    ) -> (Vec<Record>, Vec<Record>) {
        let mut n_items = 0_u16;
        self.each(&mut |_| n_items = n_items.saturating_add(1));
        let weight = (100 / n_items.max(1)).max(1);
        let Some(base) = service_name(self.key.as_str(), zone) else { return Default::default() };
        let (mut records, mut glue) = (Vec::new(), Vec::new());
        let (mut seen_ports, mut seen_addresses) = (Seen::default(), Seen::default());
        self.each(&mut |item| {
            let Some(port) = item.port.number else { return };
            let label = item.endpoint.map_or_else(Label::new, |endpoint| endpoint.label());
            let target = if label.is_empty() { Some(base.clone()) } else { below(&label, &base) };
            let Some(target) = target else { return };
            let address = item.address.to_canonical();
            if seen_ports.is_new((label.clone(), port)) {
                let srv = RData::SRV(SRV::new(0, weight, port, target.clone()));
                records.push(Record::from_rdata(owner.clone(), ttl_secs, srv));
            }
            if seen_addresses.is_new((label, address)) {
                glue.push(address_record(target, ttl_secs, address));
            }
        });
        (records, glue)
    }
}

/// The label of an endpoint that is asked for.
struct Wanted<'a> {
    label: &'a [u8],
    /// The address that the label is made from, where it is.
    address: Option<IpAddr>,
}

impl<'a> Wanted<'a> {
    fn new(label: &'a [u8]) -> Self {
        // An address has other spellings as well, which no endpoint is called by.
        let is_exact = |address: &IpAddr| dashed(*address).eq_ignore_ascii_case(label);
        Self { label, address: undashed(label).filter(is_exact) }
    }

    fn is(&self, endpoint: &Endpoint<'_>) -> bool {
        match endpoint.name {
            Some(name) => name.as_bytes().eq_ignore_ascii_case(self.label),
            None => self.address == Some(endpoint.address),
        }
    }
}

/// `10-0-0-1` or `2001-db8--1` as an address.
fn undashed(label: &[u8]) -> Option<IpAddr> {
    let label = str::from_utf8(label).ok()?;
    let is_v4 = label.matches('-').count() == 3 && !label.contains("--");
    let text = label.replace('-', if is_v4 { "." } else { ":" });
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// `web.shop.svc.` and the zone, for `shop/web`.
pub(crate) fn service_name(key: &str, zone: &Name) -> Option<Name> {
    let (namespace, name) = split(key);
    let labels = [name.as_bytes(), namespace.as_bytes(), b"svc"];
    let mut full = Name::new();
    for label in labels {
        full = full.append_label(label).ok()?;
    }
    full.append_name(zone).ok()
}

/// A name one label longer; `None` where that is too long.
pub(crate) fn below(label: &[u8], base: &Name) -> Option<Name> {
    Name::new().append_label(label).ok()?.append_name(base).ok()
}

/// An A or AAAA record.
pub(crate) fn address_record(owner: Name, ttl_secs: u32, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    Record::from_rdata(owner, ttl_secs, data)
}

/// What has been seen: a list while it is short.
pub(crate) struct Seen<T> {
    few: SmallVec<[T; 8]>,
    many: std::collections::HashSet<T, ahash::RandomState>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { few: SmallVec::new(), many: std::collections::HashSet::default() }
    }
}

impl<T: std::hash::Hash + Eq> Seen<T> {
    /// Whether this is the first time.
    pub(crate) fn is_new(&mut self, value: T) -> bool {
        if self.few.len() < 8 {
            let is_new = !self.few.contains(&value);
            if is_new {
                self.few.push(value);
            }
            return is_new;
        }
        !self.few.contains(&value) && self.many.insert(value)
    }
}
