//! Corefile text to a spanned tree, or to every diagnostic at once.
//!
//! A Corefile says which zones a server answers for and which plugins answer them. This crate reads one, and knows
//! neither DNS nor any plugin: unknown directives and their arguments are other people's business.
//!
//! ```text
//! path ── load ─┬─ lexer: text ── words ─────────────┐
//!               │    ▲                               ▼
//!               │    └─ import: files, patterns ◄── parser ─── Corefile
//!               │                                    │           └ ServerBlock ── keys ── ServerKey::parse
//!               └────────────────────────────────────┴── Diagnostic ── render
//! ```
//!
//! What CoreDNS accepts is accepted here and means the same, oddities included; where it was hardly meant, a warning
//! says so. The differences are on purpose:
//!
//! - Everything wrong is reported at once, and for every place.
//! - The first word of an import starts a line. CoreDNS compares line numbers of different places there, so that an
//!   `import` in the first line of a snippet can go unnoticed.
//! - `health { lameduck 5s }` in one line is a block. CoreDNS gives the brace to most plugins as an argument.
//! - Text after a directive's closing brace, and an opening brace in a line of its own after a directive, are errors.
//!   CoreDNS gives them to the plugin as if its name had been written again.
//! - A `}` without a block in front of more text is an error. CoreDNS takes it for a zone.
//! - Line breaks in a variable's value or name do not change which words are in one line.
//! - Values of variables that contain themselves, blocks more than 32 deep, files over 16 MiB, and imports of
//!   more than two million words are errors. CoreDNS works on them until it is stopped.
//! - Every pattern with a `[` is refused. CoreDNS lets some of them match nothing.

mod diagnostic;
mod duration;
mod environment;
mod import;
mod key;
mod lexer;
mod load;
mod parser;
mod render;
mod report;
mod span;
mod suggest;
mod tree;
mod words;
mod zone;

pub use diagnostic::{Diagnostic, Severity};
pub use key::{Scheme, ServerKey};
pub use load::{Loaded, load, parse};
pub use render::{render, render_json};
pub use span::{Position, Source, Sources, Span};
pub use suggest::suggest;
pub use tree::{Argument, Block, Bounds, Corefile, Directive, Property, ServerBlock};
pub use zone::{cidr_zones, zones};

#[cfg(test)]
mod tests;
