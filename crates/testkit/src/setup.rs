//! A plugin's set-up from inside, for tests of what it reads.

use std::path::Path;

use plugin::{Diagnostic, Setup};

use crate::Kit;

/// Calls `act` with the set-up of a directive's lines, and returns what it returns with the diagnostics it reported,
/// rendered.
///
/// # Panics
/// Where the text is no Corefile.
pub fn with_setup<T>(
    kit: &Kit,
    text: &str,
    act: impl FnOnce(&mut Setup<'_>) -> T,
) -> (T, Vec<String>) {
    let corefile = format!(". {{\n{text}\n}}\n");
    let loaded = corefile::parse(Path::new("Corefile"), &corefile, &|_| None);
    assert!(loaded.diagnostics.is_empty(), "{text}: {:?}", loaded.diagnostics);
    let directives = &loaded.corefile.blocks[0].directives;
    let mut diagnostics = Vec::new();
    let mut setup = Setup::new(directives, &kit.block, &kit.metrics, &kit.shared, &mut diagnostics);
    let result = act(&mut setup);
    let render = |d: &Diagnostic| corefile::render(d, &loaded.sources);
    (result, diagnostics.iter().map(render).collect())
}
