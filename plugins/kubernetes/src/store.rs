//! The cluster's objects, as the query path finds them.
//!
//! ```text
//!   watch, one task a kind            queries, any thread
//!          │ apply, remove                 │ service, address, pod, namespace
//!          ▼                               ▼
//!   ┌─ by (namespace, service) ─┬─ by address ─┬─ namespaces ─┐
//!   └───────────── sharded maps, one shard read a look-up ────┘
//!          │ afterwards
//!          ▼
//!   epochs: end the replay of answers made from the changed key, and of no others
//! ```
//!
//! There is one writer for each kind of object. Readers never wait for a list or a watch; while a new
//! list comes in, what it has not named yet stays, and [`Store::end_list`] drops what it did not name.
//!
//! Kubernetes names are lower case, so keys are lower-cased queries: see [`Key`].

mod addresses;

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as MapEntry;
use plugin::{Epoch, Epochs};
use smallvec::SmallVec;
use tokio::sync::watch;

use self::addresses::Addresses;
pub(crate) use self::addresses::Holders;
use crate::kept::{Detail, Marked, Names, Namespace, Pod, Service, Slice};
use crate::object;

type Map<K, V> = DashMap<K, V, ahash::RandomState>;

/// The objects of one cluster.
#[derive(Debug)]
pub(crate) struct Store {
    detail: Detail,
    wanted: u8,
    services: Map<Arc<str>, Arc<Entry>>,
    namespaces: Map<Arc<str>, Namespace>,
    /// By `namespace/slice`.
    slices: Map<Box<str>, Arc<Slice>>,
    /// By `namespace/pod`.
    pods: Map<Box<str>, Arc<Pod>>,
    cluster_ips: Addresses<Arc<str>>,
    endpoint_ips: Addresses<Arc<Slice>>,
    pod_ips: Addresses<Arc<Pod>>,
    names: Names,
    epochs: Epochs,
    lists: [AtomicU32; 4],
    synced: AtomicU8,
    syncing: Mutex<()>,
    has_synced: watch::Sender<bool>,
    /// Unix seconds of the last change; 0 before the first.
    serial: AtomicU32,
    /// The serial when every kind had been listed; 0 before.
    first_serial: AtomicU32,
}

/// What stands at (namespace, service).
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// `None` where only slices are known, so far.
    pub(crate) service: Option<Arc<Service>>,
    pub(crate) slices: SmallVec<[Arc<Slice>; 1]>,
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Service,
    EndpointSlice,
    Namespace,
    Pod,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] =
        [Self::Service, Self::EndpointSlice, Self::Namespace, Self::Pod];

    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// As the Kubernetes documentation spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
        }
    }
}

/// What an epoch guards.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Stripe<'a> {
    /// A service with its slices, by `namespace/service`.
    Service(&'a str),
    Namespace(&'a str),
    /// Everything found by an address: services, endpoints, pods.
    Address(IpAddr),
    /// The serial of SOA records.
    Serial,
    /// Whether everything has been listed.
    Sync,
}

/// `namespace/service` in lower case, on the stack.
#[derive(Debug)]
pub(crate) struct Key {
    text: [u8; 128],
    n_namespace: u8,
    len: u8,
}

impl Key {
    /// From labels in any case; `None` for what no Kubernetes name can be.
    pub(crate) fn new(namespace: &[u8], name: &[u8]) -> Option<Self> {
        let mut key = Self { text: [0; 128], n_namespace: 0, len: 0 };
        for &byte in namespace.iter().chain(b"/").chain(name) {
            if !byte.is_ascii_graphic() {
                return None;
            }
            *key.text.get_mut(usize::from(key.len))? = byte.to_ascii_lowercase();
            key.len += 1;
        }
        key.n_namespace = u8::try_from(namespace.len()).ok()?;
        Some(key)
    }

    /// `namespace/service`.
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The part before the slash.
    pub(crate) fn namespace(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.n_namespace)]).unwrap_or_default()
    }
}

/// The namespace and the name in a key.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or((key, ""))
}

impl Store {
    /// An empty store that has synced once all of `kinds` have been listed.
    pub(crate) fn new(detail: Detail, kinds: &[Kind]) -> Self {
        Self {
            detail,
            wanted: kinds.iter().fold(0, |bits, kind| bits | kind.bit()),
            services: Map::default(),
            namespaces: Map::default(),
            slices: Map::default(),
            pods: Map::default(),
            cluster_ips: Addresses::default(),
            endpoint_ips: Addresses::default(),
            pod_ips: Addresses::default(),
            names: Names::default(),
            epochs: Epochs::new(N_STRIPES),
            lists: Default::default(),
            synced: AtomicU8::new(0),
            syncing: Mutex::default(),
            has_synced: watch::Sender::new(false),
            serial: AtomicU32::new(0),
            first_serial: AtomicU32::new(0),
        }
    }

    /// Whether objects of this kind are wanted.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        self.wanted & kind.bit() != 0
    }

    // What queries ask. Read the epoch before the data.

    pub(crate) fn epoch(&self, stripe: Stripe<'_>) -> Epoch {
        self.epochs.read(stripe)
    }

    /// What stands at `namespace/service`.
    pub(crate) fn entry(&self, key: &str) -> Option<Arc<Entry>> {
        self.services.get(key).map(|entry| Arc::clone(&entry))
    }

    /// Every service with its slices, by `namespace/service`; in no order.
    pub(crate) fn entries(&self) -> Vec<(Arc<str>, Arc<Entry>)> {
        let pair = |entry: dashmap::mapref::multiple::RefMulti<'_, Arc<str>, Arc<Entry>>| {
            (Arc::clone(entry.key()), Arc::clone(entry.value()))
        };
        self.services.iter().map(pair).collect()
    }

    pub(crate) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// The services with this cluster IP, by `namespace/service`.
    pub(crate) fn services_at(&self, address: IpAddr) -> Holders<Arc<str>> {
        self.cluster_ips.get(address)
    }

    /// The slices with this address among their ready endpoints.
    pub(crate) fn slices_at(&self, address: IpAddr) -> Holders<Arc<Slice>> {
        self.endpoint_ips.get(address)
    }

    /// The pods with this address.
    pub(crate) fn pods_at(&self, address: IpAddr) -> Holders<Arc<Pod>> {
        self.pod_ips.get(address)
    }

    /// Whether every wanted kind has been listed once. It never becomes false again.
    pub(crate) fn has_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire) & self.wanted == self.wanted
    }

    /// Returns once the store has synced.
    pub(crate) async fn synced(&self) {
        // The sender lives as long as `self`, so this ends only when it is true.
        let _ = self.has_synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// The zone's serial: Unix seconds of the last change seen here.
    pub(crate) fn serial(&self) -> u32 {
        self.serial.load(Ordering::Relaxed)
    }

    /// The serial in the SOA of negative answers: that of the first complete view.
    ///
    /// A negative answer is replayed until something changes that could make it positive. Were the
    /// latest serial part of it, any change anywhere would make it different; and nobody reads the
    /// serial there (RFC 2308 §5 takes the TTL and the MINIMUM).
    pub(crate) fn negative_serial(&self) -> u32 {
        self.first_serial.load(Ordering::Relaxed)
    }

    /// How many objects of a kind there are.
    #[cfg(test)]
    pub(crate) fn len(&self, kind: Kind) -> usize {
        match kind {
            Kind::Service => self.services.iter().filter(|entry| entry.service.is_some()).count(),
            Kind::EndpointSlice => self.slices.len(),
            Kind::Namespace => self.namespaces.len(),
            Kind::Pod => self.pods.len(),
        }
    }

    // What sources tell.

    /// A new list of a kind begins: everything applied until it ends counts as named by it.
    pub(crate) fn begin_list(&self, kind: Kind) {
        self.lists[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The list has ended: drops what it did not name, and says how many objects that were.
    pub(crate) fn end_list(&self, kind: Kind) -> usize {
        let list = self.list(kind);
        let n_dropped = match kind {
            Kind::Service => {
                let gone = |entry: &Arc<Entry>| {
                    entry.service.as_ref().is_some_and(|service| !service.mark().is(list))
                };
                Self::sweep(&self.services, gone, |key| self.remove_service(key))
            }
            Kind::EndpointSlice => Self::sweep(
                &self.slices,
                |slice| !slice.mark().is(list),
                |key| self.remove_slice(key),
            ),
            Kind::Namespace => Self::sweep(
                &self.namespaces,
                |namespace| !namespace.mark().is(list),
                |key| self.remove_namespace(key),
            ),
            Kind::Pod => {
                Self::sweep(&self.pods, |pod| !pod.mark().is(list), |key| self.remove_pod(key))
            }
        };
        self.set_synced(kind);
        n_dropped
    }

    /// Adds or replaces an object; whether that changed any answer.
    pub(crate) fn apply_service(&self, service: &object::Service) -> bool {
        let Some(key) = key_of(&service.metadata) else { return false };
        let new = Arc::new(Service::new(service, &self.names));
        new.mark().set(self.list(Kind::Service));
        let old = {
            let mut entry = self.services.entry(key.as_str().into()).or_default();
            if let Some(old) = entry.service.as_ref().filter(|old| ***old == *new) {
                old.mark().set(self.list(Kind::Service));
                return false;
            }
            let mut changed = Entry::clone(&entry);
            let old = changed.service.replace(Arc::clone(&new));
            *entry = Arc::new(changed);
            old
        };
        let before = old.as_ref().map_or(&[][..], |old| old.cluster_ips());
        self.readdress_service(&key, before, new.cluster_ips());
        self.bump(Stripe::Service(&key));
        true
    }

    /// Removes a service by `namespace/service`; whether it was there.
    pub(crate) fn remove_service(&self, key: &str) -> bool {
        let Some(mut entry) = self.services.get_mut(key) else { return false };
        let Some(old) = entry.service.clone() else { return false };
        *entry = Arc::new(Entry { service: None, slices: entry.slices.clone() });
        drop(entry);
        self.services.remove_if(key, |_, entry| entry.is_empty());
        self.readdress_service(key, old.cluster_ips(), &[]);
        self.bump(Stripe::Service(key));
        true
    }

    pub(crate) fn apply_slice(&self, slice: &object::EndpointSlice) -> bool {
        let Some(key) = key_of(&slice.metadata) else { return false };
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(object::SERVICE_NAME_LABEL));
        let (namespace, _) = split(&key);
        let service = service.map_or("", String::as_str).to_ascii_lowercase();
        let service = self.service_key(&format!("{namespace}/{service}"));
        let new = Slice::new(slice, service, self.detail, &self.names);
        new.mark().set(self.list(Kind::EndpointSlice));
        if let Some(old) = self.slices.get(&*key).filter(|old| ***old == new) {
            old.mark().set(self.list(Kind::EndpointSlice));
            return false;
        }
        let new = Arc::new(new);
        let old = self.slices.insert(key.into(), Arc::clone(&new));
        self.replace_slice(old.as_ref(), Some(&new));
        true
    }

    /// Removes a slice by `namespace/slice`; whether it was there.
    pub(crate) fn remove_slice(&self, key: &str) -> bool {
        let Some((_, old)) = self.slices.remove(key) else { return false };
        self.replace_slice(Some(&old), None);
        true
    }

    pub(crate) fn apply_namespace(&self, namespace: &object::Namespace) -> bool {
        let Some(name) = &namespace.metadata.name else { return false };
        let list = self.list(Kind::Namespace);
        match self.namespaces.entry(name.as_str().into()) {
            MapEntry::Occupied(known) => {
                known.get().mark().set(list);
                return false;
            }
            MapEntry::Vacant(free) => free.insert(Namespace::default()).mark().set(list),
        }
        // The zone's serial stays as it is: namespaces have no records of their own.
        self.epochs.bump(Stripe::Namespace(name));
        true
    }

    pub(crate) fn remove_namespace(&self, name: &str) -> bool {
        let was_there = self.namespaces.remove(name).is_some();
        if was_there {
            self.epochs.bump(Stripe::Namespace(name));
        }
        was_there
    }

    pub(crate) fn apply_pod(&self, pod: &object::Pod) -> bool {
        let Some(key) = key_of(&pod.metadata) else { return false };
        let list = self.list(Kind::Pod);
        if pod.metadata.deletion_timestamp.is_some() {
            // A pod that is on its way out is not news; it stays until it is gone.
            if let Some(old) = self.pods.get(&*key) {
                old.mark().set(list);
            }
            return false;
        }
        let Some(new) = Pod::new(pod, self.names.get(split(&key).0)) else {
            return self.remove_pod(&key);
        };
        new.mark().set(list);
        if let Some(old) = self.pods.get(&*key).filter(|old| ***old == new) {
            old.mark().set(list);
            return false;
        }
        let new = Arc::new(new);
        let old = self.pods.insert(key.into(), Arc::clone(&new));
        self.pod_ips.add(new.address, Arc::clone(&new));
        if let Some(old) = old {
            self.forget_pod(&old);
        }
        self.bump(Stripe::Address(new.address));
        true
    }

    /// Removes a pod by `namespace/pod`; whether it was there.
    pub(crate) fn remove_pod(&self, key: &str) -> bool {
        let Some((_, old)) = self.pods.remove(key) else { return false };
        self.forget_pod(&old);
        true
    }

    fn forget_pod(&self, old: &Arc<Pod>) {
        self.pod_ips.remove(old.address, |pod| Arc::ptr_eq(pod, old));
        self.bump(Stripe::Address(old.address));
    }

    fn replace_slice(&self, old: Option<&Arc<Slice>>, new: Option<&Arc<Slice>>) {
        let same_service = old.zip(new).is_some_and(|(old, new)| old.service == new.service);
        if same_service {
            // In one step, so that no query sees the service without the slice.
            self.edit_slices(old, new);
        } else {
            self.edit_slices(None, new);
            self.edit_slices(old, None);
        }
        let none: &[IpAddr] = &[];
        let before = old.map_or(none, |old| &old.addresses);
        let after = new.map_or(none, |new| &new.addresses);
        if let Some(new) = new {
            for &address in after {
                self.endpoint_ips.add(address, Arc::clone(new));
            }
        }
        if let Some(old) = old {
            for &address in before {
                self.endpoint_ips.remove(address, |slice| Arc::ptr_eq(slice, old));
            }
        }
        for &address in before.iter().chain(after) {
            self.epochs.bump(Stripe::Address(address));
        }
        for slice in old.into_iter().chain(new) {
            self.bump(Stripe::Service(&slice.service));
        }
    }

    /// Takes a slice of a service out, puts one in, or one in the place of another.
    fn edit_slices(&self, out: Option<&Arc<Slice>>, into: Option<&Arc<Slice>>) {
        let Some(service) = into.or(out).map(|slice| &slice.service) else { return };
        let mut entry = self.services.entry(Arc::clone(service)).or_default();
        let mut changed = Entry::clone(&entry);
        let place =
            out.and_then(|out| changed.slices.iter().position(|slice| Arc::ptr_eq(slice, out)));
        match (place, into) {
            (Some(place), Some(into)) => changed.slices[place] = Arc::clone(into),
            (Some(place), None) => drop(changed.slices.remove(place)),
            (None, Some(into)) => changed.slices.push(Arc::clone(into)),
            (None, None) => return,
        }
        *entry = Arc::new(changed);
        drop(entry);
        self.services.remove_if(service, |_, entry| entry.is_empty());
    }

    fn readdress_service(&self, key: &str, before: &[IpAddr], after: &[IpAddr]) {
        let key = self.service_key(key);
        for &address in after.iter().filter(|address| !before.contains(address)) {
            self.cluster_ips.add(address, Arc::clone(&key));
        }
        for &address in before.iter().filter(|address| !after.contains(address)) {
            self.cluster_ips.remove(address, |holder| *holder == key);
        }
        for &address in before.iter().chain(after) {
            self.epochs.bump(Stripe::Address(address));
        }
    }

    /// The key as the map holds it, so that each is kept once.
    fn service_key(&self, key: &str) -> Arc<str> {
        self.services.get(key).map_or_else(|| key.into(), |entry| Arc::clone(entry.key()))
    }

    /// Removes every key whose value is `gone`; how many there were.
    fn sweep<K: Eq + Hash + Clone + AsRef<str>, V>(
        map: &Map<K, V>,
        gone: impl Fn(&V) -> bool,
        remove: impl Fn(&str) -> bool,
    ) -> usize {
        let keys: Vec<K> = map
            .iter()
            .filter(|entry| gone(entry.value()))
            .map(|entry| entry.key().clone())
            .collect();
        keys.iter().filter(|key| remove(key.as_ref())).count()
    }

    fn list(&self, kind: Kind) -> u32 {
        self.lists[kind as usize].load(Ordering::Relaxed)
    }

    /// A change is visible from now on: its answers and the serial are fresh.
    fn bump(&self, stripe: Stripe<'_>) {
        // RFC 1982 §3: serials are 32 bits and wrap, in 2106 for the first time.
        let now = plugin::clock::unix_now().as_secs() & u64::from(u32::MAX);
        self.serial.store(u32::try_from(now).unwrap_or_default(), Ordering::Relaxed);
        self.epochs.bump(stripe);
        self.epochs.bump(Stripe::Serial);
    }

    fn set_synced(&self, kind: Kind) {
        // One at a time, so that the serial is there before anybody can see that all is synced.
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let after = self.synced.load(Ordering::Acquire) | kind.bit();
        if after & self.wanted == self.wanted && !self.has_synced() {
            self.first_serial.store(self.serial(), Ordering::Relaxed);
        }
        self.synced.store(after, Ordering::Release);
        if self.has_synced() && !self.has_synced.send_replace(true) {
            self.epochs.bump(Stripe::Sync);
        }
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.service.is_none() && self.slices.is_empty()
    }

    /// Whether any slice has a ready endpoint.
    pub(crate) fn has_endpoints(&self) -> bool {
        self.slices.iter().any(|slice| !slice.addresses.is_empty())
    }
}

/// `namespace/name` in lower case; `None` for an object without a name.
fn key_of(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Option<String> {
    let name = metadata.name.as_deref()?;
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    Some(format!("{namespace}/{name}").to_ascii_lowercase())
}

/// The key of a namespaced object, as [`Store`]'s removals take it.
pub(crate) fn key(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> String {
    key_of(metadata).unwrap_or_default()
}

/// Two stripes for each of 8,000 services and addresses cost 128 KiB.
const N_STRIPES: usize = 16_384;

#[cfg(test)]
mod tests;
