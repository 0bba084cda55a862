//! Snippets, and `import`: a snippet's words or a file's in place of the line.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Parser, Snippet};
use crate::import::{self, PatternError};
use crate::lexer::Token;
use crate::words::{Origin, Word};
use crate::{Argument, Diagnostic, Severity, Span};

impl Parser<'_> {
    /// Keeps the words of a snippet for later; they are looked at where they are imported.
    pub(super) fn snippet(&mut self, name: String, span: Span) {
        let known = self.snippets.get(&name).map(|snippet| snippet.span);
        if let Some(known) = known
            && self.reports.has_room(Severity::Error)
        {
            let place = self.sources.position(known).to_string();
            self.report(
                Diagnostic::error(span, format!("the snippet `{name}` is declared twice"))
                    .label("declared again")
                    .help(format!("the first declaration is at {place}")),
            );
        }
        let Some(opening) = self.take_if("{") else {
            self.report(
                Diagnostic::error(span, format!("the snippet `{name}` has no block"))
                    .label("a `{` is missing after this")
                    .help(format!("write `({name}) {{`, the lines, and a `}}`")),
            );
            return;
        };
        let Some(words) = self.words_of_block() else {
            self.unclosed(&opening, &format!("the snippet `{name}`"), Severity::Error);
            return;
        };
        self.check_for_itself(&name, &words);
        if known.is_none() {
            let tokens = words.into_iter().map(|word| word.token).collect();
            self.snippets.insert(name, Snippet { tokens, span });
        }
    }

    /// Every word up to the brace that closes the block whose opening brace was taken; `None` if there is none.
    pub(super) fn words_of_block(&mut self) -> Option<Vec<Word>> {
        let mut n_open = 1;
        let mut words = Vec::new();
        loop {
            let word = self.take()?;
            if word.is("{") {
                n_open += 1;
            } else if word.is("}") {
                n_open -= 1;
            }
            if n_open == 0 {
                return Some(words);
            }
            words.push(word);
        }
    }

    /// As in CoreDNS, a snippet that imports itself is refused even if nothing imports it; a longer circle is not.
    fn check_for_itself(&mut self, name: &str, words: &[Word]) {
        for (idx, pair) in words.windows(2).enumerate() {
            let starts_line = idx == 0 || !pair[0].continues(&words[idx - 1]);
            if !starts_line || !pair[0].is("import") {
                continue;
            }
            let import = self.expand(&pair[1]);
            if *import == *name {
                self.circle(&import, &format!("the snippet `{name}`"));
            }
        }
    }

    /// Replaces the `import` line that comes next. Whatever is wrong with it, the line is gone afterwards.
    pub(super) fn import(&mut self) {
        // The line leaves no trace: what comes after it follows what came before it.
        let before = self.before.clone();
        if let Some(word) = self.take() {
            self.import_line(&word);
        }
        self.before = before;
    }

    fn import_line(&mut self, import: &Word) {
        let what = "`import` wants a file or a snippet";
        let Some(word) = self.peek_in_line().filter(|word| !word.is("{") && !word.is("}")) else {
            self.report(
                Diagnostic::error(import.span(), what)
                    .label("nothing to import")
                    .help("write `import NAME` for a snippet, or `import PATH` for files"),
            );
            return;
        };
        self.take();
        let name = self.expand(&word);
        if let Some(extra) = self.peek_in_line() {
            let label = if extra.is("}") || extra.is("{") {
                "a brace counts as one; it belongs on the next line"
            } else {
                "one too many"
            };
            self.report(
                Diagnostic::error(extra.span(), "`import` wants one argument").label(label),
            );
            self.skip_line();
            return;
        }
        if name.is_empty() {
            self.report(Diagnostic::error(name.span, what).label("this is empty"));
            return;
        }
        match self.snippets.get(&*name).cloned() {
            Some(snippet) => {
                self.n_snippet_imports += 1;
                if self.n_snippet_imports > MOST_SNIPPET_IMPORTS {
                    self.too_many(&name, MOST_SNIPPET_IMPORTS, "snippets");
                } else if self.words.is_inside(Origin::Snippet(snippet.span)) {
                    self.circle(&name, &format!("the snippet `{name}`"));
                } else {
                    self.splice(&name, snippet.tokens, Origin::Snippet(snippet.span));
                }
            }
            None => self.import_files(&name),
        }
    }

    fn import_files(&mut self, name: &Argument) {
        self.n_file_imports += 1;
        if self.n_file_imports > MOST_FILE_IMPORTS {
            self.too_many(name, MOST_FILE_IMPORTS, "files");
            return;
        }
        let importer = self.sources.files().get(name.span.file as usize);
        let importer = importer.map_or_else(PathBuf::new, |source| source.path.clone());
        let paths = match import::matches(&importer, name) {
            Ok(paths) => paths,
            Err(error) => {
                let label = match error {
                    PatternError::TooWild => "at most one `*` and one `?`, and no `[`",
                    PatternError::DanglingEscape => "nothing follows the backslash",
                };
                let message = format!("`{name}` is not a pattern that can be imported");
                self.report(Diagnostic::error(name.span, message).label(label));
                return;
            }
        };
        if paths.is_empty() {
            self.no_match(&importer, name);
            return;
        }
        // The first match goes on top, so it is put there last.
        for path in paths.iter().rev() {
            self.import_file(path, name);
        }
    }

    fn import_file(&mut self, path: &Path, name: &Argument) {
        let (imported, warnings) = match self.files.load(path, &mut self.sources) {
            Ok(loaded) => loaded,
            Err(error) => {
                let message = format!("cannot import `{}`", path.display());
                self.report(Diagnostic::error(name.span, message).label(import::reason(&error)));
                return;
            }
        };
        for warning in warnings {
            self.report(warning);
        }
        let origin = Origin::File(imported.file);
        if self.words.is_inside(origin) {
            self.circle(name, &format!("`{}`", path.display()));
        } else {
            self.splice(name, imported.tokens, origin);
        }
    }

    fn splice(&mut self, name: &Argument, tokens: Rc<[Token]>, origin: Origin) {
        self.n_spliced += tokens.len();
        if self.n_spliced > MOST_SPLICED {
            self.report(
                Diagnostic::error(name.span, "imports make this Corefile too large")
                    .label(format!("more than {MOST_SPLICED} words in all")),
            );
            return;
        }
        self.words.splice(tokens, origin);
    }

    /// CoreDNS follows such a circle until it has had enough, and then refuses it.
    fn circle(&mut self, name: &Argument, what: &str) {
        self.report(
            Diagnostic::error(name.span, format!("{what} imports itself"))
                .label("this import is inside what it names, be it by way of others"),
        );
    }

    fn no_match(&mut self, importer: &Path, name: &Argument) {
        if import::is_pattern(name) {
            self.report(
                Diagnostic::warning(name.span, format!("no file matches `{name}`"))
                    .label("nothing is imported"),
            );
            return;
        }
        if !self.reports.has_room(Severity::Error) {
            return;
        }
        let known: Vec<&str> = self.snippets.keys().map(String::as_str).collect();
        let directory = match importer.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
            _ => ".".to_owned(),
        };
        let help = crate::suggest(name, &known).map_or_else(
            || format!("paths start in `{directory}`; snippets are declared above their import"),
            |near| format!("did you mean the snippet `{near}`?"),
        );
        self.report(
            Diagnostic::error(name.span, format!("cannot find `{name}` to import"))
                .label("neither a snippet nor a file")
                .help(help),
        );
    }

    fn too_many(&mut self, name: &Argument, most: usize, what: &str) {
        self.report(
            Diagnostic::error(name.span, format!("more than {most} imports of {what}"))
                .label("one too many")
                .help("does something import itself?"),
        );
    }
}

/// Expansions of snippets in one Corefile, as in CoreDNS.
const MOST_SNIPPET_IMPORTS: usize = 10_000;

/// Import lines that name files, as in CoreDNS.
const MOST_FILE_IMPORTS: usize = 100_000;

/// Words that imports bring in, all in all: a snippet of snippets of snippets grows fast.
const MOST_SPLICED: usize = 2_000_000;
