//! Starting, waiting, reloading, and how long answers hold.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use plugin::proto::op::ResponseCode;
use plugin::proto::rr::{RData, RecordType};
use plugin::{Chain, Ede, Plugin, Replay, async_trait};
use testkit::{Kit, Table, ask, lines, query};
use tokio::time::Instant;

use super::harness::{chain, fixture, plugin, rcode, soa, soa_line};
use crate::config::Config;
use crate::kept::Detail;
use crate::source::{Cluster, Source};
use crate::store::{Kind, Store};
use crate::{Kubernetes, PLUGIN, object, servers};

/// A source that the test plays itself.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Source for Silent {
    async fn feed(&self, _store: &Store) {
        std::future::pending::<()>().await;
    }
}

/// The directive over a store that the test fills.
fn by_hand(properties: &str) -> (Arc<Kubernetes>, Arc<Store>) {
    let kit = Kit::new();
    let text =
        format!(".:53 {{\nkubernetes cluster.local 10.in-addr.arpa {{\n{properties}\n}}\n}}\n");
    let loaded = corefile::parse(std::path::Path::new("Corefile"), &text, &|_| None);
    let directives = &loaded.corefile.blocks[0].directives;
    let mut diagnostics = Vec::new();
    let mut setup =
        plugin::Setup::new(directives, &kit.block, &kit.metrics, &kit.shared, &mut diagnostics);
    let config = Config::parse(&mut setup).expect("the test's properties are right");
    let store = Arc::new(Store::new(Detail::default(), &config.kinds()));
    let cluster = Arc::new(Cluster::new(Arc::clone(&store), Arc::new(Silent)));
    let made = Kubernetes {
        config,
        cluster,
        background: kit.shared.background.clone(),
        listen: Vec::new(),
        local: Arc::new(
            [IpAddr::from([198, 51, 100, 7]), "2001:db8::7".parse().unwrap()].to_vec().into(),
        ),
        startup_end: std::sync::OnceLock::new(),
    };
    (Arc::new(made), store)
}

fn service(name: &str, ip: &str) -> object::Service {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop"}},"spec":{{"clusterIP":"{ip}","ports":[{{"port":80}}]}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn external(name: &str, target: &str) -> object::Service {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"shop"}},"spec":{{"type":"ExternalName","externalName":"{target}"}}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn slice(service: &str, address: &str) -> object::EndpointSlice {
    let text = format!(
        r#"{{"metadata":{{"name":"{service}-1","namespace":"shop","labels":{{"kubernetes.io/service-name":"{service}"}}}},"endpoints":[{{"addresses":["{address}"]}}],"ports":[{{"port":80}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn namespace(name: &str) -> object::Namespace {
    serde_json::from_str(&format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).unwrap()
}

fn sync(store: &Store) {
    for kind in Kind::ALL {
        store.end_list(kind);
    }
}

fn shop(store: &Store) {
    store.apply_namespace(&namespace("shop"));
    store.apply_service(&service("web", "10.96.0.1"));
    sync(store);
}

#[tokio::test]
async fn before_the_first_list_nothing_is_denied() {
    let (plugin, store) = by_hand("");
    assert!(!plugin.ready());
    let chain = chain(Arc::<Kubernetes>::clone(&plugin));
    let reply = ask(&chain, &query("web.shop.svc.cluster.local. A").edns(1232)).await.unwrap();
    let message = reply.message().unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    assert!(message.metadata.authoritative);
    assert_eq!(
        soa(&reply),
        "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"
    );
    assert_eq!(reply.edes()[0].code, Ede::NOT_READY);
    assert!(reply.replay().holds(Instant::now()));
    let unsynced = reply.replay().clone();
    for outside in ["www.example.org. A", "cluster.local. A"] {
        let reply = ask(&chain, &query(outside)).await.unwrap();
        assert_eq!(reply.rcode(), ResponseCode::NoError, "{outside}");
    }
    shop(&store);
    assert!(plugin.ready());
    assert!(!unsynced.holds(Instant::now()));
    let reply = ask(&chain, &query("web.shop.svc.cluster.local. A")).await.unwrap();
    assert_eq!(
        lines(&reply.message().unwrap().answers),
        ["web.shop.svc.cluster.local. 5 IN A 10.96.0.1"]
    );
    let reply = ask(&chain, &query("nosuch.shop.svc.cluster.local. A")).await.unwrap();
    assert_eq!(reply.rcode(), ResponseCode::NXDomain);
    assert!(reply.edes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_query_that_comes_while_the_server_starts_waits_for_the_first_list() {
    for (name, syncs_after, expected) in [
        ("in time", Duration::from_secs(2), ResponseCode::NXDomain),
        ("too late", Duration::from_secs(9), ResponseCode::ServFail),
    ] {
        let (plugin, store) = by_hand("startup_timeout 5s");
        let starting = Arc::clone(&plugin);
        tokio::spawn(async move { starting.start().await });
        let chain = Chain::new([("kubernetes", plugin as Arc<dyn Plugin>)]);
        tokio::spawn(async move {
            tokio::time::sleep(syncs_after).await;
            sync(&store);
        });
        // The start has begun.
        tokio::task::yield_now().await;
        let reply = ask(&chain, &query("nosuch.shop.svc.cluster.local. A")).await.unwrap();
        assert_eq!(reply.rcode(), expected, "{name}");
    }
}

#[tokio::test]
async fn names_fall_through_before_the_first_list_too() {
    let (plugin, _) = by_hand("fallthrough");
    let reply = ask(&chain(plugin), &query("nosuch.shop.svc.cluster.local. A")).await.unwrap();
    assert_eq!(reply.answered_by(), Some("table"));
    assert_eq!(reply.rcode(), ResponseCode::NoError);
}

#[tokio::test(start_paused = true)]
async fn the_start_waits_for_the_first_list_but_not_for_ever() {
    for (properties, secs) in [("", 5), ("startup_timeout 20s", 20), ("startup_timeout 0s", 0)] {
        let (plugin, _store) = by_hand(properties);
        let began = Instant::now();
        plugin.start().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), secs, "{properties}");
        assert!(!plugin.ready());
    }
    let (plugin, store) = by_hand("");
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        sync(&store);
    });
    let began = Instant::now();
    plugin.start().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 2);
    assert!(plugin.ready());
}

type Change = fn(&Store);

#[tokio::test]
async fn answers_hold_until_their_own_objects_change() {
    let (plugin, store) = by_hand("");
    shop(&store);
    store.apply_service(&external("partner", "web.shop.svc.cluster.local"));
    let chain = chain(plugin);
    let questions = [
        "web.shop.svc.cluster.local. A",
        "web.shop.svc.cluster.local. AAAA",
        "nosuch.shop.svc.cluster.local. A",
        "web.ghost.svc.cluster.local. A",
        "shop.svc.cluster.local. A",
        "partner.shop.svc.cluster.local. A",
        "1.0.96.10.in-addr.arpa. PTR",
        "9.0.96.10.in-addr.arpa. PTR",
        "foo.cluster.local. A",
        "cluster.local. SOA",
    ];
    let changes: [(&str, Change, &[usize]); 5] = [
        ("another service", |s| _ = s.apply_service(&service("other", "10.96.0.5")), &[9]),
        (
            "the missing service",
            |s| _ = s.apply_service(&service("nosuch", "10.96.0.9")),
            &[2, 7, 9],
        ),
        ("an endpoint", |s| _ = s.apply_slice(&slice("web", "10.244.0.1")), &[0, 1, 5, 9]),
        ("the missing namespace", |s| _ = s.apply_namespace(&namespace("ghost")), &[3]),
        ("no more service", |s| _ = s.remove_service("shop/web"), &[0, 1, 5, 6, 9]),
    ];
    for (name, change, ended) in changes {
        let mut replies = Vec::new();
        for question in questions {
            replies.push(ask(&chain, &query(question)).await.unwrap());
        }
        let holds = |reply: &plugin::Reply| reply.replay().holds(Instant::now());
        assert!(replies.iter().all(holds), "{name}: all hold at first");
        change(&store);
        for (index, reply) in replies.iter().enumerate() {
            assert_eq!(!holds(reply), ended.contains(&index), "{name}: {}", questions[index]);
        }
    }
}

#[tokio::test]
async fn what_fell_through_holds_until_there_is_such_a_name() {
    let (plugin, store) = by_hand("fallthrough");
    shop(&store);
    let replayable = Table::new("nosuch.shop.svc.cluster.local. 60 IN A 192.0.2.81");
    let chain = Chain::new([
        ("kubernetes", plugin as Arc<dyn Plugin>),
        ("table", Arc::new(Always(replayable))),
    ]);
    let question = query("nosuch.shop.svc.cluster.local. A");
    let reply = ask(&chain, &question).await.unwrap();
    assert_eq!(reply.answered_by(), Some("table"));
    assert!(reply.replay().holds(Instant::now()));
    store.apply_service(&service("nosuch", "10.96.0.9"));
    assert!(!reply.replay().holds(Instant::now()));
}

/// A table whose answers may be replayed for ever.
struct Always(Table);

#[async_trait]
impl Plugin for Always {
    async fn serve(
        &self,
        request: &plugin::Request,
        next: plugin::Next<'_>,
    ) -> Result<plugin::Reply, plugin::ServeError> {
        let reply = self.0.serve(request, next).await?;
        Ok(reply.replay_while(Replay::while_unchanged([])))
    }
}

#[tokio::test]
async fn aliases_into_other_zones_hold_as_long_as_their_targets() {
    let (plugin, store) = by_hand("");
    shop(&store);
    store.apply_service(&external("partner", "www.example.org"));
    let table = Table::new("www.example.org. 60 IN A 192.0.2.80").edit(|_, message| {
        message.metadata.truncation = true;
    });
    let chain =
        Chain::new([("kubernetes", plugin as Arc<dyn Plugin>), ("table", Arc::new(Always(table)))]);
    let reply = ask(&chain, &query("partner.shop.svc.cluster.local. A")).await.unwrap();
    assert!(reply.message().unwrap().metadata.truncation, "TC comes along");
    assert!(reply.replay().holds(Instant::now()));
    store.apply_service(&external("partner", "other.example.org"));
    assert!(!reply.replay().holds(Instant::now()));
}

#[tokio::test]
async fn aliases_that_chase_each_other_through_the_listener_end() {
    let kit = Kit::new();
    let folder = std::env::temp_dir().join(format!("rhumb-kubernetes-ring-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- apiVersion: v1
  kind: Service
  metadata: {name: a, namespace: shop}
  spec: {type: ExternalName, externalName: b.shop.svc.other.local}
- apiVersion: v1
  kind: Service
  metadata: {name: b, namespace: shop}
  spec: {type: ExternalName, externalName: a.shop.svc.cluster.local}
";
    std::fs::write(folder.join("ring.yaml"), text).unwrap();
    let directive =
        format!("kubernetes cluster.local other.local {{\nmanifests {}\n}}", folder.display());
    let plugin = kit.plugin(&PLUGIN, &directive).unwrap();
    plugin.start().await.unwrap();
    let chain = chain(plugin);
    let reply = ask(&chain, &query("a.shop.svc.cluster.local. A")).await.unwrap();
    let answers = reply.message().unwrap().answers.len();
    assert!((1..=11).contains(&answers), "{answers} records");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn an_alias_whose_target_cannot_be_looked_up_is_nodata() {
    let (plugin, store) = by_hand("");
    shop(&store);
    store.apply_service(&external("partner", "www.example.org"));
    let failing = Arc::new(Table::default().failing());
    let chain = Chain::new([("kubernetes", plugin as Arc<dyn Plugin>), ("table", failing.link())]);
    let reply = ask(&chain, &query("partner.shop.svc.cluster.local. A")).await.unwrap();
    assert_eq!(rcode(reply.message().unwrap()), "NODATA");
}

#[tokio::test]
async fn the_soa_tells_the_last_change_and_denials_the_first_view() {
    let (plugin, store) = by_hand("ttl 600");
    let chain = chain(plugin);
    let reply = ask(&chain, &query("Cluster.LOCAL. SOA")).await.unwrap();
    let message = reply.message().unwrap();
    assert_eq!(
        soa_line(&message.answers[0]),
        "Cluster.LOCAL. 300 IN SOA ns.dns.Cluster.LOCAL. hostmaster.Cluster.LOCAL. 1 7200 1800 86400 600"
    );
    let serial = |record: &plugin::proto::rr::Record| match &record.data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other}"),
    };
    assert_eq!(serial(&message.answers[0]), 0, "nothing has been seen");
    assert!(message.authorities.is_empty());
    shop(&store);
    let reply = ask(&chain, &query("cluster.local. SOA")).await.unwrap();
    let now = plugin::clock::unix_now().as_secs();
    let seen = u64::from(serial(&reply.message().unwrap().answers[0]));
    assert!(now - seen < 60, "{seen} at {now}");
    let reply = ask(&chain, &query("nosuch.shop.svc.cluster.local. A")).await.unwrap();
    assert_eq!(serial(&reply.message().unwrap().authorities[0]), store.negative_serial());
}

#[tokio::test]
async fn the_server_names_itself_or_the_service_it_stands_behind() {
    let (plugin, store) = by_hand("");
    shop(&store);
    let chain = chain(plugin);
    let ask_for = async |question: &str| {
        let reply = ask(&chain, &query(question)).await.unwrap();
        assert!(matches!(reply.replay(), Replay::Never), "{question}");
        let message = reply.message().unwrap().clone();
        (lines(&message.answers), lines(&message.additionals))
    };
    let (answers, glue) = ask_for("cluster.local. NS").await;
    assert_eq!(answers, ["cluster.local. 5 IN NS ns.dns.cluster.local."]);
    assert_eq!(
        glue,
        [
            "ns.dns.cluster.local. 5 IN A 198.51.100.7",
            "ns.dns.cluster.local. 5 IN AAAA 2001:db8::7"
        ]
    );
    assert_eq!(
        ask_for("Ns.Dns.cluster.local. A").await.0,
        ["Ns.Dns.cluster.local. 5 IN A 198.51.100.7"]
    );
    assert_eq!(
        ask_for("ns.dns.cluster.local. AAAA").await.0,
        ["ns.dns.cluster.local. 5 IN AAAA 2001:db8::7"]
    );

    store.apply_slice(&slice("web", "198.51.100.7"));
    let (answers, glue) = ask_for("CLUSTER.local. NS").await;
    assert_eq!(answers, ["CLUSTER.local. 5 IN NS web.shop.svc.CLUSTER.local."]);
    assert_eq!(glue, ["web.shop.svc.CLUSTER.local. 5 IN A 10.96.0.1"]);
    assert_eq!(
        ask_for("ns.dns.cluster.local. A").await.0,
        ["ns.dns.cluster.local. 5 IN A 10.96.0.1"]
    );

    store.apply_service(&service("web", "None"));
    let (answers, glue) = ask_for("cluster.local. NS").await;
    assert_eq!(answers, ["cluster.local. 5 IN NS 198-51-100-7.web.shop.svc.cluster.local."]);
    assert_eq!(glue, ["198-51-100-7.web.shop.svc.cluster.local. 5 IN A 198.51.100.7"]);
}

#[test]
fn bound_addresses_stand_for_the_server_and_loopback_never() {
    let bound = ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()];
    assert_eq!(servers::local_addresses(&bound), bound.map(|address| address.ip()));
    assert!(servers::local_addresses(&["127.0.0.1:53".parse().unwrap()]).is_empty());
    let any = servers::local_addresses(&["[::]:53".parse().unwrap()]);
    assert!(
        any.iter().all(|address| !address.is_loopback() && !address.is_unspecified()),
        "{any:?}"
    );
}

#[tokio::test]
async fn transfers_are_refused() {
    let chain = chain(plugin("cluster.local", "").await);
    for name in ["cluster.local.", "web.shop.svc.cluster.local."] {
        for qtype in [RecordType::AXFR, RecordType::IXFR] {
            let question = query(&format!("{name} A")).edit(|message| {
                message.queries[0].set_query_type(qtype);
            });
            let error = ask(&chain, &question).await.unwrap_err();
            assert_eq!(error.rcode(), ResponseCode::Refused, "{name} {qtype}");
        }
    }
}

#[tokio::test]
async fn the_objects_outlive_a_reload_that_does_not_concern_them() {
    let fixture = fixture().display().to_string();
    let text = |more: &str| format!("kubernetes cluster.local {{\nmanifests {fixture}\n{more}\n}}");
    let kit = Kit::new();
    let first = kit.plugin(&PLUGIN, &text("")).unwrap();
    first.start().await.unwrap();
    for (more, is_kept) in [
        ("", true),
        ("ttl 30\nnamespaces shop\nfallthrough\npods insecure\nignore empty_service", true),
        ("pods verified", false),
        ("noendpoints", false),
        ("labels tier=front", false),
        ("namespace_labels team=web", false),
        ("endpoint_pod_names", false),
    ] {
        let reloaded = kit.reloaded().plugin(&PLUGIN, &text(more)).unwrap();
        assert_eq!(reloaded.ready(), is_kept, "`{more}`, before any start");
    }
}

#[tokio::test]
async fn labels_of_any_bytes_are_just_names_that_do_not_exist() {
    let chain = chain(plugin("cluster.local", "pods verified").await);
    let zone = plugin::proto::rr::Name::from_ascii("svc.cluster.local.").unwrap();
    for label in [&b"\xff\xfe"[..], b"a b", b"shop/web", b".", b"\0", &[b'x'; 63]] {
        for depth in 1..6 {
            let mut name = zone.clone();
            for _ in 0..depth {
                let Some(longer) = crate::records::below(label, &name) else { break };
                name = longer;
            }
            let question = query("cluster.local. A").edit(|message| {
                message.queries[0].set_name(name.clone());
            });
            let reply = ask(&chain, &question).await.unwrap();
            assert_eq!(reply.rcode(), ResponseCode::NXDomain, "{name}");
        }
    }
}
