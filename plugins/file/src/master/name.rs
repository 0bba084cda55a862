//! Names and character strings with their escapes (RFC 1035 §5.1, RFC 4343 §2.1).

use plugin::proto::rr::Name;

use super::Mistake;
use super::lexer::Token;

/// A name; relative to `origin` without a final dot, and `@` is the origin itself.
pub(super) fn parse(token: &Token, origin: Option<&Name>) -> Result<Name, Mistake> {
    let wrong = || Mistake::Name(token.shown());
    match (&token.text[..], origin) {
        (b"@", Some(origin)) if !token.is_quoted => return Ok(origin.clone()),
        (b".", _) => return Ok(Name::root()),
        _ => {}
    }
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    for unit in Units(&token.text) {
        match unit.ok_or_else(|| Mistake::Escape(token.shown()))? {
            Unit::Plain(b'.') => labels.push(Vec::new()),
            Unit::Plain(octet) | Unit::Escaped(octet) => {
                labels.last_mut().expect("there is always one").push(octet);
            }
        }
    }
    let is_absolute = labels.len() > 1 && labels.last().is_some_and(Vec::is_empty);
    if is_absolute {
        labels.pop();
    }
    if labels.iter().any(Vec::is_empty) {
        return Err(wrong());
    }
    let tail = origin.filter(|_| !is_absolute);
    let labels = labels.iter().map(Vec::as_slice).chain(tail.into_iter().flat_map(Name::iter));
    Name::from_labels(labels).map_err(|_| wrong())
}

/// The octets that a word stands for.
pub(super) fn octets(token: &Token) -> Result<Vec<u8>, Mistake> {
    Units(&token.text)
        .map(|unit| {
            unit.map(|(Unit::Plain(octet) | Unit::Escaped(octet))| octet)
                .ok_or_else(|| Mistake::Escape(token.shown()))
        })
        .collect()
}

/// The name in wire format, not compressed.
pub(super) fn wire(name: &Name, to: &mut Vec<u8>) {
    for label in name {
        to.push(u8::try_from(label.len()).expect("labels are at most 63 octets long"));
        to.extend(label);
    }
    to.push(0);
}

/// An octet that stands for itself, or one that was escaped.
enum Unit {
    Plain(u8),
    Escaped(u8),
}

/// The octets of a text; `None` is an escape that means nothing.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = Option<Unit>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0 {
            [] => None,
            [b'\\', a, b, c, rest @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                self.0 = rest;
                let digit = |octet: &u8| u16::from(octet - b'0');
                let value = digit(a) * 100 + digit(b) * 10 + digit(c);
                Some(u8::try_from(value).ok().map(Unit::Escaped))
            }
            [b'\\', octet, rest @ ..] if !octet.is_ascii_digit() => {
                self.0 = rest;
                Some(Some(Unit::Escaped(*octet)))
            }
            [b'\\', rest @ ..] => {
                self.0 = rest;
                Some(None)
            }
            [octet, rest @ ..] => {
                self.0 = rest;
                Some(Some(Unit::Plain(*octet)))
            }
        }
    }
}
