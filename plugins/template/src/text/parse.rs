//! Tokens to the tree.

use super::ParseError;
use super::function::Function;
use super::lex::{Kind, Token, lex};
use super::tree::{Branches, Node, Operand, Pipeline, Template, Variable};
use super::value::Value;

impl Template {
    /// Reads a template.
    pub(crate) fn parse(source: &str) -> Result<Self, ParseError> {
        let mut parser = Parser {
            tokens: lex(source)?.into_iter().peekable(),
            variables: vec!["$".to_owned()],
            n_variables: 1,
            n_ranges: 0,
            depth: 0,
        };
        let (nodes, end) = parser.nodes()?;
        match end {
            None => Ok(Self { nodes, n_variables: parser.n_variables }),
            Some(End::Else) => Err(ParseError::new("`else` outside of `if`, `with` and `range`")),
            Some(End::End) => Err(ParseError::new("`end` outside of `if`, `with` and `range`")),
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Names in scope, innermost last.
    variables: Vec<String>,
    n_variables: usize,
    /// How many `range` are open.
    n_ranges: usize,
    /// How many blocks and parentheses are open.
    depth: usize,
}

/// What ended a list of nodes. The action is read up to and without its last tokens: `if` after `else`, or `}}`.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Else,
    End,
}

impl Parser {
    /// Nodes up to `else`, `end` or the end of the template.
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<End>), ParseError> {
        let mut nodes = Vec::new();
        while let Some(token) = self.tokens.next() {
            if let Kind::Text(text) = token.kind {
                nodes.push(Node::Text(text));
                continue;
            }
            let keyword = match self.tokens.peek().map(|token| &token.kind) {
                Some(Kind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match keyword.as_str() {
                "if" | "with" | "range" => {
                    self.tokens.next();
                    nodes.push(self.branches(&keyword)?);
                }
                "else" => {
                    self.tokens.next();
                    return Ok((nodes, Some(End::Else)));
                }
                "end" => {
                    self.tokens.next();
                    self.close("end")?;
                    return Ok((nodes, Some(End::End)));
                }
                "break" | "continue" => {
                    self.tokens.next();
                    self.close(&keyword)?;
                    if self.n_ranges == 0 {
                        return Err(ParseError::new(format!("`{keyword}` outside of `range`")));
                    }
                    nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
                }
                "define" | "template" | "block" => {
                    return Err(ParseError::new(format!("`{keyword}` is not supported")));
                }
                _ => {
                    let pipeline = self.pipeline(false)?;
                    self.close("a pipeline")?;
                    nodes.push(Node::Action(pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    /// What follows `if`, `with` or `range`, to its `end`.
    fn branches(&mut self, keyword: &str) -> Result<Node, ParseError> {
        self.enter()?;
        let n_before = self.variables.len();
        let pipeline = self.pipeline(keyword == "range")?;
        self.close("a pipeline")?;
        let is_range = keyword == "range";
        self.n_ranges += usize::from(is_range);
        let (then, end) = self.scoped_nodes()?;
        self.n_ranges -= usize::from(is_range);
        let otherwise = match end {
            None => return Err(ParseError::new(format!("`{keyword}` has no `end`"))),
            Some(End::End) => None,
            Some(End::Else) => Some(self.otherwise(keyword)?),
        };
        self.variables.truncate(n_before);
        self.depth -= 1;
        let branches = Branches { pipeline, then, otherwise };
        Ok(match keyword {
            "if" => Node::If(branches),
            "with" => Node::With(branches),
            _ => Node::Range(branches),
        })
    }

    /// What follows `else`: the nodes up to `end`, or another `if` (or `with`) that shares the `end`.
    fn otherwise(&mut self, keyword: &str) -> Result<Vec<Node>, ParseError> {
        if let Some(Kind::Word(word)) = self.tokens.peek().map(|token| &token.kind) {
            if word != keyword || keyword == "range" {
                return Err(ParseError::new(format!("unexpected `{word}` after `else`")));
            }
            self.tokens.next();
            return Ok(vec![self.branches(keyword)?]);
        }
        self.close("else")?;
        match self.scoped_nodes()? {
            (nodes, Some(End::End)) => Ok(nodes),
            (_, Some(End::Else)) => Err(ParseError::new(format!("`{keyword}` has two `else`"))),
            (_, None) => Err(ParseError::new(format!("`{keyword}` has no `end`"))),
        }
    }

    /// Nodes whose variables end with them.
    fn scoped_nodes(&mut self) -> Result<(Vec<Node>, Option<End>), ParseError> {
        let n_before = self.variables.len();
        let nodes = self.nodes()?;
        self.variables.truncate(n_before);
        Ok(nodes)
    }

    fn pipeline(&mut self, is_range: bool) -> Result<Pipeline, ParseError> {
        let (names, is_assignment) = self.declaration(is_range)?;
        let mut commands: Vec<Vec<Operand>> = Vec::new();
        loop {
            let command = self.command()?;
            if !commands.is_empty()
                && matches!(command[0], Operand::Dot | Operand::Nil | Operand::Literal(..))
            {
                return Err(ParseError::new(format!(
                    "`{}` takes nothing from a pipeline",
                    command[0]
                )));
            }
            commands.push(command);
            // A pipe that leads nowhere is passed over.
            let is_piped = self.tokens.next_if(|token| token.kind == Kind::Pipe).is_some();
            if !is_piped || self.tokens.peek().is_some_and(|token| token.kind == Kind::Close) {
                break;
            }
        }
        let declared = names
            .into_iter()
            .map(|name| self.variable(name, !is_assignment))
            .collect::<Result<_, _>>()?;
        Ok(Pipeline { declared, is_assignment, commands })
    }

    /// `$x :=`, `$x =`, and `$i, $x :=` of a range.
    fn declaration(&mut self, is_range: bool) -> Result<(Vec<String>, bool), ParseError> {
        // Variables at the beginning may as well be operands: look ahead on a copy.
        let mut ahead = self.tokens.clone();
        let mut names = Vec::new();
        while let Some(Kind::Variable(name)) = ahead.peek().map(|token| token.kind.clone()) {
            ahead.next();
            names.push(name);
            match ahead.next().map(|token| token.kind) {
                Some(Kind::Declare) => {
                    self.tokens = ahead;
                    return Ok((names, false));
                }
                Some(Kind::Assign) => {
                    self.tokens = ahead;
                    return Ok((names, true));
                }
                Some(Kind::Comma) if is_range && names.len() == 1 => {}
                Some(Kind::Comma) => return Err(ParseError::new("too many variables")),
                _ => break,
            }
        }
        Ok((Vec::new(), false))
    }

    fn variable(&mut self, name: String, is_new: bool) -> Result<Variable, ParseError> {
        if is_new {
            self.variables.push(name.clone());
            self.n_variables = self.n_variables.max(self.variables.len());
            return Ok(Variable { name, slot: self.variables.len() - 1 });
        }
        match self.variables.iter().rposition(|known| *known == name) {
            Some(slot) => Ok(Variable { name, slot }),
            None => Err(ParseError::new(format!("undefined variable `{name}`"))),
        }
    }

    /// Operands with white space between them; at least one.
    fn command(&mut self) -> Result<Vec<Operand>, ParseError> {
        let mut operands: Vec<Operand> = Vec::new();
        loop {
            let next = self.tokens.peek();
            match next.map(|token| &token.kind) {
                None => return Err(ParseError::new("`{{` has no `}}`")),
                Some(Kind::Close | Kind::Pipe | Kind::RightParen) if operands.is_empty() => {
                    return Err(ParseError::new("a value is missing"));
                }
                Some(Kind::Close | Kind::Pipe | Kind::RightParen) => return Ok(operands),
                Some(kind)
                    if !operands.is_empty() && next.is_some_and(|token| !token.is_spaced) =>
                {
                    return Err(ParseError::new(format!(
                        "{} follows `{}` without a space",
                        describe(kind),
                        operands[operands.len() - 1]
                    )));
                }
                Some(_) => operands.push(self.operand()?),
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        let term = self.term()?;
        let fields = self.fields();
        if fields.is_empty() {
            return Ok(term);
        }
        Ok(match term {
            Operand::Fields(mut first) => {
                first.extend(fields);
                Operand::Fields(first)
            }
            Operand::Variable(variable, _) => Operand::Variable(variable, fields),
            Operand::Dot | Operand::Nil | Operand::Literal(..) => {
                return Err(ParseError::new(format!("`{term}` has no fields")));
            }
            of => Operand::Chain(Box::new(of), fields),
        })
    }

    /// `.A.B` right after a term.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token { kind: Kind::Field(field), .. }) =
            self.tokens.next_if(|token| !token.is_spaced && matches!(token.kind, Kind::Field(_)))
        {
            fields.push(field);
        }
        fields
    }

    fn term(&mut self) -> Result<Operand, ParseError> {
        let Some(token) = self.tokens.next() else {
            return Err(ParseError::new("`{{` has no `}}`"));
        };
        Ok(match token.kind {
            Kind::Dot => Operand::Dot,
            Kind::Field(field) => Operand::Fields(vec![field]),
            Kind::Variable(name) => Operand::Variable(self.variable(name, false)?, Vec::new()),
            Kind::Quoted(written, text) => Operand::Literal(written, Value::Text(text)),
            Kind::Char(written, c) => {
                Operand::Literal(written, Value::Int(i64::from(u32::from(c))))
            }
            Kind::Number(written) => {
                let value = number(&written)
                    .ok_or_else(|| ParseError::new(format!("`{written}` is no number")))?;
                Operand::Literal(written, value)
            }
            Kind::Word(word) => match word.as_str() {
                "true" | "false" => {
                    let value = Value::Bool(word == "true");
                    Operand::Literal(word, value)
                }
                "nil" => Operand::Nil,
                _ => Operand::Function(Function::by_name(&word)?),
            },
            Kind::LeftParen => {
                self.enter()?;
                let pipeline = self.pipeline(false)?;
                match self.tokens.next().map(|token| token.kind) {
                    Some(Kind::RightParen) => {}
                    _ => return Err(ParseError::new("a parenthesis is not closed")),
                }
                self.depth -= 1;
                Operand::Pipeline(Box::new(pipeline))
            }
            kind => return Err(ParseError::new(format!("unexpected {}", describe(&kind)))),
        })
    }

    fn close(&mut self, what: &str) -> Result<(), ParseError> {
        match self.tokens.next().map(|token| token.kind) {
            Some(Kind::Close) => Ok(()),
            None => Err(ParseError::new("`{{` has no `}}`")),
            Some(kind) => {
                Err(ParseError::new(format!("unexpected {} after {what}", describe(&kind))))
            }
        }
    }

    fn enter(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ParseError::new(format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }
}

/// A number as Go writes them: whole numbers with a base prefix and underscores, or decimal fractions.
pub(super) fn number(written: &str) -> Option<Value> {
    let (sign, digits) = match written.as_bytes().first()? {
        b'-' => ("-", &written[1..]),
        b'+' => ("", &written[1..]),
        _ => ("", written),
    };
    if let Some(whole) = whole(digits) {
        let whole = format!("{sign}{whole}");
        return match whole.parse::<i64>() {
            Ok(n) => Some(Value::Int(n)),
            Err(_) => whole.parse().ok().map(Value::Uint),
        };
    }
    let is_decimal = digits.contains(['.', 'e', 'E'])
        && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-_".contains(&b))
        && digits.bytes().any(|b| b.is_ascii_digit());
    let written = format!("{sign}{}", digits.replace('_', ""));
    is_decimal.then(|| written.parse().ok().map(Value::Float))?
}

/// A whole number without a sign.
pub(super) fn whole(written: &str) -> Option<u64> {
    let lower = written.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    digits.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(())?;
    u64::from_str_radix(&digits, radix).ok()
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) | Kind::Open => "the end of an action".to_owned(),
        Kind::Close => "`}}`".to_owned(),
        Kind::Word(text)
        | Kind::Variable(text)
        | Kind::Number(text)
        | Kind::Quoted(text, _)
        | Kind::Char(text, _) => format!("`{text}`"),
        Kind::Field(field) => format!("`.{field}`"),
        Kind::Dot => "`.`".to_owned(),
        Kind::Pipe => "`|`".to_owned(),
        Kind::Declare => "`:=`".to_owned(),
        Kind::Assign => "`=`".to_owned(),
        Kind::Comma => "`,`".to_owned(),
        Kind::LeftParen => "`(`".to_owned(),
        Kind::RightParen => "`)`".to_owned(),
    }
}

/// Deeper templates are refused; nobody writes them, and each level takes stack.
const MAX_DEPTH: usize = 100;
