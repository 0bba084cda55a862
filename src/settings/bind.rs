//! `bind ADDRESS|INTERFACE... { except ADDRESS|INTERFACE... }`: which addresses a block listens on.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use corefile::{Argument, Diagnostic, Directive};
use nix::ifaddrs::getifaddrs;

use crate::assemble::BlockDraft;

pub(crate) const SETTING: super::Setting = set;

fn set(directives: &[Directive], block: &mut BlockDraft) -> Result<(), Diagnostic> {
    let mut bound = Vec::new();
    for directive in directives {
        directive.expect_arguments(1..=usize::MAX)?;
        let mut excluded = Vec::new();
        for property in directive.properties() {
            match property.name.as_ref() {
                "except" => {
                    property.expect_arguments(1..=usize::MAX)?;
                    property.expect_no_block()?;
                    for argument in &property.arguments {
                        excluded.extend(addresses(argument)?);
                    }
                }
                _ => return Err(directive.unknown_property(property, &["except"])),
            }
        }
        for argument in &directive.arguments {
            for address in addresses(argument)? {
                if !excluded.contains(&address) && !bound.contains(&address) {
                    bound.push(address);
                }
            }
        }
    }
    block.bound = Some(bound);
    Ok(())
}

/// The addresses that a word names: itself, or all of an interface. The port is 0.
fn addresses(argument: &Argument) -> Result<Vec<SocketAddr>, Diagnostic> {
    if let Some(address) = parse_address(argument) {
        return Ok(vec![address]);
    }
    let interfaces = getifaddrs().map_err(|error| {
        Diagnostic::error(argument.span, format!("cannot list the interfaces: {error}"))
    })?;
    let mut is_known = false;
    let mut found = Vec::new();
    for interface in interfaces.filter(|interface| interface.interface_name == **argument) {
        is_known = true;
        let Some(storage) = interface.address else { continue };
        if let Some(v4) = storage.as_sockaddr_in() {
            found.push(SocketAddr::from((v4.ip(), 0)));
        } else if let Some(v6) = storage.as_sockaddr_in6() {
            found.push(SocketAddrV6::new(v6.ip(), 0, 0, v6.scope_id()).into());
        }
    }
    if is_known {
        return Ok(found);
    }
    Err(Diagnostic::error(
        argument.span,
        format!("`{argument}` is not a valid IP address or interface name"),
    )
    .label("neither of this machine's interfaces nor an address")
    .help("write an address such as `127.0.0.1`, or an interface that `ip link` lists"))
}

/// An address, for link-local IPv6 with the interface behind a `%`.
fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip, 0).into());
    }
    let (ip, scope) = text.split_once('%')?;
    let scope_id = match scope.parse() {
        Ok(id) => id,
        Err(_) => nix::net::if_::if_nametoindex(scope).ok()?,
    };
    Some(SocketAddrV6::new(ip.parse().ok()?, 0, 0, scope_id).into())
}
