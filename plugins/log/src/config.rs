//! The directives, typed.

use plugin::{Argument, Diagnostic, Directive, Property, Setup, Zones};

use crate::class::{Class, Classes};
use crate::format::Format;

/// What the directives of one server block say.
#[derive(Debug)]
pub(crate) struct Config {
    /// One for each directive, in the order written.
    pub(crate) rules: Vec<Rule>,
}

/// One directive.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The names it is for. The first rule that is for a name decides about it.
    pub(crate) scope: Zones,
    /// The answers that are logged.
    pub(crate) classes: Classes,
    /// The line.
    pub(crate) format: Format,
}

impl Config {
    /// Reads the directives; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let rules = setup.directives.iter().map(|directive| Rule::parse(setup, directive));
        Self { rules: rules.collect() }
    }
}

impl Rule {
    fn parse(setup: &mut Setup<'_>, directive: &Directive) -> Self {
        let (names, format) = split(setup, &directive.arguments);
        let mut classes = Classes::default();
        for property in directive.properties() {
            match &*property.name {
                "class" => class(setup, property, &mut classes),
                _ => setup.report(directive.unknown_property(property, &["class"])),
            }
        }
        if classes.is_empty() {
            classes = Classes::ALL;
        }
        Self { scope: scope(setup, names), classes, format }
    }
}

/// `[NAMES...] [FORMAT]`. Only after a name the last word can be a format: CoreDNS takes a single word for a name
/// whatever it looks like.
fn split<'a>(setup: &mut Setup<'_>, arguments: &'a [Argument]) -> (&'a [Argument], Format) {
    match arguments {
        [names @ .., last] if !names.is_empty() && last.contains('{') => {
            let format = Format::parse(last);
            for unknown in format.unknown() {
                let message = format!("`{unknown}` is no placeholder and is printed as it stands");
                setup.report(
                    Diagnostic::warning(last.span, message).help(Format::placeholders_in_words()),
                );
            }
            (names, format)
        }
        [only] if only.contains('{') => {
            let message = format!("`{only}` is taken for a name, so nothing is logged");
            setup.report(
                Diagnostic::warning(only.span, message)
                    .label("a format comes after a name")
                    .help(format!("write `log . {only}`")),
            );
            (arguments, Format::common())
        }
        names => (names, Format::common()),
    }
}

/// The names; all of them without any. What is no name matches nothing, as with CoreDNS.
fn scope(setup: &mut Setup<'_>, names: &[Argument]) -> Zones {
    if names.is_empty() {
        return Zones::new([".".to_owned()]);
    }
    let mut zones = Vec::new();
    for name in names {
        match Zones::parse(std::slice::from_ref(name), &[]) {
            Ok(parsed) => zones.extend_from_slice(parsed.written()),
            Err(_) => setup.report(
                Diagnostic::warning(name.span, format!("`{name}` is no domain name"))
                    .label("matches no query"),
            ),
        }
    }
    Zones::new(zones)
}

/// `class NAME...`; several lines add up.
fn class(setup: &mut Setup<'_>, property: &Property, classes: &mut Classes) {
    if setup.note(property.expect_no_block()).is_none()
        || setup.note(property.expect_arguments(1..=usize::MAX)).is_none()
    {
        return;
    }
    for argument in &property.arguments {
        match &**argument {
            "all" => *classes = Classes::ALL,
            "success" => classes.insert(Class::Success),
            "denial" => classes.insert(Class::Denial),
            "error" => classes.insert(Class::Error),
            _ => setup.report(
                argument
                    .expected("a class of answers")
                    .help("classes: all, success, denial, error"),
            ),
        }
    }
}
