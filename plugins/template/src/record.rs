//! A line of a zone file to a record (RFC 1035 §5.1).
//!
//! What is written is encoded first and decoded then: so a record holds what a client would read, and types that the
//! codec cannot read from text are no matter. [`layout`] says how the data of a type is encoded; what is not in it is
//! left to the codec.

use std::net::{Ipv4Addr, Ipv6Addr};

use plugin::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use plugin::proto::serialize::binary::{BinDecodable, BinDecoder};

/// Why a text is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RecordError {
    #[error("it is empty")]
    Empty,
    #[error("the {0} is missing")]
    Missing(&'static str),
    #[error("`{text}` is not {what}")]
    Not { what: &'static str, text: String },
    #[error("`{0}` stands after the end of the data")]
    TooMuch(String),
    #[error("a quote or a parenthesis is not closed")]
    Unclosed,
    #[error("cannot read data of this type: {0}")]
    Data(String),
}

/// Reads the first record of a text. Names are absolute with or without a final dot; a missing TTL is an hour, a missing
/// class IN.
pub(crate) fn parse(text: &str) -> Result<Record, RecordError> {
    // A line that begins with white space is about the owner of the line before, and there is none.
    if text.trim_start_matches(['\n', '\r']).starts_with([' ', '\t']) {
        return Err(RecordError::Missing("owner"));
    }
    let words = words(text)?;
    let mut rest = words.as_slice();
    let owner = name(take(&mut rest, "owner")?)?;
    let (mut ttl, mut class) = (None, None);
    let rtype = loop {
        let word = take(&mut rest, "type")?;
        if word.is_quoted {
            return Err(not("a type", word));
        }
        // RFC 1035 §5.1: TTL and class may stand in either order.
        if let Some(seconds) = ttl_secs(&word.text).filter(|_| ttl.is_none()) {
            ttl = Some(seconds);
        } else if let Some(known) = class_named(&word.text).filter(|_| class.is_none()) {
            class = Some(known);
        } else if let Some(rtype) = type_named(&word.text.to_ascii_uppercase()) {
            break rtype;
        } else {
            return Err(not("a TTL, a class or a type", word));
        }
    };
    let data = data(rtype, rest)?;
    let mut record = Record::from_rdata(owner, ttl.unwrap_or(DEFAULT_TTL_SECS), data);
    record.dns_class = class.unwrap_or(DNSClass::IN);
    Ok(record)
}

/// The type of that mnemonic in upper case, `TYPEn` included.
pub(crate) fn type_named(name: &str) -> Option<RecordType> {
    if let Some(code) = name.strip_prefix("TYPE") {
        return code.parse().ok().map(|code: u16| RecordType::from(code));
    }
    let mut mnemonic = String::new();
    (0..=u16::MAX).map(RecordType::from).find(|rtype| {
        // Most codes have no name: skip them without writing it.
        let code = u16::from(*rtype);
        if (300..32_768).contains(&code) || code > 32_800 && code != u16::MAX {
            return false;
        }
        mnemonic.clear();
        plugin::names::push_type(&mut mnemonic, *rtype);
        mnemonic == name
    })
}

fn class_named(name: &str) -> Option<DNSClass> {
    let name = name.to_ascii_uppercase();
    Some(match name.as_str() {
        "IN" => DNSClass::IN,
        "CH" => DNSClass::CH,
        "HS" => DNSClass::HS,
        "CS" => DNSClass::from(2),
        "NONE" => DNSClass::NONE,
        _ => DNSClass::from(name.strip_prefix("CLASS")?.parse::<u16>().ok()?),
    })
}

/// Seconds, or numbers with units: `1h30m`.
fn ttl_secs(text: &str) -> Option<u32> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (mut total, mut number) = (0_u32, 0_u32);
    for c in text.chars() {
        let factor = match c.to_ascii_lowercase() {
            digit @ '0'..='9' => {
                number = number.checked_mul(10)?.checked_add(digit.to_digit(10)?)?;
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        number = 0;
    }
    total.checked_add(number)
}

/// One word of a line, escapes left as they are.
#[derive(Debug)]
struct Word {
    text: String,
    is_quoted: bool,
    /// Whether nothing stands between it and the word before: `key="value"`.
    is_joined: bool,
}

/// The words of the first line that has any. Parentheses join lines; a semicolon hides the rest of its line.
fn words(text: &str) -> Result<Vec<Word>, RecordError> {
    let mut words: Vec<Word> = Vec::new();
    let mut n_open = 0_usize;
    let mut chars = text.chars().peekable();
    let mut is_after_word = false;
    while let Some(c) = chars.next() {
        let is_joined = is_after_word;
        is_after_word = !matches!(c, ';' | '(' | ')') && !c.is_ascii_whitespace();
        match c {
            '\n' if n_open == 0 && !words.is_empty() => break,
            ';' => while chars.next_if(|c| *c != '\n').is_some() {},
            '(' => n_open += 1,
            ')' => n_open = n_open.checked_sub(1).ok_or(RecordError::Unclosed)?,
            '"' => {
                let mut word = Word { text: String::new(), is_quoted: true, is_joined };
                loop {
                    match chars.next().ok_or(RecordError::Unclosed)? {
                        '"' => break,
                        '\\' => {
                            word.text.push('\\');
                            word.text.push(chars.next().ok_or(RecordError::Unclosed)?);
                        }
                        c => word.text.push(c),
                    }
                }
                words.push(word);
            }
            c if c.is_ascii_whitespace() => {}
            c => {
                let mut word = Word { text: String::new(), is_quoted: false, is_joined };
                let mut next = Some(c);
                while let Some(c) = next {
                    word.text.push(c);
                    if c == '\\' {
                        word.text.extend(chars.next());
                    }
                    next = chars.next_if(|c| !c.is_ascii_whitespace() && !"\"();".contains(*c));
                }
                words.push(word);
            }
        }
    }
    match (n_open, words.is_empty()) {
        (0, false) => Ok(words),
        (0, true) => Err(RecordError::Empty),
        _ => Err(RecordError::Unclosed),
    }
}

fn take<'a>(rest: &mut &'a [Word], what: &'static str) -> Result<&'a Word, RecordError> {
    let (first, others) = rest.split_first().ok_or(RecordError::Missing(what))?;
    *rest = others;
    Ok(first)
}

fn not(what: &'static str, word: &Word) -> RecordError {
    RecordError::Not { what, text: word.text.clone() }
}

/// One field of a type's data.
#[derive(Clone, Copy)]
enum Field {
    Ipv4,
    Ipv6,
    Name,
    U8,
    U16,
    U32,
    /// A TTL: seconds or units.
    Period,
    /// A character-string: RFC 1035 §3.3.
    Text,
    /// All words that are left, each one or more character-strings; at least one.
    Texts,
    /// One word as it is, without a length.
    Rest,
    /// All words that are left, as hexadecimal digits.
    Hex,
}

/// The fields of a type's data, in order.
fn layout(rtype: RecordType) -> Option<&'static [Field]> {
    use Field::{Hex, Ipv4, Ipv6, Name, Period, Rest, Text, Texts, U8, U16, U32};
    Some(match u16::from(rtype) {
        1 => &[Ipv4],
        28 => &[Ipv6],
        // NS, CNAME, PTR, DNAME and those of RFC 1035 that nobody uses.
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => &[Name],
        6 => &[Name, Name, U32, Period, Period, Period, Period],
        19 => &[Text],
        13 => &[Text, Text],
        // MX, AFSDB, RT, KX, LP
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT, SPF, AVC, NINFO
        16 | 99 | 258 | 56 | 261 => &[Texts],
        17 => &[Name, Name],
        33 => &[U16, U16, U16, Name],
        35 => &[U16, U16, Text, Text, Text, Name],
        // DS, CDS, DLV, TA
        43 | 59 | 32_768 | 32_769 => &[U16, U8, U8, Hex],
        44 => &[U8, U8, Hex],
        // TLSA, SMIMEA
        52 | 53 => &[U8, U8, U8, Hex],
        256 => &[U16, U16, Rest],
        257 => &[U8, Text, Rest],
        _ => return None,
    })
}

fn data(rtype: RecordType, words: &[Word]) -> Result<RData, RecordError> {
    // RFC 3597 §5: any type in a generic form.
    let is_generic = words.first().is_some_and(|word| !word.is_quoted && word.text == "\\#");
    let fields = match layout(rtype) {
        _ if is_generic => return decode(rtype, &generic(words)?),
        Some(fields) => fields,
        None => {
            let text: String = words.iter().map(Word::written).collect();
            return RData::try_from_str(rtype, text.trim_start())
                .map_err(|error| RecordError::Data(error.to_string()));
        }
    };
    let mut rest = words;
    let mut wire = Vec::new();
    for field in fields {
        field.encode(&mut rest, &mut wire)?;
    }
    match rest.first() {
        None => decode(rtype, &wire),
        Some(word) => Err(RecordError::TooMuch(word.text.clone())),
    }
}

impl Word {
    /// As it was written, with what stands before it.
    fn written(&self) -> String {
        let space = if self.is_joined { "" } else { " " };
        let quote = if self.is_quoted { "\"" } else { "" };
        format!("{space}{quote}{}{quote}", self.text)
    }
}

impl Field {
    fn encode(self, rest: &mut &[Word], wire: &mut Vec<u8>) -> Result<(), RecordError> {
        if let Self::Texts | Self::Hex = self {
            let words = std::mem::take(rest);
            if words.is_empty() {
                return Err(RecordError::Missing("data"));
            }
            return match self {
                Self::Hex => hex(words, wire),
                _ => words.iter().try_for_each(|word| texts(word, wire)),
            };
        }
        let word = take(rest, "data")?;
        match self {
            Self::Ipv4 => {
                let address: Ipv4Addr =
                    word.text.parse().map_err(|_| not("an IPv4 address", word))?;
                wire.extend(address.octets());
            }
            Self::Ipv6 => {
                let address: Ipv6Addr =
                    word.text.parse().map_err(|_| not("an IPv6 address", word))?;
                wire.extend(address.octets());
            }
            Self::Name => {
                for label in &name(word)? {
                    wire.push(u8::try_from(label.len()).unwrap_or(0));
                    wire.extend(label);
                }
                wire.push(0);
            }
            Self::U8 => wire.push(word.text.parse().map_err(|_| not("a number below 256", word))?),
            Self::U16 => {
                let n: u16 = word.text.parse().map_err(|_| not("a number below 65536", word))?;
                wire.extend(n.to_be_bytes());
            }
            Self::U32 => {
                let n: u32 = word.text.parse().map_err(|_| not("a number below 2^32", word))?;
                wire.extend(n.to_be_bytes());
            }
            Self::Period => {
                let seconds = ttl_secs(&word.text).ok_or_else(|| not("a time", word))?;
                wire.extend(seconds.to_be_bytes());
            }
            Self::Text => {
                let octets = unescaped(&word.text).ok_or_else(|| not("a text", word))?;
                let len =
                    u8::try_from(octets.len()).map_err(|_| not("a text of 255 octets", word))?;
                wire.push(len);
                wire.extend(octets);
            }
            Self::Rest => {
                wire.extend(unescaped(&word.text).ok_or_else(|| not("a text", word))?);
            }
            Self::Texts | Self::Hex => {}
        }
        Ok(())
    }
}

/// One word as character-strings: more than one where it is longer than 255 octets.
fn texts(word: &Word, wire: &mut Vec<u8>) -> Result<(), RecordError> {
    let octets = unescaped(&word.text).ok_or_else(|| not("a text", word))?;
    if octets.is_empty() {
        wire.push(0);
    }
    for part in octets.chunks(255) {
        wire.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        wire.extend(part);
    }
    Ok(())
}

fn hex(words: &[Word], wire: &mut Vec<u8>) -> Result<(), RecordError> {
    let digits: String = words.iter().map(|word| word.text.as_str()).collect();
    let wrong = || RecordError::Not { what: "hexadecimal", text: digits.clone() };
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for i in (0..digits.len()).step_by(2) {
        wire.push(u8::from_str_radix(&digits[i..i + 2], 16).map_err(|_| wrong())?);
    }
    Ok(())
}

/// `\# LENGTH HEX...`
fn generic(words: &[Word]) -> Result<Vec<u8>, RecordError> {
    let mut rest = &words[1..];
    let length = take(&mut rest, "length")?;
    let n_octets: u16 = length.text.parse().map_err(|_| not("a length", length))?;
    let mut wire = Vec::new();
    hex(rest, &mut wire)?;
    if wire.len() != usize::from(n_octets) {
        return Err(not("the length of the data", length));
    }
    Ok(wire)
}

/// The octets that a text stands for: `\DDD` is an octet, `\X` is X.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'\\' {
            octets.push(*first);
            continue;
        }
        match rest {
            [a, b, c, others @ ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                let code = [a, b, c].iter().fold(0, |code, d| code * 10 + u16::from(**d - b'0'));
                octets.push(u8::try_from(code).ok()?);
                rest = others;
            }
            [c, others @ ..] => {
                octets.push(*c);
                rest = others;
            }
            [] => return None,
        }
    }
    Some(octets)
}

/// A name, absolute with or without its final dot. `@` is the root, since there is no origin.
fn name(word: &Word) -> Result<Name, RecordError> {
    if word.text == "@" || word.text == "." {
        return Ok(Name::root());
    }
    let wrong = || not("a name", word);
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut label = String::new();
    let mut chars = word.text.chars();
    let mut is_open = false;
    while let Some(c) = chars.next() {
        match c {
            '.' => {
                labels.push(unescaped(&label).filter(|label| !label.is_empty()).ok_or_else(wrong)?);
                label.clear();
                is_open = false;
            }
            '\\' => {
                label.push('\\');
                label.push(chars.next().ok_or_else(wrong)?);
                is_open = true;
            }
            c => {
                label.push(c);
                is_open = true;
            }
        }
        if labels.len() > 127 {
            return Err(wrong());
        }
    }
    if is_open {
        labels.push(unescaped(&label).ok_or_else(wrong)?);
    }
    Name::from_labels(labels).map_err(|_| wrong())
}

/// The data as a client would read it.
fn decode(rtype: RecordType, data: &[u8]) -> Result<RData, RecordError> {
    let len = u16::try_from(data.len()).map_err(|_| RecordError::Data("too long".to_owned()))?;
    let mut wire = vec![0];
    wire.extend(u16::from(rtype).to_be_bytes());
    wire.extend([0, 1, 0, 0, 0, 0]);
    wire.extend(len.to_be_bytes());
    wire.extend(data);
    let record = Record::read(&mut BinDecoder::new(&wire))
        .map_err(|error| RecordError::Data(error.to_string()))?;
    Ok(record.data)
}

/// Where a record has none.
const DEFAULT_TTL_SECS: u32 = 3_600;

#[cfg(test)]
mod tests;
