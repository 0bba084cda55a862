//! Zone names as they are written: domain names, or networks in CIDR form that stand for reverse zones.

use std::net::IpAddr;

/// What a plugin's zone argument stands for: one lower-case name with a final dot, or the reverse zones of a network.
///
/// A scheme and a port are allowed and left out, as they are for a server block's key. `None` when the text is not a
/// domain name; CoreDNS passes over such arguments in silence.
pub fn zones(text: &str) -> Option<Vec<String>> {
    let (_, rest) = crate::Scheme::strip(text);
    split(rest).ok().map(|(zones, _)| zones)
}

/// The reverse zones of a network: `10.0.0.0/8` is `10.in-addr.arpa.`.
///
/// A reverse zone can only be cut at a dot, so a prefix between two dots is several zones: `10.0.0.0/15` is
/// `0.10.in-addr.arpa.` and `1.10.in-addr.arpa.`. That is at most 128 zones for IPv4 and 8 for IPv6. Host bits are
/// cleared. `None` when the text is not an address, a slash and a length.
pub fn cidr_zones(text: &str) -> Option<Vec<String>> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if length.is_empty() || !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let length: usize = length.parse().ok()?;
    let (digits, bits_per_label, suffix): (Vec<u8>, usize, &str) = match address {
        IpAddr::V4(v4) => (v4.octets().to_vec(), 8, "in-addr.arpa."),
        IpAddr::V6(v6) => (
            v6.octets().iter().flat_map(|octet| [octet >> 4, octet & 0xf]).collect(),
            4,
            "ip6.arpa.",
        ),
    };
    if length > digits.len() * bits_per_label {
        return None;
    }
    // RFC 1035 §3.5 and RFC 3596 §2.5: one label for each octet or nibble, the last one first.
    let n_labels = length.div_ceil(bits_per_label);
    let n_free_bits = n_labels * bits_per_label - length;
    let Some((last, whole)) = digits[..n_labels].split_last() else {
        return Some(vec![suffix.to_owned()]);
    };
    let label = |digit: u8| match address {
        IpAddr::V4(_) => format!("{digit}."),
        IpAddr::V6(_) => format!("{digit:x}."),
    };
    let parent: String =
        whole.iter().rev().map(|digit| label(*digit)).chain([suffix.to_owned()]).collect();
    let first = u16::from(*last) >> n_free_bits << n_free_bits;
    let zones = (first..first + (1 << n_free_bits))
        .map(|digit| format!("{}{parent}", label(u8::try_from(digit).unwrap_or(u8::MAX))))
        .collect();
    Some(zones)
}

/// Why a text is no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneError {
    /// It ends in a colon, or it is empty.
    NothingAfterColon,
    /// There is only a port.
    Empty,
    /// More than 255 bytes.
    TooLong,
    /// An empty or too long label, a dot in front, a backslash at the end.
    NotAName,
    /// An IPv6 network that starts with a colon or a zero, which CoreDNS refuses.
    BadNetwork,
}

/// Splits a text without a scheme into its zones and its port, which can be any whole number at this point.
pub(crate) fn split(text: &str) -> Result<(Vec<String>, Option<i64>), ZoneError> {
    if text.is_empty() || text.ends_with(':') {
        return Err(ZoneError::NothingAfterColon);
    }
    // What follows the last colon is a port if it is a number; otherwise the colon belongs to the name.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<i64>() {
            Ok(port) => (name, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    };
    if name.is_empty() {
        return Err(ZoneError::Empty);
    }
    if name.len() > MOST_BYTES {
        return Err(ZoneError::TooLong);
    }
    if !is_domain_name(name) {
        return Err(ZoneError::NotAName);
    }
    let Some(zones) = cidr_zones(name) else {
        return Ok((vec![fully_qualified(name)], port));
    };
    if name.starts_with(':') || (name.starts_with('0') && name.contains(':')) {
        return Err(ZoneError::BadNetwork);
    }
    Ok((zones, port))
}

/// Whether a server block can be keyed by a zone: its length counts with the final dot there.
pub(crate) fn is_short_enough(zone: &str) -> bool {
    zone.len() <= MOST_BYTES
}

/// In lower case and with the final dot. RFC 4343 §3: only ASCII letters have a case.
fn fully_qualified(name: &str) -> String {
    let mut zone = name.to_ascii_lowercase();
    if !ends_in_dot(&zone) {
        zone.push('.');
    }
    zone
}

/// Whether the last character is a dot that no backslash takes the meaning from.
fn ends_in_dot(name: &str) -> bool {
    name.strip_suffix('.').is_some_and(|rest| {
        let n_backslashes = rest.len() - rest.trim_end_matches('\\').len();
        n_backslashes % 2 == 0
    })
}

/// Whether CoreDNS takes the text for a domain name: any bytes in labels of 1 to 63, and 255 bytes in all.
///
/// Escapes are `\.` and `\DDD`; each is one byte (RFC 4343 §2.1).
fn is_domain_name(name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let name = fully_qualified(name);
    if name == "." {
        return true;
    }
    let mut bytes = name.bytes().peekable();
    let mut n_label_bytes: usize = 0;
    let mut n_wire_bytes: usize = 0;
    // CoreDNS toggles this where one escape follows another, and refuses a name that ends in it.
    let mut is_escape = false;
    let mut is_new_label = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                is_escape = !is_escape;
                let escaped: Vec<u8> = bytes.clone().take(3).collect();
                let n_escaped = if escaped.len() == 3 && escaped.iter().all(u8::is_ascii_digit) {
                    3
                } else {
                    1
                };
                bytes.by_ref().take(n_escaped).for_each(drop);
                n_label_bytes += 1;
                is_new_label = false;
                continue;
            }
            b'.' => {
                if is_new_label || n_label_bytes >= 64 {
                    return false;
                }
                n_wire_bytes += 1 + n_label_bytes;
                if n_wire_bytes > 256 {
                    return false;
                }
                n_label_bytes = 0;
                is_new_label = true;
            }
            _ => {
                n_label_bytes += 1;
                is_new_label = false;
            }
        }
        is_escape = false;
    }
    !is_escape
}

/// The length that CoreDNS allows a zone, in characters as written.
const MOST_BYTES: usize = 255;
