//! The directive, typed.

use plugin::{Bounds, Diagnostic, Directive, Setup};

/// What the directive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Octets that a client may ask for at the most. From 512 to 4096; 1232 unless set.
    pub(crate) udp_payload_size: u16,
}

impl Config {
    /// Reads the first directive.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        if let Some(again) = setup.directives.get(1) {
            setup.report(
                Diagnostic::warning(again.name.span, "only the first `bufsize` counts")
                    .label("has no effect")
                    .help("leave one of them out"),
            );
        }
        let directive = setup.directive;
        let no_block = directive.expect_no_block();
        setup.note(no_block);
        Ok(Self { udp_payload_size: udp_payload_size(directive)? })
    }
}

fn udp_payload_size(directive: &Directive) -> Result<u16, Diagnostic> {
    let Some(written) = directive.expect_arguments(0..=1)?.first() else { return Ok(SIZE.default) };
    let size: u64 = written.parse_as("a whole number of octets")?;
    // What is too large for the type is too large for the bounds as well.
    SIZE.check(u16::try_from(size).unwrap_or(u16::MAX), written)
}

/// The default is that of DNS flag day 2020: it passes every path with the IPv6 minimum MTU.
/// RFC 6891 §6.2.3: values lower than 512 are treated as 512.
const SIZE: Bounds<u16> = Bounds { default: 1232, min: 512, max: 4096 };
