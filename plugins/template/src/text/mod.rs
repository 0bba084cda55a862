//! The language that templates are written in: that part of Go's `text/template` which single records need.
//!
//! ```text
//!  "{{ .Name }} 60 IN A …" ── lex ──► tokens ── parse ──► tree ── eval (with the query's data) ──► text
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`lex`] | text and actions to tokens, trim markers and comments done with |
//! | [`parse`] | tokens to the tree; everything that can be refused before the first query is refused here |
//! | [`tree`] | the tree, and how it is written back for metric labels |
//! | [`eval`] | the tree and the query's data to text |
//! | [`function`] | the functions: `index`, `eq`, `parseInt` … |
//! | [`format`](mod@format) | the verbs of `printf` |
//! | [`value`] | what expressions evaluate to |
//!
//! Templates inside templates (`define`, `template`, `block`) and the functions for web pages (`html`, `js`,
//! `urlquery`, `call`) are left out: a record has no use for them, and they are refused by name.

mod eval;
mod format;
mod function;
mod lex;
mod parse;
mod tree;
mod value;

pub(crate) use eval::{EvalError, Subject};
pub(crate) use tree::Template;
pub(crate) use value::{Map, Object, Value};

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ParseError {
    /// What is wrong.
    pub(crate) message: String,
}

impl ParseError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

#[cfg(test)]
mod tests;
