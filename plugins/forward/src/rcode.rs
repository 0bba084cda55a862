//! RCODEs by the names that `next` and `failover` take and that metrics carry.

use plugin::proto::op::Message;

/// Name and number of each; where a number has two names, the first is the label.
const NAMES: &[(&str, u16)] = &[
    ("NOERROR", NOERROR),
    ("FORMERR", 1),
    ("SERVFAIL", SERVFAIL),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("NOTIMPL", 4),
    ("REFUSED", REFUSED),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADSIG", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

pub(crate) const NOERROR: u16 = 0;
pub(crate) const SERVFAIL: u16 = 2;
pub(crate) const REFUSED: u16 = 5;

/// The number of a name, in any case.
pub(crate) fn parse(name: &str) -> Option<u16> {
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
}

/// The label of a number: its name, or its digits.
pub(crate) fn label(rcode: u16) -> String {
    let named = NAMES.iter().find(|(_, number)| *number == rcode);
    named.map_or_else(|| rcode.to_string(), |(name, _)| (*name).to_owned())
}

/// The RCODE of a reply, its extended bits included.
pub(crate) fn of(message: &Message) -> u16 {
    message.metadata.response_code.into()
}
