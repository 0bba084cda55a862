//! The directive, typed.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use plugin::{Argument, Diagnostic, Directive, Property, Setup};

/// What the directive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// What stands before the IPv4 address: 32 to 96 bits, whole octets. `64:ff9b::/96` unless set
    /// (RFC 6052 §2.1).
    pub(crate) prefix: Ipv6Net,
    /// Whether addresses are made even where there are IPv6 addresses already.
    pub(crate) translates_all: bool,
    /// Whether addresses are made for clients that ask by IPv4.
    pub(crate) allows_ipv4: bool,
}

impl Config {
    /// Reads the directive, and any repetition of it: the last setting holds. Every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config =
            Self { prefix: well_known_prefix(), translates_all: false, allows_ipv4: false };
        for directive in setup.directives {
            let prefix = directive.expect_arguments(0..=1);
            if let Some(written) = setup.note(prefix).and_then(<[Argument]>::first) {
                let prefix = parse_prefix(written);
                config.prefix = setup.note(prefix).unwrap_or(config.prefix);
            }
            for property in directive.properties() {
                let done = config.property(directive, property);
                if let Some(warning) = setup.note(done).flatten() {
                    setup.report(warning);
                }
            }
        }
        config
    }

    /// Reads one property; `Some` is a warning.
    fn property(
        &mut self,
        directive: &Directive,
        property: &Property,
    ) -> Result<Option<Diagnostic>, Diagnostic> {
        property.expect_no_block()?;
        let switch = match &*property.name.text {
            "prefix" => {
                self.prefix = parse_prefix(property.argument()?)?;
                return Ok(None);
            }
            "translate_all" => &mut self.translates_all,
            "allow_ipv4" => &mut self.allows_ipv4,
            _ => return Err(directive.unknown_property(property, KNOWN)),
        };
        property.expect_arguments(0..=0)?;
        if directive.arguments.is_empty() {
            *switch = true;
            return Ok(None);
        }
        // As with CoreDNS: who moves here must not find other answers.
        let message = format!("`{}` has no effect beside a prefix in the same line", property.name);
        Ok(Some(
            Diagnostic::warning(property.name.span, message)
                .label("passed over")
                .help(format!("put `prefix {}` into the block", directive.arguments[0])),
        ))
    }
}

fn parse_prefix(written: &Argument) -> Result<Ipv6Net, Diagnostic> {
    let (address, prefix_len) = written.split_once('/').unwrap_or((written, ""));
    let address: Option<Ipv6Addr> = address.parse().ok();
    let is_number = !prefix_len.is_empty() && prefix_len.bytes().all(|b| b.is_ascii_digit());
    let prefix_len: Option<u8> = prefix_len.parse().ok().filter(|_| is_number);
    let (Some(address), Some(prefix_len)) = (address, prefix_len) else {
        return Err(written.expected("an IPv6 prefix").help("write it as `64:ff9b::/96`"));
    };
    match Ipv6Net::new(address, prefix_len) {
        Ok(prefix) if (32..=96).contains(&prefix_len) && prefix_len % 8 == 0 => Ok(prefix.trunc()),
        _ => Err(Diagnostic::error(
            written.span,
            format!("`{written}` has no room for an IPv4 address"),
        )
        .label("its length does not do")
        .help("lengths are 32, 40, 48, 56, 64 and 96")),
    }
}

fn well_known_prefix() -> Ipv6Net {
    Ipv6Net::new(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96).expect("96 is at most 128")
}

const KNOWN: &[&str] = &["prefix", "translate_all", "allow_ipv4"];
