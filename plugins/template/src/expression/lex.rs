//! Text to tokens.

use super::CompileError;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Int(i64),
    Float(f64),
    Text(String),
    /// Operators and brackets, the words that are operators included: `==`, `in`, `(`.
    Sign(&'static str),
}

/// Splits an expression into tokens; comments are gone afterwards.
pub(super) fn lex(source: &str) -> Result<Vec<Token>, CompileError> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let n_taken = if let Some(comment) = rest.strip_prefix("//") {
            comment.find('\n').map_or(rest.len(), |end| end + 2)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let end =
                comment.find("*/").ok_or_else(|| CompileError::new("a comment has no end"))?;
            end + 4
        } else {
            let (token, n_taken) = token(rest, first)?;
            tokens.push(token);
            n_taken
        };
        rest = rest[n_taken..].trim_start();
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Result<(Token, usize), CompileError> {
    let second = rest[first.len_utf8()..].chars().next();
    match first {
        '\'' | '"' => return text(rest, first),
        '`' => return raw_text(rest),
        'b' | 'B' if matches!(second, Some('\'' | '"')) => {
            return Err(CompileError::new("byte strings are not supported"));
        }
        c if c.is_ascii_digit() => return number(rest),
        '.' if second.is_some_and(|c| c.is_ascii_digit()) => return number(rest),
        c if is_word(c) => {
            let n_taken = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let word = &rest[..n_taken];
            let token = match WORD_SIGNS.iter().find(|sign| **sign == word) {
                Some(sign) => Token::Sign(sign),
                None => Token::Word(word.to_owned()),
            };
            return Ok((token, n_taken));
        }
        _ => {}
    }
    // The longest come first.
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(CompileError::new(format!("unexpected `{}`", first.escape_debug()))),
    }
}

fn number(rest: &str) -> Result<(Token, usize), CompileError> {
    let bytes = rest.as_bytes();
    let radix = match bytes {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => 10,
    };
    let run = |from: usize| {
        let is_digit =
            |b: &&u8| b.is_ascii_digit() || **b == b'_' || radix == 16 && b.is_ascii_hexdigit();
        bytes[from..].iter().take_while(is_digit).count()
    };
    let mut n_taken = if radix == 10 { run(0) } else { 2 + run(2) };
    let mut is_float = false;
    // Two dots are a range: `1..3`.
    if radix == 10 && bytes.get(n_taken) == Some(&b'.') && bytes.get(n_taken + 1) != Some(&b'.') {
        is_float = true;
        n_taken += 1 + run(n_taken + 1);
    }
    if radix == 10 && matches!(bytes.get(n_taken), Some(b'e' | b'E')) {
        is_float = true;
        n_taken += 1;
        n_taken += usize::from(matches!(bytes.get(n_taken), Some(b'+' | b'-')));
        n_taken += run(n_taken);
    }
    let wrong = || CompileError::new(format!("`{}` is no number", &rest[..n_taken]));
    if rest[n_taken..].starts_with(is_word) {
        return Err(wrong());
    }
    let digits = rest[..n_taken].replace('_', "");
    let token = if is_float {
        let n: f64 = digits.parse().map_err(|_| wrong())?;
        if n.is_infinite() {
            return Err(wrong());
        }
        Token::Float(n)
    } else {
        let digits = if radix == 10 { digits.as_str() } else { &digits[2..] };
        Token::Int(i64::from_str_radix(digits, radix).map_err(|_| wrong())?)
    };
    Ok((token, n_taken))
}

/// A text in backquotes, which stand for themselves where they are doubled.
fn raw_text(rest: &str) -> Result<(Token, usize), CompileError> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let Some(end) = rest[at..].find('`') else {
            return Err(CompileError::new("a string is not closed"));
        };
        text.push_str(&rest[at..at + end]);
        at += end + 1;
        if !rest[at..].starts_with('`') {
            return Ok((Token::Text(text), at));
        }
        text.push('`');
        at += 1;
    }
}

fn text(rest: &str, quote: char) -> Result<(Token, usize), CompileError> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        match rest[at..].chars().next() {
            None | Some('\n') => return Err(CompileError::new("a string is not closed")),
            Some('\\') => {
                let (c, n_taken) = escape(&rest[at + 1..])
                    .ok_or_else(|| CompileError::new("unknown escape in a string"))?;
                text.push(c);
                at += 1 + n_taken;
            }
            Some(c) => {
                at += c.len_utf8();
                if c == quote {
                    return Ok((Token::Text(text), at));
                }
                text.push(c);
            }
        }
    }
}

/// What the text after a backslash stands for, and how much of it.
fn escape(rest: &str) -> Option<(char, usize)> {
    let kind = rest.chars().next()?;
    let coded = |from: usize, n_digits: usize, radix: u32| {
        let code = u32::from_str_radix(rest.get(from..from + n_digits)?, radix).ok()?;
        Some((char::from_u32(code)?, from + n_digits))
    };
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '\'' | '"' | '`' | '?' => kind,
        'x' | 'X' => return coded(1, 2, 16),
        'u' if rest[1..].starts_with('{') => {
            let n_digits = rest[2..].find('}').filter(|n| (1..=6).contains(n))?;
            return coded(2, n_digits, 16).map(|(c, n_taken)| (c, n_taken + 1));
        }
        'u' => return coded(1, 4, 16),
        'U' => return coded(1, 8, 16),
        '0'..='3' => return coded(0, 3, 8),
        _ => return None,
    };
    Some((plain, 1))
}

fn is_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}

const WORD_SIGNS: &[&str] = &[
    "in",
    "or",
    "and",
    "not",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "**", "..", "?.", "??", "::", "(", ")", "[", "]", "{", "}",
    ",", ";", ":", "?", "|", "+", "-", "*", "/", "%", "^", "<", ">", "!", "=", ".", "#",
];
