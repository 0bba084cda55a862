//! An expression's tree.

use regex::Regex;

use super::builtin::Builtin;
use super::predicate::Predicate;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// As parsed; the check replaces it by one of the two below.
    Name(String),
    /// A variable of the environment.
    Variable(usize),
    /// A `let`: how many are outside of it.
    Local(usize),
    /// `#`, or `#index` and `#acc`.
    Pointer(String),
    Not(Box<Self>),
    Minus(Box<Self>),
    Plus(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// The pattern is compiled by the check where it is a constant.
    Matches(Box<Self>, Box<Self>, Option<Regex>),
    /// `of.key`, `of[key]`; with `?.` a nil ends the chain.
    Member {
        of: Box<Self>,
        key: Box<Self>,
        is_optional: bool,
    },
    /// The end of what an optional member ends.
    Chain(Box<Self>),
    /// `of[from:to]`
    Slice {
        of: Box<Self>,
        from: Option<Box<Self>>,
        to: Option<Box<Self>>,
    },
    /// As parsed; the check replaces it by [`Node::Host`].
    Call(String, Vec<Self>),
    /// A function of the environment.
    Host(usize, Vec<Self>),
    Builtin(&'static Builtin, Vec<Self>),
    /// The list first, then the condition where there is one, then the rest.
    Predicate(Predicate, Vec<Self>),
    Let(String, Box<Self>, Box<Self>),
    Sequence(Vec<Self>),
    /// Without the second it is the first where that is true: `a ?: b`.
    Conditional(Box<Self>, Option<Box<Self>>, Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Coalesce,
}

impl Operator {
    /// The operator, and how tightly it binds.
    pub(super) fn by_sign(sign: &str) -> Option<(Self, u16)> {
        Some(match sign {
            "or" | "||" => (Self::Or, 10),
            "and" | "&&" => (Self::And, 15),
            "==" => (Self::Equal, 20),
            "!=" => (Self::Unequal, 20),
            "<" => (Self::Less, 20),
            "<=" => (Self::LessEqual, 20),
            ">" => (Self::Greater, 20),
            ">=" => (Self::GreaterEqual, 20),
            "in" => (Self::In, 20),
            "matches" => (Self::Matches, 20),
            "contains" => (Self::Contains, 20),
            "startsWith" => (Self::StartsWith, 20),
            "endsWith" => (Self::EndsWith, 20),
            ".." => (Self::Range, 25),
            "+" => (Self::Add, 30),
            "-" => (Self::Subtract, 30),
            "*" => (Self::Multiply, 60),
            "/" => (Self::Divide, 60),
            "%" => (Self::Remainder, 60),
            "**" | "^" => (Self::Power, 100),
            "??" => (Self::Coalesce, 500),
            _ => return None,
        })
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::Coalesce => "??",
        }
    }

    /// Whether `<` and the like, which can be chained: `1 < x < 3`.
    pub(super) fn is_ordering(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }
}
