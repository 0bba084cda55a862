//! IPv4 addresses inside of IPv6 addresses (RFC 6052 §2.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// The octet that stays zero: bits 64 to 71.
const RESERVED: usize = 8;

/// Puts the address behind the prefix, around the octet that stays zero. The prefix has whole octets, 12
/// at the most.
///
/// ```text
///   /32  pppp pppp aaaa aaaa | 00
///   /48  pppp pppp pppp aaaa | 00 aaaa
///   /96  pppp pppp pppp pppp | pppp pppp aaaa aaaa
/// ```
pub(crate) fn embed(prefix: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.network().octets();
    let mut at = usize::from(prefix.prefix_len() / 8);
    for octet in address.octets() {
        if at == RESERVED {
            at += 1;
        }
        octets[at] = octet;
        at += 1;
    }
    octets.into()
}
