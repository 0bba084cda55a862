//! What the directive offers to `transfer` and `autopath`.

use plugin::capability::{SearchPath, Transfer};
use plugin::proto::rr::{Name, Record, RecordType};
use testkit::{Kit, ask, lines, query};

use super::harness::{self, fixture};
use crate::PLUGIN;

/// The directive over the fixture, started; what it offers is in the configuration.
async fn started(zones: &str, properties: &str) -> Kit {
    let kit = Kit::new();
    let manifests = fixture().display().to_string();
    let text = format!("kubernetes {zones} {{\nmanifests {manifests}\n{properties}\n}}");
    let plugin = kit.plugin(&PLUGIN, &text).unwrap_or_else(|error| panic!("{error}"));
    plugin.start().await.unwrap();
    kit
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A zone as a whole, without its first record: the SOA.
fn transferred(kit: &Kit, origin: &str) -> Vec<Record> {
    let sources = kit.block.capabilities.all::<dyn Transfer>();
    assert!(sources[0].origins().contains(&name(origin)));
    let mut records = sources[0].records(&name(origin)).unwrap().unwrap();
    let soa = records.remove(0);
    assert_eq!(soa.record_type(), RecordType::SOA);
    assert_eq!(soa.name, name(origin));
    records
}

#[tokio::test]
async fn a_transfer_names_what_look_ups_find() {
    let zones = "cluster.local 10.in-addr.arpa";
    let kit = started(zones, "").await;
    let chain = harness::chain(harness::plugin(zones, "").await);
    for origin in ["cluster.local.", "10.in-addr.arpa."] {
        let records = transferred(&kit, origin);
        assert!(records.len() > 10, "{origin}: {records:?}");
        for record in records {
            let (owner, rtype) = (&record.name, record.record_type());
            let what = format!("{owner} {rtype}");
            let reply = ask(&chain, &query(&what)).await.unwrap();
            // A weight depends on what else there is at the name.
            let found = reply.message().unwrap().answers.iter().any(|answer| match rtype {
                RecordType::SRV => answer.name == record.name,
                // The name servers' own order, and addresses by way of their names.
                RecordType::NS => true,
                _ => *answer == record,
            });
            assert!(found, "{record}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_transfer_holds_each_record_once_by_service() {
    let kit = started("cluster.local", "namespaces data").await;
    let records = transferred(&kit, "cluster.local.");
    let lines = lines(&records);
    let own = lines.iter().filter(|line| !line.contains(".dns.cluster.local."));
    assert_eq!(
        own.collect::<Vec<_>>(),
        [
            "bare.data.svc.cluster.local. 5 IN A 10.244.5.1",
            "10-244-5-1.bare.data.svc.cluster.local. 5 IN A 10.244.5.1",
            "db.data.svc.cluster.local. 5 IN A 10.244.1.4",
            "db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
            "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.data.svc.cluster.local.",
            "db.data.svc.cluster.local. 5 IN A 10.244.2.9",
            "10-244-2-9.db.data.svc.cluster.local. 5 IN A 10.244.2.9",
            "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 50 5432 10-244-2-9.db.data.svc.cluster.local.",
            "db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
            "db-0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
            "db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::",
            "fd00-10-244--0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::",
            "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 50 5432 fd00-10-244--0.db.data.svc.cluster.local.",
            "twins.data.svc.cluster.local. 5 IN A 10.244.4.1",
            "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.1",
            "_http._tcp.twins.data.svc.cluster.local. 5 IN SRV 0 33 80 twin.twins.data.svc.cluster.local.",
            "twins.data.svc.cluster.local. 5 IN A 10.244.4.2",
            "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.2",
            "twins.data.svc.cluster.local. 5 IN A 10.244.4.3",
            "10-244-4-3.twins.data.svc.cluster.local. 5 IN A 10.244.4.3",
            "_http._tcp.twins.data.svc.cluster.local. 5 IN SRV 0 33 80 10-244-4-3.twins.data.svc.cluster.local.",
        ]
    );
}

#[tokio::test]
async fn half_a_zone_is_not_transferred_nor_a_name_that_is_no_zone() {
    let kit = Kit::new();
    let text = format!("kubernetes cluster.local {{\nmanifests {}\n}}", fixture().display());
    let _unstarted = kit.plugin(&PLUGIN, &text).unwrap();
    let sources = kit.block.capabilities.all::<dyn Transfer>();
    assert!(sources[0].records(&name("cluster.local.")).unwrap().is_err());
    assert!(sources[0].records(&name("svc.cluster.local.")).is_none());
}

#[tokio::test]
async fn a_pod_has_the_search_path_of_its_namespace() {
    let path = ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local."];
    let cases: [(&str, &str, &str, Option<[&str; 3]>); 6] = [
        ("a pod", "pods verified", "10.244.1.10:9", Some(path)),
        ("a pod by IPv6", "pods verified", "[fd00:10:244:1::10]:9", Some(path)),
        ("a pod by mapped IPv4", "pods verified", "[::ffff:10.244.1.10]:9", Some(path)),
        ("nobody", "pods verified", "10.244.1.99:9", None),
        ("a pod that is not looked at", "pods insecure", "10.244.1.10:9", None),
        ("a pod that is not looked at either", "", "10.244.1.10:9", None),
    ];
    for (case, properties, client, expected) in cases {
        let kit = started("cluster.local", properties).await;
        let sources = kit.block.capabilities.all::<dyn SearchPath>();
        assert_eq!(sources[0].plugin(), "kubernetes");
        let question = query("www.shop.svc.cluster.local. A").client(client);
        let found = sources[0].search_path(&question.request());
        let first = found.as_ref().map(|path| path[..3].to_vec());
        assert_eq!(first, expected.map(|path| path.map(name).to_vec()), "{case}");
        assert!(found.is_none_or(|path| path.last().is_some_and(Name::is_root)), "{case}");
        let elsewhere = query("www.example.org. A").client(client).request();
        assert_eq!(sources[0].search_path(&elsewhere), None, "{case}: another zone");
    }
}
