//! Words to server blocks, recovering from every mistake.
//!
//! ```text
//! corefile  = { block | snippet | import }
//! block     = keys "{" lines "}"  |  keys NEWLINE lines          (without braces: up to the end, or a `}`)
//! keys      = key { [","] key }                                  (a comma lets the list go on in the next line)
//! lines     = { directive | import }
//! directive = name { argument } [ "{" { property | import } "}" ]
//! property  = the same as a directive
//! snippet   = "(" name ")" "{" words "}"
//! ```
//!
//! After a mistake the parser goes on at the next line or brace, whichever makes the fewest further complaints. Where
//! CoreDNS accepts what was hardly meant, this is a warning and the meaning is CoreDNS's.

mod block;
mod splice;

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use crate::environment::{self, Environment, Expanded};
use crate::import::{Files, Imported};
use crate::lexer::{self, Token};
use crate::report::Reports;
use crate::words::{Origin, Word, Words};
use crate::{Argument, Corefile, Diagnostic, Directive, ServerBlock, Severity, Sources, Span, key};

/// Parses a text that was read from `path`.
pub(crate) fn parse(
    path: &Path,
    text: &str,
    environment: Environment<'_>,
) -> (Corefile, Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add(path, text);
    let lexed = lexer::lex(text, file);
    let tokens: Rc<[Token]> = lexed.tokens.into();
    let mut files = Files::default();
    files.insert(path, Imported { file, tokens: tokens.clone() });
    let mut parser = Parser {
        environment,
        sources,
        files,
        words: Words::new(tokens, Origin::File(file)),
        before: None,
        dedent: None,
        snippets: HashMap::new(),
        n_snippet_imports: 0,
        n_file_imports: 0,
        n_spliced: 0,
        reports: Reports::default(),
    };
    for warning in lexed.warnings {
        parser.report(warning);
    }
    let mut blocks = Vec::new();
    while parser.words.peek().is_some() {
        blocks.extend(parser.server_block());
    }
    (Corefile { blocks }, parser.sources, parser.reports.into_sorted())
}

struct Parser<'a> {
    environment: Environment<'a>,
    sources: Sources,
    files: Files,
    words: Words,
    /// The word taken last; imports are left out, as their words stand in their place.
    before: Option<Word>,
    /// Where a `}` may have been forgotten in this server block.
    dedent: Option<Dedent>,
    snippets: HashMap<String, Snippet>,
    n_snippet_imports: usize,
    n_file_imports: usize,
    n_spliced: usize,
    reports: Reports,
}

/// A line that is indented as if a block had ended, though it has not.
struct Dedent {
    word: Word,
    /// Whose block has not ended.
    owner: String,
}

#[derive(Clone)]
struct Snippet {
    tokens: Rc<[Token]>,
    /// The key that defined it.
    span: Span,
}

/// The words before a server block's body.
struct Keys {
    keys: Vec<Argument>,
    /// The file ended after them.
    is_end: bool,
}

/// Whether the server block goes on after a directive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Directive,
    /// A `}` ended the block where it should not have.
    Brace,
}

impl Parser<'_> {
    /// One block, unless it is a snippet or nothing at all. Takes at least one word.
    fn server_block(&mut self) -> Option<ServerBlock> {
        self.dedent = None;
        let Keys { keys, is_end } = self.keys();
        for key in &keys {
            if let Some(doubt) = key::doubt(key) {
                self.report(doubt);
            }
        }
        if let Some(name) = snippet_name(&keys)
            && !is_end
        {
            self.snippet(name, keys[0].span);
            return None;
        }
        let opening = (!is_end).then(|| self.take_if("{")).flatten();
        let directives = if is_end { Vec::new() } else { self.directives(opening.as_ref()) };
        let (Some(first), Some(last)) = (keys.first(), self.before.as_ref()) else {
            let place = opening.map(|opening| opening.span());
            if let Some(span) = place.or_else(|| Some(directives.first()?.span())) {
                self.report(
                    Diagnostic::warning(span, "this block has no key, so it serves nothing")
                        .label("no zone before this")
                        .help("write the zones before the block: `. {` for every name"),
                );
            }
            return None;
        };
        let span = first.span.to(last.span());
        Some(ServerBlock { keys, directives, span })
    }

    fn keys(&mut self) -> Keys {
        let mut keys: Vec<Argument> = Vec::new();
        let mut comma: Option<Span> = None;
        let mut stray_braces = Vec::new();
        // The first word, and the first after an import, belongs to the keys whatever its line.
        let mut is_first = true;
        let is_end = loop {
            let Some(word) = self.words.peek() else { break true };
            let starts_line = self.starts_line(&word);
            if !is_first && comma.is_none() && starts_line {
                break false;
            }
            if keys.is_empty() && word.is("}") {
                stray_braces.push(word.span());
                self.take();
                continue;
            }
            let mut key = self.expand(&word);
            if key.text == "import" && starts_line {
                self.import();
                is_first = true;
                continue;
            }
            if key.text == "{" {
                if let Some(comma) = comma.take() {
                    self.report(missing_key(comma, "the block starts after this"));
                }
                break false;
            }
            self.take();
            is_first = false;
            if key.text.is_empty() {
                continue;
            }
            comma = None;
            if key.text.ends_with(',') {
                key.text.pop();
                let span = Span { start: key.span.end.saturating_sub(1), ..key.span };
                if key.text.is_empty() {
                    self.report(
                        Diagnostic::error(span, "a key is missing before the comma")
                            .label("no key here"),
                    );
                    continue;
                }
                comma = Some(span);
            }
            keys.push(key);
        };
        if let Some(comma) = comma {
            self.report(missing_key(comma, "the file ends after this"));
        }
        // CoreDNS serves the zone `}.` then; that is harmless only where nothing follows.
        let severity = if is_end && keys.is_empty() { Severity::Warning } else { Severity::Error };
        for span in stray_braces {
            self.report(Diagnostic {
                severity,
                ..Diagnostic::error(span, "unexpected `}`")
                    .label("no block is open here")
                    .help("take it out, or look for a `}` too many above")
            });
        }
        Keys { keys, is_end }
    }

    /// The lines of a server block, and its closing brace where `opening` was its opening one.
    fn directives(&mut self, opening: Option<&Word>) -> Vec<Directive> {
        let mut directives = Vec::new();
        loop {
            let Some(word) = self.words.peek() else {
                if let Some(opening) = opening {
                    // CoreDNS looks at the last word of the file only: some other block's brace will do.
                    let is_accepted = self.before.as_ref().is_some_and(|last| last.is("}"));
                    let severity = if is_accepted { Severity::Warning } else { Severity::Error };
                    self.unclosed(opening, "this server block", severity);
                }
                break;
            };
            if word.is("}") {
                self.take();
                break;
            }
            if word.is("import") {
                self.import();
                continue;
            }
            let (directive, after) = self.directive();
            directives.extend(directive);
            if after == After::Brace {
                break;
            }
        }
        directives
    }

    fn take(&mut self) -> Option<Word> {
        let word = self.words.take()?;
        self.before = Some(word.clone());
        Some(word)
    }

    fn take_if(&mut self, text: &str) -> Option<Word> {
        let is_it = self.words.peek().is_some_and(|word| word.is(text));
        if is_it { self.take() } else { None }
    }

    fn starts_line(&self, word: &Word) -> bool {
        self.before.as_ref().is_none_or(|before| !word.continues(before))
    }

    /// The next word, if it is in the line of the word taken last.
    fn peek_in_line(&self) -> Option<Word> {
        self.words.peek().filter(|word| !self.starts_line(word))
    }

    /// Goes to the end of the line, or to the brace that ends it.
    fn skip_line(&mut self) {
        while let Some(word) = self.peek_in_line() {
            if word.is("{") || word.is("}") {
                break;
            }
            self.take();
        }
    }

    /// The word with its environment variables replaced.
    fn expand(&mut self, word: &Word) -> Argument {
        let expanded = environment::expand(&word.token.text, self.environment);
        if expanded.is_err() {
            self.report(
                Diagnostic::error(word.span(), "replacing environment variables here has no end")
                    .label("a value contains its own name, or the result is too long"),
            );
        }
        let Expanded { text, unset } = expanded.unwrap_or_else(|environment::Endless| Expanded {
            text: word.token.text.to_string(),
            unset: Vec::new(),
        });
        for name in unset {
            let message = format!("the environment variable `{name}` is not set");
            self.report(Diagnostic::warning(word.span(), message).label("replaced by nothing"));
        }
        Argument { text, span: word.span() }
    }

    /// The complaint about a block that the file ends in.
    fn unclosed(&mut self, opening: &Word, whose: &str, severity: Severity) {
        let place = self.sources.position(opening.span()).to_string();
        let help = match &self.dedent {
            Some(Dedent { word, owner }) => {
                let suspect = self.sources.position(word.span());
                format!("its `{{` is at {place}; is the `}}` of {owner} missing above {suspect}?")
            }
            None => format!("its `{{` is at {place}"),
        };
        let last = self.before.as_ref().unwrap_or(opening).span();
        let end = Span { start: last.end, ..last };
        self.report(Diagnostic {
            severity,
            ..Diagnostic::error(end, format!("unclosed block: {whose} has no `}}`"))
                .label("the file ends here")
                .help(help)
        });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.reports.push(diagnostic);
    }
}

/// The name in `(name)`, if that is the only key.
fn snippet_name(keys: &[Argument]) -> Option<String> {
    let [key] = keys else { return None };
    Some(key.text.strip_prefix('(')?.strip_suffix(')')?.to_owned())
}

fn missing_key(comma: Span, label: &str) -> Diagnostic {
    Diagnostic::error(comma, "a key is missing after the comma")
        .label(label)
        .help("write another key, or take the comma out")
}
