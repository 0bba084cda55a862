//! The directive, typed.

use std::time::Duration;

use plugin::pattern;
use plugin::{Argument, Diagnostic, Directive, Property, Setup};
use regex::Regex;

/// What the directive says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// In the order written; the first that matches an error takes it.
    pub(crate) rules: Vec<Rule>,
}

/// One `consolidate`.
#[derive(Debug)]
pub(crate) struct Rule {
    /// How long errors are counted, from the first on.
    pub(crate) period: Duration,
    /// The expression as written, for the summary.
    pub(crate) written: String,
    /// Which errors are counted.
    pub(crate) pattern: Regex,
    /// What the summary, and with `show_first` the first error, is logged at.
    pub(crate) level: Level,
    /// Whether the first error of a period is logged at once.
    pub(crate) shows_first: bool,
}

/// A log level that a rule can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

impl Config {
    /// Reads the directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        setup.note(target(directive));
        let mut config = Self::default();
        for property in directive.properties() {
            match &*property.name {
                // Errors are values here and carry no stack; a panic prints its own.
                "stacktrace" => {
                    setup.note(property.expect_bare());
                }
                "consolidate" => config.rules.extend(setup.note(Rule::parse(property))),
                _ => setup.report(directive.unknown_property(property, KNOWN)),
            }
        }
        Ok(config)
    }
}

/// `stdout` is the only place there is; it may be named.
fn target(directive: &Directive) -> Result<(), Diagnostic> {
    match directive.expect_arguments(0..=1)?.first() {
        Some(target) if **target != *"stdout" => {
            Err(Diagnostic::error(target.span, format!("errors cannot be logged to `{target}`"))
                .label("only `stdout` is possible")
                .help("leave it out, and redirect the server's output"))
        }
        _ => Ok(()),
    }
}

impl Rule {
    fn parse(property: &Property) -> Result<Self, Diagnostic> {
        property.expect_no_block()?;
        let arguments = property.expect_arguments(2..=4)?;
        let period = arguments[0].duration()?;
        let (level, shows_first) = options(&arguments[2..])?;
        Ok(Self {
            period,
            written: arguments[1].text.clone(),
            pattern: pattern::compile(&arguments[1])?,
            level: level.unwrap_or(Level::Error),
            shows_first,
        })
    }
}

/// `[LEVEL] [show_first]`, in this order.
fn options(arguments: &[Argument]) -> Result<(Option<Level>, bool), Diagnostic> {
    let mut level = None;
    let mut shows_first = false;
    for argument in arguments {
        let wrong = |message: &str| {
            Err(Diagnostic::error(argument.span, message).help("write `[LEVEL] [show_first]`"))
        };
        match Level::parse(argument) {
            Some(_) if level.is_some() => return wrong("a rule has one log level"),
            Some(_) if shows_first => return wrong("the log level comes before `show_first`"),
            Some(found) => level = Some(found),
            None if **argument == *"show_first" => shows_first = true,
            None => {
                return Err(argument
                    .expected("a log level or `show_first`")
                    .help("levels: warning, error, info, debug"));
            }
        }
    }
    Ok((level, shows_first))
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "error" => Self::Error,
            "warning" => Self::Warning,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }

    /// Logs a line at this level.
    pub(crate) fn log(self, line: &str) {
        match self {
            Self::Error => tracing::error!(target: TARGET, "{line}"),
            Self::Warning => tracing::warn!(target: TARGET, "{line}"),
            Self::Info => tracing::info!(target: TARGET, "{line}"),
            Self::Debug => tracing::debug!(target: TARGET, "{line}"),
        }
    }
}

const TARGET: &str = "plugin/errors";
const KNOWN: &[&str] = &["stacktrace", "consolidate"];
