//! What a zone answers: RFC 1034 §4.3.2, with wildcards as RFC 4592 and DNAME as RFC 6672 have them.
//!
//! ```text
//!  from the apex down to the name asked for:
//!     DNAME above it? ── alias ──┐
//!     NS below the apex? ── referral
//!  the name is there? ── CNAME ──┤── answer or NODATA
//!  a wildcard for it? ── CNAME ──┤── answer or NODATA
//!  otherwise NXDOMAIN, or NODATA for an empty non-terminal
//!                                └► target in the zone: on from there; elsewhere: whoever asked looks it up
//! ```
//!
//! It never waits: an alias that leads out of what this file holds is handed back as [`Found::Elsewhere`].

use plugin::proto::rr::rdata::CNAME;
use plugin::proto::rr::{Name, RData, Record, RecordType};

use crate::zone::{Labels, Node, Zone, labels};

/// What came of a look-up.
#[derive(Debug)]
pub(crate) enum Found {
    /// All there is.
    Here(Answer),
    /// The records so far end in an alias whose target this zone cannot answer.
    Elsewhere {
        /// The aliases.
        answers: Vec<Record>,
        /// What to look up, for the type that was asked for.
        target: Name,
    },
}

/// The sections of a reply.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What kind of reply it is.
    pub(crate) kind: Kind,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    pub(crate) additionals: Vec<Record>,
}

/// The kinds of replies that a zone gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is an answer, be it an alias without its target.
    Positive,
    /// The name is there without the type.
    NoData,
    /// The name has no record, but there are names below it.
    EmptyNonTerminal,
    /// There is no such name.
    NxDomain,
    /// Other servers know.
    Referral,
    /// The zone makes no sense there.
    Failure,
}

/// A question to a zone.
struct Question<'a> {
    zone: &'a Zone,
    /// In lower case.
    qname: &'a Name,
    labels: Labels<'a>,
    qtype: RecordType,
    /// The DO bit: signatures and denials are wanted.
    is_signed: bool,
}

impl Zone {
    /// Answers a question for a name of the zone, which has to be in lower case.
    pub(crate) fn look_up(&self, qname: &Name, qtype: RecordType, is_signed: bool) -> Found {
        Question { zone: self, qname, labels: labels(qname), qtype, is_signed }.look_up()
    }

    /// The addresses of the names that MX, SRV, SVCB and HTTPS records lead to.
    pub(crate) fn additionals(&self, answers: &[Record], is_signed: bool) -> Vec<Record> {
        let mut seen: Vec<Name> = Vec::new();
        let mut additionals = Vec::new();
        for record in answers {
            let target = match &record.data {
                RData::MX(mx) => &mx.exchange,
                RData::SRV(srv) => &srv.target,
                RData::SVCB(svcb) => &svcb.target_name,
                RData::HTTPS(https) => &https.0.target_name,
                _ => continue,
            };
            if !self.origin().zone_of(target) || seen.contains(target) {
                continue;
            }
            let target = target.to_lowercase();
            self.addresses(&target, is_signed, &mut additionals);
            seen.push(target);
        }
        additionals
    }

    /// What stands in the authority section of an answer that ends elsewhere.
    pub(crate) fn authorities(&self, kind: Kind, is_signed: bool) -> Vec<Record> {
        match kind {
            // RFC 2308 §2.1 and §2.2, with an alias in front.
            Kind::NxDomain | Kind::NoData => self.soa(is_signed),
            _ => self.ns(is_signed),
        }
    }

    /// The addresses of the servers below the name that they serve (RFC 1034 §4.2.1).
    fn glue(&self, ns: &[Record], is_signed: bool) -> Vec<Record> {
        let mut glue = Vec::new();
        for record in ns {
            if let RData::NS(server) = &record.data
                && record.name.zone_of(&server.0)
            {
                self.addresses(&server.0, is_signed, &mut glue);
            }
        }
        glue
    }

    fn addresses(&self, name: &Name, is_signed: bool, to: &mut Vec<Record>) {
        if let Some(node) = self.node(&labels(name)) {
            node.add(RecordType::A, is_signed, to);
            node.add(RecordType::AAAA, is_signed, to);
        }
    }
}

impl Question<'_> {
    fn look_up(&self) -> Found {
        let n_apex_labels = self.zone.origin().iter().len();
        if self.labels.len() == n_apex_labels
            && let Some(answer) = self.apex()
        {
            return Found::Here(answer);
        }
        for n_labels in n_apex_labels..=self.labels.len() {
            let Some(node) = self.zone.node(&self.labels[..n_labels]) else { continue };
            if n_labels < self.labels.len()
                && let Some(dname) = node.records(RecordType::DNAME).first()
            {
                return self.renamed(node, dname);
            }
            if let Some(referral) = self.referral(node, self.qname, Vec::new()) {
                return Found::Here(referral);
            }
        }
        if let Some(node) = self.zone.node(&self.labels) {
            return self.at(node, None);
        }
        match self.wildcard() {
            Some(Wildcard::Node(node)) => self.at(node, Some(self.qname)),
            Some(Wildcard::EmptyNonTerminal) => {
                self.here(Kind::NoData, Vec::new(), self.zone.soa(self.is_signed))
            }
            None => self.missing(),
        }
    }

    /// The records that are not with the nodes.
    fn apex(&self) -> Option<Answer> {
        let zone = self.zone;
        match self.qtype {
            RecordType::SOA => Some(Answer {
                kind: Kind::Positive,
                answers: zone.soa(self.is_signed),
                authorities: zone.ns(self.is_signed),
                additionals: Vec::new(),
            }),
            RecordType::NS => {
                let answers = zone.ns(self.is_signed);
                // As CoreDNS has it: a zone without NS records is no mistake.
                let kind = if answers.is_empty() { Kind::EmptyNonTerminal } else { Kind::Positive };
                let additionals = zone.glue(&answers, self.is_signed);
                Some(Answer { kind, answers, authorities: Vec::new(), additionals })
            }
            _ => None,
        }
    }

    /// The answer of a node; with an `owner` the node is the wildcard that stands for it.
    fn at(&self, node: &Node, owner: Option<&Name>) -> Found {
        let mut answers = Vec::new();
        if self.qtype != RecordType::CNAME
            && let Some(cname) = node.records(RecordType::CNAME).first()
        {
            let target = target(cname).to_lowercase();
            node.add(RecordType::CNAME, self.is_signed, &mut answers);
            rename(&mut answers, owner);
            return self.chase(answers, target);
        }
        if !node.has(self.qtype) {
            let mut authorities = self.zone.soa(self.is_signed);
            if self.is_signed {
                node.add(RecordType::NSEC, true, &mut authorities);
            }
            return self.here(Kind::NoData, answers, authorities);
        }
        node.add(self.qtype, self.is_signed, &mut answers);
        rename(&mut answers, owner);
        let mut authorities = self.zone.ns(self.is_signed);
        if self.is_signed
            && owner.is_some()
            && let Some(before) = self.zone.at_or_before(&self.labels)
        {
            // RFC 4035 §3.1.3.3: the name itself is not there.
            before.add(RecordType::NSEC, true, &mut authorities);
        }
        self.here(Kind::Positive, answers, authorities)
    }

    /// RFC 4592 §3.3.1: the wildcard right below the closest encloser, and no other.
    ///
    /// An empty non-terminal is a name that exists, so no wildcard should stand for it (§2.2.2); CoreDNS
    /// lets one do so all the same, and answers from its zones would change.
    fn wildcard(&self) -> Option<Wildcard<'_>> {
        let encloser = self.closest_encloser();
        if encloser.len() == self.labels.len() {
            return None;
        }
        let mut wildcard = Labels::from_slice(encloser);
        wildcard.push(b"*");
        match self.zone.node(&wildcard) {
            Some(node) => Some(Wildcard::Node(node)),
            None if self.zone.has_descendant(&wildcard) => Some(Wildcard::EmptyNonTerminal),
            None => None,
        }
    }

    /// The longest name above the one asked for that is there, be it without a record.
    fn closest_encloser(&self) -> &[&[u8]] {
        let n_apex_labels = self.zone.origin().iter().len();
        let n_labels = (n_apex_labels..self.labels.len())
            .rev()
            .find(|n_labels| {
                let name = &self.labels[..*n_labels];
                self.zone.node(name).is_some() || self.zone.has_descendant(name)
            })
            .unwrap_or(n_apex_labels);
        &self.labels[..n_labels]
    }

    fn missing(&self) -> Found {
        let is_apex = self.labels.len() == self.zone.origin().iter().len();
        let is_there = is_apex || self.zone.has_descendant(&self.labels);
        let kind = if is_there { Kind::EmptyNonTerminal } else { Kind::NxDomain };
        let mut authorities = self.zone.soa(self.is_signed);
        if self.is_signed
            && let Some(before) = self.zone.at_or_before(&self.labels)
        {
            before.add(RecordType::NSEC, true, &mut authorities);
            // RFC 4035 §3.1.3.2: nor is there a wildcard.
            if kind == Kind::NxDomain {
                let mut wildcard = Labels::from_slice(self.closest_encloser());
                wildcard.push(b"*");
                match self.zone.at_or_before(&wildcard) {
                    Some(node) if node.name() != before.name() => {
                        node.add(RecordType::NSEC, true, &mut authorities);
                    }
                    _ => {}
                }
            }
        }
        self.here(kind, Vec::new(), authorities)
    }

    /// RFC 6672 §3.1: everything below the owner is renamed, and an alias says so to who knows no DNAME.
    fn renamed(&self, node: &Node, dname: &Record) -> Found {
        let n_owner_labels = node.name().iter().len();
        let kept = self.qname.iter().take(self.labels.len() - n_owner_labels);
        let target = dname_target(dname).and_then(|target| {
            Name::from_labels(kept.chain(target.iter()).collect::<Vec<_>>()).ok()
        });
        let Some(target) = target.filter(|target| target != self.qname) else {
            return self.here(Kind::Failure, Vec::new(), Vec::new());
        };
        let alias = RData::CNAME(CNAME(target.clone()));
        let mut answers = Vec::new();
        node.add(RecordType::DNAME, self.is_signed, &mut answers);
        answers.push(Record::from_rdata(self.qname.clone(), dname.ttl, alias));
        if self.qtype == RecordType::CNAME {
            return self.here(Kind::Positive, answers, self.zone.ns(self.is_signed));
        }
        self.chase(answers, target.to_lowercase())
    }

    /// Follows aliases within the zone.
    fn chase(&self, mut answers: Vec<Record>, mut target: Name) -> Found {
        let mut n_aliases = 0;
        loop {
            if let Some(referral) = self.referral_above(&target, &answers) {
                return Found::Here(referral);
            }
            let node = self.zone.node(&labels(&target));
            let is_with_apex = match self.qtype {
                RecordType::NS => true,
                RecordType::SOA => target == *self.zone.origin(),
                _ => false,
            };
            let Some(node) = node.filter(|_| !is_with_apex) else {
                return Found::Elsewhere { answers, target };
            };
            if n_aliases > MOST_ALIASES {
                break;
            }
            let Some(cname) = node.records(RecordType::CNAME).first() else {
                node.add(self.qtype, self.is_signed, &mut answers);
                break;
            };
            node.add(RecordType::CNAME, self.is_signed, &mut answers);
            target = crate::lookup::target(cname).to_lowercase();
            n_aliases += 1;
        }
        self.here(Kind::Positive, answers, self.zone.ns(self.is_signed))
    }

    /// The referral for the first zone cut between the apex and a name, with the aliases that led there.
    fn referral_above(&self, name: &Name, answers: &[Record]) -> Option<Answer> {
        if !self.zone.origin().zone_of(name) {
            return None;
        }
        let labels = labels(name);
        (self.zone.origin().iter().len() + 1..=labels.len())
            .filter_map(|n_labels| self.zone.node(&labels[..n_labels]))
            .find_map(|node| self.referral(node, name, answers.to_vec()))
    }

    /// The referral of a node, where it is a zone cut. Its DS records belong to this side of the cut
    /// (RFC 4035 §3.1.4.1).
    fn referral(&self, node: &Node, name: &Name, answers: Vec<Record>) -> Option<Answer> {
        if !node.has(RecordType::NS) || (self.qtype == RecordType::DS && node.name() == name) {
            return None;
        }
        let ns = node.records(RecordType::NS);
        let mut authorities = ns.to_vec();
        if self.is_signed {
            node.add(RecordType::DS, true, &mut authorities);
        }
        let additionals = self.zone.glue(ns, self.is_signed);
        Some(Answer { kind: Kind::Referral, answers, authorities, additionals })
    }

    fn here(&self, kind: Kind, answers: Vec<Record>, authorities: Vec<Record>) -> Found {
        let additionals = self.zone.additionals(&answers, self.is_signed);
        Found::Here(Answer { kind, answers, authorities, additionals })
    }
}

enum Wildcard<'a> {
    Node(&'a Node),
    /// There are names below it only, so it stands for names without a record.
    EmptyNonTerminal,
}

/// A wildcard's records take the name that was asked for (RFC 4592 §3.3.3).
fn rename(records: &mut [Record], owner: Option<&Name>) {
    if let Some(owner) = owner {
        for record in records {
            record.name = owner.clone();
        }
    }
}

fn target(cname: &Record) -> &Name {
    match &cname.data {
        RData::CNAME(target) => &target.0,
        // The node has it under that type.
        _ => &cname.name,
    }
}

/// A DNAME's data is one name, not compressed (RFC 6672 §2.1).
fn dname_target(dname: &Record) -> Option<Name> {
    let RData::Unknown { rdata, .. } = &dname.data else { return None };
    let mut labels: Vec<&[u8]> = Vec::new();
    let mut rest = &rdata.anything[..];
    while let Some((len, after)) = rest.split_first().filter(|(len, _)| **len > 0) {
        let (label, after) = after.split_at_checked(usize::from(*len))?;
        labels.push(label);
        rest = after;
    }
    Name::from_labels(labels).ok()
}

/// Aliases that are followed after the first.
const MOST_ALIASES: usize = 8;
