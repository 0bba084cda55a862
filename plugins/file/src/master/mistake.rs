//! What can be wrong in a master file, and where.

use std::io;
use std::path::{Path, PathBuf};

use super::lexer::Token;

/// A mistake with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {mistake}", .file.display())]
pub(crate) struct ZoneFileError {
    file: PathBuf,
    line: usize,
    #[source]
    mistake: Mistake,
}

impl ZoneFileError {
    pub(super) fn new(file: &Path, line: usize, mistake: Mistake) -> Self {
        Self { file: file.to_owned(), line, mistake }
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Mistake {
    #[error("expected {wanted}, not `{found}`")]
    Expected { wanted: &'static str, found: String },
    #[error("expected {0} at the end of the line")]
    Missing(&'static str),
    #[error("`{0}` is one word too many")]
    Surplus(String),
    #[error("`{0}` is no domain name")]
    Name(String),
    #[error("`{0}` has an escape that is neither `\\DDD` nor a character")]
    Escape(String),
    #[error("a quote is not closed")]
    OpenQuote,
    #[error("`(` is not closed")]
    OpenParenthesis,
    #[error("`)` closes nothing")]
    StrayParenthesis,
    #[error("{0}")]
    Directive(&'static str),
    #[error("files include files too often")]
    TooManyIncludes,
    #[error("cannot read `{}`: {source}", .file.display())]
    Include { file: PathBuf, source: io::Error },
    #[error("the first record has no owner")]
    NoOwner,
    #[error("the record has no type")]
    NoType,
    #[error("no TTL here, nor on a record before, nor a `$TTL`")]
    NoTtl,
    #[error("data of type {0} can only be written as `\\# LENGTH HEX`")]
    NoFormat(String),
    #[error("NSEC3 is not supported; sign the zone with NSEC")]
    Nsec3,
    #[error("the data is not what its type wants")]
    Data,
}

impl Mistake {
    pub(super) fn expected(wanted: &'static str, found: &Token) -> Self {
        Self::Expected { wanted, found: found.shown() }
    }
}
