//! What the `erratic` directive says.

use std::time::Duration;

use plugin::{Argument, Diagnostic, Directive, Property, Setup};

/// Which queries are treated badly, and how. A number of zero is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Every so many queries one is dropped.
    pub(crate) drop: u64,
    /// Every so many queries one is answered late.
    pub(crate) delay: u64,
    /// How late.
    pub(crate) lateness: Duration,
    /// Queries whose number has none of these bits get TC.
    pub(crate) truncate: u64,
    /// Whether an A query gets its record thirty times.
    pub(crate) is_large: bool,
}

impl Config {
    /// The settings of all occurrences in the block; mistakes are reported to `setup`.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config =
            Self { drop: EVERY, delay: 0, lateness: LATENESS, truncate: 0, is_large: false };
        let mut sets_drop = false;
        for directive in setup.directives {
            setup.note(directive.expect_arguments(0..=0).map(drop));
            for property in directive.properties() {
                let done = config.property(directive, property);
                setup.note(done);
                sets_drop |= &*property.name == "drop" && !property.arguments.is_empty();
            }
        }
        // Who asks for delays or truncation wants to see them.
        if (config.delay > 0 || config.truncate > 0) && !sets_drop {
            config.drop = 0;
        }
        config
    }

    fn property(&mut self, directive: &Directive, property: &Property) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "drop" => {
                if let Some(written) = property.expect_arguments(0..=1)?.first() {
                    self.drop = amount(written)?;
                }
            }
            "truncate" => {
                let written = property.expect_arguments(0..=1)?.first();
                self.truncate = written.map_or(Ok(EVERY), amount)?;
            }
            "delay" => {
                let arguments = property.expect_arguments(0..=2)?;
                self.delay = arguments.first().map_or(Ok(EVERY), amount)?;
                self.lateness = arguments.get(1).map_or(Ok(LATENESS), Argument::duration)?;
            }
            "large" => {
                property.expect_arguments(0..=0)?;
                self.is_large = true;
            }
            _ => return Err(directive.unknown_property(property, PROPERTIES)),
        }
        Ok(())
    }
}

fn amount(written: &Argument) -> Result<u64, Diagnostic> {
    let amount: i32 = written.parse_as("a whole number of queries")?;
    u64::try_from(amount).map_err(|_| {
        Diagnostic::error(written.span, format!("illegal amount value `{written}`"))
            .label("at least 0")
    })
}

const PROPERTIES: &[&str] = &["drop", "truncate", "delay", "large"];
const EVERY: u64 = 2;
const LATENESS: Duration = Duration::from_millis(100);
