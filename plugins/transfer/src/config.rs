//! Who may have which zones.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use plugin::proto::rr::Name;
use plugin::{Argument, Diagnostic, Directive, Property, Setup, Zones};

/// What all `transfer` directives of a server block say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// One per directive, in the order written.
    pub(crate) rules: Vec<Rule>,
}

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) zones: Zones,
    /// Who may have the zones, and is told of changes.
    pub(crate) secondaries: Vec<Secondary>,
    /// `to *`: everybody may have the zones.
    pub(crate) is_open: bool,
    /// Where NOTIFY messages leave from; any address unless set.
    pub(crate) source: Option<IpAddr>,
}

/// One secondary. Its port is for NOTIFY alone: transfers are asked for from any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secondary {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The interface of a link-local address (RFC 4007 §11), by name or number.
    pub(crate) interface: Option<String>,
}

impl Config {
    /// Reads the directives; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self::default();
        for directive in setup.directives {
            let rule = Rule::parse(setup, directive);
            config.rules.extend(setup.note(rule));
        }
        config
    }

    /// The rule for a name: of the longest zone, and of equally long ones the first.
    pub(crate) fn rule(&self, name: &Name) -> Option<&Rule> {
        let mut best: Option<(u8, &Rule)> = None;
        for rule in &self.rules {
            let Some(zone) = rule.zones.matching(name) else { continue };
            if best.is_none_or(|(n_labels, _)| zone.num_labels() > n_labels) {
                best = Some((zone.num_labels(), rule));
            }
        }
        best.map(|(_, rule)| rule)
    }
}

impl Rule {
    fn parse(setup: &mut Setup<'_>, directive: &Directive) -> Result<Self, Diagnostic> {
        let mut rule = Self {
            zones: setup.zones(&directive.arguments)?,
            secondaries: Vec::new(),
            is_open: false,
            source: None,
        };
        let mut names_somebody = false;
        for property in directive.properties() {
            names_somebody |= &*property.name == "to";
            let done = rule.property(setup, directive, property);
            setup.note(done);
        }
        if !names_somebody {
            return Err(Diagnostic::error(directive.span(), "`transfer` needs `to`")
                .label("to nobody")
                .help("write `to ADDRESS...`, or `to *` for everybody, in its block"));
        }
        Ok(rule)
    }

    fn property(
        &mut self,
        setup: &mut Setup<'_>,
        directive: &Directive,
        property: &Property,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "to" => {
                for argument in property.expect_arguments(1..=usize::MAX)? {
                    if &**argument == "*" {
                        self.is_open = true;
                        continue;
                    }
                    let secondary = Secondary::parse(argument);
                    self.secondaries.extend(setup.note(secondary));
                }
            }
            "source" => {
                let source = property.argument()?;
                if self.source.is_some() {
                    return Err(Diagnostic::error(property.span(), "`source` is set twice")
                        .label("here again")
                        .help("one `transfer` has one `source`"));
                }
                self.source = Some(source.parse_as("an IP address")?);
            }
            _ => return Err(directive.unknown_property(property, KNOWN)),
        }
        Ok(())
    }

    /// Whether a client may have the zones.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.is_open || self.secondaries.iter().any(|s| s.address.to_canonical() == client)
    }
}

impl Secondary {
    /// `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:53`, `[fe80::1%eth0]:53`.
    fn parse(argument: &Argument) -> Result<Self, Diagnostic> {
        let wanted = || argument.expected("an IP address, with a port or without, or `*`");
        let (host, port) = match argument.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").map(|(host, port)| (host, Some(port))),
            None => match argument.split_once(':') {
                Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
                _ => Some((&**argument, None)),
            },
        }
        .ok_or_else(wanted)?;
        let (address, interface) = match host.rsplit_once('%') {
            Some((address, interface)) => (address, Some(interface.to_owned())),
            None => (host, None),
        };
        let port = match port {
            None | Some("") => DNS_PORT,
            Some(port) => port.parse().map_err(|_| wanted())?,
        };
        let address = address.parse().map_err(|_| wanted())?;
        Ok(Self { address, port, interface })
    }

    /// Where NOTIFY goes; an error where there is no such interface.
    pub(crate) fn socket_address(&self) -> std::io::Result<SocketAddr> {
        let IpAddr::V6(address) = self.address else {
            return Ok((self.address, self.port).into());
        };
        let scope_id = match &self.interface {
            None => 0,
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().unwrap_or_default()
            }
            Some(name) => nix::net::if_::if_nametoindex(name.as_str())?,
        };
        Ok(scoped(address, self.port, scope_id))
    }
}

fn scoped(address: Ipv6Addr, port: u16, scope_id: u32) -> SocketAddr {
    SocketAddrV6::new(address, port, 0, scope_id).into()
}

impl std::fmt::Display for Secondary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        SocketAddr::from((self.address, self.port)).fmt(f)
    }
}

const DNS_PORT: u16 = 53;
const KNOWN: &[&str] = &["to", "source"];
