//! From addresses to names: PTR.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugin::proto::rr::rdata::PTR;
use plugin::proto::rr::{Name, RData, Record};

use crate::records::{Look, Seen, below, service_name};
use crate::store::{Stripe, split};

/// The address that a name below `in-addr.arpa.` or `ip6.arpa.` stands for (RFC 1035 §3.5, RFC 3596
/// §2.5); `None` for any other name, one in the middle of the tree included.
pub(crate) fn address(name: &Name) -> Option<IpAddr> {
    let mut labels = name.iter().rev();
    if !labels.next()?.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    let tree = labels.next()?;
    if tree.eq_ignore_ascii_case(b"in-addr") {
        let mut octets = [0; 4];
        for octet in &mut octets {
            let label = labels.next()?;
            let is_canonical = label == b"0" || !label.starts_with(b"0");
            let digits = label.iter().all(u8::is_ascii_digit);
            *octet = str::from_utf8(label).ok().filter(|_| is_canonical && digits)?.parse().ok()?;
        }
        return labels.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    if !tree.eq_ignore_ascii_case(b"ip6") {
        return None;
    }
    let mut bits = 0_u128;
    for _ in 0..32 {
        let [nibble] = labels.next()? else { return None };
        bits = bits << 4 | u128::from(char::from(*nibble).to_digit(16)?);
    }
    labels.next().is_none().then(|| IpAddr::from(Ipv6Addr::from(bits)).to_canonical())
}

/// Whether the name is below one of the reverse trees, so that no service is called so.
pub(crate) fn is_reverse(name: &Name) -> bool {
    let mut labels = name.iter().rev();
    let is_arpa = labels.next().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"));
    let is_tree = labels.next().is_some_and(|label| {
        label.eq_ignore_ascii_case(b"in-addr") || label.eq_ignore_ascii_case(b"ip6")
    });
    is_arpa && is_tree && labels.next().is_some()
}

impl Look<'_> {
    /// The PTR records at `owner`: the service whose cluster IP it is, else every endpoint's name.
    pub(crate) fn reverse(&mut self, owner: &Name, address: IpAddr) -> Vec<Record> {
        self.guard(Stripe::Address(address));
        let primary = &self.config.primary;
        let ttl_secs = self.config.ttl_secs;
        let record = |target| Record::from_rdata(owner.clone(), ttl_secs, RData::PTR(PTR(target)));
        for key in self.store.services_at(address) {
            if self.is_answered_for(&key) {
                return service_name(&key, primary).map(record).into_iter().collect();
            }
        }
        let mut seen = Seen::default();
        let mut records = Vec::new();
        for slice in self.store.slices_at(address) {
            if !self.is_answered_for(&slice.service) {
                continue;
            }
            let Some(base) = service_name(&slice.service, primary) else { continue };
            for endpoint in slice.endpoints().filter(|endpoint| endpoint.address == address) {
                let Some(target) = below(&endpoint.label(), &base) else { continue };
                if seen.is_new(target.clone()) {
                    records.push(record(target));
                }
            }
        }
        records
    }

    /// `namespaces` holds for addresses too; CoreDNS does not apply `namespace_labels` here, nor do we.
    fn is_answered_for(&mut self, key: &str) -> bool {
        self.config.namespaces.is_empty() || self.is_exposed(split(key).0)
    }
}
