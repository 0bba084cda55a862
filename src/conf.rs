//! The Corefile: where it comes from, what is wrong with it, whether it has changed.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use corefile::{Diagnostic, Loaded, Severity, Sources};
use sha2::{Digest, Sha512};

use crate::assemble::{Assembled, Context};

/// Where the Corefile comes from.
#[derive(Clone, Debug)]
pub(crate) enum Conf {
    /// A file; a missing one is an error.
    File(PathBuf),
    /// `-conf stdin`, read once.
    Text(String),
    /// `./Corefile`, or the built-in default where there is none.
    Unset,
}

impl Conf {
    /// Reads `-conf`'s value.
    pub(crate) fn new(written: Option<&str>) -> io::Result<Self> {
        match written {
            None | Some("") => Ok(Self::Unset),
            Some("stdin") => {
                let mut text = Vec::new();
                io::stdin().lock().read_to_end(&mut text)?;
                Ok(Self::Text(String::from_utf8_lossy(&text).into_owned()))
            }
            Some(path) => Ok(Self::File(path.into())),
        }
    }

    /// Reads and parses the Corefile.
    pub(crate) fn load(&self, default_port: u16) -> Loaded {
        let environment = |name: &str| std::env::var(name).ok();
        let loaded = match self {
            Self::File(path) => corefile::load(path, &environment),
            Self::Text(text) => corefile::parse(Path::new("stdin"), text, &environment),
            Self::Unset if Path::new(DEFAULT_PATH).exists() => {
                corefile::load(Path::new(DEFAULT_PATH), &environment)
            }
            Self::Unset => built_in(default_port),
        };
        if loaded.corefile.blocks.is_empty() && !loaded.has_errors() {
            return built_in(default_port);
        }
        loaded
    }
}

/// What serves where there is no Corefile, or an empty one: as CoreDNS.
fn built_in(default_port: u16) -> Loaded {
    let text = format!(".:{default_port} {{\n    whoami\n    log\n}}\n");
    corefile::parse(Path::new(BUILT_IN_PATH), &text, &|_| None)
}

/// Whether there was no Corefile, or an empty one.
pub(crate) fn is_built_in(loaded: &Loaded) -> bool {
    loaded.sources.files().first().is_some_and(|file| file.path == Path::new(BUILT_IN_PATH))
}

/// Every diagnostic of a Corefile, rendered.
pub(crate) fn render_all(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&corefile::render(diagnostic, sources));
        text.push('\n');
    }
    let n_errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if n_errors > 1 {
        let _ = writeln!(text, "{n_errors} errors");
    }
    text
}

/// Sets up what was loaded, opens nothing. Both sides come rendered.
pub(crate) fn assemble(
    context: &Context<'_>,
    loaded: &Loaded,
) -> Result<(Assembled, String), String> {
    let mut diagnostics = loaded.diagnostics.clone();
    // Mistakes in the text do not keep the rest of it from being looked at.
    match context.assemble(&loaded.corefile) {
        Ok(assembled) if !loaded.has_errors() => {
            diagnostics.extend(assembled.warnings.iter().cloned());
            let warnings = render_all(&diagnostics, &loaded.sources);
            Ok((assembled, warnings))
        }
        Ok(_) => Err(render_all(&diagnostics, &loaded.sources)),
        Err(more) => Err(render_all(&sorted(diagnostics, more), &loaded.sources)),
    }
}

/// Every diagnostic of what was loaded, and whether it can be used.
pub(crate) fn diagnose(context: &Context<'_>, loaded: &Loaded) -> (Vec<Diagnostic>, bool) {
    let diagnostics = loaded.diagnostics.clone();
    match context.assemble(&loaded.corefile) {
        Ok(assembled) => (sorted(diagnostics, assembled.warnings), !loaded.has_errors()),
        Err(more) => (sorted(diagnostics, more), false),
    }
}

/// In the order of the files.
fn sorted(mut diagnostics: Vec<Diagnostic>, more: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.extend(more);
    diagnostics.sort_by_key(|d| d.span.map(|span| (span.file, span.start)));
    diagnostics
}

/// SHA-512 over the words of the Corefile, imports and environment expanded: white space, comments and
/// line numbers do not count.
pub(crate) fn fingerprint(loaded: &Loaded) -> String {
    let mut digest = Sha512::new();
    for block in &loaded.corefile.blocks {
        for key in &block.keys {
            digest.update(key.text.as_bytes());
            digest.update([0]);
        }
        digest_directives(&mut digest, &block.directives);
    }
    for diagnostic in &loaded.diagnostics {
        digest.update(diagnostic.message.as_bytes());
    }
    let mut text = String::new();
    for byte in digest.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn digest_directives(digest: &mut Sha512, directives: &[corefile::Directive]) {
    digest.update([1]);
    for directive in directives {
        for word in std::iter::once(&directive.name).chain(&directive.arguments) {
            digest.update(word.text.as_bytes());
            digest.update([0]);
        }
        if let Some(block) = &directive.block {
            digest_directives(digest, &block.properties);
        }
        digest.update([2]);
    }
}

const DEFAULT_PATH: &str = "Corefile";
/// Names the built-in Corefile in diagnostics.
const BUILT_IN_PATH: &str = "built-in Corefile";
