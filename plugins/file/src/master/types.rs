//! The types that have a name, and what their data is made of.

/// One field of a record's data, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A name, in the letter case of the file.
    Name,
    /// A name that is kept in lower case, as CoreDNS does with those of most types of RFC 1035.
    LowerName,
    U8,
    U16,
    U32,
    /// A number of seconds, with units or without.
    Seconds,
    V4,
    V6,
    /// One character string.
    Text,
    /// The rest of the words as one character string; it may be empty.
    RestText,
    /// Character strings to the end, at least one; those longer than 255 octets are cut.
    Texts,
    /// Octets without a length, to the end of the data.
    Value,
    /// A type's name as a number.
    Type,
    /// Types to the end, as NSEC's bit map.
    Types,
    /// A point in time: `YYYYMMDDHHmmSS`, or seconds since 1970 (RFC 4034 §3.2).
    Time,
    /// A DNSSEC algorithm, by number or name.
    Algorithm,
    /// A certificate's type, by number or name.
    Certificate,
    /// Hexadecimal digits to the end.
    Hex,
    /// Base 64 to the end.
    Base64,
    /// Base 64 to the end, or nothing.
    OptionalBase64,
    /// 64 bits as four groups of hexadecimal digits: `2001:db8:1:2` (RFC 6742).
    Locator,
    /// So many octets as pairs of hexadecimal digits with `-` between (RFC 7043).
    Eui(usize),
    /// A gateway; so many octets before it is what kind: none, an address, or a name (RFC 4025 §2.3).
    Gateway(usize),
    /// A bit and seven more (RFC 8777 §4.3.2).
    Discovery,
    /// Algorithm, tag and key of a host, and its rendezvous servers (RFC 8005 §6).
    HostIdentity,
    /// `key=value` pairs (RFC 9460 §2.1).
    Parameters,
    /// Latitude, longitude, altitude and sizes (RFC 1876 §3).
    Location,
    /// `[!]FAMILY:ADDRESS/LENGTH` (RFC 3123 §5).
    Prefixes,
}

struct Type {
    name: &'static str,
    code: u16,
    /// Nothing where only `\# LENGTH HEX` can say it.
    fields: &'static [Field],
}

/// The type of a mnemonic, or of `TYPEn` (RFC 3597 §5).
pub(super) fn code(text: &[u8]) -> Option<u16> {
    let known = TYPES.iter().find(|t| t.name.as_bytes().eq_ignore_ascii_case(text));
    known.map(|t| t.code).or_else(|| numbered(text, "TYPE"))
}

/// The class of a mnemonic, or of `CLASSn`.
pub(super) fn class(text: &[u8]) -> Option<u16> {
    let classes = [("IN", 1), ("CS", 2), ("CH", 3), ("HS", 4)];
    let known = classes.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text));
    known.map(|(_, code)| *code).or_else(|| numbered(text, "CLASS"))
}

/// What the data of a type is made of; empty where that is not known.
pub(super) fn fields(code: u16) -> &'static [Field] {
    TYPES.iter().find(|t| t.code == code).map_or(&[], |t| t.fields)
}

/// The name of a type, for messages.
pub(super) fn name(code: u16) -> String {
    let known = TYPES.iter().find(|t| t.code == code);
    known.map_or_else(|| format!("TYPE{code}"), |t| t.name.to_owned())
}

fn numbered(text: &[u8], prefix: &str) -> Option<u16> {
    let (start, digits) = text.split_at_checked(prefix.len())?;
    let is_numbered = start.eq_ignore_ascii_case(prefix.as_bytes())
        && !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_numbered)?.parse().ok()
}

const fn of(name: &'static str, code: u16, fields: &'static [Field]) -> Type {
    Type { name, code, fields }
}

use Field::{
    Algorithm, Base64, Certificate, Discovery, Eui, Gateway, Hex, HostIdentity, Location, Locator,
    LowerName, Name, OptionalBase64, Parameters, Prefixes, RestText, Seconds, Text, Texts, Time,
    Type as TypeCode, Types, U8, U16, U32, V4, V6, Value,
};

const KEY: &[Field] = &[U16, U8, Algorithm, Base64];
const DIGEST: &[Field] = &[U16, Algorithm, U8, Hex];
const SIGNATURE: &[Field] = &[TypeCode, Algorithm, U8, U32, Time, Time, U16, Name, Base64];

/// The most frequent first.
const TYPES: &[Type] = &[
    of("A", 1, &[V4]),
    of("AAAA", 28, &[V6]),
    of("CNAME", 5, &[LowerName]),
    of("NS", 2, &[LowerName]),
    of("PTR", 12, &[Name]),
    of("MX", 15, &[U16, LowerName]),
    of("TXT", 16, &[Texts]),
    of("SRV", 33, &[U16, U16, U16, Name]),
    of("RRSIG", 46, SIGNATURE),
    of("NSEC", 47, &[Name, Types]),
    of("SOA", 6, &[LowerName, LowerName, U32, Seconds, Seconds, Seconds, Seconds]),
    of("DS", 43, DIGEST),
    of("DNSKEY", 48, KEY),
    of("CAA", 257, &[U8, Text, Value]),
    of("HTTPS", 65, &[U16, LowerName, Parameters]),
    of("SVCB", 64, &[U16, LowerName, Parameters]),
    of("DNAME", 39, &[Name]),
    of("TLSA", 52, &[U8, U8, U8, Hex]),
    of("SMIMEA", 53, &[U8, U8, U8, Hex]),
    of("SSHFP", 44, &[U8, U8, Hex]),
    of("NAPTR", 35, &[U16, U16, Text, Text, Text, Name]),
    of("HINFO", 13, &[Text, RestText]),
    of("SPF", 99, &[Texts]),
    of("CDS", 59, DIGEST),
    of("CDNSKEY", 60, KEY),
    of("LOC", 29, &[Location]),
    of("URI", 256, &[U16, U16, Value]),
    of("CERT", 37, &[Certificate, U16, Algorithm, Base64]),
    of("OPENPGPKEY", 61, &[Base64]),
    of("RP", 17, &[Name, Name]),
    of("AFSDB", 18, &[U16, Name]),
    of("KX", 36, &[U16, Name]),
    of("DHCID", 49, &[Base64]),
    of("CSYNC", 62, &[U32, U16, Types]),
    of("ZONEMD", 63, &[U32, U8, U8, Hex]),
    of("APL", 42, &[Prefixes]),
    of("NSEC3", 50, &[]),
    of("NSEC3PARAM", 51, &[]),
    of("MD", 3, &[Name]),
    of("MF", 4, &[Name]),
    of("MB", 7, &[Name]),
    of("MG", 8, &[Name]),
    of("MR", 9, &[Name]),
    of("MINFO", 14, &[Name, Name]),
    of("X25", 19, &[Text]),
    of("ISDN", 20, &[Texts]),
    of("RT", 21, &[U16, Name]),
    of("NSAP-PTR", 23, &[Name]),
    of("SIG", 24, SIGNATURE),
    of("KEY", 25, KEY),
    of("PX", 26, &[U16, Name, Name]),
    of("GPOS", 27, &[Text, Text, Text]),
    of("NXT", 30, &[]),
    of("EID", 31, &[Hex]),
    of("NIMLOC", 32, &[Hex]),
    of("ATMA", 34, &[]),
    of("IPSECKEY", 45, &[U8, U8, U8, Gateway(2), OptionalBase64]),
    of("HIP", 55, &[HostIdentity]),
    of("NINFO", 56, &[Texts]),
    of("RKEY", 57, KEY),
    of("TALINK", 58, &[Name, Name]),
    of("UINFO", 100, &[Text]),
    of("UID", 101, &[U32]),
    of("GID", 102, &[U32]),
    of("NID", 104, &[U16, Locator]),
    of("L32", 105, &[U16, V4]),
    of("L64", 106, &[U16, Locator]),
    of("LP", 107, &[U16, Name]),
    of("EUI48", 108, &[Eui(6)]),
    of("EUI64", 109, &[Eui(8)]),
    of("AVC", 258, &[Texts]),
    of("AMTRELAY", 260, &[U8, Discovery, Gateway(1)]),
    of("RESINFO", 261, &[Texts]),
    of("WALLET", 262, &[Texts]),
    of("TA", 32768, DIGEST),
    of("DLV", 32769, DIGEST),
];
