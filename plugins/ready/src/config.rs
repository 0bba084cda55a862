//! The directive, typed.

use std::net::Ipv6Addr;

use plugin::{Argument, Diagnostic, Property, Setup};

/// What the directive says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where `/ready` is served: `host:port` or `:port`.
    pub(crate) address: String,
    pub(crate) mode: Mode,
}

/// How long a plugin is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Until it was ready once.
    #[default]
    UntilReady,
    /// Each time.
    Continuously,
}

impl Config {
    /// Reads the directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        let mut config = Self { address: DEFAULT_ADDRESS.to_owned(), mode: Mode::default() };
        if let Some(arguments) = setup.note(directive.expect_arguments(0..=1))
            && let Some(written) = arguments.first()
        {
            config.address = setup.note(address(written)).unwrap_or_default();
        }
        for property in directive.properties() {
            match &*property.name {
                // Where it is repeated the last one counts, as in CoreDNS.
                "monitor" => config.mode = setup.note(Mode::parse(property)).unwrap_or_default(),
                _ => setup.report(directive.unknown_property(property, &["monitor"])),
            }
        }
        Ok(config)
    }
}

impl Mode {
    fn parse(property: &Property) -> Result<Self, Diagnostic> {
        property.expect_no_block()?;
        let written = property.argument()?;
        match &**written {
            "until-ready" => Ok(Self::UntilReady),
            "continuously" => Ok(Self::Continuously),
            _ => Err(written
                .expected("a way to monitor")
                .help("write `until-ready` or `continuously`")),
        }
    }
}

/// `host:port`, `[v6]:port` or `:port`. An empty port is any free one, which is what an unset variable leaves.
fn address(written: &Argument) -> Result<String, Diagnostic> {
    let wrong = || {
        let help = format!("write `host:port` or `:port`, such as `{DEFAULT_ADDRESS}`");
        written.expected("an address with a port").help(help)
    };
    let (host, port) = written.rsplit_once(':').ok_or_else(wrong)?;
    let host_is_plausible = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.split('%').next().is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()),
        None => !host.contains([':', '[', ']', '/']),
    };
    let port: u16 = if port.is_empty() { 0 } else { port.parse().map_err(|_| wrong())? };
    if host_is_plausible { Ok(format!("{host}:{port}")) } else { Err(wrong()) }
}

const DEFAULT_ADDRESS: &str = ":8181";
