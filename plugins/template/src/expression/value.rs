//! Values and their types.

use std::collections::BTreeMap;
use std::fmt;

/// What an expression evaluates to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

/// What is known about a value before there is a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    /// Nothing.
    Any,
    Nil,
    Bool,
    Int,
    Float,
    Text,
    List(Box<Self>),
    Map(Box<Self>),
}

impl Value {
    /// Whether two values are the same; whole numbers and fractions by their size.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
            }
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                self.compare(other) == Some(std::cmp::Ordering::Equal)
            }
            _ => self == other,
        }
    }

    /// The order of two numbers or two texts; `None` for anything else.
    #[expect(clippy::cast_precision_loss, reason = "that is how mixed numbers are compared")]
    pub(super) fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Float(b)) => (*a as f64).partial_cmp(b),
            (Self::Float(a), Self::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "map",
        }
    }
}

impl Type {
    pub(super) fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// Whether a value of this type can be given where `wanted` is wanted, as far as is known.
    pub(super) fn fits(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Any, _)
            | (_, Self::Any)
            | (Self::Int, Self::Float)
            | (Self::Map(_), Self::Map(_)) => true,
            (Self::List(of), Self::List(wanted)) => of.fits(wanted),
            _ => self == wanted,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Nil => "nil",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "string",
            Self::List(_) => "array",
            Self::Map(_) => "map",
        })
    }
}

/// As `string()` writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::text::Value::from(self.clone()).fmt(f)
    }
}

impl From<Value> for crate::text::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(b) => Self::Bool(b),
            Value::Int(n) => Self::Int(n),
            Value::Float(n) => Self::Float(n),
            Value::Text(text) => Self::Text(text),
            Value::List(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Map(entries) => Self::Map(crate::text::Map {
                entries: entries.into_iter().map(|(key, value)| (key, value.into())).collect(),
                is_text: false,
            }),
        }
    }
}
