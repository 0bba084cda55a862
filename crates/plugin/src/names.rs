//! Names, types, classes and response codes as zone files and log lines write them.

use std::fmt::Write as _;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RecordType};

/// Appends the name in lower case, escaped so that nothing in it can end the line (RFC 1035 §5.1, RFC 4343 §2.1).
pub fn push_name(line: &mut String, name: &Name) {
    if name.is_root() {
        line.push('.');
    }
    for label in name {
        for &octet in label {
            match octet {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                    line.extend(['\\', char::from(octet)]);
                }
                b'!'..=b'~' => line.push(char::from(octet.to_ascii_lowercase())),
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "\\{octet:03}");
                }
            }
        }
        line.push('.');
    }
}

/// Appends the type's mnemonic; `TYPEn` where there is none (RFC 3597 §5).
pub fn push_type(line: &mut String, rtype: RecordType) {
    let code = u16::from(rtype);
    match (rtype, TYPES.iter().find(|(known, _)| *known == code)) {
        (_, Some((_, mnemonic))) => line.push_str(mnemonic),
        (RecordType::Unknown(_), None) => {
            let _ = write!(line, "TYPE{code}");
        }
        (known, None) => line.push_str(known.into()),
    }
}

/// Appends the class's mnemonic; `CLASSn` where there is none (RFC 3597 §5).
pub fn push_class(line: &mut String, class: DNSClass) {
    match u16::from(class) {
        1 => line.push_str("IN"),
        2 => line.push_str("CS"),
        3 => line.push_str("CH"),
        4 => line.push_str("HS"),
        254 => line.push_str("NONE"),
        255 => line.push_str("ANY"),
        code => {
            let _ = write!(line, "CLASS{code}");
        }
    }
}

/// The response code's mnemonic; `None` where there is none.
pub fn rcode_mnemonic(rcode: ResponseCode) -> Option<&'static str> {
    let code = u16::from(rcode);
    RCODES.iter().find(|(known, _)| *known == code).map(|(_, mnemonic)| *mnemonic)
}

/// Appends the response code's mnemonic; the number where there is none.
pub fn push_rcode(line: &mut String, rcode: ResponseCode) {
    match rcode_mnemonic(rcode) {
        Some(mnemonic) => line.push_str(mnemonic),
        None => {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", u16::from(rcode));
        }
    }
}

/// The names behind `search` or `domain` in a resolv.conf file, in lower case; the last such line holds. What is no
/// domain name is left out.
pub fn search_list(resolv_conf: &str) -> Vec<Name> {
    let mut list = Vec::new();
    for line in resolv_conf.lines() {
        let mut words = line.split_ascii_whitespace();
        let n_most = match words.next() {
            Some("search") => usize::MAX,
            Some("domain") => 1,
            _ => continue,
        };
        let names = words.take(n_most).filter_map(|word| Name::from_ascii(word).ok());
        list = names
            .map(|mut name| {
                name.set_fqdn(true);
                name.to_lowercase()
            })
            .collect();
    }
    list
}

/// Types of the IANA registry that the codec has no name for.
const TYPES: &[(u16, &str)] = &[
    (0, "None"),
    (3, "MD"),
    (4, "MF"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (14, "MINFO"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (23, "NSAP-PTR"),
    (26, "PX"),
    (27, "GPOS"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (34, "ATMA"),
    (36, "KX"),
    (39, "DNAME"),
    (42, "APL"),
    (45, "IPSECKEY"),
    (49, "DHCID"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (63, "ZONEMD"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (128, "NXNAME"),
    (249, "TKEY"),
    (253, "MAILB"),
    (254, "MAILA"),
    (256, "URI"),
    (258, "AVC"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (32_768, "TA"),
    (32_769, "DLV"),
];

const RCODES: &[(u16, &str)] = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];
