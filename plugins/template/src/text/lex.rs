//! Text and actions to tokens. Trim markers and comments are gone afterwards.

use super::ParseError;

/// One token, and whether white space stands before it inside its action.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) is_spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Between actions; never empty.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// A function or a keyword.
    Word(String),
    /// `.Name`, without the dot.
    Field(String),
    /// `$`, `$name`.
    Variable(String),
    /// As written.
    Number(String),
    /// A string as written, and what it stands for.
    Quoted(String, String),
    /// `'a'`, as written, and its code point.
    Char(String, char),
    Dot,
    Pipe,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Comma,
    LeftParen,
    RightParen,
}

/// Splits a template into tokens.
pub(super) fn lex(source: &str) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut is_trimmed = false;
    loop {
        let (text, after) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        let text = if is_trimmed { text.trim_start_matches(is_space) } else { text };
        let is_trimming =
            after.is_some_and(|a| a.strip_prefix('-').is_some_and(|a| a.starts_with(is_space)));
        let text = if is_trimming { text.trim_end_matches(is_space) } else { text };
        if !text.is_empty() {
            tokens.push(Token { kind: Kind::Text(text.to_owned()), is_spaced: false });
        }
        let Some(after) = after else { return Ok(tokens) };
        let after = if is_trimming { &after[1..] } else { after };
        let comment = if is_trimming { after.trim_start_matches(is_space) } else { after };
        (rest, is_trimmed) = match comment.strip_prefix("/*") {
            Some(comment) => comment_end(comment)?,
            None => {
                tokens.push(Token { kind: Kind::Open, is_spaced: false });
                action(after, &mut tokens)?
            }
        };
    }
}

/// What follows a comment's action, and whether it is trimmed.
fn comment_end(comment: &str) -> Result<(&str, bool), ParseError> {
    let Some((_, after)) = comment.split_once("*/") else {
        return Err(ParseError::new("a comment has no end"));
    };
    end(after).ok_or_else(|| ParseError::new("a comment must be alone in its action"))
}

/// What follows the `}}` or ` -}}` that `rest` begins with, and whether it is trimmed.
fn end(rest: &str) -> Option<(&str, bool)> {
    if let Some(after) = rest.strip_prefix("}}") {
        return Some((after, false));
    }
    if !rest.starts_with(is_space) {
        return None;
    }
    rest.trim_start_matches(is_space).strip_prefix("-}}").map(|after| (after, true))
}

/// The tokens of one action up to its `}}`; what follows it, and whether that is trimmed.
fn action<'a>(source: &'a str, tokens: &mut Vec<Token>) -> Result<(&'a str, bool), ParseError> {
    let mut rest = source;
    let mut n_open = 0_usize;
    loop {
        if let Some((after, is_trimmed)) = end(rest) {
            if n_open > 0 {
                return Err(ParseError::new("a parenthesis is not closed"));
            }
            tokens.push(Token { kind: Kind::Close, is_spaced: false });
            return Ok((after, is_trimmed));
        }
        let spaced = rest.trim_start_matches(is_space);
        let is_spaced = spaced.len() < rest.len();
        if is_spaced && spaced.starts_with("}}") {
            rest = spaced;
            continue;
        }
        rest = spaced;
        let Some(first) = rest.chars().next() else {
            return Err(ParseError::new("`{{` has no `}}`"));
        };
        let (kind, n_taken) = token(rest, first)?;
        match kind {
            Kind::LeftParen => n_open += 1,
            Kind::RightParen => {
                n_open = n_open
                    .checked_sub(1)
                    .ok_or_else(|| ParseError::new("a closing parenthesis has no opening one"))?;
            }
            _ => {}
        }
        tokens.push(Token { kind, is_spaced });
        rest = &rest[n_taken..];
    }
}

/// The token that `rest` begins with, and its octets.
fn token(rest: &str, first: char) -> Result<(Kind, usize), ParseError> {
    let word_len = |from: usize| {
        let word = &rest[from..];
        word.find(|c: char| !is_word(c)).unwrap_or(word.len())
    };
    let second = rest[first.len_utf8()..].chars().next();
    let is_digit = |c: char| c.is_ascii_digit();
    Ok(match first {
        ':' if second == Some('=') => (Kind::Declare, 2),
        '=' => (Kind::Assign, 1),
        '|' => (Kind::Pipe, 1),
        ',' => (Kind::Comma, 1),
        '(' => (Kind::LeftParen, 1),
        ')' => (Kind::RightParen, 1),
        '"' => quoted(rest)?,
        '`' => {
            let Some(end) = rest[1..].find('`') else {
                return Err(ParseError::new("a raw string is not closed"));
            };
            (Kind::Quoted(rest[..end + 2].to_owned(), rest[1..=end].to_owned()), end + 2)
        }
        '\'' => character(rest)?,
        '$' => {
            let n_taken = 1 + word_len(1);
            terminated(rest, n_taken)?;
            (Kind::Variable(rest[..n_taken].to_owned()), n_taken)
        }
        '.' if second.is_some_and(is_digit) => number(rest)?,
        '.' => match word_len(1) {
            0 => (Kind::Dot, 1),
            n_word => {
                terminated(rest, 1 + n_word)?;
                (Kind::Field(rest[1..=n_word].to_owned()), 1 + n_word)
            }
        },
        c if is_digit(c) => number(rest)?,
        '+' | '-' if second.is_some_and(|c| is_digit(c) || c == '.') => number(rest)?,
        c if is_word(c) => {
            let n_taken = word_len(0);
            terminated(rest, n_taken)?;
            (Kind::Word(rest[..n_taken].to_owned()), n_taken)
        }
        c => return Err(ParseError::new(format!("unexpected `{c}` in an action"))),
    })
}

/// Refuses names that run into something else: `index"x"`.
fn terminated(rest: &str, n_taken: usize) -> Result<(), ParseError> {
    match rest[n_taken..].chars().next() {
        Some(c) if !is_space(c) && !".,|:()=}".contains(c) => {
            Err(ParseError::new(format!("unexpected `{c}` after `{}`", &rest[..n_taken])))
        }
        _ => Ok(()),
    }
}

fn number(rest: &str) -> Result<(Kind, usize), ParseError> {
    let sign = usize::from(rest.starts_with(['+', '-']));
    let body = &rest[sign..];
    let is_hex = body.starts_with("0x") || body.starts_with("0X");
    let mut n_body = 0;
    let mut before = ' ';
    for c in body.chars() {
        let is_exponent = !is_hex && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || is_exponent) {
            break;
        }
        n_body += 1;
        before = c;
    }
    let n_taken = sign + n_body;
    terminated(rest, n_taken)?;
    Ok((Kind::Number(rest[..n_taken].to_owned()), n_taken))
}

fn character(rest: &str) -> Result<(Kind, usize), ParseError> {
    let wrong = || ParseError::new("a character constant is one character in single quotes");
    let (c, n_taken) = match rest[1..].chars().next().ok_or_else(wrong)? {
        '\\' => escape(&rest[1..], '\'').ok_or_else(wrong)?,
        '\'' | '\n' => return Err(wrong()),
        c => (c, c.len_utf8()),
    };
    let end = 1 + n_taken;
    if !rest[end..].starts_with('\'') {
        return Err(wrong());
    }
    Ok((Kind::Char(rest[..=end].to_owned(), c), end + 1))
}

fn quoted(rest: &str) -> Result<(Kind, usize), ParseError> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        match rest[at..].chars().next() {
            None | Some('\n') => return Err(ParseError::new("a quoted string is not closed")),
            Some('"') => return Ok((Kind::Quoted(rest[..=at].to_owned(), text), at + 1)),
            Some('\\') => {
                let Some((c, n_taken)) = escape(&rest[at..], '"') else {
                    return Err(ParseError::new("unknown escape in a quoted string"));
                };
                text.push(c);
                at += n_taken;
            }
            Some(c) => {
                text.push(c);
                at += c.len_utf8();
            }
        }
    }
}

/// The character that the escape at the beginning of `rest` stands for, and the octets it takes. Octets above 127 stand
/// for the character of that number: text here is UTF-8.
fn escape(rest: &str, quote: char) -> Option<(char, usize)> {
    let kind = rest[1..].chars().next()?;
    let coded = |from: usize, n_digits: usize, radix: u32| {
        let digits = rest.get(from..from + n_digits)?;
        let code = u32::from_str_radix(digits, radix).ok()?;
        Some((char::from_u32(code)?, from + n_digits))
    };
    let plain = |c: char| Some((c, 2));
    match kind {
        'a' => plain('\u{7}'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\u{b}'),
        '\\' => plain('\\'),
        c if c == quote => plain(c),
        'x' => coded(2, 2, 16),
        'u' => coded(2, 4, 16),
        'U' => coded(2, 8, 16),
        '0'..='3' => coded(1, 3, 8),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
