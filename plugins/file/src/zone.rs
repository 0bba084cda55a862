//! The records of one zone, in the order of RFC 4034 §6.1.
//!
//! ```text
//!   apex: SOA, NS ─ answered from, and added to other answers
//!   nodes: example.org. < a.example.org. < x.a.example.org. < *.example.org. < b.example.org.
//!                                                    (sorted by name, from the last label on)
//! ```
//!
//! In this order everything below a name follows it at once, so an empty non-terminal is seen by a look
//! at the neighbour, and the NSEC record that covers a name belongs to the node before it.
//!
//! Owners are kept in lower case, and so are the names in the data of most types: as CoreDNS answers.

use std::cmp::Ordering;
use std::path::Path;

use plugin::proto::rr::{Name, RData, Record, RecordType};
use smallvec::SmallVec;

use crate::master::{Parser, ZoneFileError, type_covered};

/// A zone; it never changes.
#[derive(Debug)]
pub(crate) struct Zone {
    origin: Name,
    soa: Vec<Record>,
    serial: u32,
    ns: Vec<Record>,
    /// RRSIG records of the SOA record and of the apex's NS records.
    soa_signatures: Vec<Record>,
    ns_signatures: Vec<Record>,
    /// Everything else; names without a record are not here.
    nodes: Box<[Node]>,
    n_strays: usize,
}

/// The records of one name.
#[derive(Debug)]
pub(crate) struct Node {
    name: Name,
    rrsets: SmallVec<[RrSet; 1]>,
}

#[derive(Debug)]
struct RrSet {
    rtype: RecordType,
    records: Box<[Record]>,
}

/// The labels of a name from the last on, in lower case: what nodes are sorted by.
pub(crate) type Labels<'a> = SmallVec<[&'a [u8]; 12]>;

/// Why a zone cannot be had from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ZoneError {
    /// A mistake in the file, or in one that it includes.
    #[error(transparent)]
    Mistake(#[from] ZoneFileError),
    /// RFC 1035 §5.2: there has to be exactly one.
    #[error("there is no SOA record for {origin}")]
    NoSoa {
        /// The zone.
        origin: Name,
    },
}

impl Zone {
    /// Reads the zone `origin` from a master file.
    pub(crate) fn parse(octets: Vec<u8>, path: &Path, origin: &Name) -> Result<Self, ZoneError> {
        let records: Result<Vec<Record>, ZoneFileError> =
            Parser::new(octets, path, origin).collect();
        Self::from_records(origin.to_lowercase(), records?)
    }

    /// The serial of a master file, read up to its SOA record.
    pub(crate) fn peek_serial(
        octets: Vec<u8>,
        path: &Path,
        origin: &Name,
    ) -> Result<u32, ZoneError> {
        for record in Parser::new(octets, path, origin) {
            if let RData::SOA(soa) = record?.data {
                return Ok(soa.serial);
            }
        }
        Err(ZoneError::NoSoa { origin: origin.clone() })
    }

    fn from_records(origin: Name, records: Vec<Record>) -> Result<Self, ZoneError> {
        let mut zone = Self {
            origin,
            soa: Vec::new(),
            serial: 0,
            ns: Vec::new(),
            soa_signatures: Vec::new(),
            ns_signatures: Vec::new(),
            nodes: Box::default(),
            n_strays: 0,
        };
        let mut others = Vec::with_capacity(records.len());
        for mut record in records {
            let name = record.name.to_lowercase();
            // As CoreDNS has it: services keep the letter case of the file.
            if record.record_type() != RecordType::SRV {
                record.name = name.clone();
            }
            match (&record.data, name == zone.origin) {
                (RData::SOA(soa), _) => {
                    zone.serial = soa.serial;
                    zone.soa = vec![record];
                }
                (RData::NS(_), true) => zone.ns.push(record),
                (_, true) if type_covered(&record) == Some(RecordType::SOA) => {
                    zone.soa_signatures.push(record);
                }
                (_, true) if type_covered(&record) == Some(RecordType::NS) => {
                    zone.ns_signatures.push(record);
                }
                _ if zone.origin.zone_of(&name) => others.push((name, record)),
                _ => zone.n_strays += 1,
            }
        }
        if zone.soa.is_empty() {
            return Err(ZoneError::NoSoa { origin: zone.origin });
        }
        // A stable sort: records of one set stay in the order of the file. Names compare canonically.
        others.sort_by(|(a, _), (b, _)| a.cmp(b));
        zone.nodes = nodes(others);
        Ok(zone)
    }

    /// The name of the zone.
    pub(crate) fn origin(&self) -> &Name {
        &self.origin
    }

    /// The serial of the SOA record.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// How many records of the file are outside of the zone; they are left out.
    pub(crate) fn n_strays(&self) -> usize {
        self.n_strays
    }

    /// The SOA record, with its signatures where `is_signed`.
    pub(crate) fn soa(&self, is_signed: bool) -> Vec<Record> {
        joined(&self.soa, &self.soa_signatures, is_signed)
    }

    /// The zone's own NS records, with their signatures where `is_signed`.
    pub(crate) fn ns(&self, is_signed: bool) -> Vec<Record> {
        joined(&self.ns, &self.ns_signatures, is_signed)
    }

    /// The node of a name, and none where there is no record.
    pub(crate) fn node(&self, labels: &[&[u8]]) -> Option<&Node> {
        self.position(labels).ok().map(|idx| &self.nodes[idx])
    }

    /// Whether there is a name below that one.
    pub(crate) fn has_descendant(&self, labels: &[&[u8]]) -> bool {
        let after = match self.position(labels) {
            Ok(idx) => idx + 1,
            Err(idx) => idx,
        };
        self.nodes.get(after).is_some_and(|node| {
            let mut name = node.name.iter().rev();
            labels.iter().all(|label| name.next() == Some(label))
        })
    }

    /// The node of the name, or the last before it: its NSEC record says what is not there.
    pub(crate) fn at_or_before(&self, labels: &[&[u8]]) -> Option<&Node> {
        let idx = match self.position(labels) {
            Ok(idx) => Some(idx),
            Err(idx) => idx.checked_sub(1),
        };
        idx.map(|idx| &self.nodes[idx])
    }

    /// All records in the order of a transfer but for the SOA record at its end: for the `transfer` plugin.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        let sets = self.nodes.iter().flat_map(|node| &node.rrsets);
        let apex = [&self.soa, &self.soa_signatures, &self.ns, &self.ns_signatures];
        apex.into_iter().flatten().chain(sets.flat_map(|set| &set.records))
    }

    fn position(&self, labels: &[&[u8]]) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| compare(&node.name, labels))
    }
}

impl Node {
    /// The name, in lower case.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// The records of a type; empty where there is none.
    pub(crate) fn records(&self, rtype: RecordType) -> &[Record] {
        let set = self.rrsets.iter().find(|set| set.rtype == rtype);
        set.map_or(&[], |set| &set.records)
    }

    /// Whether there are records of a type.
    pub(crate) fn has(&self, rtype: RecordType) -> bool {
        self.rrsets.iter().any(|set| set.rtype == rtype)
    }

    /// Adds the records of a type, with their signatures where `is_signed`.
    pub(crate) fn add(&self, rtype: RecordType, is_signed: bool, to: &mut Vec<Record>) {
        to.extend_from_slice(self.records(rtype));
        if is_signed {
            let signatures = self.records(RecordType::RRSIG).iter();
            to.extend(signatures.filter(|rrsig| type_covered(rrsig) == Some(rtype)).cloned());
        }
    }
}

/// The labels of a name, which has to be in lower case.
pub(crate) fn labels(name: &Name) -> Labels<'_> {
    name.iter().rev().collect()
}

/// Sorted records to nodes.
fn nodes(mut records: Vec<(Name, Record)>) -> Box<[Node]> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut rest = records.drain(..).peekable();
    while let Some((name, record)) = rest.next() {
        let mut sets: SmallVec<[(RecordType, Vec<Record>); 4]> = SmallVec::new();
        let mut next = Some(record);
        while let Some(record) = next {
            let rtype = record.record_type();
            match sets.iter_mut().find(|(known, _)| *known == rtype) {
                Some((_, records)) => records.push(record),
                None => sets.push((rtype, vec![record])),
            }
            next = rest.next_if(|(other, _)| *other == name).map(|(_, record)| record);
        }
        let set =
            |(rtype, records): (_, Vec<_>)| RrSet { rtype, records: records.into_boxed_slice() };
        nodes.push(Node { name, rrsets: sets.into_iter().map(set).collect() });
    }
    nodes.into_boxed_slice()
}

fn joined(records: &[Record], signatures: &[Record], is_signed: bool) -> Vec<Record> {
    let signatures = if is_signed { signatures } else { &[] };
    [records, signatures].concat()
}

/// RFC 4034 §6.1: label by label from the last on, octet by octet, and a name before what is below it.
fn compare(name: &Name, labels: &[&[u8]]) -> Ordering {
    name.iter().rev().cmp(labels.iter().copied())
}
