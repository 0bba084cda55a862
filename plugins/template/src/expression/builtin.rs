//! Functions of the language.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::base64::{from_base64, to_base64};
use super::eval::{MAX_TEXT, as_float, member, position};
use super::signature::{
    Checked, aggregate, element, get_type, has_length, ints, is_list, is_list_of_texts, is_map,
    is_number, is_number_or_text, one, splits, texts,
};
use super::value::{Type, Value};

/// One function.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    /// The type of the result for arguments of these types.
    pub(super) check: fn(&[Type]) -> Result<Type, String>,
    pub(super) call: fn(&[Value]) -> Result<Value, String>,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The function of that name.
pub(super) fn by_name(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

type Called = Result<Value, String>;

const fn builtin(
    name: &'static str,
    check: fn(&[Type]) -> Checked,
    call: fn(&[Value]) -> Called,
) -> Builtin {
    Builtin { name, check, call }
}

static BUILTINS: &[Builtin] = &[
    builtin("len", |types| one(types, has_length, Type::Int), len),
    builtin("abs", |types| one(types, is_number, types.first().cloned().unwrap_or(Type::Any)), abs),
    builtin("ceil", |types| one(types, is_number, Type::Float), |v| rounded(v, f64::ceil)),
    builtin("floor", |types| one(types, is_number, Type::Float), |v| rounded(v, f64::floor)),
    builtin("round", |types| one(types, is_number, Type::Float), |v| rounded(v, f64::round)),
    builtin("int", |types| one(types, is_number_or_text, Type::Int), int),
    builtin("float", |types| one(types, is_number_or_text, Type::Float), float),
    builtin(
        "string",
        |types| one(types, |_| true, Type::Text),
        |v| Ok(Value::Text(v[0].to_string())),
    ),
    builtin("trim", |types| texts(types, 1..=2, Type::Text), trim),
    builtin(
        "trimPrefix",
        |types| texts(types, 1..=2, Type::Text),
        |values| {
            let (text, prefix) = (text(values, 0)?, text_or(values, 1, " ")?);
            Ok(Value::Text(text.strip_prefix(prefix).unwrap_or(text).to_owned()))
        },
    ),
    builtin(
        "trimSuffix",
        |types| texts(types, 1..=2, Type::Text),
        |values| {
            let (text, suffix) = (text(values, 0)?, text_or(values, 1, " ")?);
            Ok(Value::Text(text.strip_suffix(suffix).unwrap_or(text).to_owned()))
        },
    ),
    builtin(
        "upper",
        |types| texts(types, 1..=1, Type::Text),
        |values| Ok(Value::Text(text(values, 0)?.to_uppercase())),
    ),
    builtin(
        "lower",
        |types| texts(types, 1..=1, Type::Text),
        |values| Ok(Value::Text(text(values, 0)?.to_lowercase())),
    ),
    builtin("split", splits, |values| split(values, false)),
    builtin("splitAfter", splits, |values| split(values, true)),
    builtin(
        "replace",
        |types| {
            texts(types.get(..3).unwrap_or(types), 3..=3, Type::Text)?;
            ints(types.get(3..).unwrap_or_default(), 0..=1, Type::Text)
        },
        replace,
    ),
    builtin(
        "repeat",
        |types| {
            texts(types.get(..1).unwrap_or(types), 1..=1, Type::Text)?;
            ints(types.get(1..).unwrap_or_default(), 1..=1, Type::Text)
        },
        repeat,
    ),
    builtin(
        "join",
        |types| {
            one(types.get(..1).unwrap_or(types), is_list_of_texts, Type::Text)?;
            texts(types.get(1..).unwrap_or_default(), 0..=1, Type::Text)
        },
        join,
    ),
    builtin(
        "indexOf",
        |types| texts(types, 2..=2, Type::Int),
        |values| Ok(found(text(values, 0)?.find(text(values, 1)?))),
    ),
    builtin(
        "lastIndexOf",
        |types| texts(types, 2..=2, Type::Int),
        |values| Ok(found(text(values, 0)?.rfind(text(values, 1)?))),
    ),
    builtin(
        "hasPrefix",
        |types| texts(types, 2..=2, Type::Bool),
        |values| Ok(Value::Bool(text(values, 0)?.starts_with(text(values, 1)?))),
    ),
    builtin(
        "hasSuffix",
        |types| texts(types, 2..=2, Type::Bool),
        |values| Ok(Value::Bool(text(values, 0)?.ends_with(text(values, 1)?))),
    ),
    builtin("max", aggregate, |values| extreme(values, Ordering::Greater)),
    builtin("min", aggregate, |values| extreme(values, Ordering::Less)),
    builtin("mean", aggregate, |values| {
        let numbers = floats(values)?;
        let n_numbers = u32::try_from(numbers.len()).map_err(|_| "too many numbers")?;
        let sum: f64 = numbers.iter().sum();
        Ok(Value::Float(if n_numbers == 0 { 0.0 } else { sum / f64::from(n_numbers) }))
    }),
    builtin("median", aggregate, median),
    builtin(
        "toBase64",
        |types| texts(types, 1..=1, Type::Text),
        |values| Ok(Value::Text(to_base64(text(values, 0)?.as_bytes()))),
    ),
    builtin(
        "fromBase64",
        |types| texts(types, 1..=1, Type::Text),
        |values| {
            let octets = from_base64(text(values, 0)?).ok_or("not in base 64")?;
            String::from_utf8(octets).map(Value::Text).map_err(|_| "not a text".to_owned())
        },
    ),
    builtin(
        "first",
        |types| one(types, is_list, element(types)),
        |values| Ok(items(values, 0)?.first().cloned().unwrap_or(Value::Nil)),
    ),
    builtin(
        "last",
        |types| one(types, is_list, element(types)),
        |values| Ok(items(values, 0)?.last().cloned().unwrap_or(Value::Nil)),
    ),
    builtin("get", get_type, |values| {
        let [of, key] = values else { return Err("two arguments are wanted".to_owned()) };
        Ok(match (of, key) {
            (Value::List(list), Value::Int(n)) => position(list.len(), *n)
                .and_then(|position| list.get(position).cloned())
                .unwrap_or(Value::Nil),
            _ => member(of, key).unwrap_or(Value::Nil),
        })
    }),
    builtin(
        "take",
        |types| {
            let list = types.first().cloned().unwrap_or(Type::Any);
            one(types.get(..1).unwrap_or(types), is_list, Type::Any)?;
            ints(types.get(1..).unwrap_or_default(), 1..=1, list)
        },
        |values| {
            let list = items(values, 0)?;
            let n_items = usize::try_from(number(values, 1)?).map_err(|_| "a negative number")?;
            Ok(Value::List(list.iter().take(n_items).cloned().collect()))
        },
    ),
    builtin(
        "keys",
        |types| one(types, is_map, Type::list(Type::Any)),
        |values| Ok(Value::List(entries(values)?.keys().cloned().map(Value::Text).collect())),
    ),
    builtin(
        "values",
        |types| one(types, is_map, Type::list(Type::Any)),
        |values| Ok(Value::List(entries(values)?.values().cloned().collect())),
    ),
    builtin(
        "toPairs",
        |types| one(types, is_map, Type::list(Type::Any)),
        |values| {
            let pairs = entries(values)?.iter();
            let pair = |(key, value): (&String, &Value)| {
                Value::List(vec![Value::Text(key.clone()), value.clone()])
            };
            Ok(Value::List(pairs.map(pair).collect()))
        },
    ),
    builtin(
        "fromPairs",
        |types| one(types, is_list, Type::Map(Box::new(Type::Any))),
        |values| {
            let mut map = BTreeMap::new();
            for pair in items(values, 0)? {
                match pair {
                    Value::List(pair) if pair.len() == 2 => {
                        map.insert(text(pair, 0)?.to_owned(), pair[1].clone());
                    }
                    _ => return Err("an element is no pair".to_owned()),
                }
            }
            Ok(Value::Map(map))
        },
    ),
    builtin(
        "reverse",
        |types| one(types, is_list, Type::list(Type::Any)),
        |values| Ok(Value::List(items(values, 0)?.iter().rev().cloned().collect())),
    ),
    builtin(
        "uniq",
        |types| one(types, is_list, Type::list(Type::Any)),
        |values| {
            let mut kept: Vec<Value> = Vec::new();
            for item in items(values, 0)? {
                if !kept.iter().any(|known| known.equals(item)) {
                    kept.push(item.clone());
                }
            }
            Ok(Value::List(kept))
        },
    ),
    builtin(
        "concat",
        |types| match types {
            [] => Err("at least one argument is wanted".to_owned()),
            types if types.iter().all(is_list) => Ok(Type::list(Type::Any)),
            _ => Err("arrays are wanted".to_owned()),
        },
        |values| {
            let mut all = Vec::new();
            for i in 0..values.len() {
                all.extend(items(values, i)?.iter().cloned());
            }
            Ok(Value::List(all))
        },
    ),
    builtin(
        "flatten",
        |types| one(types, is_list, Type::list(Type::Any)),
        |values| {
            let mut all = Vec::new();
            flatten(items(values, 0)?, &mut all);
            Ok(Value::List(all))
        },
    ),
    builtin(
        "sort",
        |types| {
            one(types.get(..1).unwrap_or(types), is_list, Type::Any)?;
            texts(types.get(1..).unwrap_or_default(), 0..=1, Type::list(Type::Any))
        },
        |values| {
            let is_descending = values.get(1).map_or(Ok(false), is_descending)?;
            let mut keyed: Vec<_> =
                items(values, 0)?.iter().map(|item| (item.clone(), item.clone())).collect();
            sort_pairs(&mut keyed, is_descending)?;
            Ok(Value::List(keyed.into_iter().map(|(_, item)| item).collect()))
        },
    ),
    builtin("bitand", |types| ints(types, 2..=2, Type::Int), |v| bits(v, |a, b| a & b)),
    builtin("bitor", |types| ints(types, 2..=2, Type::Int), |v| bits(v, |a, b| a | b)),
    builtin("bitxor", |types| ints(types, 2..=2, Type::Int), |v| bits(v, |a, b| a ^ b)),
    builtin("bitnand", |types| ints(types, 2..=2, Type::Int), |v| bits(v, |a, b| a & !b)),
    builtin("bitnot", |types| ints(types, 1..=1, Type::Int), |v| Ok(Value::Int(!number(v, 0)?))),
    builtin(
        "bitshl",
        |types| ints(types, 2..=2, Type::Int),
        |values| {
            let (n, by) = shift(values)?;
            Ok(Value::Int(n.checked_shl(by).unwrap_or(0)))
        },
    ),
    builtin(
        "bitshr",
        |types| ints(types, 2..=2, Type::Int),
        |values| {
            let (n, by) = shift(values)?;
            Ok(Value::Int(n >> by.min(63)))
        },
    ),
    builtin(
        "bitushr",
        |types| ints(types, 2..=2, Type::Int),
        |values| {
            let (n, by) = shift(values)?;
            Ok(Value::Int(n.cast_unsigned().checked_shr(by).unwrap_or(0).cast_signed()))
        },
    ),
];

/// Functions that the language has elsewhere.
pub(super) const UNSUPPORTED: &[&str] =
    &["now", "date", "duration", "timezone", "toJSON", "fromJSON", "groupBy"];

fn text(values: &[Value], i: usize) -> Result<&str, String> {
    match values.get(i) {
        Some(Value::Text(text)) => Ok(text),
        other => Err(format!("a string is wanted, not {}", other.map_or("nothing", Value::kind))),
    }
}

fn text_or<'a>(values: &'a [Value], i: usize, unset: &'a str) -> Result<&'a str, String> {
    if i < values.len() { text(values, i) } else { Ok(unset) }
}

fn number(values: &[Value], i: usize) -> Result<i64, String> {
    match values.get(i) {
        Some(Value::Int(n)) => Ok(*n),
        other => Err(format!("an int is wanted, not {}", other.map_or("nothing", Value::kind))),
    }
}

fn items(values: &[Value], i: usize) -> Result<&[Value], String> {
    match values.get(i) {
        Some(Value::List(items)) => Ok(items),
        other => Err(format!("an array is wanted, not {}", other.map_or("nothing", Value::kind))),
    }
}

fn entries(values: &[Value]) -> Result<&BTreeMap<String, Value>, String> {
    match values.first() {
        Some(Value::Map(map)) => Ok(map),
        other => Err(format!("a map is wanted, not {}", other.map_or("nothing", Value::kind))),
    }
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn found(position: Option<usize>) -> Value {
    position.map_or(Value::Int(-1), count)
}

fn len(values: &[Value]) -> Called {
    Ok(count(match values {
        // Characters, not octets.
        [Value::Text(text)] => text.chars().count(),
        [Value::List(items)] => items.len(),
        [Value::Map(map)] => map.len(),
        _ => return Err("it has no length".to_owned()),
    }))
}

fn abs(values: &[Value]) -> Called {
    match values {
        [Value::Int(n)] => Ok(Value::Int(n.wrapping_abs())),
        [Value::Float(n)] => Ok(Value::Float(n.abs())),
        _ => Err("a number is wanted".to_owned()),
    }
}

fn rounded(values: &[Value], round: fn(f64) -> f64) -> Called {
    let n = values.first().and_then(as_float).ok_or("a number is wanted")?;
    Ok(Value::Float(round(n)))
}

#[expect(clippy::cast_possible_truncation, reason = "cutting a fraction off is what `int` is for")]
fn int(values: &[Value]) -> Called {
    match values {
        [Value::Int(n)] => Ok(Value::Int(*n)),
        [Value::Float(n)] => Ok(Value::Int(*n as i64)),
        [Value::Text(text)] => text
            .parse()
            .map(Value::Int)
            .map_err(|_| format!("`{}` is no whole number", text.escape_debug())),
        _ => Err("a number or a string is wanted".to_owned()),
    }
}

fn float(values: &[Value]) -> Called {
    match values {
        [Value::Text(text)] => text
            .parse()
            .map(Value::Float)
            .map_err(|_| format!("`{}` is no number", text.escape_debug())),
        [value] => as_float(value).map(Value::Float).ok_or_else(|| "a number is wanted".to_owned()),
        _ => Err("one argument is wanted".to_owned()),
    }
}

fn trim(values: &[Value]) -> Called {
    let trimmed = text(values, 0)?;
    Ok(Value::Text(match values.len() {
        1 => trimmed.trim().to_owned(),
        _ => {
            let characters = text(values, 1)?;
            trimmed.trim_matches(|c| characters.contains(c)).to_owned()
        }
    }))
}

/// The parts between separators. An empty separator stands between all characters.
fn split(values: &[Value], is_after: bool) -> Called {
    let (of, separator) = (text(values, 0)?, text(values, 1)?);
    let most = if values.len() > 2 { number(values, 2)? } else { -1 };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most == 0 {
        return Ok(Value::List(Vec::new()));
    }
    let mut parts = Vec::new();
    let mut rest = of;
    while parts.len() + 1 < most {
        let cut = match separator {
            "" => rest.chars().next().map(char::len_utf8).filter(|n| *n < rest.len()),
            separator => rest.find(separator),
        };
        let Some(cut) = cut else { break };
        let end = cut + separator.len();
        parts.push(Value::Text(rest[..if is_after { end } else { cut }].to_owned()));
        rest = &rest[end..];
    }
    if !(separator.is_empty() && of.is_empty()) {
        parts.push(Value::Text(rest.to_owned()));
    }
    Ok(Value::List(parts))
}

fn replace(values: &[Value]) -> Called {
    let (of, old, new) = (text(values, 0)?, text(values, 1)?, text(values, 2)?);
    let most = if values.len() > 3 { number(values, 3)? } else { -1 };
    if of.len().saturating_add(1).saturating_mul(new.len()) > MAX_TEXT {
        return Err("the string grows too long".to_owned());
    }
    Ok(Value::Text(match usize::try_from(most) {
        Ok(most) => of.replacen(old, new, most),
        Err(_) => of.replace(old, new),
    }))
}

fn repeat(values: &[Value]) -> Called {
    let of = text(values, 0)?;
    let n_times = usize::try_from(number(values, 1)?).map_err(|_| "a negative number")?;
    if of.len().saturating_mul(n_times) > MAX_TEXT {
        return Err("the string grows too long".to_owned());
    }
    Ok(Value::Text(of.repeat(n_times)))
}

fn join(values: &[Value]) -> Called {
    let list = items(values, 0)?;
    let parts: Vec<&str> = (0..list.len()).map(|i| text(list, i)).collect::<Result<_, _>>()?;
    Ok(Value::Text(parts.join(text_or(values, 1, "")?)))
}

/// All numbers, those in lists included.
fn numbers<'a>(values: &'a [Value], all: &mut Vec<&'a Value>) -> Result<(), String> {
    for value in values {
        match value {
            Value::Int(_) | Value::Float(_) => all.push(value),
            Value::List(items) => numbers(items, all)?,
            other => return Err(format!("a number is wanted, not {}", other.kind())),
        }
    }
    Ok(())
}

fn floats(values: &[Value]) -> Result<Vec<f64>, String> {
    let mut all = Vec::new();
    numbers(values, &mut all)?;
    Ok(all.into_iter().filter_map(as_float).collect())
}

fn extreme(values: &[Value], wanted: Ordering) -> Called {
    let mut all = Vec::new();
    numbers(values, &mut all)?;
    let better = |best: &'_ Value, next: &'_ Value| next.compare(best) == Some(wanted);
    let best = all.into_iter().reduce(|best, next| if better(best, next) { next } else { best });
    Ok(best.cloned().unwrap_or(Value::Nil))
}

fn median(values: &[Value]) -> Called {
    let mut numbers = floats(values)?;
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    Ok(Value::Float(match numbers.len() {
        0 => 0.0,
        n if n % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }))
}

fn flatten(items: &[Value], all: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(items) => flatten(items, all),
            item => all.push(item.clone()),
        }
    }
}

/// `asc` or `desc`.
pub(super) fn is_descending(order: &Value) -> Result<bool, String> {
    match order {
        Value::Text(order) if order == "asc" => Ok(false),
        Value::Text(order) if order == "desc" => Ok(true),
        _ => Err("the order is `asc` or `desc`".to_owned()),
    }
}

/// Sorts by the first of each pair.
pub(super) fn sort_pairs(keyed: &mut [(Value, Value)], is_descending: bool) -> Result<(), String> {
    let mut are_comparable = true;
    keyed.sort_by(|(a, _), (b, _)| {
        let ordering = a.compare(b);
        are_comparable &= ordering.is_some();
        let ordering = ordering.unwrap_or(Ordering::Equal);
        if is_descending { ordering.reverse() } else { ordering }
    });
    if are_comparable { Ok(()) } else { Err("the elements cannot be compared".to_owned()) }
}

fn bits(values: &[Value], combine: fn(i64, i64) -> i64) -> Called {
    Ok(Value::Int(combine(number(values, 0)?, number(values, 1)?)))
}

fn shift(values: &[Value]) -> Result<(i64, u32), String> {
    let by = u64::try_from(number(values, 1)?).map_err(|_| "a negative shift")?;
    Ok((number(values, 0)?, u32::try_from(by).unwrap_or(u32::MAX)))
}
