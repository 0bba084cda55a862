//! Reverse names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugin::proto::rr::Name;

/// The address that a name below `in-addr.arpa.` or `ip6.arpa.` stands for; `None` where it is not a whole one.
///
/// hickory's `Name::parse_arpa_name` also takes networks and octets such as `01`, which name nothing.
pub(crate) fn address(name: &Name) -> Option<IpAddr> {
    let is = |label: &[u8], text: &str| label.eq_ignore_ascii_case(text.as_bytes());
    let mut labels = name.iter().rev();
    if !is(labels.next()?, "arpa") {
        return None;
    }
    let family = labels.next()?;
    if is(family, "in-addr") {
        // RFC 1035 §3.5: one label per octet.
        let octets = labels.map(octet).collect::<Option<Vec<u8>>>()?;
        Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into())
    } else if is(family, "ip6") {
        // RFC 3596 §2.5: one label per nibble.
        let nibbles = labels.map(nibble).collect::<Option<Vec<u8>>>()?;
        let nibbles = <[u8; 32]>::try_from(nibbles).ok()?;
        let bits = nibbles.iter().fold(0_u128, |bits, nibble| bits << 4 | u128::from(*nibble));
        Some(IpAddr::from(Ipv6Addr::from(bits)).to_canonical())
    } else {
        None
    }
}

fn octet(label: &[u8]) -> Option<u8> {
    let is_plain = label.iter().all(u8::is_ascii_digit) && (label == b"0" || label[0] != b'0');
    std::str::from_utf8(label).ok().filter(|_| is_plain)?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    u8::try_from(char::from(*digit).to_digit(16)?).ok()
}
