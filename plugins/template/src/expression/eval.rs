//! The tree to a value.

use std::cmp::Ordering;

use super::tree::{Node, Operator};
use super::value::{Type, Value};

/// An expression, ready to be worked out.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) node: Node,
    /// The type of the value, as far as it is known.
    pub(crate) result: Type,
    /// Whether it names no function that is impure.
    pub(crate) is_pure: bool,
}

/// Who answers the functions of the environment.
pub(crate) trait Host {
    /// Calls a function by its name. The arguments are of the types declared, or there was no telling.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, RunError>;
}

/// Why an expression has no value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RunError(String);

impl RunError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<String> for RunError {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl Program {
    /// Works the expression out. The environment is the one it was compiled in; so many variables are needed as it had.
    pub(crate) fn run(
        &self,
        environment: &super::Environment,
        host: &dyn Host,
        variables: &[Value],
    ) -> Result<Value, RunError> {
        let mut scope = Scope {
            environment,
            host,
            variables,
            locals: Vec::new(),
            pointers: Vec::new(),
            n_steps: 0,
        };
        scope.node(&self.node)
    }
}

pub(super) struct Scope<'a> {
    environment: &'a super::Environment,
    host: &'a dyn Host,
    variables: &'a [Value],
    locals: Vec<Value>,
    /// What `#` and its names are, innermost last.
    pointers: Vec<Vec<(&'static str, Value)>>,
    /// Nodes so far.
    n_steps: usize,
}

type Result<T, E = RunError> = std::result::Result<T, E>;

impl Scope<'_> {
    pub(super) fn node(&mut self, node: &Node) -> Result<Value> {
        self.n_steps += 1;
        if self.n_steps > MAX_STEPS {
            return Err(RunError::new(format!("more than {MAX_STEPS} steps")));
        }
        Ok(match node {
            Node::Nil => Value::Nil,
            Node::Bool(b) => Value::Bool(*b),
            Node::Int(n) => Value::Int(*n),
            Node::Float(n) => Value::Float(*n),
            Node::Text(text) => Value::Text(text.clone()),
            Node::List(items) => Value::List(self.nodes(items)?),
            Node::Map(pairs) => {
                let mut map = std::collections::BTreeMap::new();
                for (key, value) in pairs {
                    map.insert(self.text(key)?, self.node(value)?);
                }
                Value::Map(map)
            }
            Node::Variable(variable) => {
                self.variables.get(*variable).cloned().unwrap_or(Value::Nil)
            }
            Node::Local(local) => self.locals.get(*local).cloned().unwrap_or(Value::Nil),
            Node::Pointer(name) => {
                let names = self.pointers.last().into_iter().flatten();
                let mut found = names.filter(|(known, _)| known == name);
                found.next().map_or(Value::Nil, |(_, value)| value.clone())
            }
            Node::Not(of) => Value::Bool(!self.truth(of)?),
            Node::Minus(of) => match self.node(of)? {
                Value::Int(n) => Value::Int(n.wrapping_neg()),
                Value::Float(n) => Value::Float(-n),
                other => return Err(unsuited("-", &other)),
            },
            Node::Plus(of) => match self.node(of)? {
                number @ (Value::Int(_) | Value::Float(_)) => number,
                other => return Err(unsuited("+", &other)),
            },
            Node::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Node::Matches(text, pattern, compiled) => {
                let text = self.text(text)?;
                Value::Bool(match compiled {
                    Some(pattern) => pattern.is_match(&text),
                    None => {
                        let pattern = self.text(pattern)?;
                        plugin::pattern::of_text(&pattern).map_err(RunError::new)?.is_match(&text)
                    }
                })
            }
            Node::Chain(of) => self.chain(of)?.unwrap_or(Value::Nil),
            Node::Member { .. } => self.chain(node)?.unwrap_or(Value::Nil),
            Node::Slice { of, from, to } => {
                let of = self.node(of)?;
                let from = from.as_deref().map(|from| self.int(from)).transpose()?;
                let to = to.as_deref().map(|to| self.int(to)).transpose()?;
                slice(of, from, to)?
            }
            Node::Host(function, arguments) => {
                let arguments = self.nodes(arguments)?;
                let name = self.environment.functions.get(*function).map_or("", |f| f.name);
                self.host.call(name, &arguments)?
            }
            Node::Builtin(builtin, arguments) => {
                let arguments = self.nodes(arguments)?;
                (builtin.call)(&arguments)
                    .map_err(|error| RunError::new(format!("{}: {error}", builtin.name)))?
            }
            Node::Predicate(predicate, arguments) => predicate.run(arguments, self)?,
            Node::Let(_, value, rest) => {
                let value = self.node(value)?;
                self.locals.push(value);
                let rest = self.node(rest);
                self.locals.pop();
                rest?
            }
            Node::Sequence(nodes) => self.nodes(nodes)?.pop().unwrap_or(Value::Nil),
            Node::Conditional(condition, then, otherwise) => match (self.truth(condition)?, then) {
                (true, Some(then)) => self.node(then)?,
                (true, None) => Value::Bool(true),
                (false, _) => self.node(otherwise)?,
            },
            // The check has replaced them.
            Node::Name(name) | Node::Call(name, _) => {
                return Err(RunError::new(format!("`{name}` is not known")));
            }
        })
    }

    /// A condition with what `#` and `#name` stand for.
    pub(super) fn condition(
        &mut self,
        node: &Node,
        element: Value,
        names: &[(&'static str, Value)],
    ) -> Result<Value> {
        let mut names = names.to_vec();
        names.push(("", element));
        self.pointers.push(names);
        let condition = self.node(node);
        self.pointers.pop();
        condition
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<Vec<Value>> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn truth(&mut self, node: &Node) -> Result<bool> {
        match self.node(node)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(RunError::new(format!("a condition is a bool, not {}", other.kind()))),
        }
    }

    fn text(&mut self, node: &Node) -> Result<String> {
        match self.node(node)? {
            Value::Text(text) => Ok(text),
            other => Err(RunError::new(format!("a string is wanted, not {}", other.kind()))),
        }
    }

    fn int(&mut self, node: &Node) -> Result<i64> {
        match self.node(node)? {
            Value::Int(n) => Ok(n),
            other => Err(RunError::new(format!("an int is wanted, not {}", other.kind()))),
        }
    }

    /// The member of a member …; `None` where an optional one has ended the chain.
    fn chain(&mut self, node: &Node) -> Result<Option<Value>> {
        let Node::Member { of, key, is_optional } = node else { return self.node(node).map(Some) };
        let Some(of) = self.chain(of)? else { return Ok(None) };
        if of == Value::Nil && *is_optional {
            return Ok(None);
        }
        let key = self.node(key)?;
        member(&of, &key).map(Some)
    }

    fn binary(&mut self, operator: Operator, left: &Node, right: &Node) -> Result<Value> {
        match operator {
            Operator::Or => return Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            Operator::And => return Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            Operator::Coalesce => {
                return match self.node(left)? {
                    Value::Nil => self.node(right),
                    value => Ok(value),
                };
            }
            _ => {}
        }
        let (a, b) = (self.node(left)?, self.node(right)?);
        let compared = |is_wanted: fn(Ordering) -> bool| match a.compare(&b) {
            Some(ordering) => Ok(Value::Bool(is_wanted(ordering))),
            // Not a number is neither less nor more than any.
            None if matches!((&a, &b), (Value::Float(_), _) | (_, Value::Float(_))) => {
                Ok(Value::Bool(false))
            }
            None => Err(unsuited(operator.sign(), &b)),
        };
        match operator {
            Operator::Equal => Ok(Value::Bool(a.equals(&b))),
            Operator::Unequal => Ok(Value::Bool(!a.equals(&b))),
            Operator::Less => compared(Ordering::is_lt),
            Operator::LessEqual => compared(Ordering::is_le),
            Operator::Greater => compared(Ordering::is_gt),
            Operator::GreaterEqual => compared(Ordering::is_ge),
            Operator::In => contains(&b, &a),
            Operator::Add => add(&a, &b),
            _ => match (&a, &b) {
                (Value::Text(a), Value::Text(b)) => on_texts(operator, a, b),
                (Value::Int(a), Value::Int(b)) => on_ints(operator, *a, *b),
                _ => match (as_float(&a), as_float(&b)) {
                    (Some(a), Some(b)) => on_floats(operator, a, b),
                    (None, _) => Err(unsuited(operator.sign(), &a)),
                    _ => Err(unsuited(operator.sign(), &b)),
                },
            },
        }
    }
}

/// The sum of two numbers, or one text behind the other.
pub(super) fn add(a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => {
            if a.len() + b.len() > MAX_TEXT {
                return Err(RunError::new("a string grows too long"));
            }
            Ok(Value::Text(format!("{a}{b}")))
        }
        (Value::Int(a), Value::Int(b)) => Ok(Value::Int(a.wrapping_add(*b))),
        _ => match (as_float(a), as_float(b)) {
            (Some(a), Some(b)) => Ok(Value::Float(a + b)),
            (None, _) => Err(unsuited("+", a)),
            _ => Err(unsuited("+", b)),
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what fractions of whole numbers are")]
pub(super) fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        _ => None,
    }
}

fn on_texts(operator: Operator, a: &str, b: &str) -> Result<Value> {
    Ok(Value::Bool(match operator {
        Operator::Contains => a.contains(b),
        Operator::StartsWith => a.starts_with(b),
        Operator::EndsWith => a.ends_with(b),
        operator => return Err(unsuited(operator.sign(), &Value::Text(b.to_owned()))),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a quotient of whole numbers is a fraction")]
fn on_ints(operator: Operator, a: i64, b: i64) -> Result<Value> {
    Ok(match operator {
        Operator::Subtract => Value::Int(a.wrapping_sub(b)),
        Operator::Multiply => Value::Int(a.wrapping_mul(b)),
        Operator::Remainder if b == 0 => return Err(RunError::new("division by zero")),
        Operator::Remainder => Value::Int(a.wrapping_rem(b)),
        Operator::Range => {
            let n_items = i128::from(b) - i128::from(a) + 1;
            if n_items > MAX_ITEMS {
                return Err(RunError::new(format!("a range of more than {MAX_ITEMS}")));
            }
            Value::List((a..=b).map(Value::Int).collect())
        }
        operator => return on_floats(operator, a as f64, b as f64),
    })
}

fn on_floats(operator: Operator, a: f64, b: f64) -> Result<Value> {
    Ok(Value::Float(match operator {
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
        operator => return Err(unsuited(operator.sign(), &Value::Float(b))),
    }))
}

fn contains(list: &Value, item: &Value) -> Result<Value> {
    Ok(Value::Bool(match (list, item) {
        (Value::Nil, _) => false,
        (Value::List(items), item) => items.iter().any(|known| known.equals(item)),
        (Value::Map(map), Value::Text(key)) => map.contains_key(key),
        (other, _) => return Err(unsuited("in", other)),
    }))
}

/// An element of a list, counted from the end where the number is negative, or of a map; nil where a map has none.
pub(super) fn member(of: &Value, key: &Value) -> Result<Value> {
    match (of, key) {
        (Value::Map(map), Value::Text(key)) => Ok(map.get(key).cloned().unwrap_or(Value::Nil)),
        (Value::List(items), Value::Int(n)) => position(items.len(), *n)
            .and_then(|position| items.get(position).cloned())
            .ok_or_else(|| RunError::new(format!("there is no element {n} of {}", items.len()))),
        _ => Err(RunError::new(format!("{} has no element `{key}`", of.kind()))),
    }
}

/// The place that a number stands for, which may count from the end; `None` before the beginning.
pub(super) fn position(len: usize, n: i64) -> Option<usize> {
    if n >= 0 {
        return usize::try_from(n).ok();
    }
    len.checked_sub(usize::try_from(n.unsigned_abs()).ok()?)
}

/// What lies between two places, which are moved to where there is something.
fn slice(of: Value, from: Option<i64>, to: Option<i64>) -> Result<Value> {
    let len = match &of {
        Value::List(items) => items.len(),
        Value::Text(text) => text.len(),
        other => return Err(RunError::new(format!("{} cannot be sliced", other.kind()))),
    };
    let place = |n: i64| position(len, n).unwrap_or(0).min(len);
    let to = to.map_or(len, place);
    let from = from.map_or(0, place).min(to);
    match of {
        Value::List(mut items) => {
            items.truncate(to);
            Ok(Value::List(items.split_off(from)))
        }
        of => {
            let octets = of.to_string().into_bytes()[from..to].to_vec();
            let text = String::from_utf8(octets);
            text.map(Value::Text).map_err(|_| RunError::new("a slice cuts a character apart"))
        }
    }
}

fn unsuited(operator: &str, value: &Value) -> RunError {
    RunError::new(format!("`{operator}` does not take {}", value.kind()))
}

/// An expression that takes longer is given up: a query waits for it.
const MAX_STEPS: usize = 1_000_000;
/// Items of a range at most.
const MAX_ITEMS: i128 = 100_000;
/// Octets of a text that is put together at most.
pub(super) const MAX_TEXT: usize = 1_000_000;
