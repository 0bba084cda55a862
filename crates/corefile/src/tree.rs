//! The spanned tree: server blocks, directives, properties, arguments.

use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use crate::{Diagnostic, Span};

/// A whole Corefile, with its imports and snippets in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corefile {
    /// In the order they are written. Blocks without a key are left out, as they serve nothing.
    pub blocks: Vec<ServerBlock>,
}

/// Some zones, and what answers their queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerBlock {
    /// At least one, as written; [`crate::ServerKey::parse`] reads them.
    pub keys: Vec<Argument>,
    /// In the order they are written; a directive that is written twice is here twice.
    pub directives: Vec<Directive>,
    /// From the first key to the closing brace.
    pub span: Span,
}

/// One word of a Corefile after expansion of environment variables and quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The word.
    pub text: String,
    /// Where it was written.
    pub span: Span,
}

impl Deref for Argument {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name, its arguments and perhaps a block: a directive of a server block, or a [`Property`] inside one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word of the line.
    pub name: Argument,
    /// The other words of the line.
    pub arguments: Vec<Argument>,
    /// What stands between `{` and `}`, where there is a block.
    pub block: Option<Block>,
}

/// A directive inside a directive's block; it has the same shape.
pub type Property = Directive;

/// The lines between `{` and `}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// From the opening brace to the closing one.
    pub span: Span,
    /// One per line.
    pub properties: Vec<Property>,
}

impl Directive {
    /// From the name to the last argument; the block is left out.
    pub fn span(&self) -> Span {
        self.arguments.last().map_or(self.name.span, |last| self.name.span.to(last.span))
    }

    /// The properties of the block; none where there is no block.
    pub fn properties(&self) -> &[Self] {
        self.block.as_ref().map_or(&[], |block| &block.properties)
    }

    /// Refuses any argument and any block.
    pub fn expect_bare(&self) -> Result<(), Diagnostic> {
        self.expect_arguments(0..=0)?;
        self.expect_no_block()
    }

    /// Refuses a block.
    pub fn expect_no_block(&self) -> Result<(), Diagnostic> {
        match &self.block {
            None => Ok(()),
            Some(block) => {
                Err(Diagnostic::error(block.span, format!("`{}` takes no block", self.name))
                    .label("not expected here")
                    .help(format!("end the line after `{}`", self.name)))
            }
        }
    }

    /// Refuses a number of arguments outside `wanted`.
    pub fn expect_arguments(
        &self,
        wanted: RangeInclusive<usize>,
    ) -> Result<&[Argument], Diagnostic> {
        let n_arguments = self.arguments.len();
        if wanted.contains(&n_arguments) {
            return Ok(&self.arguments);
        }
        let (least, most) = (*wanted.start(), *wanted.end());
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        let wants = match (least, most) {
            (0, 0) => "no argument".to_owned(),
            (l, m) if l == m => format!("{l} {}", plural(l)),
            (l, usize::MAX) => format!("at least {l} {}", plural(l)),
            (0, m) => format!("at most {m} {}", plural(m)),
            (l, m) => format!("{l} to {m} arguments"),
        };
        let message = format!("`{}` wants {wants}, not {n_arguments}", self.name);
        Err(match self.arguments.get(most) {
            Some(extra) => Diagnostic::error(extra.span, message).label("one too many"),
            None => {
                Diagnostic::error(self.span(), message).label("something is missing after this")
            }
        })
    }

    /// The one argument.
    pub fn argument(&self) -> Result<&Argument, Diagnostic> {
        Ok(&self.expect_arguments(1..=1)?[0])
    }

    /// The one argument, parsed; `what` says in words what it should be.
    pub fn value<T: FromStr>(&self, what: &str) -> Result<T, Diagnostic> {
        self.argument()?.parse_as(what)
    }

    /// The one argument as a duration in Go's syntax (`300ms`, `1.5h`, `2h45m`).
    pub fn duration(&self) -> Result<Duration, Diagnostic> {
        self.argument()?.duration()
    }

    /// The error for a property that the directive `self` does not know; suggests the nearest of `known`.
    pub fn unknown_property(&self, property: &Self, known: &[&str]) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            property.name.span,
            format!("unknown property `{}` of `{}`", property.name, self.name),
        )
        .label("not known");
        match crate::suggest(&property.name, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => {
                diagnostic.help(format!("`{}` has no properties", self.name))
            }
            None => diagnostic.help(format!("known properties: {}", known.join(", "))),
        }
    }
}

impl Argument {
    /// Parses the word; `what` says in words what it should be, such as `a whole number of queries`.
    pub fn parse_as<T: FromStr>(&self, what: &str) -> Result<T, Diagnostic> {
        self.text.parse().map_err(|_| self.expected(what))
    }

    /// The error for a word that is not `what` was wanted.
    pub fn expected(&self, what: &str) -> Diagnostic {
        Diagnostic::error(self.span, format!("expected {what}, not `{}`", self.text))
            .label(format!("not {what}"))
    }

    /// The word as a duration in Go's syntax: decimal numbers, each with a unit of `ns us µs ms s m h`.
    ///
    /// A bare `0` is allowed; negative durations are refused.
    pub fn duration(&self) -> Result<Duration, Diagnostic> {
        crate::duration::parse(&self.text).ok_or_else(|| {
            self.expected("a duration").help("write a number and a unit: `300ms`, `5s`, `1h30m`")
        })
    }
}

/// What a setting is when unset, and what it may be; a value outside is refused with the numbers, not clamped.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<T> {
    /// The value when nothing is written.
    pub default: T,
    /// The smallest value allowed.
    pub min: T,
    /// The largest value allowed.
    pub max: T,
}

impl<T: PartialOrd + Copy + fmt::Debug> Bounds<T> {
    /// The value, or the error that names the bounds, at `argument`.
    pub fn check(&self, value: T, argument: &Argument) -> Result<T, Diagnostic> {
        if value >= self.min && value <= self.max {
            return Ok(value);
        }
        Err(Diagnostic::error(
            argument.span,
            format!("`{argument}` is out of range: from {:?} to {:?}", self.min, self.max),
        )
        .label("out of range"))
    }
}
