//! What a server block's key asks for: a scheme, a zone, a port.

use std::fmt;
use std::net::IpAddr;

use crate::zone::{self, ZoneError};
use crate::{Argument, Diagnostic, Span};

/// How queries arrive, as the prefix of a key: `tls://example.org`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// UDP and TCP; a key without a scheme.
    #[default]
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// gRPC with CoreDNS's `DnsService`.
    Grpc,
    /// DNS over HTTPS (RFC 8484) with HTTP/1.1 and HTTP/2.
    Https,
    /// DNS over HTTPS with HTTP/3.
    Https3,
    /// A Unix socket. A key may have it, but no server comes of it; addresses in arguments use it.
    Unix,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 7] =
        [Self::Dns, Self::Tls, Self::Quic, Self::Grpc, Self::Https, Self::Https3, Self::Unix];

    /// The word before `://`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
            Self::Unix => "unix",
        }
    }

    /// The port of a key that names none; 0 for `unix`, which has no ports.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
            Self::Unix => 0,
        }
    }

    /// Takes the scheme off an address; without one it is `dns`. Letters count as they are: `TLS://` is no scheme.
    pub fn strip(text: &str) -> (Self, &str) {
        Self::ALL
            .into_iter()
            .find_map(|scheme| {
                let rest = text.strip_prefix(scheme.name())?.strip_prefix("://")?;
                Some((scheme, rest))
            })
            .unwrap_or((Self::Dns, text))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One zone that a server block is authoritative for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerKey {
    /// How queries arrive.
    pub scheme: Scheme,
    /// Lower-case, with the final dot.
    pub zone: String,
    /// The port as written; `None` leaves it to the scheme.
    pub port: Option<u16>,
    /// The key it came from: several when the key is a network.
    pub span: Span,
}

impl ServerKey {
    /// Reads `[scheme://]zone[:port]`; a network in CIDR form gives one key for each of its reverse zones.
    pub fn parse(key: &Argument) -> Result<Vec<Self>, Diagnostic> {
        let (scheme, rest) = Scheme::strip(key);
        let (zones, port) = zone::split(rest).map_err(|error| refusal(key, rest, error))?;
        if !zones.iter().all(|zone| zone::is_short_enough(zone)) {
            return Err(refusal(key, rest, ZoneError::TooLong));
        }
        let port = match port.map(u16::try_from) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => {
                return Err(Diagnostic::error(
                    key.span,
                    format!("`{key}` has a port out of range"),
                )
                .label("from 0 to 65535"));
            }
        };
        Ok(zones.into_iter().map(|zone| Self { scheme, zone, port, span: key.span }).collect())
    }
}

/// As in a Corefile; the port only where one was written.
impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.zone)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

fn refusal(key: &Argument, rest: &str, error: ZoneError) -> Diagnostic {
    let error_at = |message: String| Diagnostic::error(key.span, message);
    match error {
        ZoneError::NothingAfterColon if rest.is_empty() => {
            error_at(format!("the key `{key}` names no zone"))
                .label("a zone is missing")
                .help("write `.` for every name, or a zone such as `example.org`")
        }
        ZoneError::NothingAfterColon => error_at(format!("`{key}` ends in a colon"))
            .label("the port is missing")
            .help(format!("write a port after the colon, as in `{key}53`, or leave the colon out")),
        ZoneError::Empty => error_at(format!("the key `{key}` has a port but no zone"))
            .label("a zone is missing before the colon")
            .help(format!("write `.{rest}` for every name")),
        ZoneError::TooLong => error_at("the zone of this key is too long".to_owned())
            .label(format!("{} bytes, where 255 with the final dot are allowed", rest.len())),
        ZoneError::NotAName => {
            let help = if rest.contains(['{', '}']) {
                "put a space before the brace"
            } else {
                "a zone has labels of 1 to 63 bytes with single dots between them: `example.org`"
            };
            error_at(format!("`{key}` is not a domain name")).label("not a zone").help(help)
        }
        ZoneError::BadNetwork => error_at(format!("`{key}` is not a network that can be a zone"))
            .label("starts with a colon or a zero")
            .help("write the reverse zone itself, which ends in `ip6.arpa`"),
    }
}

/// What is allowed as a key but hardly meant: CoreDNS serves `example.org{` as a zone of that name.
pub(crate) fn doubt(key: &Argument) -> Option<Diagnostic> {
    let (_, rest) = Scheme::strip(key);
    if ServerKey::parse(key).is_err() || zone::cidr_zones(rest).is_some() {
        return None;
    }
    let doubt = |message: &str, label: &str| {
        Diagnostic::warning(key.span, format!("{message} in the key `{key}`")).label(label)
    };
    if let Some((scheme, _)) = rest.split_once("://") {
        let doubt =
            doubt(&format!("`{scheme}` is not a scheme"), "taken for a part of the zone's name");
        let known = Scheme::ALL.map(Scheme::name);
        return Some(match crate::suggest(scheme, &known) {
            Some(near) => doubt.help(format!("did you mean `{near}://`?")),
            None => doubt.help(format!("schemes are {}", known.join(", "))),
        });
    }
    if rest.contains(['{', '}']) {
        return Some(
            doubt("a brace", "taken for a part of the zone's name")
                .help("put a space before the brace"),
        );
    }
    if rest.contains(',') {
        return Some(
            doubt("a comma", "taken for a part of the zone's name")
                .help("put a space after the comma"),
        );
    }
    if rest.parse::<IpAddr>().is_ok() {
        return Some(doubt("an address", "taken for the name of a zone").help(
            "to listen on one address only, use `bind`; a network for reverse look-ups has a `/`",
        ));
    }
    let (_, port) = rest.rsplit_once(':')?;
    if port.is_empty() || port.parse::<i64>().is_ok() {
        return None;
    }
    Some(
        doubt(&format!("`{port}` is not a port"), "taken for a part of the zone's name")
            .help("write the port as a number"),
    )
}
