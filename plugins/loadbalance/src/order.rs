//! Orders of records within a section.

use std::net::IpAddr;

use ipnet::IpNet;
use plugin::proto::rr::{RData, Record, RecordType};
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::weights::Weights;

/// CNAMEs, then what is neither an address nor MX, then addresses and MX, both shuffled.
pub(crate) fn shuffle(records: &mut [Record]) {
    let addresses = by_rank(records);
    let rng = &mut rand::rng();
    records[addresses.clone()].shuffle(rng);
    records[addresses.end..].shuffle(rng);
}

/// In the same order, with one of the addresses chosen by weight in front of the others. A section
/// without an address stays as it is.
pub(crate) fn weigh(records: &mut [Record], weights: &Weights) {
    if !records.iter().any(|record| address(record).is_some()) {
        return;
    }
    let addresses = by_rank(records);
    let addresses = &mut records[addresses];
    let weight = |record: &Record| {
        address(record).map_or(1, |address| u32::from(weights.of(&record.name, address)))
    };
    let total: u32 = addresses.iter().map(weight).sum();
    let mut chosen = rand::rng().random_range(0..total);
    let first = addresses.iter().position(|record| {
        let weight = weight(record);
        let is_it = chosen < weight;
        chosen = chosen.saturating_sub(weight);
        is_it
    });
    addresses.swap(0, first.unwrap_or(0));
}

/// CNAMEs, then addresses by the first subnet that they are in, then MX, then the rest.
pub(crate) fn prefer(records: &mut [Record], subnets: &[IpNet]) {
    records.sort_by_key(|record| match (record.record_type(), address(record)) {
        (RecordType::CNAME, _) => (0, 0),
        (_, Some(address)) => {
            let rank = subnets.iter().position(|subnet| subnet.contains(&address));
            (1, rank.unwrap_or(subnets.len()))
        }
        (RecordType::MX, _) => (2, 0),
        _ => (3, 0),
    });
}

/// Sorts by sort of record and says where the addresses are; what comes after them is MX.
fn by_rank(records: &mut [Record]) -> std::ops::Range<usize> {
    let rank = |record: &Record| match record.record_type() {
        RecordType::CNAME => 0,
        RecordType::A | RecordType::AAAA => 2,
        RecordType::MX => 3,
        _ => 1,
    };
    if !records.is_sorted_by_key(rank) {
        records.sort_by_key(rank);
    }
    let start = records.partition_point(|record| rank(record) < 2);
    let end = records.partition_point(|record| rank(record) < 3);
    start..end
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}
