//! The directive, typed.

use plugin::{Diagnostic, Directive, Property, Setup};

/// What the directive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Whether `localhost.NAME.` means this host too. True unless set.
    pub(crate) has_localhost_prefix: bool,
}

impl Config {
    /// Reads the directive, and any repetition of it: the last setting holds. Every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self { has_localhost_prefix: true };
        for directive in setup.directives {
            setup.note(directive.expect_arguments(0..=0));
            for property in directive.properties() {
                let done = config.property(directive, property);
                setup.note(done);
            }
        }
        config
    }

    fn property(&mut self, directive: &Directive, property: &Property) -> Result<(), Diagnostic> {
        if *property.name != *"localhost_prefix" {
            return Err(directive.unknown_property(property, &["localhost_prefix"]));
        }
        property.expect_no_block()?;
        let switch = property.argument()?;
        self.has_localhost_prefix = match &**switch {
            "on" => true,
            "off" => false,
            _ => return Err(switch.expected("`on` or `off`")),
        };
        Ok(())
    }
}
