//! The directive, typed.

use plugin::{Argument, Diagnostic, Setup};

/// What the directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Up to 255 octets. `Rhumb-VERSION` unless set.
    pub(crate) version: Vec<u8>,
    /// At least one, each up to 255 octets, without repetition.
    pub(crate) authors: Vec<Vec<u8>>,
}

impl Config {
    /// Reads the first directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let directive = setup.directive;
        for property in directive.properties() {
            setup.report(directive.unknown_property(property, &[]));
        }
        if let Some(again) = setup.directives.get(1) {
            setup.report(
                Diagnostic::warning(again.name.span, "only the first `chaos` counts")
                    .label("has no effect")
                    .help("leave one of them out"),
            );
        }
        let (version, authors) = match directive.arguments.split_first() {
            None => (VERSION.as_bytes().to_vec(), &[][..]),
            Some((version, authors)) => (octets(version), authors),
        };
        let mut authors: Vec<Vec<u8>> = authors.iter().map(octets).collect();
        authors.sort_unstable();
        authors.dedup();
        if authors.is_empty() {
            authors.push(AUTHORS.to_vec());
        }
        Self { version: at_most_255(version), authors }
    }
}

fn octets(argument: &Argument) -> Vec<u8> {
    at_most_255(argument.as_bytes().to_vec())
}

/// RFC 1035 §3.3: a character-string has up to 255 octets.
fn at_most_255(mut octets: Vec<u8>) -> Vec<u8> {
    octets.truncate(255);
    octets
}

/// The packages of the workspace share one version.
const VERSION: &str = concat!("Rhumb-", env!("CARGO_PKG_VERSION"));

/// Who wrote it, as LICENSE says.
const AUTHORS: &[u8] = b"The Rhumb authors";
