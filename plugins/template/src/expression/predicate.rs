//! Functions that take a condition: `any(list, # > 1)`.

use super::CompileError;
use super::check::Checker;
use super::eval::{RunError, Scope};
use super::tree::Node;
use super::value::{Type, Value};

/// A function by its name. Inside the condition `#` is the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    All,
    None,
    Any,
    One,
    Filter,
    Map,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    Count,
    Sum,
    SortBy,
    Reduce,
}

impl Predicate {
    pub(super) fn by_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(predicate, _)| *predicate)
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The fewest and the most arguments, the list included.
    pub(super) fn n_arguments(self) -> (usize, usize) {
        match self {
            Self::Count | Self::Sum => (1, 2),
            Self::SortBy | Self::Reduce => (2, 3),
            _ => (2, 2),
        }
    }

    pub(super) fn check(
        self,
        arguments: &mut [Node],
        checker: &mut Checker<'_>,
    ) -> Result<Type, CompileError> {
        let [list, others @ ..] = arguments else {
            return Err(CompileError::new(format!("{} wants an array", self.name())));
        };
        let element = match checker.node(list)? {
            Type::List(element) => *element,
            Type::Any => Type::Any,
            other => {
                return Err(CompileError::new(format!(
                    "{} wants an array, not {other}",
                    self.name()
                )));
            }
        };
        let mut condition = Type::Any;
        if let [first, others @ ..] = others {
            let mut names = Vec::new();
            if matches!(self, Self::Map | Self::Reduce) {
                names.push(("index", Type::Int));
            }
            if self == Self::Reduce {
                names.push(("acc", Type::Any));
            }
            condition = checker.condition(first, element.clone(), names)?;
            for other in others {
                let order = checker.node(other)?;
                if self == Self::SortBy && !order.fits(&Type::Text) {
                    return Err(CompileError::new("the order of sortBy is a string"));
                }
            }
        }
        let is_conditional = !matches!(self, Self::Map | Self::Sum | Self::SortBy | Self::Reduce)
            && !others.is_empty();
        if is_conditional && !condition.fits(&Type::Bool) {
            return Err(CompileError::new(format!(
                "the condition of {} is a {condition}, not a bool",
                self.name()
            )));
        }
        Ok(match self {
            Self::All | Self::None | Self::Any | Self::One => Type::Bool,
            Self::Filter | Self::SortBy => Type::list(element),
            Self::Map => Type::list(condition),
            Self::Find | Self::FindLast => element,
            Self::FindIndex | Self::FindLastIndex | Self::Count => Type::Int,
            Self::Sum if others.is_empty() => element,
            Self::Sum | Self::Reduce => condition,
        })
    }

    pub(super) fn run(self, arguments: &[Node], scope: &mut Scope<'_>) -> Result<Value, RunError> {
        let Some((list, others)) = arguments.split_first() else { return Ok(Value::Nil) };
        let list = match scope.node(list)? {
            Value::List(items) => items,
            other => {
                return Err(RunError::new(format!(
                    "{} wants an array, not {}",
                    self.name(),
                    other.kind()
                )));
            }
        };
        match self {
            Self::Map => {
                let condition = &others[0];
                let mapped = list
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| scope.condition(condition, item, &[("index", count(i))]));
                return Ok(Value::List(mapped.collect::<Result<_, _>>()?));
            }
            Self::Sum => return sum(list, others.first(), scope),
            Self::SortBy => return sort_by(list, others, scope),
            Self::Reduce => return reduce(list, others, scope),
            _ => {}
        }
        let is_from_the_end = matches!(self, Self::FindLast | Self::FindLastIndex);
        let mut kept = Vec::new();
        for step in 0..list.len() {
            let i = if is_from_the_end { list.len() - 1 - step } else { step };
            let is_true = truth(match others.first() {
                None => list[i].clone(),
                Some(condition) => scope.condition(condition, list[i].clone(), &[])?,
            })?;
            if is_true {
                kept.push(i);
            }
            // What is decided is not asked for again: a later element may be an error.
            let is_decided = match self {
                Self::All => !is_true,
                Self::One | Self::Filter | Self::Count => false,
                _ => is_true,
            };
            if is_decided {
                break;
            }
        }
        let first = kept.first().copied();
        Ok(match self {
            Self::All => Value::Bool(kept.len() == list.len()),
            Self::None => Value::Bool(kept.is_empty()),
            Self::Any => Value::Bool(!kept.is_empty()),
            Self::One => Value::Bool(kept.len() == 1),
            Self::Count => count(kept.len()),
            Self::Find | Self::FindLast => first.map_or(Value::Nil, |i| list[i].clone()),
            Self::FindIndex | Self::FindLastIndex => first.map_or(Value::Nil, count),
            _ => Value::List(kept.into_iter().map(|i| list[i].clone()).collect()),
        })
    }
}

fn truth(value: Value) -> Result<bool, RunError> {
    match value {
        Value::Bool(truth) => Ok(truth),
        other => Err(RunError::new(format!("a condition is a bool, not {}", other.kind()))),
    }
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn sum(
    list: Vec<Value>,
    condition: Option<&Node>,
    scope: &mut Scope<'_>,
) -> Result<Value, RunError> {
    let mut total = Value::Int(0);
    for item in list {
        let item = match condition {
            Some(condition) => scope.condition(condition, item, &[])?,
            None => item,
        };
        total = super::eval::add(&total, &item)?;
    }
    Ok(total)
}

fn sort_by(list: Vec<Value>, others: &[Node], scope: &mut Scope<'_>) -> Result<Value, RunError> {
    let mut keyed = Vec::with_capacity(list.len());
    for item in list {
        keyed.push((scope.condition(&others[0], item.clone(), &[])?, item));
    }
    let is_descending = match others.get(1) {
        None => false,
        Some(order) => super::builtin::is_descending(&scope.node(order)?)?,
    };
    super::builtin::sort_pairs(&mut keyed, is_descending)?;
    Ok(Value::List(keyed.into_iter().map(|(_, item)| item).collect()))
}

/// Without a start the first element is it.
fn reduce(list: Vec<Value>, others: &[Node], scope: &mut Scope<'_>) -> Result<Value, RunError> {
    let mut items = list.into_iter().enumerate();
    let mut total = match others.get(1) {
        Some(start) => scope.node(start)?,
        None => match items.next() {
            Some((_, first)) => first,
            None => return Err(RunError::new("reduce of an empty array wants a start")),
        },
    };
    for (i, item) in items {
        total = scope.condition(&others[0], item, &[("index", count(i)), ("acc", total)])?;
    }
    Ok(total)
}

const NAMES: &[(Predicate, &str)] = &[
    (Predicate::All, "all"),
    (Predicate::None, "none"),
    (Predicate::Any, "any"),
    (Predicate::One, "one"),
    (Predicate::Filter, "filter"),
    (Predicate::Map, "map"),
    (Predicate::Find, "find"),
    (Predicate::FindIndex, "findIndex"),
    (Predicate::FindLast, "findLast"),
    (Predicate::FindLastIndex, "findLastIndex"),
    (Predicate::Count, "count"),
    (Predicate::Sum, "sum"),
    (Predicate::SortBy, "sortBy"),
    (Predicate::Reduce, "reduce"),
];
