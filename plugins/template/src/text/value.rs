//! What expressions in templates evaluate to.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A value, typed as Go would.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Map),
    /// Something with fields that the subject knows.
    Object(Object),
}

/// Values by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Map {
    pub(crate) entries: BTreeMap<String, Value>,
    /// Whether it holds text alone: `index` gives the empty text for a name that is missing then, otherwise no value.
    pub(crate) is_text: bool,
}

/// The things that have fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// What a template starts from: `.` and `$`.
    Root,
    /// `.Message`.
    Message,
    /// `.Question`.
    Question,
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether `if` takes the first branch: zero and empty are false.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Uint(n) => *n != 0,
            Self::Float(n) => *n != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// The type's name as messages and `%T` give it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(_) => "object",
        }
    }
}

impl Map {
    /// The value of that name, as `.name` has it: no value where there is none, whatever the map holds.
    pub(super) fn field(&self, name: &str) -> Value {
        self.entries.get(name).cloned().unwrap_or(Value::Nil)
    }

    /// The value of that name, as `index` has it.
    pub(super) fn index(&self, name: &str) -> Value {
        match self.field(name) {
            Value::Nil if self.is_text => Value::text(""),
            value => value,
        }
    }
}

/// As `%v` prints it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Uint(n) => write!(f, "{n}"),
            Self::Float(n) => f.write_str(&float(*n)),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_char('[')?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_char(' ')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Self::Map(map) => {
                f.write_str("map[")?;
                for (i, (name, value)) in map.entries.iter().enumerate() {
                    if i > 0 {
                        f.write_char(' ')?;
                    }
                    write!(f, "{name}:{value}")?;
                }
                f.write_char(']')
            }
            Self::Object(object) => write!(f, "{object:?}"),
        }
    }
}

/// The shortest form that reads back the same; with an exponent from 1e6 on and below 1e-4.
pub(super) fn float(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = n.abs();
    if n != 0.0 && !(1e-4..1e6).contains(&size) {
        exponent(&format!("{n:e}"))
    } else {
        n.to_string()
    }
}

/// Rust's `1e7` as Go's `1e+07`.
pub(super) fn exponent(written: &str) -> String {
    let Some((mantissa, exponent)) = written.split_once('e') else { return written.to_owned() };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}
