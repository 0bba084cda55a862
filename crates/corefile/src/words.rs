//! The words of a Corefile in parse order, imports and snippets spliced in.

use std::rc::Rc;

use crate::Span;
use crate::lexer::Token;

/// Where spliced words come from, to notice what imports itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file, by its number.
    File(u32),
    /// A snippet, by the place of its name.
    Snippet(Span),
}

/// A word, and which splice it came with.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) token: Token,
    splice: u32,
}

impl Word {
    pub(crate) fn span(&self) -> Span {
        self.token.span
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        *self.token.text == *text
    }

    /// Whether this word goes on with the line of the one before it. The first word of an import never does, nor does
    /// the first after it.
    ///
    /// CoreDNS compares bare line numbers and so takes some snippets for a part of the line before; see the tour.
    pub(crate) fn continues(&self, before: &Self) -> bool {
        self.splice == before.splice
            && self.token.span.file == before.token.span.file
            && self.token.line == before.token.end_line
    }
}

/// A stack of word lists: an import puts the words of a file or snippet on top.
pub(crate) struct Words {
    frames: Vec<Frame>,
    n_splices: u32,
}

struct Frame {
    tokens: Rc<[Token]>,
    next: usize,
    origin: Origin,
    splice: u32,
}

impl Words {
    pub(crate) fn new(tokens: Rc<[Token]>, origin: Origin) -> Self {
        let mut words = Self { frames: Vec::new(), n_splices: 0 };
        words.splice(tokens, origin);
        words
    }

    /// Puts words in front of those that are left.
    pub(crate) fn splice(&mut self, tokens: Rc<[Token]>, origin: Origin) {
        self.n_splices += 1;
        self.frames.push(Frame { tokens, next: 0, origin, splice: self.n_splices });
    }

    /// Whether the word that came last stands, by way of imports, in `origin`.
    ///
    /// A list that ended stays on the stack until a word after it is taken, so an `import` in a last line counts. One
    /// that was not begun is a later match of the same glob, which is no circle.
    pub(crate) fn is_inside(&self, origin: Origin) -> bool {
        self.frames.iter().any(|frame| frame.next > 0 && frame.origin == origin)
    }

    pub(crate) fn peek(&self) -> Option<Word> {
        let frame = self.frames.iter().rev().find(|frame| frame.next < frame.tokens.len())?;
        Some(Word { token: frame.tokens[frame.next].clone(), splice: frame.splice })
    }

    pub(crate) fn take(&mut self) -> Option<Word> {
        let depth = self.frames.iter().rposition(|frame| frame.next < frame.tokens.len())?;
        self.frames.truncate(depth + 1);
        let word = self.peek();
        self.frames[depth].next += 1;
        word
    }
}
