//! `debug`: debug lines in the log, for the whole process, and no recovery from panics.

use corefile::{Diagnostic, Directive};

use crate::assemble::BlockDraft;

pub(crate) const SETTING: super::Setting = set;

fn set(directives: &[Directive], block: &mut BlockDraft) -> Result<(), Diagnostic> {
    for directive in directives {
        directive.expect_bare()?;
    }
    block.server.is_debug = true;
    Ok(())
}
