//! `print`, `println` and the verbs of `printf`.

use std::fmt::Write as _;

use super::eval::EvalError;
use super::value::{Value, exponent, float};

/// Values one after the other, with a space between two that are no text.
pub(super) fn print(values: &[Value]) -> String {
    let mut text = String::new();
    for (i, value) in values.iter().enumerate() {
        let are_texts =
            i > 0 && [&values[i - 1], value].iter().any(|v| matches!(v, Value::Text(_)));
        if i > 0 && !are_texts {
            text.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{value}");
    }
    text
}

/// Values with spaces between them and a line feed behind.
pub(super) fn println(values: &[Value]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(" ") + "\n"
}

/// The flags, width and precision of one verb.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "there are five flags")]
struct Spec {
    is_left: bool,
    is_plus: bool,
    is_space: bool,
    is_alternate: bool,
    is_zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Text with verbs replaced by the values in turn. A verb that does not fit its value shows as `%!d(string=x)`.
pub(super) fn printf(verbs: &str, values: &[Value]) -> Result<String, EvalError> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut chars = verbs.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.is_left = true,
                '+' => spec.is_plus = true,
                ' ' => spec.is_space = true,
                '#' => spec.is_alternate = true,
                _ => spec.is_zero = true,
            }
        }
        spec.width = size(&mut chars, &mut values)?;
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(size(&mut chars, &mut values)?.unwrap_or(0));
        }
        match (chars.next(), &mut values) {
            (None, _) => text.push_str("%!(NOVERB)"),
            (Some('%'), _) => text.push('%'),
            (Some(verb), values) => match values.next() {
                None => {
                    let _ = write!(text, "%!{verb}(MISSING)");
                }
                Some(value) => text.push_str(&verb_of(verb, &spec, value)),
            },
        }
    }
    let extra: Vec<String> = values.map(|value| format!("{}={value}", value.kind())).collect();
    if !extra.is_empty() {
        let _ = write!(text, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(text)
}

/// A width or precision: digits, or `*` for the next value.
fn size(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &mut std::slice::Iter<'_, Value>,
) -> Result<Option<usize>, EvalError> {
    let wrong = || EvalError::new(format!("printf takes widths up to {MAX_WIDTH}"));
    let size = if chars.next_if_eq(&'*').is_some() {
        match values.next() {
            Some(Value::Int(n)) => Some(usize::try_from(*n).map_err(|_| wrong())?),
            _ => return Err(EvalError::new("printf wants a number for `*`")),
        }
    } else {
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() { None } else { Some(digits.parse().map_err(|_| wrong())?) }
    };
    match size {
        Some(size) if size > MAX_WIDTH => Err(wrong()),
        size => Ok(size),
    }
}

fn verb_of(verb: char, spec: &Spec, value: &Value) -> String {
    let formatted = match (verb, value) {
        ('v', Value::Text(text)) if spec.is_alternate => Some(quote(text)),
        ('T', _) => Some(value.kind().to_owned()),
        (_, Value::List(items)) => {
            let items: Vec<String> = items.iter().map(|item| verb_of(verb, spec, item)).collect();
            return format!("[{}]", items.join(" "));
        }
        ('v', Value::Int(_) | Value::Uint(_)) => whole('d', spec, value),
        ('v', Value::Float(_)) => number('g', spec, value),
        ('v' | 's', Value::Text(text)) => Some(cut(text, spec)),
        ('v', _) => Some(value.to_string()),
        ('t', Value::Bool(b)) => Some(b.to_string()),
        ('q', Value::Text(text)) => Some(quote(&cut(text, spec))),
        ('x' | 'X', Value::Text(text)) => Some(hex(text.as_bytes(), verb == 'X', spec)),
        ('d' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U', Value::Int(_) | Value::Uint(_)) => {
            whole(verb, spec, value)
        }
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(_)) => number(verb, spec, value),
        _ => None,
    };
    match formatted {
        Some(formatted) => pad(&formatted, spec, value),
        None if *value == Value::Nil => format!("%!{verb}(<nil>)"),
        None => format!("%!{verb}({}={value})", value.kind()),
    }
}

/// As many characters as the precision allows.
fn cut(text: &str, spec: &Spec) -> String {
    text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect()
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn hex(octets: &[u8], is_upper: bool, spec: &Spec) -> String {
    let octets = &octets[..octets.len().min(spec.precision.unwrap_or(usize::MAX))];
    let separator = if spec.is_space { " " } else { "" };
    let prefix = match (spec.is_alternate, is_upper) {
        (false, _) => "",
        (true, false) => "0x",
        (true, true) => "0X",
    };
    let digits: Vec<String> = octets
        .iter()
        .map(|octet| if is_upper { format!("{octet:02X}") } else { format!("{octet:02x}") })
        .collect();
    if digits.is_empty() {
        return String::new();
    }
    match separator {
        "" => format!("{prefix}{}", digits.concat()),
        _ => digits.iter().map(|d| format!("{prefix}{d}")).collect::<Vec<_>>().join(separator),
    }
}

/// A whole number in the base that the verb stands for; its sign, prefix and leading zeros included.
fn whole(verb: char, spec: &Spec, value: &Value) -> Option<String> {
    let (is_negative, size) = match value {
        Value::Int(n) => (*n < 0, n.unsigned_abs()),
        Value::Uint(n) => (false, *n),
        _ => return None,
    };
    let character =
        || u32::try_from(size).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    let (prefix, digits) = match verb {
        'c' => return Some(character().to_string()),
        'q' => return Some(format!("'{}'", character().escape_default())),
        'U' => return Some(format!("U+{size:04X}")),
        'b' => ("0b", format!("{size:b}")),
        'o' => ("0", format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        _ => ("", size.to_string()),
    };
    let prefix = if spec.is_alternate || verb == 'O' { prefix } else { "" };
    let sign = sign(is_negative, spec);
    let n_digits = match (spec.precision, spec.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.is_zero && !spec.is_left => width.saturating_sub(sign.len()),
        _ => 0,
    };
    Some(format!("{sign}{prefix}{digits:0>n_digits$}"))
}

fn number(verb: char, spec: &Spec, value: &Value) -> Option<String> {
    let Value::Float(n) = value else { return None };
    let size = n.abs();
    let digits = match verb {
        'f' | 'F' => format!("{size:.*}", spec.precision.unwrap_or(6)),
        'e' | 'E' => exponent(&format!("{size:.*e}", spec.precision.unwrap_or(6))),
        _ => match spec.precision {
            None => float(size),
            Some(precision) => significant(size, precision.max(1)),
        },
    };
    let digits = if verb.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
    let sign = sign(n.is_sign_negative(), spec);
    let n_digits = match spec.width {
        Some(width) if spec.is_zero && !spec.is_left => width.saturating_sub(sign.len()),
        _ => 0,
    };
    Some(format!("{sign}{digits:0>n_digits$}"))
}

/// So many digits, without zeros at the end.
fn significant(n: f64, n_digits: usize) -> String {
    let written = format!("{n:.*e}", n_digits - 1);
    let exponent_of =
        written.split_once('e').and_then(|(_, exponent)| exponent.parse::<i64>().ok()).unwrap_or(0);
    let is_small = usize::try_from(exponent_of).map_or(exponent_of >= -4, |e| e < n_digits);
    if !is_small {
        let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
        return exponent(&format!("{}e{power}", without_zeros(mantissa)));
    }
    let n_digits = i64::try_from(n_digits).unwrap_or(i64::MAX);
    let n_decimals = usize::try_from(n_digits - 1 - exponent_of).unwrap_or(0);
    without_zeros(&format!("{n:.n_decimals$}")).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn sign(is_negative: bool, spec: &Spec) -> &'static str {
    match is_negative {
        true => "-",
        false if spec.is_plus => "+",
        false if spec.is_space => " ",
        false => "",
    }
}

fn pad(formatted: &str, spec: &Spec, value: &Value) -> String {
    let width = spec.width.unwrap_or(0);
    let is_number = matches!(value, Value::Int(_) | Value::Uint(_) | Value::Float(_));
    if spec.is_left {
        format!("{formatted:<width$}")
    } else if spec.is_zero && !is_number {
        format!("{formatted:0>width$}")
    } else {
        format!("{formatted:>width$}")
    }
}

/// Wider fields are refused: they would fill the memory, never a record.
const MAX_WIDTH: usize = 10_000;
