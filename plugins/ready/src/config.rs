//! The directive, typed.

use plugin::http::check_address;
use plugin::{Diagnostic, Property, Setup};

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
            config.address =
                setup.note(check_address(written, DEFAULT_ADDRESS)).unwrap_or_default();
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

const DEFAULT_ADDRESS: &str = ":8181";
