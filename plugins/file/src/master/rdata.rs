//! The data of a record, from words to wire format.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use plugin::proto::rr::rdata::NULL;
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::proto::serialize::binary::{
    BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict,
};

use super::lexer::Token;
use super::types::Field;
use super::{At, Mistake, location, name, svcb, types};

/// The data of a record of that type; `line` is that of the record.
pub(super) fn parse(code: u16, tokens: &[Token], origin: &Name, line: usize) -> At<RData> {
    let at = |mistake| (line, mistake);
    if let NSEC3 | NSEC3PARAM = code {
        return Err(at(Mistake::Nsec3));
    }
    let mut words = Words { tokens, origin, line };
    let mut wire = Vec::new();
    match tokens.split_first() {
        // RFC 3597 §5: any type can be written so.
        Some((first, rest)) if first.text == b"\\#" && !first.is_quoted => {
            words.tokens = rest;
            words.opaque(&mut wire)?;
        }
        _ => {
            let fields = types::fields(code);
            if fields.is_empty() {
                return Err(at(Mistake::NoFormat(types::name(code))));
            }
            for field in fields {
                words.field(*field, &mut wire)?;
            }
        }
    }
    if let Some(surplus) = words.tokens.first() {
        return Err((surplus.line, Mistake::Surplus(surplus.shown())));
    }
    typed(code, wire).map_err(at)
}

/// What an RRSIG record signs (RFC 4034 §3.1.1); `None` for other records.
pub(crate) fn type_covered(rrsig: &Record) -> Option<RecordType> {
    match &rrsig.data {
        RData::Unknown { code: RecordType::RRSIG, rdata } => {
            let octets = rdata.anything.first_chunk::<2>()?;
            Some(u16::from_be_bytes(*octets).into())
        }
        _ => None,
    }
}

/// Types that other plugins look into are decoded; the rest stays opaque, so that it leaves as it came.
fn typed(code: u16, wire: Vec<u8>) -> Result<RData, Mistake> {
    let len = u16::try_from(wire.len()).map_err(|_| Mistake::Data)?;
    let rtype = RecordType::from(code);
    if TYPED.contains(&rtype) {
        let decoded = RData::read(&mut BinDecoder::new(&wire), rtype, Restrict::new(len));
        match decoded {
            Ok(rdata) if encoded(&rdata).is_some_and(|again| again == wire) => return Ok(rdata),
            // The server and other plugins rely on the form of these.
            _ if is_basic(rtype) => return Err(Mistake::Data),
            _ => {}
        }
    }
    let mut rdata = NULL::new();
    rdata.anything = wire;
    Ok(RData::Unknown { code: rtype, rdata })
}

fn encoded(rdata: &RData) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).ok()?;
    Some(wire)
}

/// Whether a record of the type with data of another form is of no use to anybody.
fn is_basic(rtype: RecordType) -> bool {
    use RecordType::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV};
    matches!(rtype, A | AAAA | CNAME | NS | PTR | MX | SOA | SRV)
}

/// The words of a record's data that are still to be read.
struct Words<'a> {
    tokens: &'a [Token],
    origin: &'a Name,
    line: usize,
}

impl<'a> Words<'a> {
    fn field(&mut self, field: Field, wire: &mut Vec<u8>) -> At<()> {
        match field {
            Field::Name => name::wire(&self.name()?, wire),
            Field::LowerName => name::wire(&self.name()?.to_lowercase(), wire),
            Field::U8 => wire.push(self.number::<u8>("a number from 0 to 255")?),
            Field::U16 => wire.extend(self.u16("a number from 0 to 65535")?),
            Field::U32 => {
                let number = self.number::<u32>("a number from 0 to 4294967295")?;
                wire.extend(number.to_be_bytes());
            }
            Field::Seconds => {
                let seconds = self.with("a number of seconds", super::seconds)?;
                wire.extend(seconds.to_be_bytes());
            }
            Field::V4 => wire.extend(self.number::<Ipv4Addr>("an IPv4 address")?.octets()),
            Field::V6 => wire.extend(self.number::<Ipv6Addr>("an IPv6 address")?.octets()),
            Field::Text => {
                let text = self.octets("a text")?;
                self.text(&text, wire)?;
            }
            Field::RestText => {
                let mut words = Vec::new();
                while !self.tokens.is_empty() {
                    words.push(self.octets("a text")?);
                }
                self.text(&words.join(&b' '), wire)?;
            }
            Field::Texts => self.texts(wire)?,
            Field::Value => wire.extend(self.octets("a value")?),
            Field::Type => {
                let code = self.with("a type", |token| types::code(&token.text))?;
                wire.extend(code.to_be_bytes());
            }
            Field::Types => self.type_bitmap(wire)?,
            Field::Time => wire.extend(self.with("a time `YYYYMMDDHHmmSS`", time)?.to_be_bytes()),
            Field::Algorithm => {
                let algorithm = self.with("a DNSSEC algorithm", |token| {
                    let code = mnemonic(&token.text, ALGORITHMS)?;
                    u8::try_from(code).ok()
                })?;
                wire.push(algorithm);
            }
            Field::Certificate => {
                let certificate = self
                    .with("a type of certificate", |token| mnemonic(&token.text, CERTIFICATES))?;
                wire.extend(certificate.to_be_bytes());
            }
            Field::Hex => wire.extend(self.joined("hexadecimal digits", hex)?),
            Field::OptionalBase64 if self.tokens.is_empty() => {}
            Field::Base64 | Field::OptionalBase64 => wire.extend(self.joined("base 64", base64)?),
            Field::Locator => wire.extend(self.with("four groups of hexadecimal digits", locator)?),
            Field::Eui(n_octets) => {
                let octets = self.with("octets in hexadecimal with `-` between", |token| {
                    eui(&token.text).filter(|octets| octets.len() == n_octets)
                })?;
                wire.extend(octets);
            }
            Field::Gateway(offset) => {
                let kind = wire.len().checked_sub(offset).map_or(0, |at| wire[at] & 0x7f);
                match kind {
                    0 => drop(self.word("a `.` for no gateway")?),
                    1 => self.field(Field::V4, wire)?,
                    2 => self.field(Field::V6, wire)?,
                    3 => self.field(Field::Name, wire)?,
                    _ => return Err((self.line, Mistake::Data)),
                }
            }
            Field::Discovery => {
                let bit = self.number::<u8>("0 or 1")?;
                let kind = self.number::<u8>("a number from 0 to 127")?;
                if bit > 1 || kind > 127 {
                    return Err((self.line, Mistake::Data));
                }
                wire.push(bit << 7 | kind);
            }
            Field::HostIdentity => self.host_identity(wire)?,
            Field::Parameters => {
                let tokens = std::mem::take(&mut self.tokens);
                wire.extend(svcb::parameters(tokens).map_err(|mistake| (self.line, mistake))?);
            }
            Field::Location => {
                let words = std::mem::take(&mut self.tokens);
                let words: Vec<&[u8]> = words.iter().map(|token| &token.text[..]).collect();
                let location = location::parse(&words)
                    .ok_or((self.line, Mistake::Missing("a location as RFC 1876 writes it")))?;
                wire.extend(location);
            }
            Field::Prefixes => {
                while !self.tokens.is_empty() {
                    wire.extend(self.with("a prefix such as `1:192.0.2.0/24`", prefix)?);
                }
            }
        }
        Ok(())
    }

    fn host_identity(&mut self, wire: &mut Vec<u8>) -> At<()> {
        let algorithm = self.number::<u8>("a number from 0 to 255")?;
        let tag = self.with("hexadecimal digits", |token| hex(&token.text))?;
        let key = self.with("base 64", |token| base64(&token.text))?;
        let (Ok(tag_len), Ok(key_len)) = (u8::try_from(tag.len()), u16::try_from(key.len())) else {
            return Err((self.line, Mistake::Data));
        };
        wire.extend([tag_len, algorithm]);
        wire.extend(key_len.to_be_bytes());
        wire.extend(tag);
        wire.extend(key);
        while !self.tokens.is_empty() {
            name::wire(&self.name()?, wire);
        }
        Ok(())
    }

    fn word(&mut self, what: &'static str) -> At<&'a Token> {
        let (first, rest) = self.tokens.split_first().ok_or((self.line, Mistake::Missing(what)))?;
        self.tokens = rest;
        Ok(first)
    }

    fn with<T>(&mut self, what: &'static str, read: impl FnOnce(&Token) -> Option<T>) -> At<T> {
        let token = self.word(what)?;
        read(token).ok_or_else(|| (token.line, Mistake::expected(what, token)))
    }

    fn number<T: FromStr>(&mut self, what: &'static str) -> At<T> {
        self.with(what, |token| std::str::from_utf8(&token.text).ok()?.parse().ok())
    }

    fn u16(&mut self, what: &'static str) -> At<[u8; 2]> {
        self.number::<u16>(what).map(u16::to_be_bytes)
    }

    fn name(&mut self) -> At<Name> {
        let origin = self.origin;
        let token = self.word("a name")?;
        name::parse(token, Some(origin)).map_err(|mistake| (token.line, mistake))
    }

    fn octets(&mut self, what: &'static str) -> At<Vec<u8>> {
        let token = self.word(what)?;
        name::octets(token).map_err(|mistake| (token.line, mistake))
    }

    fn text(&self, text: &[u8], wire: &mut Vec<u8>) -> At<()> {
        let len = u8::try_from(text.len()).map_err(|_| (self.line, Mistake::Data))?;
        wire.push(len);
        wire.extend(text);
        Ok(())
    }

    fn texts(&mut self, wire: &mut Vec<u8>) -> At<()> {
        loop {
            let text = self.octets("a text")?;
            for part in text.chunks(255) {
                self.text(part, wire)?;
            }
            if text.is_empty() {
                wire.push(0);
            }
            if self.tokens.is_empty() {
                return Ok(());
            }
        }
    }

    /// RFC 4034 §4.1.2: windows of 256 types, each with as many octets of bits as it needs.
    fn type_bitmap(&mut self, wire: &mut Vec<u8>) -> At<()> {
        let mut codes = Vec::new();
        while !self.tokens.is_empty() {
            codes.push(self.with("a type", |token| types::code(&token.text))?);
        }
        codes.sort_unstable();
        codes.dedup();
        for window in codes.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut bits = [0_u8; 32];
            for [_, low] in window.iter().map(|code| code.to_be_bytes()) {
                bits[usize::from(low / 8)] |= 0x80 >> (low % 8);
            }
            let [_, last] = window.last().copied().unwrap_or_default().to_be_bytes();
            let [number, _] = window.first().copied().unwrap_or_default().to_be_bytes();
            wire.extend([number, last / 8 + 1]);
            wire.extend(&bits[..=usize::from(last / 8)]);
        }
        Ok(())
    }

    /// The rest of the words taken together.
    fn joined(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> At<Vec<u8>> {
        let first = self.word(what)?;
        let rest = std::mem::take(&mut self.tokens);
        let text: Vec<u8> =
            std::iter::once(first).chain(rest).flat_map(|token| token.text.clone()).collect();
        read(&text).ok_or_else(|| (first.line, Mistake::expected(what, first)))
    }

    /// `LENGTH HEX` after `\#`.
    fn opaque(&mut self, wire: &mut Vec<u8>) -> At<()> {
        let len: u16 = self.number("a number of octets")?;
        if !self.tokens.is_empty() {
            wire.extend(self.joined("hexadecimal digits", hex)?);
        }
        if wire.len() == usize::from(len) { Ok(()) } else { Err((self.line, Mistake::Data)) }
    }
}

/// Seconds since 1970, modulo 2^32 (RFC 4034 §3.1.5).
fn time(token: &Token) -> Option<u32> {
    let text = std::str::from_utf8(&token.text).ok()?;
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    if text.len() != 14 {
        return text.parse().ok();
    }
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let is_sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    is_sound.then(|| u32::try_from(seconds.rem_euclid(1 << 32)).unwrap_or_default())
}

/// Of the Gregorian calendar: years are counted from March, so that the leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

fn mnemonic(text: &[u8], names: &[(&str, u16)]) -> Option<u16> {
    let named = names.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text));
    match named {
        Some((_, code)) => Some(*code),
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// Pairs of hexadecimal digits.
pub(super) fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

/// RFC 4648 §4, with padding.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let n_quads = text.len().div_ceil(4);
    for (quad_idx, quad) in text.chunks(4).enumerate() {
        let n_pads = quad.iter().rev().take_while(|octet| **octet == b'=').count();
        if quad.len() != 4 || n_pads > 2 || (n_pads > 0 && quad_idx + 1 != n_quads) {
            return None;
        }
        let mut bits = 0_u32;
        for octet in &quad[..4 - n_pads] {
            bits = bits << 6 | u32::from(sextet(*octet)?);
        }
        bits <<= 6 * n_pads;
        octets.extend(&bits.to_be_bytes()[1..4 - n_pads]);
    }
    Some(octets)
}

fn sextet(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn locator(token: &Token) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(&token.text).ok()?;
    let groups: Vec<u16> =
        text.split(':').map(|group| u16::from_str_radix(group, 16).ok()).collect::<Option<_>>()?;
    (groups.len() == 4).then(|| groups.into_iter().flat_map(u16::to_be_bytes).collect())
}

fn eui(text: &[u8]) -> Option<Vec<u8>> {
    let pairs = text.split(|octet| *octet == b'-');
    pairs
        .map(|pair| hex(pair).and_then(|octets| <[u8; 1]>::try_from(octets).ok()))
        .map(|one| one.map(|[octet]| octet))
        .collect()
}

/// RFC 3123 §4: trailing zero octets are left out.
fn prefix(token: &Token) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(&token.text).ok()?;
    let (is_negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (family, rest) = text.split_once(':')?;
    let (address, length) = rest.split_once('/')?;
    let length: u8 = length.parse().ok()?;
    let (family, octets) = match (family, address.parse().ok()?) {
        ("1", IpAddr::V4(v4)) if length <= 32 => (1_u16, v4.octets().to_vec()),
        ("2", IpAddr::V6(v6)) if length <= 128 => (2, v6.octets().to_vec()),
        _ => return None,
    };
    let n_octets = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let mut wire = family.to_be_bytes().to_vec();
    wire.extend([length, u8::from(is_negated) << 7 | u8::try_from(n_octets).ok()?]);
    wire.extend(&octets[..n_octets]);
    Some(wire)
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

const NSEC3: u16 = 50;
const NSEC3PARAM: u16 = 51;

const TYPED: &[RecordType] = &[
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::NS,
    RecordType::PTR,
    RecordType::MX,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::HINFO,
    RecordType::NAPTR,
    RecordType::CAA,
    RecordType::SVCB,
    RecordType::HTTPS,
];

/// IANA's DNS Security Algorithm Numbers.
const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// RFC 4398 §2.1.
const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];
