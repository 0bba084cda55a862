//! Tokens to the tree, by precedence.

use super::CompileError;
use super::builtin;
use super::lex::{Token, lex};
use super::predicate::Predicate;
use super::tree::{Node, Operator};

/// Reads an expression.
pub(super) fn parse(source: &str) -> Result<Node, CompileError> {
    let tokens = lex(source)?;
    let mut parser = Parser { tokens: &tokens, n_predicates: 0, depth: 0 };
    let node = parser.sequence()?;
    match parser.tokens.first() {
        None => Ok(node),
        Some(token) => Err(unexpected(Some(token))),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    /// How many conditions the place is inside: `#` means something in one.
    n_predicates: usize,
    depth: usize,
}

type Parsed = Result<Node, CompileError>;

impl<'a> Parser<'a> {
    /// `a; b; c`: the last counts.
    fn sequence(&mut self) -> Parsed {
        let first = self.expression(0)?;
        let mut nodes = vec![first];
        while self.take(";") {
            if self.tokens.is_empty() {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        if nodes.len() > 1 {
            return Ok(Node::Sequence(nodes));
        }
        nodes.pop().ok_or_else(|| unexpected(None))
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u16) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CompileError::new(format!("nested deeper than {MAX_DEPTH}")));
        }
        let node = match self.tokens.first() {
            Some(Token::Sign("let")) if least == 0 => self.declaration(),
            Some(Token::Sign("if")) if least == 0 => self.conditional_block(),
            _ => self.operators(least),
        };
        self.depth -= 1;
        node
    }

    fn operators(&mut self, least: u16) -> Parsed {
        let mut left = self.primary()?;
        let mut is_coalesced = false;
        while let Some(Token::Sign(sign)) = self.tokens.first() {
            // `not in` and the like.
            let is_negated = *sign == "not";
            let sign = match (is_negated, self.tokens.get(1)) {
                (false, _) => *sign,
                (true, Some(Token::Sign(next))) if NEGATABLE.contains(next) => *next,
                (true, next) => return Err(unexpected(next)),
            };
            if sign == "|" && least == 0 {
                self.skip(1);
                let name = self.word()?;
                left = self.call(name, vec![left])?;
                left = self.postfix(left)?;
                is_coalesced = false;
                continue;
            }
            let Some((operator, binding)) = Operator::by_sign(sign) else { break };
            if binding < least {
                break;
            }
            self.skip(1 + usize::from(is_negated));
            if is_coalesced && operator != Operator::Coalesce {
                return Err(CompileError::new(format!(
                    "`??` cannot stand beside `{sign}` without parentheses"
                )));
            }
            is_coalesced = operator == Operator::Coalesce;
            if operator.is_ordering() {
                left = self.orderings(left, operator, binding)?;
                continue;
            }
            // Powers group from the right, everything else from the left.
            let right = self.expression(binding + u16::from(operator != Operator::Power))?;
            left = binary(operator, left, right);
            if is_negated {
                left = Node::Not(Box::new(left));
            }
        }
        if least == 0 { self.ternary(left) } else { Ok(left) }
    }

    /// `a < b < c` is `a < b && b < c`.
    fn orderings(&mut self, left: Node, operator: Operator, binding: u16) -> Parsed {
        let mut last = self.expression(binding + 1)?;
        let mut all = binary(operator, left, last.clone());
        while let Some(Token::Sign(sign)) = self.tokens.first()
            && let Some((next, _)) = Operator::by_sign(sign)
            && next.is_ordering()
        {
            self.skip(1);
            let right = self.expression(binding + 1)?;
            let compared = binary(next, last, right.clone());
            all = binary(Operator::And, all, compared);
            last = right;
        }
        Ok(all)
    }

    fn ternary(&mut self, mut node: Node) -> Parsed {
        while self.take("?") {
            let then = if self.take(":") {
                None
            } else {
                let then = self.expression(0)?;
                self.expect(":")?;
                Some(Box::new(then))
            };
            let otherwise = self.expression(0)?;
            node = Node::Conditional(Box::new(node), then, Box::new(otherwise));
        }
        Ok(node)
    }

    /// `let name = value; rest`
    fn declaration(&mut self) -> Parsed {
        self.expect("let")?;
        let name = self.word()?.to_owned();
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let rest = self.sequence()?;
        Ok(Node::Let(name, Box::new(value), Box::new(rest)))
    }

    /// `if condition { … } else { … }`
    fn conditional_block(&mut self) -> Parsed {
        self.expect("if")?;
        let condition = self.expression(0)?;
        let then = self.block()?;
        self.expect("else")?;
        let otherwise = match self.tokens.first() {
            Some(Token::Sign("if")) => self.expression(0)?,
            _ => self.block()?,
        };
        Ok(Node::Conditional(Box::new(condition), Some(Box::new(then)), Box::new(otherwise)))
    }

    fn block(&mut self) -> Parsed {
        self.expect("{")?;
        let node = self.sequence()?;
        self.expect("}")?;
        Ok(node)
    }

    fn primary(&mut self) -> Parsed {
        let Some(Token::Sign(sign)) = self.tokens.first() else { return self.secondary() };
        let node = match *sign {
            "not" | "!" => {
                self.skip(1);
                Node::Not(Box::new(self.expression(50)?))
            }
            "-" => {
                self.skip(1);
                Node::Minus(Box::new(self.expression(90)?))
            }
            "+" => {
                self.skip(1);
                Node::Plus(Box::new(self.expression(90)?))
            }
            "(" => {
                self.skip(1);
                let node = self.sequence()?;
                self.expect(")")?;
                node
            }
            "#" if self.n_predicates > 0 => {
                self.skip(1);
                let name = match self.tokens.first() {
                    Some(Token::Word(name)) => name.clone(),
                    _ => String::new(),
                };
                self.skip(usize::from(!name.is_empty()));
                Node::Pointer(name)
            }
            "#" => return Err(CompileError::new("`#` means something in conditions only")),
            // `.name` in a condition is `#.name`.
            "." if self.n_predicates > 0 => Node::Pointer(String::new()),
            "::" => {
                self.skip(1);
                let name = self.word()?;
                self.call(name, Vec::new())?
            }
            _ => return self.secondary(),
        };
        self.postfix(node)
    }

    fn secondary(&mut self) -> Parsed {
        let Some(token) = self.tokens.first() else { return Err(unexpected(None)) };
        let node = match token {
            Token::Int(n) => {
                self.skip(1);
                return Ok(Node::Int(*n));
            }
            Token::Float(n) => {
                self.skip(1);
                return Ok(Node::Float(*n));
            }
            Token::Text(text) => {
                self.skip(1);
                Node::Text(text.clone())
            }
            Token::Word(word) => {
                self.skip(1);
                match word.as_str() {
                    "true" => return Ok(Node::Bool(true)),
                    "false" => return Ok(Node::Bool(false)),
                    "nil" => return Ok(Node::Nil),
                    "$env" => return Err(CompileError::new("`$env` is not supported")),
                    _ if self.tokens.first() == Some(&Token::Sign("(")) => {
                        self.call(word, Vec::new())?
                    }
                    _ => Node::Name(word.clone()),
                }
            }
            Token::Sign("[") => {
                self.skip(1);
                Node::List(self.items("]")?)
            }
            Token::Sign("{") => {
                self.skip(1);
                self.map()?
            }
            Token::Sign(_) => return Err(unexpected(Some(token))),
        };
        self.postfix(node)
    }

    /// Expressions with commas between them, and perhaps one behind, up to `end`.
    fn items(&mut self, end: &str) -> Result<Vec<Node>, CompileError> {
        let mut items = Vec::new();
        while !self.take(end) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.take(end) {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Parsed {
        let mut pairs = Vec::new();
        while !self.take("}") {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let key = match self.tokens.first() {
                Some(Token::Word(word)) => Node::Text(word.clone()),
                Some(Token::Text(text)) => Node::Text(text.clone()),
                Some(Token::Int(n)) => Node::Text(n.to_string()),
                Some(Token::Sign("(")) => {
                    let key = self.expression(0)?;
                    self.expect(":")?;
                    pairs.push((key, self.expression(0)?));
                    continue;
                }
                token => return Err(unexpected(token)),
            };
            self.skip(1);
            self.expect(":")?;
            pairs.push((key, self.expression(0)?));
        }
        Ok(Node::Map(pairs))
    }

    /// The call of a function, from its opening parenthesis. A value that is piped in comes first.
    fn call(&mut self, name: &str, mut arguments: Vec<Node>) -> Parsed {
        self.expect("(")?;
        if let Some(predicate) = Predicate::by_name(name) {
            return self.predicate(predicate, arguments);
        }
        if builtin::UNSUPPORTED.contains(&name) {
            return Err(CompileError::new(format!("`{name}` is not supported")));
        }
        arguments.extend(self.items(")")?);
        Ok(match builtin::by_name(name) {
            Some(builtin) => Node::Builtin(builtin, arguments),
            None => Node::Call(name.to_owned(), arguments),
        })
    }

    fn predicate(&mut self, predicate: Predicate, mut arguments: Vec<Node>) -> Parsed {
        let (n_least, n_most) = predicate.n_arguments();
        // A piped list has no comma behind it.
        let n_piped = arguments.len();
        while arguments.len() < n_most {
            if self.tokens.first() == Some(&Token::Sign(")")) && arguments.len() >= n_least {
                break;
            }
            if arguments.len() > n_piped {
                self.expect(",")?;
            }
            if arguments.len() == 1 {
                self.n_predicates += 1;
                let condition = match self.tokens.first() {
                    Some(Token::Sign("{")) => self.block(),
                    _ => self.expression(0),
                };
                self.n_predicates -= 1;
                arguments.push(condition?);
            } else {
                arguments.push(self.expression(0)?);
            }
        }
        self.take(",");
        self.expect(")")?;
        Ok(Node::Predicate(predicate, arguments))
    }

    /// Members, indexes and slices behind a value.
    fn postfix(&mut self, mut node: Node) -> Parsed {
        loop {
            let is_optional = self.tokens.first() == Some(&Token::Sign("?."));
            let is_index = self.tokens.get(usize::from(is_optional)) == Some(&Token::Sign("["));
            if is_index {
                self.skip(1 + usize::from(is_optional));
                node = self.index(node, is_optional)?;
            } else if is_optional || self.tokens.first() == Some(&Token::Sign(".")) {
                self.skip(1);
                let name = match self.tokens.first() {
                    Some(Token::Word(word)) => word.clone(),
                    Some(Token::Sign(sign)) if sign.starts_with(char::is_alphabetic) => {
                        (*sign).to_owned()
                    }
                    token => return Err(unexpected(token)),
                };
                self.skip(1);
                if self.tokens.first() == Some(&Token::Sign("(")) {
                    return Err(CompileError::new(format!("there is no method `{name}`")));
                }
                node = member(node, Node::Text(name), is_optional);
            } else {
                return Ok(node);
            }
        }
    }

    /// `key]`, `from:to]`
    fn index(&mut self, of: Node, is_optional: bool) -> Parsed {
        let from = match self.tokens.first() {
            Some(Token::Sign(":")) => None,
            _ => Some(Box::new(self.expression(0)?)),
        };
        if self.take(":") {
            let to = match self.tokens.first() {
                Some(Token::Sign("]")) => None,
                _ => Some(Box::new(self.expression(0)?)),
            };
            self.expect("]")?;
            return Ok(Node::Slice { of: Box::new(of), from, to });
        }
        self.expect("]")?;
        match from {
            Some(key) => Ok(member(of, *key, is_optional)),
            None => Err(unexpected(None)),
        }
    }

    fn skip(&mut self, n_tokens: usize) {
        self.tokens = &self.tokens[n_tokens.min(self.tokens.len())..];
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens.first(), Some(Token::Sign(next)) if *next == sign);
        self.skip(usize::from(is_next));
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), CompileError> {
        if self.take(sign) { Ok(()) } else { Err(unexpected(self.tokens.first())) }
    }

    fn word(&mut self) -> Result<&'a str, CompileError> {
        match self.tokens.first() {
            Some(Token::Word(word)) => {
                self.skip(1);
                Ok(word)
            }
            token => Err(unexpected(token)),
        }
    }
}

fn binary(operator: Operator, left: Node, right: Node) -> Node {
    match operator {
        Operator::Matches => Node::Matches(Box::new(left), Box::new(right), None),
        operator => Node::Binary(operator, Box::new(left), Box::new(right)),
    }
}

/// A member; one that follows an optional one is part of its chain.
fn member(of: Node, key: Node, is_optional: bool) -> Node {
    let (of, is_chain) = match of {
        Node::Chain(of) => (*of, true),
        of => (of, false),
    };
    let member = Node::Member { of: Box::new(of), key: Box::new(key), is_optional };
    if is_chain || is_optional { Node::Chain(Box::new(member)) } else { member }
}

fn unexpected(token: Option<&Token>) -> CompileError {
    CompileError::new(match token {
        None => "the expression ends too early".to_owned(),
        Some(Token::Word(word)) => format!("unexpected `{word}`"),
        Some(Token::Int(n)) => format!("unexpected `{n}`"),
        Some(Token::Float(n)) => format!("unexpected `{n}`"),
        Some(Token::Text(text)) => format!("unexpected {text:?}"),
        Some(Token::Sign(sign)) => format!("unexpected `{sign}`"),
    })
}

const NEGATABLE: &[&str] = &["in", "matches", "contains", "startsWith", "endsWith"];
/// Deeper expressions are refused; nobody writes them, and each level takes stack.
const MAX_DEPTH: usize = 100;
