//! Logical lines of words.

use super::{At, Mistake};

/// The octets of a file, taken line by line.
pub(super) struct Text {
    octets: Vec<u8>,
    at: usize,
    /// Counted from 1.
    line: usize,
    /// Where the last logical line began.
    last: usize,
}

/// What is between two ends of line, parentheses taken together; it has at least one word.
#[derive(Debug)]
pub(super) struct Line {
    /// The number of its first line in the file.
    pub(super) number: usize,
    /// Whether it begins with a blank, which stands for the owner of the record before.
    pub(super) is_continued: bool,
    pub(super) tokens: Vec<Token>,
}

/// A word. Escapes are still in it, since what they mean depends on the field.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    pub(super) text: Vec<u8>,
    /// Its line in the file.
    pub(super) line: usize,
    /// Whether it stood in quotes; it may be empty or have blanks in it then.
    pub(super) is_quoted: bool,
    /// Whether it follows the one before without a blank, as in `alpn="h2"`.
    pub(super) is_glued: bool,
}

impl Text {
    pub(super) fn new(octets: Vec<u8>) -> Self {
        Self { octets, at: 0, line: 1, last: 1 }
    }

    /// The line that the last logical line began at.
    pub(super) fn line_of_last(&self) -> usize {
        self.last
    }

    /// The next line that says something; `None` at the end.
    pub(super) fn next_line(&mut self) -> At<Option<Line>> {
        while self.at < self.octets.len() {
            let line = self.logical_line()?;
            if !line.tokens.is_empty() {
                self.last = line.number;
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    fn logical_line(&mut self) -> At<Line> {
        let is_continued = matches!(self.octets[self.at], b' ' | b'\t');
        let mut line = Line { number: self.line, is_continued, tokens: Vec::new() };
        let mut opened: Vec<usize> = Vec::new();
        let mut is_glued = false;
        while let Some(&octet) = self.octets.get(self.at) {
            match octet {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    is_glued = false;
                    if opened.is_empty() {
                        break;
                    }
                }
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    is_glued = false;
                }
                b';' => self.skip_comment(),
                b'(' => {
                    self.at += 1;
                    opened.push(self.line);
                    is_glued = false;
                }
                b')' => {
                    self.at += 1;
                    opened.pop().ok_or((self.line, Mistake::StrayParenthesis))?;
                    is_glued = false;
                }
                b'"' => {
                    let token = self.quoted(is_glued)?;
                    line.push(token);
                    is_glued = true;
                }
                _ => {
                    let token = self.word(is_glued);
                    line.push(token);
                    is_glued = true;
                }
            }
        }
        match opened.pop() {
            Some(opened) => Err((opened, Mistake::OpenParenthesis)),
            None => Ok(line),
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.octets[self.at..];
        self.at += rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
    }

    fn quoted(&mut self, is_glued: bool) -> At<Token> {
        let opened = self.line;
        let mut text = Vec::new();
        self.at += 1;
        loop {
            let octet = *self.octets.get(self.at).ok_or((opened, Mistake::OpenQuote))?;
            self.at += 1;
            match octet {
                b'"' => return Ok(Token { text, line: opened, is_quoted: true, is_glued }),
                b'\\' => {
                    let next = *self.octets.get(self.at).ok_or((opened, Mistake::OpenQuote))?;
                    self.at += 1;
                    text.extend([octet, next]);
                    self.line += usize::from(next == b'\n');
                }
                _ => {
                    text.push(octet);
                    self.line += usize::from(octet == b'\n');
                }
            }
        }
    }

    fn word(&mut self, is_glued: bool) -> Token {
        let mut text = Vec::new();
        while let Some(&octet) = self.octets.get(self.at) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                b'\\' => {
                    text.push(octet);
                    self.at += 1;
                    // An escape at the end of a line is a mistake that whoever reads the word will find.
                    if let Some(&next) = self.octets.get(self.at).filter(|next| **next != b'\n') {
                        text.push(next);
                        self.at += 1;
                    }
                }
                _ => {
                    text.push(octet);
                    self.at += 1;
                }
            }
        }
        Token { text, line: self.line, is_quoted: false, is_glued }
    }
}

impl Line {
    /// Blank lines may stand before the first word inside of parentheses.
    fn push(&mut self, token: Token) {
        if self.tokens.is_empty() {
            self.number = token.line;
        }
        self.tokens.push(token);
    }
}

impl Token {
    /// For messages.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// As it was written.
    pub(super) fn written(&self) -> Vec<u8> {
        let quote: &[u8] = if self.is_quoted { b"\"" } else { b"" };
        let blank: &[u8] = if self.is_glued { b"" } else { b" " };
        [blank, quote, &self.text, quote].concat()
    }
}
