//! The small forms of objects that the store keeps.
//!
//! A cluster of 10,000 services and 100,000 endpoints should cost a few megabytes, so strings that many
//! objects share are interned, addresses are bytes, and what most objects lack takes one pointer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashSet;

use crate::object;

/// What the store leaves out of the objects it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Detail {
    /// `endpoint_pod_names`: an endpoint without a hostname is named after its pod.
    pub(crate) pod_names: bool,
    /// `zonal`: each endpoint's topology zone is kept.
    pub(crate) zones: bool,
}

/// A Service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) shape: Shape,
    /// Never empty: an entry without a number stands for a service without ports.
    pub(crate) ports: Box<[Port]>,
    /// `spec.externalIPs`, then the load balancer's addresses or host names.
    pub(crate) external_ips: Box<[Box<str>]>,
    mark: Mark,
}

/// What a Service's name leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    ClusterIp(Box<[IpAddr]>),
    Headless,
    ExternalName(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: Arc<str>,
    pub(crate) protocol: Protocol,
    /// `None` where the object declares no port: there are addresses but no SRV records.
    pub(crate) number: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Sctp,
    Other,
}

/// An EndpointSlice: its ready endpoints.
#[derive(Debug)]
pub(crate) struct Slice {
    /// `namespace/service`.
    pub(crate) service: Arc<str>,
    pub(crate) ports: Box<[Port]>,
    pub(crate) addresses: Box<[IpAddr]>,
    /// The endpoints' names, index by index, where any has one.
    names: Option<Box<[Option<Box<str>>]>>,
    /// The endpoints' topology zones in lower case, index by index, where any has one.
    zones: Option<Box<[Option<Arc<str>>]>>,
    mark: Mark,
}

/// A Pod that has an address.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) address: IpAddr,
    pub(crate) namespace: Arc<str>,
    mark: Mark,
}

/// A Namespace.
#[derive(Debug, Default)]
pub(crate) struct Namespace {
    mark: Mark,
}

/// The list that an object was last seen in: what a newer list lacks is gone.
#[derive(Debug, Default)]
pub(crate) struct Mark(AtomicU32);

impl Mark {
    pub(crate) fn set(&self, list: u32) {
        self.0.store(list, Ordering::Relaxed);
    }

    pub(crate) fn is(&self, list: u32) -> bool {
        self.0.load(Ordering::Relaxed) == list
    }
}

/// An object that is listed again and again.
pub(crate) trait Marked {
    fn mark(&self) -> &Mark;
}

macro_rules! marked {
    ($($type:ty),*) => {
        $(impl Marked for $type {
            fn mark(&self) -> &Mark {
                &self.mark
            }
        })*
    };
}

marked!(Service, Slice, Pod, Namespace);

/// Strings that many objects share.
#[derive(Default)]
pub(crate) struct Names(DashSet<Arc<str>, ahash::RandomState>);

impl Names {
    pub(crate) fn get(&self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(&known);
        }
        let name: Arc<str> = text.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Names").field(&self.0.len()).finish()
    }
}

impl Service {
    pub(crate) fn new(service: &object::Service, names: &Names) -> Self {
        let empty = object::ServiceSpec::default();
        let spec = service.spec.as_ref().unwrap_or(&empty);
        let cluster_ips = match &spec.cluster_ips {
            Some(ips) if !ips.is_empty() => ips.as_slice(),
            _ => spec.cluster_ip.as_slice(),
        };
        let shape = if spec.kind.as_deref() == Some("ExternalName") {
            Shape::ExternalName(spec.external_name.as_deref().unwrap_or_default().into())
        } else if cluster_ips.first().is_some_and(|ip| ip == "None") {
            Shape::Headless
        } else {
            Shape::ClusterIp(cluster_ips.iter().filter_map(|ip| ip.parse().ok()).collect())
        };
        let ingress = service.status.iter().filter_map(|status| status.load_balancer.as_ref());
        let ingress = ingress.flat_map(|balancer| balancer.ingress.iter().flatten());
        let balancers = ingress.filter_map(|ingress| {
            let ip = ingress.ip.as_ref().filter(|ip| !ip.is_empty());
            ip.or(ingress.hostname.as_ref())
        });
        Self {
            shape,
            ports: Port::all(spec.ports.as_deref(), names),
            external_ips: spec
                .external_ips
                .iter()
                .flatten()
                .chain(balancers)
                .map(|text| text.as_str().into())
                .collect(),
            mark: Mark::default(),
        }
    }

    pub(crate) fn is_headless(&self) -> bool {
        self.shape == Shape::Headless
    }

    /// The addresses that lead to the service by themselves.
    pub(crate) fn cluster_ips(&self) -> &[IpAddr] {
        match &self.shape {
            Shape::ClusterIp(ips) => ips,
            Shape::Headless | Shape::ExternalName(_) => &[],
        }
    }
}

impl PartialEq for Service {
    /// Whether DNS would answer the same.
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
            && self.ports == other.ports
            && self.external_ips == other.external_ips
    }
}

impl Port {
    fn all(ports: Option<&[object::Port]>, names: &Names) -> Box<[Self]> {
        let nameless = || Self { name: names.get(""), protocol: Protocol::Other, number: None };
        match ports {
            None | Some([]) => Box::new([nameless()]),
            Some(ports) => ports
                .iter()
                .map(|port| Self {
                    name: names.get(port.name.as_deref().unwrap_or_default()),
                    protocol: Protocol::parse(port.protocol.as_deref()),
                    number: port.number.and_then(|number| u16::try_from(number).ok()),
                })
                .collect(),
        }
    }

    /// Whether the labels of `_port._protocol` mean this port. An empty label fits any.
    pub(crate) fn fits(&self, name: &[u8], protocol: &[u8]) -> bool {
        (name.is_empty() || self.name.as_bytes().eq_ignore_ascii_case(name))
            && (protocol.is_empty()
                || self.protocol.as_str().as_bytes().eq_ignore_ascii_case(protocol))
    }
}

impl Protocol {
    /// TCP where nothing is written, as the API server fills it in.
    fn parse(written: Option<&str>) -> Self {
        match written {
            None | Some("" | "TCP") => Self::Tcp,
            Some("UDP") => Self::Udp,
            Some("SCTP") => Self::Sctp,
            Some(_) => Self::Other,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Other => "\0",
        }
    }
}

impl Slice {
    pub(crate) fn new(
        slice: &object::EndpointSlice,
        service: Arc<str>,
        detail: Detail,
        names: &Names,
    ) -> Self {
        let mut addresses = Vec::new();
        let mut hosts = Vec::new();
        let mut zones = Vec::new();
        for endpoint in slice.endpoints.iter().flatten().filter(|endpoint| endpoint.is_ready()) {
            let host = Self::name_of(endpoint, detail);
            let zone = endpoint.zone.as_deref().filter(|_| detail.zones);
            for address in endpoint.addresses.iter().flatten() {
                let Ok(address) = address.parse() else { continue };
                addresses.push(address);
                hosts.push(host.map(Box::from));
                zones.push(zone.map(|zone| names.get(&zone.to_ascii_lowercase())));
            }
        }
        Self {
            service,
            ports: Port::all(slice.ports.as_deref(), names),
            addresses: addresses.into(),
            names: hosts.iter().any(Option::is_some).then(|| hosts.into()),
            zones: zones.iter().any(Option::is_some).then(|| zones.into()),
            mark: Mark::default(),
        }
    }

    fn name_of(endpoint: &object::Endpoint, detail: Detail) -> Option<&str> {
        let hostname = endpoint.hostname.as_deref().filter(|name| !name.is_empty());
        let pod = || {
            let target = endpoint.target_ref.as_ref().filter(|_| detail.pod_names)?;
            // Longer names are no labels (RFC 1035 §2.3.4).
            target.name.as_deref().filter(|name| !name.is_empty() && name.len() < 64)
        };
        hostname.or_else(pod)
    }

    /// The ready endpoints.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint<'_>> {
        self.addresses.iter().enumerate().map(|(index, &address)| Endpoint {
            address,
            name: self.names.as_ref().and_then(|names| names.get(index)?.as_deref()),
            zone: self.zones.as_ref().and_then(|zones| zones.get(index)?.as_deref()),
        })
    }
}

impl PartialEq for Slice {
    /// Whether DNS would answer the same.
    fn eq(&self, other: &Self) -> bool {
        self.service == other.service
            && self.ports == other.ports
            && self.addresses == other.addresses
            && self.names == other.names
            && self.zones == other.zones
    }
}

/// One address of one ready endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint<'a> {
    pub(crate) address: IpAddr,
    /// Its name, where it has one that is not made from the address.
    pub(crate) name: Option<&'a str>,
    /// Its topology zone, in lower case.
    pub(crate) zone: Option<&'a str>,
}

impl Endpoint<'_> {
    /// Its label below the service's name.
    pub(crate) fn label(&self) -> Label {
        match self.name {
            Some(name) => Label::from(name.as_bytes()),
            None => dashed(self.address),
        }
    }
}

/// A label on the stack, most of the time.
pub(crate) type Label = smallvec::SmallVec<[u8; 64]>;

/// `10.0.0.1` as `10-0-0-1`, `2001:db8::1` as `2001-db8--1`, `2001:db8::` as `2001-db8--0`.
pub(crate) fn dashed(address: IpAddr) -> Label {
    use std::fmt::Write as _;

    struct Dashing(Label);

    impl std::fmt::Write for Dashing {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.extend(
                text.bytes().map(|byte| if matches!(byte, b'.' | b':') { b'-' } else { byte }),
            );
            Ok(())
        }
    }

    let mut label = Dashing(Label::new());
    // Writing to memory does not fail.
    let _ = write!(label, "{address}");
    if label.0.last() == Some(&b'-') {
        label.0.push(b'0');
    }
    label.0
}

impl Pod {
    /// `None` for a pod without an address.
    pub(crate) fn new(pod: &object::Pod, namespace: Arc<str>) -> Option<Self> {
        let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
        Some(Self { address, namespace, mark: Mark::default() })
    }
}

impl PartialEq for Pod {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}
