//! The directive, typed.

use plugin::proto::op::Metadata;
use plugin::{Argument, Diagnostic, Directive, Property, Setup};

/// What the directive says: at least one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// For queries, before the next plugin sees them.
    pub(crate) query: Vec<Rule>,
    /// For the replies that come back.
    pub(crate) response: Vec<Rule>,
}

/// One flag, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    flag: Flag,
    is_set: bool,
}

/// RFC 1035 §4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Authoritative,
    RecursionAvailable,
    RecursionDesired,
}

impl Config {
    /// Reads the directives: the first that has rules counts. Every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let mut found: Option<Self> = None;
        for directive in setup.directives {
            setup.note(directive.expect_arguments(0..=0));
            let mut config = Self::default();
            for property in directive.properties() {
                let done = config.property(directive, property);
                setup.note(done);
            }
            if directive.properties().is_empty() {
                continue;
            }
            if found.is_none() {
                found = Some(config);
            } else {
                setup.report(
                    Diagnostic::warning(directive.name.span, "only the first `header` counts")
                        .label("has no effect")
                        .help("put all rules into one block"),
                );
            }
        }
        found.ok_or_else(|| {
            Diagnostic::error(setup.directive.span(), "`header` has no rule")
                .label("nothing to do")
                .help("write `header { response set ra }`, one rule to a line")
        })
    }

    fn property(&mut self, directive: &Directive, property: &Property) -> Result<(), Diagnostic> {
        let rules = match &*property.name.to_ascii_lowercase() {
            "query" => &mut self.query,
            "response" => &mut self.response,
            _ => return Err(directive.unknown_property(property, &["query", "response"])),
        };
        property.expect_no_block()?;
        let words = property.expect_arguments(2..=usize::MAX)?;
        let (action, flags) = words.split_first().expect("there are two words at least");
        let is_set = match &*action.to_ascii_lowercase() {
            "set" => true,
            "clear" => false,
            _ => return Err(action.expected("`set` or `clear`")),
        };
        for flag in flags {
            rules.push(Rule { flag: Flag::parse(flag)?, is_set });
        }
        Ok(())
    }
}

impl Rule {
    /// Applies the rules in order: the last about a flag holds.
    pub(crate) fn apply(rules: &[Self], header: &mut Metadata) {
        for rule in rules {
            let flag = match rule.flag {
                Flag::Authoritative => &mut header.authoritative,
                Flag::RecursionAvailable => &mut header.recursion_available,
                Flag::RecursionDesired => &mut header.recursion_desired,
            };
            *flag = rule.is_set;
        }
    }
}

impl Flag {
    fn parse(word: &Argument) -> Result<Self, Diagnostic> {
        match &*word.to_ascii_lowercase() {
            "aa" => Ok(Self::Authoritative),
            "ra" => Ok(Self::RecursionAvailable),
            "rd" => Ok(Self::RecursionDesired),
            _ => Err(word.expected("`aa`, `ra` or `rd`")),
        }
    }
}
