//! Records as zone-file text, since that is how we think.

use plugin::proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// A record from `owner ttl IN type rdata`.
///
/// # Panics
/// Where the line is no record: the test is wrong.
pub fn record(line: &str) -> Record {
    let mut words = line.splitn(5, char::is_whitespace);
    let mut word = || words.next().unwrap_or_else(|| panic!("`{line}` is not a record"));
    let owner = Name::from_ascii(word()).unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let ttl = word().parse().unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let class: DNSClass = word().parse().unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let rtype: RecordType = word().parse().unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let rdata =
        RData::try_from_str(rtype, word().trim()).unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let mut record = Record::from_rdata(owner, ttl, rdata);
    record.dns_class = class;
    record
}

/// One record a line; empty lines are passed over.
pub fn records(text: &str) -> Vec<Record> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(record).collect()
}

/// The records as lines: `owner ttl IN type rdata`.
pub fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}
