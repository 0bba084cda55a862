//! Zones as a whole, for the `transfer` plugin.
//!
//! A transfer names what look-ups find, in CoreDNS's selection: services with their endpoints, ports and
//! aliases, and this server itself; in reverse zones the addresses of the same. Pods are left out, as is
//! `dns-version`.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use plugin::ServeError;
use plugin::capability::Transfer;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::rdata::SRV;
use plugin::proto::rr::{Name, RData, Record};

use crate::config::Config;
use crate::kept::{Label, Port, Service, Shape, Slice};
use crate::records::{Look, Seen, address_record, below, service_name};
use crate::source::Cluster;
use crate::store::{Entry, split};
use crate::{reverse, serve, servers};

/// The zones of one `kubernetes` directive.
pub(crate) struct WholeZones {
    cluster: Arc<Cluster>,
    config: Config,
    /// The addresses that this server is reached by, once it has started.
    local: Arc<OnceLock<Vec<IpAddr>>>,
}

impl WholeZones {
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        config: &Config,
        local: &Arc<OnceLock<Vec<IpAddr>>>,
    ) -> Self {
        Self { cluster: Arc::clone(cluster), config: config.clone(), local: Arc::clone(local) }
    }

    fn all(&self, origin: &Name) -> Option<Vec<Record>> {
        let (store, ttl_secs) = (&*self.cluster.store, self.config.ttl_secs);
        // The serial first: what changes meanwhile is in the next one for sure.
        let mut records = vec![servers::soa(origin, store.serial(), ttl_secs)?];
        let local = self.local.get().map_or(&[][..], Vec::as_slice);
        let servers = servers::name_servers(store, local, origin);
        let (ns, glue) = servers::records(servers, origin, ttl_secs);
        records.extend(ns);
        records.extend(glue);
        let mut entries = store.entries();
        entries.sort_by(|(a, _), (b, _)| {
            let ((a_namespace, a), (b_namespace, b)) = (split(a), split(b));
            (a, a_namespace).cmp(&(b, b_namespace))
        });
        let mut look = Look::new(store, &self.config);
        let is_reverse = below(b"0", origin).is_some_and(|name| reverse::is_reverse(&name));
        if is_reverse {
            addresses(&mut look, &entries, origin, &mut records);
            return Some(records);
        }
        for (key, entry) in &entries {
            if let Some(service) = &entry.service
                && look.is_exposed(split(key).0)
                && (entry.has_endpoints() || !self.config.ignore_empty || !has_address(service))
                && let Some(owner) = service_name(key, origin)
            {
                add_service(&owner, service, &entry.slices, ttl_secs, &mut records);
            }
        }
        Some(records)
    }
}

impl Transfer for WholeZones {
    fn origins(&self) -> Vec<Name> {
        self.config.zones.names().to_vec()
    }

    fn records(&self, origin: &Name) -> Option<Result<Vec<Record>, ServeError>> {
        if !self.config.zones.names().contains(origin) {
            return None;
        }
        let failed = || ServeError::rcode_only(ResponseCode::ServFail);
        if !self.cluster.store.has_synced() {
            // Half a zone would be served by secondaries as if it were the whole.
            return Some(Err(failed()));
        }
        Some(self.all(origin).ok_or_else(failed))
    }
}

/// Whether the service has an address of its own.
fn has_address(service: &Service) -> bool {
    matches!(service.shape, Shape::ClusterIp(_))
}

fn add_service(
    owner: &Name,
    service: &Service,
    slices: &[Arc<Slice>],
    ttl_secs: u32,
    records: &mut Vec<Record>,
) {
    match &service.shape {
        Shape::ExternalName(target) if target.parse::<IpAddr>().is_ok() => {}
        Shape::ExternalName(_) => {
            let alias = serve::alias(&service.shape, owner, ttl_secs);
            records.extend(alias.map(|(alias, _)| alias));
        }
        Shape::ClusterIp(addresses) => {
            for address in addresses {
                records.push(address_record(owner.clone(), ttl_secs, address.to_canonical()));
            }
            let mut seen = Seen::default();
            for port in &service.ports {
                let Some(number) = port.number.filter(|_| !addresses.is_empty()) else { continue };
                if seen.is_new(number) {
                    records.push(srv(owner, 100, number, owner, ttl_secs));
                }
                let named = port_name(port, owner);
                records.extend(named.map(|named| srv(&named, 100, number, owner, ttl_secs)));
            }
        }
        Shape::Headless => add_endpoints(owner, slices, ttl_secs, records),
    }
}

fn add_endpoints(owner: &Name, slices: &[Arc<Slice>], ttl_secs: u32, records: &mut Vec<Record>) {
    let mut seen_addresses = Seen::default();
    let mut seen_endpoints: Seen<(Label, IpAddr)> = Seen::default();
    let mut seen_ports = Seen::default();
    for slice in slices {
        let n_endpoints = u16::try_from(slice.addresses.len()).unwrap_or(u16::MAX);
        let weight = (100 / n_endpoints.max(1)).max(1);
        for endpoint in slice.endpoints() {
            let address = endpoint.address.to_canonical();
            let label = endpoint.label();
            if seen_addresses.is_new(address) {
                records.push(address_record(owner.clone(), ttl_secs, address));
            }
            let Some(host) = below(&label, owner) else { continue };
            if seen_endpoints.is_new((label.clone(), address)) {
                records.push(address_record(host.clone(), ttl_secs, address));
            }
            for port in &slice.ports {
                let Some(number) = port.number else { continue };
                let Some(named) = port_name(port, owner) else { continue };
                if seen_ports.is_new((label.clone(), named.clone(), number)) {
                    records.push(srv(&named, weight, number, &host, ttl_secs));
                }
            }
        }
    }
}

/// `_port._protocol` below a service; `None` for a port without a name, which has no such records.
fn port_name(port: &Port, service: &Name) -> Option<Name> {
    if port.name.is_empty() {
        return None;
    }
    let label = |text: &str| format!("_{}", text.to_ascii_lowercase());
    let protocol = below(label(port.protocol.as_str()).as_bytes(), service)?;
    below(label(&port.name).as_bytes(), &protocol)
}

fn srv(owner: &Name, weight: u16, port: u16, target: &Name, ttl_secs: u32) -> Record {
    let data = RData::SRV(SRV::new(0, weight, port, target.clone()));
    Record::from_rdata(owner.clone(), ttl_secs, data)
}

/// The PTR records of a reverse zone.
fn addresses(
    look: &mut Look<'_>,
    entries: &[(Arc<str>, Arc<Entry>)],
    origin: &Name,
    records: &mut Vec<Record>,
) {
    let mut seen = Seen::default();
    for (_, entry) in entries {
        let own = entry.service.iter().flat_map(|service| service.cluster_ips());
        let ready = entry.slices.iter().flat_map(|slice| &*slice.addresses);
        for &address in own.chain(ready) {
            let mut owner = Name::from(address);
            owner.set_fqdn(true);
            if origin.zone_of(&owner) && seen.is_new(address) {
                records.extend(look.reverse(&owner, address));
            }
        }
    }
}
