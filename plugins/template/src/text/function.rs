//! The functions of the language.

use std::cmp::Ordering;

use super::ParseError;
use super::eval::EvalError;
use super::format;
use super::value::Value;

/// A function by its name. `and` and `or` are called by the evaluator, which stops at the first argument that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Index,
    Slice,
    Len,
    ParseInt,
    Print,
    Printf,
    Println,
}

impl Function {
    pub(super) fn by_name(name: &str) -> Result<Self, ParseError> {
        if let Some((known, _)) = FUNCTIONS.iter().find(|(_, known)| *known == name) {
            return Ok(*known);
        }
        Err(ParseError::new(if UNSUPPORTED.contains(&name) {
            format!("the function `{name}` is not supported")
        } else {
            format!("there is no function `{name}`")
        }))
    }

    pub(super) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// What the function makes of its arguments.
    pub(super) fn call(self, arguments: &[Value]) -> Result<Value, EvalError> {
        match (self, arguments) {
            (Self::And | Self::Or, [.., last]) => Ok(last.clone()),
            (Self::Not, [value]) => Ok(Value::Bool(!value.is_true())),
            (Self::Eq, [first, others @ ..]) if !others.is_empty() => equal_to_any(first, others),
            (Self::Ne, [a, b]) => Ok(Value::Bool(!equal(a, b)?)),
            (Self::Lt, [a, b]) => Ok(Value::Bool(compare(a, b)?.is_some_and(Ordering::is_lt))),
            (Self::Le, [a, b]) => Ok(Value::Bool(compare(a, b)?.is_some_and(Ordering::is_le))),
            (Self::Gt, [a, b]) => Ok(Value::Bool(!compare(a, b)?.is_some_and(Ordering::is_le))),
            (Self::Ge, [a, b]) => Ok(Value::Bool(!compare(a, b)?.is_some_and(Ordering::is_lt))),
            (Self::Index, [of, keys @ ..]) => {
                keys.iter().try_fold(of.clone(), |of, key| index(&of, key))
            }
            (Self::Slice, [of, bounds @ ..]) => slice(of, bounds),
            (Self::Len, [of]) => len(of),
            (Self::ParseInt, [Value::Text(text), base, bits]) => parse_int(text, base, bits),
            (Self::ParseInt, [other, _, _]) => {
                Err(EvalError::new(format!("parseInt wants a string, not {}", other.kind())))
            }
            (Self::Print, values) => Ok(Value::Text(format::print(values))),
            (Self::Println, values) => Ok(Value::Text(format::println(values))),
            (Self::Printf, [Value::Text(verbs), values @ ..]) => {
                Ok(Value::Text(format::printf(verbs, values)?))
            }
            (Self::Printf, [other, ..]) => {
                Err(EvalError::new(format!("printf wants a string first, not {}", other.kind())))
            }
            (function, arguments) => Err(EvalError::new(format!(
                "{} does not take {} arguments",
                function.name(),
                arguments.len()
            ))),
        }
    }
}

fn equal_to_any(first: &Value, others: &[Value]) -> Result<Value, EvalError> {
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equal(a: &Value, b: &Value) -> Result<bool, EvalError> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        _ => Ok(compare(a, b)? == Some(Ordering::Equal)),
    }
}

/// The order of two values of the same kind; `None` where a number is not a number.
fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, EvalError> {
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => {
            return Err(EvalError::new(format!(
                "{} and {} cannot be compared",
                a.kind(),
                b.kind()
            )));
        }
    })
}

fn index(of: &Value, key: &Value) -> Result<Value, EvalError> {
    let out_of_range = || EvalError::new(format!("index out of range: {key}"));
    match of {
        Value::Map(map) => match key {
            Value::Text(key) => Ok(map.index(key)),
            _ => Err(EvalError::new(format!("a map is indexed by strings, not {}", key.kind()))),
        },
        Value::List(items) => items.get(position(key)?).cloned().ok_or_else(out_of_range),
        Value::Text(text) => {
            let octet = text.as_bytes().get(position(key)?).ok_or_else(out_of_range)?;
            Ok(Value::Uint(u64::from(*octet)))
        }
        _ => Err(EvalError::new(format!("{} cannot be indexed", of.kind()))),
    }
}

/// A position in a list; past any end where it is negative.
fn position(key: &Value) -> Result<usize, EvalError> {
    let position = match key {
        Value::Int(n) => usize::try_from(*n).ok(),
        Value::Uint(n) => usize::try_from(*n).ok(),
        _ => return Err(EvalError::new(format!("{} is no position", key.kind()))),
    };
    Ok(position.unwrap_or(usize::MAX))
}

fn slice(of: &Value, bounds: &[Value]) -> Result<Value, EvalError> {
    let len = match of {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        _ => return Err(EvalError::new(format!("{} cannot be sliced", of.kind()))),
    };
    let most = if matches!(of, Value::Text(_)) { 2 } else { 3 };
    if bounds.len() > most {
        return Err(EvalError::new("slice has too many bounds"));
    }
    let bound = |i: usize, unset: usize| bounds.get(i).map_or(Ok(unset), position);
    let (start, end, capacity) = (bound(0, 0)?, bound(1, len)?, bound(2, len)?);
    if start > end || end > capacity || capacity > len {
        return Err(EvalError::new(format!("slice [{start}:{end}] is out of range")));
    }
    match of {
        Value::List(items) => Ok(Value::List(items[start..end].to_vec())),
        _ => {
            let octets = of.to_string().into_bytes()[start..end].to_vec();
            String::from_utf8(octets)
                .map(Value::Text)
                .map_err(|_| EvalError::new("slice cuts a character apart"))
        }
    }
}

fn len(of: &Value) -> Result<Value, EvalError> {
    let n_items = match of {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.entries.len(),
        _ => return Err(EvalError::new(format!("{} has no length", of.kind()))),
    };
    Ok(Value::Int(i64::try_from(n_items).unwrap_or(i64::MAX)))
}

/// A whole number without a sign, in a base from 2 to 36, that fits into so many bits. Base 0 goes by the prefix.
fn parse_int(text: &str, base: &Value, bits: &Value) -> Result<Value, EvalError> {
    let (base, bits) = (position(base)?, position(bits)?);
    let bits = match bits {
        0 => 64,
        1..=64 => bits,
        _ => return Err(EvalError::new("parseInt takes at most 64 bits")),
    };
    let wrong = || EvalError::new(format!("parseInt: `{}` is no number", text.escape_debug()));
    let n = match u32::try_from(base) {
        Ok(0) => super::parse::whole(text).ok_or_else(wrong)?,
        Ok(base @ 2..=36) => {
            // A sign would be accepted by Rust, not by Go.
            if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(wrong());
            }
            u64::from_str_radix(text, base).map_err(|_| wrong())?
        }
        _ => return Err(EvalError::new("parseInt takes a base of 0 or from 2 to 36")),
    };
    if bits < 64 && n >> bits != 0 {
        return Err(EvalError::new(format!("parseInt: `{text}` does not fit into {bits} bits")));
    }
    Ok(Value::Uint(n))
}

const FUNCTIONS: &[(Function, &str)] = &[
    (Function::And, "and"),
    (Function::Or, "or"),
    (Function::Not, "not"),
    (Function::Eq, "eq"),
    (Function::Ne, "ne"),
    (Function::Lt, "lt"),
    (Function::Le, "le"),
    (Function::Gt, "gt"),
    (Function::Ge, "ge"),
    (Function::Index, "index"),
    (Function::Slice, "slice"),
    (Function::Len, "len"),
    (Function::ParseInt, "parseInt"),
    (Function::Print, "print"),
    (Function::Printf, "printf"),
    (Function::Println, "println"),
];

/// Functions that the language has elsewhere.
const UNSUPPORTED: &[&str] = &["call", "html", "js", "urlquery"];
