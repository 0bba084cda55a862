//! A Corefile on disk or in memory, to a tree with everything that is wrong with it.

use std::path::Path;

use crate::{Corefile, Diagnostic, Severity, Sources, import, parser};

/// What came of a Corefile.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As much of the tree as could be made out: to be used only if there are no errors, and to be checked further
    /// if there are.
    pub corefile: Corefile,
    /// Every file that was read, the Corefile first.
    pub sources: Sources,
    /// Errors and warnings, in the order they were met.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the Corefile has to be refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads and parses a Corefile and what it imports; `environment` looks variables up.
pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Loaded {
    match import::read(path) {
        Ok((text, n_replaced)) => {
            let mut loaded = parse(path, &text, environment);
            if n_replaced > 0 {
                loaded.diagnostics.insert(0, import::not_utf8(0, n_replaced, &loaded.sources));
            }
            loaded
        }
        Err(error) => Loaded {
            corefile: Corefile::default(),
            sources: Sources::default(),
            diagnostics: vec![Diagnostic::general(format!(
                "cannot read `{}`: {}",
                path.display(),
                import::reason(&error)
            ))],
        },
    }
}

/// Parses a text as if it had been read from `path`, where its imports start.
pub fn parse(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let (corefile, sources, diagnostics) = parser::parse(path, text, environment);
    Loaded { corefile, sources, diagnostics }
}
