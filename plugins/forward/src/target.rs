//! The TO arguments: addresses, resolv.conf-style files, host names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use plugin::{Argument, Diagnostic};

use crate::lookup;

/// Where queries go, before files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Endpoint(Endpoint),
    /// A resolv.conf-style file; its `nameserver` lines are plain upstreams on port 53.
    File(PathBuf),
}

/// One upstream's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: Scheme,
    /// What its certificate must say, where it is written behind `%`.
    pub(crate) server_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Dns,
    Tls,
    Https,
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

/// What one TO argument stands for; more than one endpoint for a host name with several addresses.
///
/// A host name is looked up here and now, as CoreDNS does: the server starts with the addresses it has now or not at
/// all.
pub(crate) fn parse(
    argument: &Argument,
    resolvers: &[SocketAddr],
) -> Result<Vec<Target>, Diagnostic> {
    let (scheme, rest) = split_scheme(argument)?;
    let (host, server_name, port) = split_host(rest);
    let port = match port {
        None => scheme.port(),
        Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            argument.expected("an upstream").help("a port is a number from 1 to 65535")
        })?,
    };
    let endpoint = |ip: IpAddr| Endpoint {
        address: SocketAddr::new(ip.to_canonical(), port),
        scheme,
        server_name: server_name.filter(|_| scheme != Scheme::Dns).map(ToOwned::to_owned),
    };
    if let Ok(ip) = host.parse() {
        return Ok(vec![Target::Endpoint(endpoint(ip))]);
    }
    // Not below `root`: CoreDNS takes it as it is.
    let path = PathBuf::from(rest);
    match path.metadata() {
        Ok(metadata) if !metadata.is_dir() => {
            nameservers(&path).map_err(|error| unreadable(argument, &error))?;
            return Ok(vec![Target::File(path)]);
        }
        Ok(_) => return Err(unreadable(argument, &io::ErrorKind::IsADirectory.into())),
        Err(error) if rest.contains('/') => return Err(unreadable(argument, &error)),
        Err(_) => {}
    }
    if !lookup::is_host_name(host) {
        return Err(argument
            .expected("an upstream")
            .label("not an IP address, file, or host name")
            .help(
                "write `192.0.2.1`, `[2001:db8::1]:53`, `tls://192.0.2.1` or `/etc/resolv.conf`",
            ));
    }
    let addresses = lookup::addresses(host, resolvers).map_err(|error| {
        Diagnostic::error(argument.span, format!("failed to resolve `{host}`: {error}"))
            .label("no address known")
            .help("write its address, or name a resolver that knows it: `resolver 192.0.2.1`")
    })?;
    Ok(addresses.into_iter().map(|ip| Target::Endpoint(endpoint(ip))).collect())
}

fn unreadable(argument: &Argument, error: &io::Error) -> Diagnostic {
    Diagnostic::error(argument.span, format!("cannot read `{argument}`: {error}"))
        .label("not an IP address or readable file")
}

fn split_scheme(argument: &Argument) -> Result<(Scheme, &str), Diagnostic> {
    let Some((scheme, rest)) = argument.split_once("://") else {
        return Ok((Scheme::Dns, argument));
    };
    let refused = |message: String| Diagnostic::error(argument.span, message);
    let scheme = match scheme {
        "dns" => Scheme::Dns,
        "tls" => Scheme::Tls,
        "https" if rest.contains('/') => {
            return Err(refused(format!("`{argument}` has a path"))
                .label("no path allowed")
                .help("the path is always `/dns-query`"));
        }
        "https" => Scheme::Https,
        other => {
            return Err(refused(format!("`{other}://` is no protocol to forward by"))
                .label("not supported")
                .help("write `dns://`, `tls://`, `https://` or no scheme at all"));
        }
    };
    if rest.is_empty() {
        return Err(argument.expected("an upstream"));
    }
    Ok((scheme, rest))
}

/// Host, server name and port of `host`, `host:port`, `[v6]:port`, `host%name`, `host%name:port`, `[v6%name]:port`.
fn split_host(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let split_name = |host| match str::split_once(host, '%') {
        Some((host, name)) => (host, Some(name)),
        None => (host, None),
    };
    if let Some((inside, after)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let (host, name) = split_name(inside);
        return match (after.strip_prefix(':'), after) {
            (Some(port), _) => (host, name, Some(port)),
            (None, "") => (host, name, None),
            // Not an address that anybody writes: let it fail as one.
            (None, _) => (text, None, None),
        };
    }
    let (host, name) = split_name(text);
    match name.map_or_else(|| (host, host.split_once(':')), |name| (name, name.split_once(':'))) {
        // A second colon: an IPv6 address without brackets has no port.
        (_, Some((_, port))) if port.contains(':') => (host, name, None),
        (_, Some((before, port))) if name.is_some() => (host, Some(before), Some(port)),
        (_, Some((before, port))) => (before, None, Some(port)),
        (_, None) => (host, name, None),
    }
}

/// Every upstream, files read, each address once. The error names the file.
pub(crate) fn expand(targets: &[Target]) -> Result<Vec<Endpoint>, (PathBuf, io::Error)> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for target in targets {
        let found = match target {
            Target::Endpoint(endpoint) => vec![endpoint.clone()],
            Target::File(path) => nameservers(path).map_err(|error| (path.clone(), error))?,
        };
        for endpoint in found {
            if endpoints.iter().all(|before| before.address != endpoint.address) {
                endpoints.push(endpoint);
            }
        }
    }
    Ok(endpoints)
}

/// The `nameserver` lines; a scope behind `%` is left out, and what is no address is passed over.
fn nameservers(path: &Path) -> io::Result<Vec<Endpoint>> {
    let text = std::fs::read(path)?;
    let text = String::from_utf8_lossy(&text);
    let address = |line: &str| -> Option<IpAddr> {
        let mut words = line.split_whitespace();
        if words.next()? != "nameserver" {
            return None;
        }
        words.next()?.split('%').next()?.parse().ok()
    };
    let endpoint = |ip: IpAddr| Endpoint {
        address: SocketAddr::new(ip.to_canonical(), Scheme::Dns.port()),
        scheme: Scheme::Dns,
        server_name: None,
    };
    Ok(text.lines().filter_map(address).map(endpoint).collect())
}
