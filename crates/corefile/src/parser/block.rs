//! Directives, their blocks, and the properties inside.

use super::{After, Dedent, Parser};
use crate::words::Word;
use crate::{Argument, Block, Diagnostic, Directive, Property, Severity};

/// Whose block it is.
struct Owner {
    /// In backticks, or in words.
    name: String,
    /// The first word of its line, if that is the owner's name: the lines of the block should stand further right.
    first: Option<Word>,
}

impl Parser<'_> {
    /// One directive, unless its name cannot be one.
    pub(super) fn directive(&mut self) -> (Option<Directive>, After) {
        let Some(word) = self.words.peek() else { return (None, After::Directive) };
        let first = self.starts_line(&word).then(|| word.clone());
        self.take();
        if word.is("{") {
            self.report(
                Diagnostic::error(word.span(), "unexpected `{`")
                    .label("there is no directive before it")
                    .help("write a directive and its `{` in one line"),
            );
            self.block(&word, &Owner::nameless(), 1);
            return (None, self.after_block());
        }
        let name = self.expand(&word);
        if let Some(bare) = glued_brace(&name) {
            return self.glued_directive(&word, first, bare);
        }
        let is_name = !matches!(&*name, "" | "{" | "}");
        if !is_name {
            let message = format!("`{name}` cannot be the name of a directive");
            self.report(Diagnostic::error(word.span(), message).label("not a directive"));
        }
        let mut directive = Directive { name, arguments: Vec::new(), block: None };
        let mut after = After::Directive;
        while let Some(next) = self.words.peek() {
            if next.is("{") {
                self.brace_in_line(&next, &directive.name);
                self.take();
                directive.block = Some(self.block(&next, &Owner::new(&directive.name, first), 1));
                after = self.after_block();
                break;
            }
            if self.starts_line(&next) {
                break;
            }
            if next.is("}") {
                after = self.brace_after_text(&directive.name);
                break;
            }
            self.take();
            let argument = self.expand(&next);
            directive.arguments.push(argument);
        }
        (is_name.then_some(directive), after)
    }

    /// `health{`: an unknown directive to CoreDNS; here the block is read all the same, to complain once only.
    fn glued_directive(
        &mut self,
        word: &Word,
        first: Option<Word>,
        bare: &str,
    ) -> (Option<Directive>, After) {
        self.report(
            Diagnostic::error(word.span(), format!("`{bare}{{` is one word, so it opens no block"))
                .label("a space is missing before the brace")
                .help(format!("write `{bare} {{`")),
        );
        let name = Argument { text: bare.to_owned(), span: word.span() };
        let block = Some(self.block(word, &Owner::new(bare, first), 1));
        let after = self.after_block();
        (Some(Directive { name, arguments: Vec::new(), block }), after)
    }

    /// What is between the brace that was taken last and the one that closes it.
    fn block(&mut self, opening: &Word, owner: &Owner, depth: usize) -> Block {
        let mut properties: Vec<Property> = Vec::new();
        let mut is_indented = false;
        let closing = loop {
            let Some(word) = self.words.peek() else {
                self.unclosed(opening, &owner.name, Severity::Error);
                break None;
            };
            let starts_line = self.starts_line(&word);
            if starts_line {
                let stands_right = owner.is_left_of(&word);
                is_indented |= stands_right;
                if is_indented && !stands_right && !(word.is("}") && owner.is_above(&word)) {
                    self.dedent.get_or_insert_with(|| Dedent {
                        word: word.clone(),
                        owner: owner.name.clone(),
                    });
                }
            }
            if word.is("}") {
                if !starts_line {
                    self.closes_line(&word, properties.last());
                }
                break self.take();
            }
            if word.is("{") {
                self.nameless_block(&word, &mut properties, depth);
                continue;
            }
            if word.is("import") && starts_line {
                self.import();
                continue;
            }
            let property = self.property(depth);
            properties.extend(property);
        };
        let end = closing.or_else(|| self.before.clone());
        let end = end.map_or_else(|| opening.span(), |end| end.span());
        let span = opening.span().to(end);
        Block { span, properties }
    }

    fn property(&mut self, depth: usize) -> Option<Property> {
        let word = self.words.peek()?;
        let first = self.starts_line(&word).then(|| word.clone());
        self.take();
        let name = self.expand(&word);
        let mut property = Property { name, arguments: Vec::new(), block: None };
        while let Some(next) = self.peek_in_line() {
            if next.is("}") {
                break;
            }
            self.take();
            if next.is("{") {
                let owner = Owner::new(&property.name, first);
                property.block = self.nested_block(&next, &owner, depth);
                self.text_after_block();
                break;
            }
            let argument = self.expand(&next);
            property.arguments.push(argument);
        }
        Some(property)
    }

    /// A block inside a block, whose brace was taken; `None` where it is too deep.
    fn nested_block(&mut self, opening: &Word, owner: &Owner, depth: usize) -> Option<Block> {
        if depth < MOST_DEPTH {
            return Some(self.block(opening, owner, depth + 1));
        }
        self.report(
            Diagnostic::error(opening.span(), "blocks are nested too deep")
                .label(format!("this is level {}, and {MOST_DEPTH} are allowed", MOST_DEPTH + 1)),
        );
        self.words_of_block();
        None
    }

    /// A `{` at the start of a line inside a block: taken for the block of the property before.
    fn nameless_block(&mut self, opening: &Word, properties: &mut [Property], depth: usize) {
        self.report(
            Diagnostic::error(opening.span(), "unexpected `{`")
                .label("there is no property before it in this line")
                .help("write a property and its `{` in one line"),
        );
        self.take();
        let block = self.nested_block(opening, &Owner::nameless(), depth);
        self.text_after_block();
        if let Some(last) = properties.last_mut()
            && last.block.is_none()
        {
            last.block = block;
        }
    }

    /// What follows a directive's block: nothing, or mistakes.
    fn after_block(&mut self) -> After {
        loop {
            self.text_after_block();
            let Some(word) = self.words.peek() else { return After::Directive };
            if word.is("{") {
                self.report(
                    Diagnostic::error(word.span(), "unexpected `{`")
                        .label("the directive before has its block already"),
                );
                self.take();
                self.block(&word, &Owner::nameless(), 1);
                continue;
            }
            if word.is("}") && !self.starts_line(&word) {
                self.report(
                    Diagnostic::error(word.span(), "unexpected `}` after another `}`")
                        .label("closes the server block in the line of another brace")
                        .help("give each of the two braces its own line"),
                );
                self.take();
                return self.after_misplaced_brace();
            }
            return After::Directive;
        }
    }

    /// CoreDNS would hand this text to the directive as if it were its name, written once more.
    fn text_after_block(&mut self) {
        let Some(word) = self.peek_in_line() else { return };
        if word.is("{") || word.is("}") {
            return;
        }
        self.report(
            Diagnostic::error(
                word.span(),
                format!("unexpected `{}` after a `}}`", word.token.text),
            )
            .label("in the line of the brace")
            .help("start a new line after the `}`"),
        );
        self.skip_line();
    }

    fn brace_in_line(&mut self, brace: &Word, name: &Argument) {
        if !self.starts_line(brace) {
            return;
        }
        self.report(
            Diagnostic::error(brace.span(), format!("the `{{` of `{name}` is not in its line"))
                .label("starts a new line")
                .help(format!("end the line of `{name}` with the `{{`")),
        );
    }

    /// The `}` of a server block in the line of a directive, which CoreDNS refuses.
    fn brace_after_text(&mut self, name: &Argument) -> After {
        if let Some(brace) = self.take() {
            self.report(
                Diagnostic::error(brace.span(), format!("unexpected `}}` in the line of `{name}`"))
                    .label("closes no block that was opened in this line")
                    .help("put the `}` on a line of its own"),
            );
        }
        self.after_misplaced_brace()
    }

    /// Whether the brace taken last was meant for the server block: not if that has a proper one in the next line.
    fn after_misplaced_brace(&self) -> After {
        match self.words.peek() {
            Some(word) if word.is("}") => After::Directive,
            _ => After::Brace,
        }
    }

    /// The `}` of a directive's block in the line of a property: fine here, but seldom in CoreDNS.
    fn closes_line(&mut self, brace: &Word, last: Option<&Property>) {
        let Some(last) = last.filter(|last| last.block.is_none()) else { return };
        self.report(
            Diagnostic::warning(
                brace.span(),
                format!("this `}}` is in the line of `{}`", last.name),
            )
            .label("CoreDNS takes it for an argument, and most plugins refuse it there")
            .help("put the `}` on a line of its own"),
        );
    }
}

impl Owner {
    fn new(name: &str, first: Option<Word>) -> Self {
        Self { name: format!("`{name}`"), first }
    }

    fn nameless() -> Self {
        Self { name: "this block".to_owned(), first: None }
    }

    fn is_left_of(&self, word: &Word) -> bool {
        self.first.as_ref().is_none_or(|first| {
            first.span().file != word.span().file || first.token.indent < word.token.indent
        })
    }

    fn is_above(&self, word: &Word) -> bool {
        self.first.as_ref().is_none_or(|first| first.token.indent == word.token.indent)
    }
}

/// The name before a brace that should have had a space before it. No directive ends in a brace.
fn glued_brace(name: &str) -> Option<&str> {
    name.strip_suffix('{').filter(|bare| !bare.is_empty() && !bare.contains(['{', '}']))
}

/// Levels of blocks in a directive; plugins know one or two.
const MOST_DEPTH: usize = 32;
