//! Which server block a question belongs to.

use std::collections::HashMap;
use std::sync::Arc;

use plugin::Chain;
use wire::LowerName;

/// The server blocks of one listener, by zone.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// By zone in wire format, lower case; blocks of one zone in the order of the Corefile.
    zones: HashMap<Box<[u8]>, Vec<Arc<Route>>, ahash::RandomState>,
    /// Whether a plugin here answers other classes than IN.
    pub(crate) serves_all_classes: bool,
}

/// A server block under one of its zones.
#[derive(Debug)]
pub(crate) struct Route {
    /// Lower case, with a final dot.
    pub(crate) zone: Arc<str>,
    /// The name of the view; empty without one.
    pub(crate) view: Arc<str>,
    /// What answers.
    pub(crate) chain: Chain,
}

/// RFC 4034 §5.
const QTYPE_DS: u16 = 43;

impl Routes {
    /// Adds a block under a zone, after those that are there.
    pub(crate) fn add(&mut self, zone_wire: &[u8], route: Arc<Route>) {
        self.zones.entry(zone_wire.into()).or_default().push(route);
    }

    /// The block of the longest zone that the name is in; `None` where there is none.
    pub(crate) fn find(&self, qname: &[u8], qtype: u16) -> Option<&Arc<Route>> {
        let lower = LowerName::new(qname)?;
        let mut rest = lower.as_bytes();
        let mut parent = None;
        loop {
            if let Some(route) = self.zones.get(rest).and_then(|routes| routes.first()) {
                // A DS RRset stands at the parent's side of a zone cut (RFC 4035 §3.1.4.1), so where
                // parent and child are both served the shortest zone answers, short of the root.
                if qtype != QTYPE_DS || rest.len() == 1 {
                    return Some(parent.unwrap_or(route));
                }
                parent = Some(route);
            }
            let (len, _) = rest.split_first()?;
            if *len == 0 {
                return parent;
            }
            rest = rest.get(1 + usize::from(*len)..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(zones: &[(&'static str, &[u8])]) -> Routes {
        let mut routes = Routes::default();
        for (zone, wire) in zones {
            let route = Route { zone: (*zone).into(), view: "".into(), chain: Chain::default() };
            routes.add(wire, Arc::new(route));
        }
        routes
    }

    #[test]
    fn the_longest_zone_wins_and_ds_goes_to_the_parent() {
        let routes = routes(&[
            ("org.", b"\x03org\x00"),
            ("example.org.", b"\x07example\x03org\x00"),
            (".", b"\x00"),
        ]);
        for (name, qname, qtype, expected) in [
            ("apex", &b"\x07example\x03org\x00"[..], 1, Some("example.org.")),
            ("below, any case", b"\x01w\x07eXample\x03ORG\x00", 1, Some("example.org.")),
            ("parent", b"\x01w\x03org\x00", 1, Some("org.")),
            ("root", b"\x00", 1, Some(".")),
            ("anything", b"\x03com\x00", 1, Some(".")),
            ("DS", b"\x07example\x03org\x00", QTYPE_DS, Some("org.")),
            ("DS of a zone without parent but the root", b"\x03com\x00", QTYPE_DS, Some(".")),
            ("no suffix in the middle of a label", b"\x0aexampleorg\x00", 1, Some(".")),
        ] {
            let found = routes.find(qname, qtype).map(|route| &*route.zone);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_name_outside_every_zone_has_no_block() {
        let routes = routes(&[("example.org.", b"\x07example\x03org\x00")]);
        assert!(routes.find(b"\x03org\x00", 1).is_none());
        assert!(routes.find(b"\x03org\x00", QTYPE_DS).is_none());
        assert!(routes.find(b"\x07example\x03org\x00", QTYPE_DS).is_some());
    }
}
