//! Directives that set up the server instead of answering.

use corefile::{Diagnostic, Directive};

use crate::assemble::BlockDraft;

pub(crate) mod bind;
pub(crate) mod debug;
pub(crate) mod reload;
pub(crate) mod root;

/// Applies every occurrence of a directive in a block to the block, or to the whole server.
pub(crate) type Setting = fn(&[Directive], &mut BlockDraft) -> Result<(), Diagnostic>;
