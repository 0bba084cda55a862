//! The directives, typed: one rule each.

use std::net::IpAddr;

use ipnet::IpNet;
use plugin::proto::rr::{Name, RecordType};
use plugin::{Argument, Diagnostic, Directive, Property, Setup, Zones};

/// One directive: policies for some zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    zones: Zones,
    /// The names of the zones as metrics show them, in the order of `zones.names()`.
    labels: Vec<String>,
    policies: Vec<Policy>,
}

/// One line: what becomes of which queries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Policy {
    action: Action,
    /// `None` for every type.
    qtypes: Option<Vec<RecordType>>,
    /// `None` for every client.
    nets: Option<Vec<IpNet>>,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The next plugin is asked.
    Allow,
    /// REFUSED.
    Block,
    /// No data.
    Filter,
    /// Silence.
    Drop,
}

/// What the words after `type` or `net` are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Type,
    Net,
}

impl Rule {
    /// Reads all directives; every mistake is noted.
    pub(crate) fn parse_all(setup: &mut Setup<'_>) -> Vec<Self> {
        let directives = setup.directives;
        directives.iter().map(|directive| Self::parse(directive, setup)).collect()
    }

    fn parse(directive: &Directive, setup: &mut Setup<'_>) -> Self {
        let zones = setup.zones(&directive.arguments);
        let zones = setup.note(zones).unwrap_or_default();
        let mut policies = Vec::new();
        for property in directive.properties() {
            let policy = Policy::parse(directive, property);
            policies.extend(setup.note(policy));
        }
        let labels = zones.names().iter().map(label).collect();
        Self { zones, labels, policies }
    }

    /// The zone of this rule that `qname` is in.
    pub(crate) fn zone(&self, qname: &Name) -> Option<&str> {
        let zone_idx = self.zones.names().iter().position(|zone| zone.zone_of(qname))?;
        self.labels.get(zone_idx).map(String::as_str)
    }

    /// What the first policy that matches says.
    pub(crate) fn action(&self, qtype: RecordType, client: IpAddr) -> Option<Action> {
        let policy = self.policies.iter().find(|policy| policy.matches(qtype, client))?;
        Some(policy.action)
    }

    /// Whether two clients may be treated differently.
    pub(crate) fn depends_on_client(&self) -> bool {
        self.policies.iter().any(|policy| policy.nets.is_some())
    }
}

impl Policy {
    fn parse(directive: &Directive, property: &Property) -> Result<Self, Diagnostic> {
        let action = match &*property.name.to_ascii_lowercase() {
            "allow" => Action::Allow,
            "block" => Action::Block,
            "filter" => Action::Filter,
            "drop" => Action::Drop,
            _ => return Err(directive.unknown_property(property, ACTIONS)),
        };
        property.expect_no_block()?;
        let mut policy = Self { action, qtypes: None, nets: None };
        let mut has_all = (false, false);
        let mut words = property.arguments.as_slice();
        while let Some((keyword, rest)) = words.split_first() {
            let section = Section::parse(keyword).ok_or_else(|| {
                keyword.expected("`type` or `net`").help("write `block type A net 192.0.2.0/24`")
            })?;
            let n_values = rest.iter().take_while(|word| Section::parse(word).is_none()).count();
            let (values, rest) = rest.split_at(n_values);
            if values.is_empty() {
                return Err(Diagnostic::error(
                    keyword.span,
                    format!("nothing stands after `{keyword}`"),
                )
                .label("wants a value at least")
                .help("`*` stands for all of them"));
            }
            match section {
                Section::Type => {
                    let qtypes = policy.qtypes.get_or_insert_default();
                    has_all.0 |= read(values, qtype, qtypes)?;
                }
                Section::Net => {
                    let nets = policy.nets.get_or_insert_default();
                    has_all.1 |= read(values, net, nets)?;
                }
            }
            words = rest;
        }
        if has_all.0 {
            policy.qtypes = None;
        }
        if has_all.1 {
            policy.nets = None;
        }
        Ok(policy)
    }

    fn matches(&self, qtype: RecordType, client: IpAddr) -> bool {
        self.qtypes.as_ref().is_none_or(|qtypes| qtypes.contains(&qtype))
            && self.nets.as_ref().is_none_or(|nets| nets.iter().any(|net| net.contains(&client)))
    }
}

impl Section {
    fn parse(word: &Argument) -> Option<Self> {
        match &*word.to_ascii_lowercase() {
            "type" => Some(Self::Type),
            "net" => Some(Self::Net),
            _ => None,
        }
    }
}

/// Reads values up to a `*`, and returns whether there was one: what stands after it is of no account.
fn read<T>(
    values: &[Argument],
    value: impl Fn(&Argument) -> Result<T, Diagnostic>,
    read: &mut Vec<T>,
) -> Result<bool, Diagnostic> {
    for word in values {
        if word.text == "*" {
            return Ok(true);
        }
        read.push(value(word)?);
    }
    Ok(false)
}

/// The type of a mnemonic, in upper case as CoreDNS wants it.
fn qtype(word: &Argument) -> Result<RecordType, Diagnostic> {
    let mut mnemonic = String::new();
    let mut is_named = |rtype: &RecordType| {
        mnemonic.clear();
        plugin::names::push_type(&mut mnemonic, *rtype);
        mnemonic == word.text
    };
    CODES
        .into_iter()
        .flatten()
        .map(RecordType::from)
        .find(|rtype| !word.starts_with("TYPE") && is_named(rtype))
        .ok_or_else(|| word.expected("a record type").help("write `A`, `AAAA`, `ANY`; `*` is all"))
}

/// A network, or one address.
fn net(word: &Argument) -> Result<IpNet, Diagnostic> {
    parse_net(word).ok_or_else(|| {
        word.expected("a network or an address")
            .help("write `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.1`; `*` is all")
    })
}

fn parse_net(text: &str) -> Option<IpNet> {
    let Some((address, prefix_len)) = text.split_once('/') else {
        return text.parse().ok().map(|address: IpAddr| IpNet::from(address));
    };
    if !prefix_len.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let net = IpNet::new(address.parse().ok()?, prefix_len.parse().ok()?).ok()?;
    Some(net.trunc())
}

/// The zone in lower case with a final dot.
fn label(zone: &Name) -> String {
    let mut label = String::new();
    plugin::names::push_name(&mut label, zone);
    label
}

const ACTIONS: &[&str] = &["allow", "block", "filter", "drop"];

/// Where types that have names lie, in the IANA registry.
const CODES: [std::ops::RangeInclusive<u16>; 2] = [1..=300, 32_768..=32_769];
