//! What the store finds, and which answers each change makes fresh.

use plugin::Epoch;

use super::*;

fn service(name: &str, ips: &[&str]) -> object::Service {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop"}},"spec":{{"clusterIPs":{ips:?},"ports":[{{"port":80}}]}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn slice(name: &str, service: &str, addresses: &[&str]) -> object::EndpointSlice {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop","labels":{{"kubernetes.io/service-name":"{service}"}}}},"endpoints":[{{"addresses":{addresses:?}}}],"ports":[{{"port":80}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn namespace(name: &str) -> object::Namespace {
    serde_json::from_str(&format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).unwrap()
}

fn pod(name: &str, address: &str) -> object::Pod {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop"}},"status":{{"podIP":"{address}"}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn store() -> Store {
    Store::new(Detail::default(), &Kind::ALL)
}

/// The epochs that answers about some things carry.
struct Watched {
    web: Epoch,
    other: Epoch,
    shop: Epoch,
    address: Epoch,
    elsewhere: Epoch,
}

impl Watched {
    fn read(store: &Store) -> Self {
        Self {
            web: store.epoch(Stripe::Service("shop/web")),
            other: store.epoch(Stripe::Service("shop/other")),
            shop: store.epoch(Stripe::Namespace("shop")),
            address: store.epoch(Stripe::Address(ip("192.0.2.1"))),
            elsewhere: store.epoch(Stripe::Address(ip("192.0.2.200"))),
        }
    }

    /// Which of them have ended.
    fn ended(&self) -> String {
        let all = [
            ("web", &self.web),
            ("other", &self.other),
            ("shop", &self.shop),
            ("192.0.2.1", &self.address),
            ("192.0.2.200", &self.elsewhere),
        ];
        all.iter()
            .filter(|(_, epoch)| !epoch.stands())
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

type Change = fn(&Store);

#[test]
fn a_change_ends_the_replay_of_exactly_its_names() {
    let store = store();
    let changes: [(&str, Change, &str); 14] = [
        ("new service", |s| _ = s.apply_service(&service("web", &["192.0.2.1"])), "web 192.0.2.1"),
        ("the same again", |s| _ = s.apply_service(&service("web", &["192.0.2.1"])), ""),
        ("new address", |s| _ = s.apply_service(&service("web", &["192.0.2.2"])), "web 192.0.2.1"),
        ("service goes", |s| _ = s.remove_service("shop/web"), "web"),
        ("no such service", |s| _ = s.remove_service("shop/web"), ""),
        (
            "new slice",
            |s| _ = s.apply_slice(&slice("web-1", "web", &["192.0.2.1"])),
            "web 192.0.2.1",
        ),
        ("same slice", |s| _ = s.apply_slice(&slice("web-1", "web", &["192.0.2.1"])), ""),
        (
            "slice of another service",
            |s| _ = s.apply_slice(&slice("web-1", "other", &["192.0.2.1"])),
            "web other 192.0.2.1",
        ),
        ("slice goes", |s| _ = s.remove_slice("shop/web-1"), "other 192.0.2.1"),
        ("new namespace", |s| _ = s.apply_namespace(&namespace("shop")), "shop"),
        ("same namespace", |s| _ = s.apply_namespace(&namespace("shop")), ""),
        ("namespace goes", |s| _ = s.remove_namespace("shop"), "shop"),
        ("new pod", |s| _ = s.apply_pod(&pod("web-0", "192.0.2.1")), "192.0.2.1"),
        ("pod goes", |s| _ = s.remove_pod("shop/web-0"), "192.0.2.1"),
    ];
    for (name, change, ended) in changes {
        let before = Watched::read(&store);
        change(&store);
        assert_eq!(before.ended(), ended, "{name}");
    }
}

#[test]
fn services_are_found_by_name_and_by_address() {
    let store = store();
    store.apply_service(&service("web", &["192.0.2.1", "2001:db8::1"]));
    store.apply_slice(&slice("web-1", "web", &["192.0.2.9"]));
    store.apply_slice(&slice("web-2", "web", &["192.0.2.9", "2001:db8::9"]));
    let entry = store.entry("shop/web").unwrap();
    assert!(entry.service.is_some());
    assert_eq!(entry.slices.len(), 2);
    assert_eq!(store.services_at(ip("2001:db8::1")).as_slice(), ["shop/web".into()]);
    assert_eq!(store.slices_at(ip("192.0.2.9")).len(), 2);
    store.remove_slice("shop/web-1");
    assert_eq!(store.slices_at(ip("192.0.2.9")).len(), 1);
    store.remove_slice("shop/web-2");
    assert!(store.slices_at(ip("192.0.2.9")).is_empty());
    store.remove_service("shop/web");
    assert!(store.services_at(ip("192.0.2.1")).is_empty());
    assert!(store.entry("shop/web").is_none(), "nothing is left of it");
}

#[test]
fn two_services_may_claim_one_address() {
    let store = store();
    for name in ["a", "b", "c"] {
        store.apply_service(&service(name, &["192.0.2.1"]));
    }
    store.remove_service("shop/b");
    let mut left = store.services_at(ip("192.0.2.1")).to_vec();
    left.sort();
    assert_eq!(left, ["shop/a".into(), "shop/c".into()]);
    store.remove_service("shop/a");
    store.remove_service("shop/c");
    assert!(store.services_at(ip("192.0.2.1")).is_empty());
}

#[test]
fn a_list_drops_what_it_does_not_name() {
    let store = store();
    store.begin_list(Kind::Service);
    store.apply_service(&service("web", &["192.0.2.1"]));
    store.apply_service(&service("old", &["192.0.2.2"]));
    store.end_list(Kind::Service);
    store.apply_slice(&slice("old-1", "old", &["192.0.2.9"]));
    store.begin_list(Kind::Service);
    assert!(!store.apply_service(&service("web", &["192.0.2.1"])));
    assert!(store.apply_service(&service("new", &["192.0.2.3"])));
    assert!(store.entry("shop/old").unwrap().service.is_some(), "until the list ends");
    assert_eq!(store.end_list(Kind::Service), 1);
    assert!(store.entry("shop/old").unwrap().service.is_none(), "its slice stays");
    assert!(store.services_at(ip("192.0.2.2")).is_empty());
    assert_eq!(store.len(Kind::Service), 2);
}

#[test]
fn the_store_has_synced_when_every_wanted_kind_was_listed() {
    let store = Store::new(Detail::default(), &[Kind::Service, Kind::Namespace]);
    let epoch = store.epoch(Stripe::Sync);
    store.begin_list(Kind::Service);
    store.apply_service(&service("web", &["192.0.2.1"]));
    store.end_list(Kind::Service);
    assert!(!store.has_synced());
    assert_eq!(store.negative_serial(), 0);
    store.begin_list(Kind::Namespace);
    store.end_list(Kind::Namespace);
    assert!(store.has_synced());
    assert!(!epoch.stands());
    assert_eq!(store.negative_serial(), store.serial());
    assert!(store.serial() > 0);
}

#[test]
fn a_pod_that_ends_stays_until_it_is_gone() {
    let store = store();
    store.apply_pod(&pod("web-0", "192.0.2.1"));
    let mut ending = pod("web-0", "192.0.2.1");
    ending.metadata.deletion_timestamp = serde_json::from_str(r#""2026-01-01T00:00:00Z""#).ok();
    store.begin_list(Kind::Pod);
    store.apply_pod(&ending);
    store.end_list(Kind::Pod);
    assert_eq!(store.pods_at(ip("192.0.2.1")).len(), 1);
    let mut strange = pod("web-1", "192.0.2.2");
    strange.metadata.deletion_timestamp = ending.metadata.deletion_timestamp;
    store.apply_pod(&strange);
    assert!(store.pods_at(ip("192.0.2.2")).is_empty(), "one seen ending first is no news");
}

#[test]
fn keys_are_lower_case_and_hold_kubernetes_names_only() {
    let key = Key::new(b"Shop", b"WEB").unwrap();
    assert_eq!((key.as_str(), key.namespace()), ("shop/web", "shop"));
    assert!(Key::new(b"sh op", b"web").is_none());
    assert!(Key::new(&[0xff], b"web").is_none());
    let long = [b'x'; 63];
    assert_eq!(Key::new(&long, &long).unwrap().as_str().len(), 127);
}
