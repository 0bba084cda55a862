//! `root PATH`: where relative paths start.

use corefile::{Diagnostic, Directive};

use crate::assemble::BlockDraft;

pub(crate) const SETTING: super::Setting = set;

fn set(directives: &[Directive], block: &mut BlockDraft) -> Result<(), Diagnostic> {
    for directive in directives {
        directive.expect_arguments(1..=usize::MAX)?;
        let path = &directive.arguments[0];
        block.info.root = path.text.as_str().into();
        match std::fs::metadata(&block.info.root) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                block.warnings.push(Diagnostic::warning(
                    path.span,
                    format!("root path `{path}` does not exist"),
                ));
            }
            Err(error) => {
                return Err(Diagnostic::error(path.span, format!("cannot use `{path}`: {error}")));
            }
        }
    }
    Ok(())
}
