//! The names and addresses of this server itself: NS at the apex, and `ns.dns`.
//!
//! A server that runs behind a Service finds itself among that Service's endpoints, and names the
//! Service. Where it finds no such endpoint it is `ns.dns` with the addresses that it listens on.

use std::net::{IpAddr, SocketAddr};

use plugin::proto::rr::rdata::{NS, SOA};
use plugin::proto::rr::{Name, RData, Record};

use crate::kept::Shape;
use crate::records::{address_record, below, service_name};
use crate::store::Store;

/// Names of name servers in `zone` with their addresses, each pair once.
pub(crate) fn name_servers(store: &Store, local: &[IpAddr], zone: &Name) -> Vec<(Name, IpAddr)> {
    let mut servers = Vec::new();
    let mut is_endpoint = false;
    let mut add = |server: Option<Name>, address: IpAddr| {
        let Some(server) = server.map(|server| (server, address.to_canonical())) else { return };
        if !servers.contains(&server) {
            servers.push(server);
        }
    };
    for &address in local {
        for slice in store.slices_at(address) {
            is_endpoint = true;
            let entry = store.entry(&slice.service);
            let Some(service) = entry.and_then(|entry| entry.service.clone()) else { continue };
            let base = service_name(&slice.service, zone);
            match &service.shape {
                Shape::Headless => {
                    for endpoint in slice.endpoints() {
                        let name = base.as_ref().and_then(|base| below(&endpoint.label(), base));
                        add(name, endpoint.address);
                    }
                }
                Shape::ClusterIp(addresses) => {
                    for &address in addresses {
                        add(base.clone(), address);
                    }
                }
                Shape::ExternalName(_) => {}
            }
        }
    }
    if !is_endpoint {
        let name = default_name(zone);
        for &address in local {
            add(name.clone(), address);
        }
    }
    servers
}

/// The NS records of name servers at `owner`, and the servers' addresses.
pub(crate) fn records(
    servers: Vec<(Name, IpAddr)>,
    owner: &Name,
    ttl_secs: u32,
) -> (Vec<Record>, Vec<Record>) {
    let mut records: Vec<Record> = Vec::new();
    let mut glue = Vec::new();
    for (server, address) in servers {
        let record = Record::from_rdata(owner.clone(), ttl_secs, RData::NS(NS(server.clone())));
        if !records.contains(&record) {
            records.push(record);
        }
        glue.push(address_record(server, ttl_secs, address));
    }
    (records, glue)
}

/// The SOA record of `zone`; `None` where names in it are too long.
pub(crate) fn soa(zone: &Name, serial: u32, ttl_secs: u32) -> Option<Record> {
    let mname = default_name(zone)?;
    let rname = below(b"hostmaster", zone)?;
    let soa = SOA::new(mname, rname, serial, 7200, 1800, 86_400, ttl_secs);
    Some(Record::from_rdata(zone.clone(), ttl_secs.min(300), RData::SOA(soa)))
}

/// `ns.dns` in `zone`.
pub(crate) fn default_name(zone: &Name) -> Option<Name> {
    below(b"dns", zone).and_then(|dns| below(b"ns", &dns))
}

/// The addresses that clients reach this server by, loopback left out: those that it is bound to, or
/// those of every interface where it is not bound.
pub(crate) fn local_addresses(listen: &[SocketAddr]) -> Vec<IpAddr> {
    let bound: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
    let is_bound = !bound.is_empty() && !bound.iter().any(IpAddr::is_unspecified);
    let mut addresses = if is_bound { bound } else { interface_addresses() };
    addresses.retain(|address| !address.is_loopback());
    addresses
}

fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = match nix::ifaddrs::getifaddrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::warn!(target: "plugin/kubernetes", %error, "cannot list the interfaces' addresses");
            return Vec::new();
        }
    };
    let address_of = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
    };
    interfaces.filter_map(address_of).collect()
}
