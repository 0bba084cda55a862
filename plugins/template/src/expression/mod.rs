//! The language of `var` and `expr`: conditions and values worked out for each query.
//!
//! It is the language of <https://expr-lang.org>, which CoreDNS uses here and in *view*. Nothing in this module but
//! [`query`] knows anything about DNS.
//!
//! ```text
//!  "incidr(client_ip(), '10.0.0.0/8')" ── lex, parse ──► tree ── check ──► Program ── run(host) ──► Value
//!                                                                 ▲
//!                         Environment: the names that are known, and their types
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`lex`] | text to tokens |
//! | [`parse`] | tokens to the tree, by precedence |
//! | [`check`] | types, as far as they are known: what can never work is refused before the first query |
//! | [`eval`] | the tree to a value |
//! | [`builtin`] | functions of the language: `len`, `replace`, `split` … |
//! | [`signature`] | what their arguments must be |
//! | [`predicate`] | functions that take a condition: `any`, `filter`, `map` … |
//! | [`query`] | functions that a query answers: `name()`, `client_ip()` … |
//!
//! Dates and times (`now`, `date`, `duration`, `timezone`), JSON, `groupBy`, `$env`, byte strings and functions without a
//! call are left out, and are refused by name.

mod base64;
mod builtin;
mod check;
mod eval;
mod lex;
mod parse;
mod predicate;
mod query;
mod signature;
mod tree;
mod value;

pub(crate) use check::Environment;
pub(crate) use eval::{Program, RunError};
pub(crate) use query::{QueryHost, environment};
pub(crate) use value::{Type, Value};

/// Why an expression cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CompileError(String);

impl CompileError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Whether a variable may not have that name, since it means something in expressions.
pub(crate) fn is_reserved(name: &str) -> bool {
    KEYWORDS.contains(&name)
        || builtin::by_name(name).is_some()
        || predicate::Predicate::by_name(name).is_some()
        || builtin::UNSUPPORTED.contains(&name)
}

const KEYWORDS: &[&str] = &[
    "true",
    "false",
    "nil",
    "let",
    "if",
    "else",
    "not",
    "in",
    "and",
    "or",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
];

#[cfg(test)]
mod tests;
