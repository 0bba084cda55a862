//! Text to words, each with its place.
//!
//! The language has words and nothing else: braces, commas and `import` mean something to the parser, not here. Every
//! oddity below is CoreDNS's, since a Corefile that works there has to read the same here:
//!
//! - A quote counts at the start of a word only, and `"a"b` is two words.
//! - Inside quotes `\"` is the one escape; every other backslash stays.
//! - A carriage return outside quotes is dropped without ending the word.
//! - `#` inside a word hides the rest of that word, not the rest of the line.
//! - A quote that is never closed ends with the file.

use std::rc::Rc;

use crate::{Diagnostic, Span};

/// One word, before environment variables are replaced.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The word without its quotes. Whether it had any makes no difference: `"{"` opens a block.
    pub(crate) text: Rc<str>,
    /// The word with its quotes.
    pub(crate) span: Span,
    /// The line it starts on.
    pub(crate) line: u32,
    /// Bytes before it in that line: how far it is indented, if it is the first there.
    pub(crate) indent: u32,
    /// The line it ends on: later than `line` for quoted text with line breaks.
    pub(crate) end_line: u32,
}

/// What a file holds.
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    /// Doubts; no text is so wrong that it has no words.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Splits a text into words. The text must be shorter than 4 GiB, since spans are.
pub(crate) fn lex(text: &str, file: u32) -> Lexed {
    Lexer {
        rest: text.char_indices().peekable(),
        text,
        file,
        line: 1,
        line_start: 0,
        tokens: Vec::new(),
        warnings: Vec::new(),
        hash: None,
    }
    .run()
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    text: &'a str,
    file: u32,
    line: u32,
    line_start: usize,
    tokens: Vec<Token>,
    warnings: Vec<Diagnostic>,
    /// A `#` inside a word, and its line: doubtful once another word follows on that line.
    hash: Option<(Span, u32)>,
}

impl Lexer<'_> {
    fn run(mut self) -> Lexed {
        // A byte order mark is no word.
        self.rest.next_if(|(_, c)| *c == '\u{feff}');
        while let Some((at, c)) = self.rest.next() {
            match c {
                '\n' => self.next_line(at),
                c if c.is_whitespace() => {}
                '#' => while self.rest.next_if(|(_, c)| *c != '\n').is_some() {},
                '"' => self.quoted(at),
                c => self.word(at, c),
            }
        }
        Lexed { tokens: self.tokens, warnings: self.warnings }
    }

    fn word(&mut self, start: usize, first: char) {
        let mut word = String::from(first);
        let mut end = start + first.len_utf8();
        let mut hash = None;
        while let Some((at, c)) = self.rest.next_if(|(_, c)| *c == '\r' || !c.is_whitespace()) {
            match c {
                '\r' => {}
                '#' if hash.is_none() => hash = Some(self.span(at, at + 1)),
                _ if hash.is_some() => {}
                c => {
                    word.push(c);
                    end = at + c.len_utf8();
                }
            }
        }
        self.push(&word, (start, end), (self.line, self.line_start));
        if let Some(hash) = hash {
            self.hash = Some((hash, self.line));
        }
    }

    fn quoted(&mut self, start: usize) {
        let line = (self.line, self.line_start);
        let mut word = String::new();
        let mut is_escaped = false;
        while let Some((at, c)) = self.rest.next() {
            match c {
                '\\' if !is_escaped => {
                    is_escaped = true;
                    continue;
                }
                '"' if !is_escaped => {
                    self.push(&word, (start, at + 1), line);
                    return;
                }
                '\n' => self.next_line(at),
                _ => {}
            }
            if is_escaped && c != '"' {
                word.push('\\');
            }
            is_escaped = false;
            word.push(c);
        }
        self.warnings.push(
            Diagnostic::warning(self.span(start, start + 1), "unclosed quote")
                .label("opened here")
                .help("everything up to the end of the file is one word; add the closing `\"`"),
        );
        if !word.is_empty() {
            self.push(&word, (start, self.text.len()), line);
        }
    }

    /// `line` is the number of the line that the word starts in, and where that line starts.
    fn push(&mut self, word: &str, (start, end): (usize, usize), line: (u32, usize)) {
        let (line, line_start) = line;
        if let Some((hash, hash_line)) = self.hash.take()
            && hash_line == line
        {
            self.warnings.push(
                Diagnostic::warning(hash, "this `#` starts no comment, since it is inside a word")
                    .label("hides the rest of this word only")
                    .help("put a space before the `#` to comment out the rest of the line"),
            );
        }
        self.tokens.push(Token {
            text: word.into(),
            span: self.span(start, end),
            line,
            indent: offset(start - line_start),
            end_line: self.line,
        });
    }

    fn next_line(&mut self, line_break: usize) {
        self.line += 1;
        self.line_start = line_break + 1;
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: offset(start), end: offset(end) }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
