//! The parameters of SVCB and HTTPS (RFC 9460 §2.1).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::lexer::Token;
use super::rdata::base64;
use super::{Mistake, name};

/// The parameters in wire format, sorted by key (RFC 9460 §2.2).
pub(super) fn parameters(tokens: &[Token]) -> Result<Vec<u8>, Mistake> {
    let mut parameters = BTreeMap::new();
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        let wrong = || Mistake::expected("a parameter such as `alpn=h2`", token);
        if token.is_quoted || token.is_glued {
            return Err(wrong());
        }
        let (key, value) = match token.text.iter().position(|octet| *octet == b'=') {
            Some(at) => (&token.text[..at], Some(&token.text[at + 1..])),
            None => (&token.text[..], None),
        };
        let key = code(key).ok_or_else(wrong)?;
        // `key="value"` comes as two words.
        let value = match value {
            Some([]) if tokens.peek().is_some_and(|next| next.is_quoted && next.is_glued) => {
                tokens.next().map(|quoted| quoted.text.clone()).unwrap_or_default()
            }
            Some(value) => value.to_vec(),
            None => Vec::new(),
        };
        let value = name::octets(&Token { text: value, ..token.clone() })?;
        let encoded = encode(key, &value).ok_or_else(wrong)?;
        if parameters.insert(key, encoded).is_some() {
            return Err(Mistake::expected("each parameter once", token));
        }
    }
    let mut wire = Vec::new();
    for (key, value) in parameters {
        wire.extend(u16::to_be_bytes(key));
        wire.extend(u16::try_from(value.len()).map_err(|_| Mistake::Data)?.to_be_bytes());
        wire.extend(value);
    }
    Ok(wire)
}

fn code(key: &[u8]) -> Option<u16> {
    let key = std::str::from_utf8(key).ok()?;
    match KEYS.iter().find(|(known, _)| *known == key) {
        Some((_, code)) => Some(*code),
        None => {
            let digits = key.strip_prefix("key")?;
            let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit())
                && (digits.len() == 1 || !digits.starts_with('0'));
            digits.parse().ok().filter(|_| is_plain)
        }
    }
}

fn encode(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let text = || std::str::from_utf8(value).ok();
    match key {
        MANDATORY => {
            let mut keys =
                text()?.split(',').map(|key| code(key.as_bytes())).collect::<Option<Vec<u16>>>()?;
            keys.sort_unstable();
            let n_keys = keys.len();
            keys.dedup();
            let is_sound = keys.len() == n_keys && !keys.contains(&MANDATORY);
            is_sound.then(|| keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        ALPN => {
            let mut wire = Vec::new();
            for protocol in list(value)? {
                wire.push(u8::try_from(protocol.len()).ok().filter(|len| *len > 0)?);
                wire.extend(protocol);
            }
            Some(wire)
        }
        NO_DEFAULT_ALPN | OHTTP => value.is_empty().then(Vec::new),
        PORT => Some(text()?.parse::<u16>().ok()?.to_be_bytes().to_vec()),
        IPV4_HINT => {
            let addresses = text()?.split(',').map(|v4| v4.parse::<Ipv4Addr>().ok());
            Some(addresses.collect::<Option<Vec<_>>>()?.iter().flat_map(Ipv4Addr::octets).collect())
        }
        IPV6_HINT => {
            let addresses = text()?.split(',').map(|v6| v6.parse::<Ipv6Addr>().ok());
            Some(addresses.collect::<Option<Vec<_>>>()?.iter().flat_map(Ipv6Addr::octets).collect())
        }
        ECH => base64(value).filter(|ech| !ech.is_empty()),
        _ => Some(value.to_vec()),
    }
}

/// RFC 9460 appendix A.1: commas part the values, `\,` and `\\` are in them.
fn list(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut values = vec![Vec::new()];
    let mut octets = value.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b',' => values.push(Vec::new()),
            b'\\' => values.last_mut()?.push(*octets.next().filter(|o| matches!(o, b',' | b'\\'))?),
            _ => values.last_mut()?.push(*octet),
        }
    }
    Some(values)
}

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
const OHTTP: u16 = 8;

const KEYS: &[(&str, u16)] = &[
    ("mandatory", MANDATORY),
    ("alpn", ALPN),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", PORT),
    ("ipv4hint", IPV4_HINT),
    ("ech", ECH),
    ("ipv6hint", IPV6_HINT),
    ("dohpath", 7),
    ("ohttp", OHTTP),
];
