//! Master files: the text that zones are written in (RFC 1035 §5).
//!
//! ```text
//!  file ─► lexer: logical lines of words ─► Parser: directives and owners ─► rdata: words to wire ─► Record
//!            ▲                                │
//!            └── $INCLUDE, $GENERATE ◄────────┘  each a source of lines of its own, on a stack
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`lexer`] | words, quotes, comments, parentheses |
//! | [`name`] | names and character strings with their escapes |
//! | [`generate`] | `$GENERATE` |
//! | [`types`] | the types that have a name, and what their data is made of |
//! | [`rdata`] | fields to wire format |
//! | [`svcb`] [`location`] | the two that need a grammar of their own |
//! | [`mistake`] | what can be wrong, and where |
//!
//! hickory's parser has no `$GENERATE`, no origin for `$INCLUDE`, reads `\DDD` as octal, knows neither DNSSEC's
//! types without its cryptography nor unknown ones, and says no line numbers; hence this one.

mod generate;
mod lexer;
mod location;
mod mistake;
mod name;
mod rdata;
mod svcb;
mod types;

use std::path::{Path, PathBuf};

use plugin::proto::rr::{DNSClass, Name, Record};

use self::generate::Generate;
use self::lexer::{Line, Text, Token};
use self::mistake::Mistake;
pub(crate) use self::mistake::ZoneFileError;
pub(crate) use self::rdata::type_covered;

/// Reads a master file record by record, in the order of the file.
///
/// After an error it ends.
pub(crate) struct Parser {
    /// The innermost file is last.
    sources: Vec<Source>,
}

/// What lines are read from, with what `$INCLUDE` and `$GENERATE` keep to themselves.
struct Source {
    path: PathBuf,
    lines: Lines,
    origin: Name,
    /// The owner of the record before, for lines that begin with a blank.
    owner: Option<Name>,
    ttl: DefaultTtl,
    n_includes: usize,
}

enum Lines {
    File(Text),
    Generated(Generate),
}

/// The TTL of records that have none.
#[derive(Clone, Copy)]
enum DefaultTtl {
    Unknown,
    /// That of the last record that had one (RFC 1035 §5.1).
    Last(u32),
    /// `$TTL` (RFC 2308 §4).
    Directive(u32),
}

impl Parser {
    /// Reads `octets`; `path` names the file in errors, and `$INCLUDE` is relative to its directory.
    pub(crate) fn new(octets: Vec<u8>, path: &Path, origin: &Name) -> Self {
        Self {
            sources: vec![Source {
                path: path.to_owned(),
                lines: Lines::File(Text::new(octets)),
                origin: origin.clone(),
                owner: None,
                ttl: DefaultTtl::Unknown,
                n_includes: 0,
            }],
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>, ZoneFileError> {
        while let Some(source) = self.sources.last_mut() {
            match source
                .step()
                .map_err(|(line, mistake)| ZoneFileError::new(&source.path, line, mistake))?
            {
                Step::Record(record) => return Ok(Some(*record)),
                Step::Enter(source) => self.sources.push(*source),
                Step::Go => {}
                Step::End => {
                    self.sources.pop();
                }
            }
        }
        Ok(None)
    }
}

impl Iterator for Parser {
    type Item = Result<Record, ZoneFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_record().transpose();
        if matches!(next, Some(Err(_))) {
            self.sources.clear();
        }
        next
    }
}

/// What a line was.
enum Step {
    Record(Box<Record>),
    /// The lines of another source come first.
    Enter(Box<Source>),
    Go,
    End,
}

/// A mistake and its line.
type At<T> = Result<T, (usize, Mistake)>;

#[derive(Clone, Copy)]
enum Control {
    Origin,
    Ttl,
    Include,
    Generate,
}

/// What the line tells the parser to do, where it is no record.
fn directive(line: &Line) -> Option<Control> {
    let first = line.tokens.first().filter(|_| !line.is_continued)?;
    let is = |name: &str| !first.is_quoted && first.text.eq_ignore_ascii_case(name.as_bytes());
    [
        ("$ORIGIN", Control::Origin),
        ("$TTL", Control::Ttl),
        ("$INCLUDE", Control::Include),
        ("$GENERATE", Control::Generate),
    ]
    .into_iter()
    .find_map(|(name, control)| is(name).then_some(control))
}

impl Source {
    fn step(&mut self) -> At<Step> {
        let line = match &mut self.lines {
            Lines::File(text) => text.next_line(),
            Lines::Generated(generate) => generate.next_line(),
        };
        let Some(line) = line? else { return Ok(Step::End) };
        match directive(&line) {
            Some(directive) => self.follow(directive, &line.tokens[1..]),
            None => self.record(&line).map(|record| Step::Record(Box::new(record))),
        }
    }

    fn follow(&mut self, control: Control, arguments: &[Token]) -> At<Step> {
        let line = self.line();
        let wrong = |what| (line, Mistake::Directive(what));
        match (control, arguments) {
            (Control::Origin, [origin]) => {
                self.origin = name::parse(origin, Some(&self.origin)).map_err(|m| (line, m))?;
                Ok(Step::Go)
            }
            (Control::Origin, _) => Err(wrong("`$ORIGIN` wants a name")),
            (Control::Ttl, [ttl]) => {
                let ttl = seconds(ttl).ok_or_else(|| (line, Mistake::expected("a TTL", ttl)))?;
                self.ttl = DefaultTtl::Directive(ttl);
                Ok(Step::Go)
            }
            (Control::Ttl, _) => Err(wrong("`$TTL` wants a TTL")),
            (Control::Include, [file]) => self.include(file, self.origin.clone()),
            (Control::Include, [file, origin]) => {
                let origin = name::parse(origin, Some(&self.origin)).map_err(|m| (line, m))?;
                self.include(file, origin)
            }
            (Control::Include, _) => Err(wrong("`$INCLUDE` wants a file and perhaps an origin")),
            (Control::Generate, [range, template @ ..]) if !template.is_empty() => {
                if let Lines::Generated(_) = self.lines {
                    return Err(wrong("`$GENERATE` cannot generate itself"));
                }
                let generate = Generate::new(line, range, template).map_err(|m| (line, m))?;
                Ok(Step::Enter(Box::new(Self {
                    path: self.path.clone(),
                    lines: Lines::Generated(generate),
                    origin: self.origin.clone(),
                    owner: None,
                    // As CoreDNS has it: neither `$TTL` nor the record before counts here.
                    ttl: DefaultTtl::Last(GENERATED_TTL_SECS),
                    n_includes: self.n_includes,
                })))
            }
            (Control::Generate, _) => Err(wrong("`$GENERATE` wants a range and a record")),
        }
    }

    /// Neither the origin nor the owner of this file is changed by the other (RFC 1035 §5.1).
    fn include(&self, file: &Token, origin: Name) -> At<Step> {
        let line = self.line();
        if self.n_includes >= MOST_INCLUDES {
            return Err((line, Mistake::TooManyIncludes));
        }
        let written = String::from_utf8_lossy(&file.text).into_owned();
        let path = self.path.parent().unwrap_or_else(|| Path::new("")).join(&written);
        let octets = std::fs::read(&path)
            .map_err(|source| (line, Mistake::Include { file: path.clone(), source }))?;
        Ok(Step::Enter(Box::new(Self {
            path,
            lines: Lines::File(Text::new(octets)),
            origin,
            owner: None,
            ttl: self.ttl,
            n_includes: self.n_includes + 1,
        })))
    }

    /// `[owner] [TTL] [class] type data`; TTL and class in either order.
    fn record(&mut self, line: &Line) -> At<Record> {
        let at = |mistake| (line.number, mistake);
        let mut tokens = &line.tokens[..];
        if !line.is_continued {
            let (first, rest) = tokens.split_first().expect("a line has words");
            self.owner = Some(name::parse(first, Some(&self.origin)).map_err(at)?);
            tokens = rest;
        }
        let owner = self.owner.clone().ok_or_else(|| at(Mistake::NoOwner))?;
        let (mut ttl, mut class) = (None, None);
        let rtype = loop {
            let Some((token, rest)) = tokens.split_first() else {
                return Err(at(Mistake::NoType));
            };
            tokens = rest;
            if let Some(rtype) = types::code(&token.text) {
                break rtype;
            } else if class.is_none() && types::class(&token.text).is_some() {
                class = types::class(&token.text);
            } else if ttl.is_none() && seconds(token).is_some() {
                ttl = seconds(token);
            } else {
                return Err((token.line, Mistake::expected("a type, a class or a TTL", token)));
            }
        };
        let ttl = self.ttl(ttl, class.is_some()).ok_or_else(|| at(Mistake::NoTtl))?;
        let rdata = rdata::parse(rtype, tokens, &self.origin, line.number)?;
        let mut record = Record::from_rdata(owner, ttl, rdata);
        record.dns_class = class.map_or(DNSClass::IN, DNSClass::from);
        Ok(record)
    }

    fn ttl(&mut self, written: Option<u32>, has_class: bool) -> Option<u32> {
        if let (Some(ttl), DefaultTtl::Unknown | DefaultTtl::Last(_)) = (written, self.ttl) {
            self.ttl = DefaultTtl::Last(ttl);
        }
        match self.ttl {
            _ if written.is_some() => written,
            DefaultTtl::Directive(ttl) | DefaultTtl::Last(ttl) => Some(ttl),
            // CoreDNS takes zero where a class is written, and refuses the record where none is.
            DefaultTtl::Unknown => has_class.then_some(0),
        }
    }

    fn line(&self) -> usize {
        match &self.lines {
            Lines::File(text) => text.line_of_last(),
            Lines::Generated(generate) => generate.line(),
        }
    }
}

/// A duration in seconds: a number, or numbers with the units that BIND has: `1h30m`, `2W`.
fn seconds(token: &Token) -> Option<u32> {
    let (mut total, mut number) = (0_u64, 0_u64);
    if token.is_quoted || !token.text.first()?.is_ascii_digit() {
        return None;
    }
    for octet in &token.text {
        let unit = match octet.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    u32::try_from(total.checked_add(number)?).ok()
}

/// How deep files may include files.
const MOST_INCLUDES: usize = 7;

/// TTL of generated records that have none of their own.
const GENERATED_TTL_SECS: u32 = 3600;

#[cfg(test)]
mod tests;
