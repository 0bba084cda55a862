//! The zone arguments that many plugins share.

use hickory_proto::rr::Name;

use crate::{Argument, Diagnostic, Directive};

/// A set of zones; a name belongs to the longest that it is at or below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    /// Longest first.
    zones: Vec<Name>,
    /// As written, in order, for labels and look-ups of the first.
    written: Vec<String>,
}

impl Zones {
    /// Zones given as lower-case names with a final dot; what is not a domain name is left out.
    pub fn new(written: impl IntoIterator<Item = String>) -> Self {
        let mut kept = Vec::new();
        let mut zones = Vec::new();
        for text in written {
            let Ok(name) = Name::from_ascii(&text).or_else(|_| Name::from_utf8(&text)) else {
                continue;
            };
            if !kept.contains(&text) {
                zones.push(name.to_lowercase());
                kept.push(text);
            }
        }
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.num_labels()));
        Self { zones, written: kept }
    }

    /// The zones that the arguments name, CIDRs expanded; `otherwise` where there is no argument.
    /// An argument that is not a domain name is an error.
    pub fn parse(arguments: &[Argument], otherwise: &[String]) -> Result<Self, Diagnostic> {
        if arguments.is_empty() {
            return Ok(Self::new(otherwise.iter().cloned()));
        }
        let mut zones = Vec::new();
        for argument in arguments {
            zones.extend(corefile::zones(argument).ok_or_else(|| argument.expected("a zone"))?);
        }
        Ok(Self::new(zones))
    }

    /// The longest zone that `name` is at or below.
    pub fn matching(&self, name: &Name) -> Option<&Name> {
        self.zones.iter().find(|zone| zone.zone_of(name))
    }

    /// Whether `name` is in one of the zones.
    pub fn contain(&self, name: &Name) -> bool {
        self.matching(name).is_some()
    }

    /// The zones as text, in the order they were written: lower case, with a final dot.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// The zones, longest first.
    pub fn names(&self) -> &[Name] {
        &self.zones
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }
}

/// `fallthrough [ZONES...]`: for which names a plugin lets the next one try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallthrough(Option<Zones>);

impl Fallthrough {
    /// From the property's line; without zones it is for every name.
    pub fn parse(property: &Directive) -> Result<Self, Diagnostic> {
        Ok(Self(Some(Zones::parse(&property.arguments, &[".".to_owned()])?)))
    }

    /// Whether the next plugin is to be asked for `name`.
    pub fn covers(&self, name: &Name) -> bool {
        self.0.as_ref().is_some_and(|zones| zones.contain(name))
    }
}
