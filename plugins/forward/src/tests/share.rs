//! Questions answered together, upstreams kept over a reload, files read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugin::capability::Upstreams;
use plugin::{Chain, Shutdown};
use testkit::{Kit, StubUpstream, ask, query};

use super::{PLUGIN, answering, forward, told};
use crate::flight::{Flights, Landed, key};

/// An upstream that holds its replies back until the flag is up.
async fn held(open: &Arc<AtomicBool>) -> StubUpstream {
    let open = Arc::clone(open);
    StubUpstream::start(move |query| {
        let mut reply = StubUpstream::reply_to(&query);
        reply.answers = testkit::records("www.example.org. 60 IN A 192.0.2.1");
        reply.answers[0].name = query.queries[0].name().clone();
        open.load(Ordering::SeqCst).then_some(reply)
    })
    .await
}

#[tokio::test]
async fn identical_questions_under_way_are_asked_once() {
    let upstream = held(&Arc::new(AtomicBool::new(true))).await;
    let kit = Kit::new();
    let chain = forward(&kit, &format!("forward . {}", upstream.address));
    let queries = [
        query("www.example.org. A"),
        query("WWW.Example.org. A").edit(|m| m.metadata.id = 1),
        query("www.example.org. A").edit(|m| m.metadata.id = 2).client("10.240.0.9:999"),
        // Different, each in its own way.
        query("www.example.org. AAAA"),
        query("www.example.org. A").edns(1232),
        query("www.example.org. A").edit(|m| m.metadata.checking_disabled = true),
        query("www.example.org. A").tcp(),
    ];
    let asked = queries.iter().map(|query| ask(&chain, query));
    let replies = futures::future::join_all(asked).await;
    assert_eq!((upstream.asked_udp(), upstream.asked_tcp()), (4, 1));
    for (query, reply) in queries.into_iter().zip(replies) {
        let (request, reply) = (query.request(), reply.unwrap().into_message().unwrap());
        assert_eq!(reply.metadata.id, request.message().metadata.id);
        let asked = request.qname().to_string();
        assert_eq!(reply.queries[0].name().to_string(), asked);
        assert_eq!(reply.answers[0].name.to_string(), asked);
    }
    assert!(kit.metrics.text().contains("rhumb_forward_coalesced_total 2\n"));
}

#[tokio::test]
async fn when_the_leader_goes_away_a_follower_leads() {
    let flights = Arc::new(Flights::<u8>::default());
    let stuck = flights.join(b"key", std::future::pending());
    let follower = {
        let flights = Arc::clone(&flights);
        tokio::spawn(async move { flights.join(b"key", async { 7 }).await })
    };
    // The leader takes its seat, the follower waits, and then the leader is gone.
    assert!(tokio::time::timeout(Duration::from_millis(5), stuck).await.is_err());
    assert!(matches!(follower.await.unwrap(), Landed::Led(7)));
    assert_eq!(flights.len(), 0);
}

#[test]
fn a_key_leaves_out_id_and_letter_case_alone() {
    let wire = |question: &str| query(question).request().message().to_vec().unwrap();
    let a = wire("www.example.org. A");
    let mut other_id = a.clone();
    other_id[0] ^= 0xff;
    assert_eq!(key(0, &a), key(0, &other_id));
    assert_eq!(key(0, &a), key(0, &wire("WWW.eXample.org. A")));
    assert_ne!(key(0, &a), key(1, &a));
    assert_ne!(key(0, &a), key(0, &wire("www.example.org. AAAA")));
    for len in 0..a.len() {
        assert_eq!(key(0, &a[..len]).len(), len + 1, "octets cut short are no reason to panic");
    }
}

#[tokio::test]
async fn an_upstream_outlives_a_reload_where_its_settings_do() {
    let upstream = answering("192.0.2.1").await;
    let kit = Kit::new();
    let misses = |kit: &Kit| {
        let text = kit.metrics.text();
        let name = "coredns_proxy_conn_cache_misses_total";
        let line = text.lines().find(|line| line.starts_with(name)).map(ToOwned::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
    };
    let text = format!("forward . {}", upstream.address);
    let before = forward(&kit, &text);
    ask(&before, &query("a.example. A")).await.unwrap();
    assert_eq!(misses(&kit), Some(1));

    let same = kit.reloaded();
    let after = forward(&same, &text);
    drop(before);
    ask(&after, &query("a.example. A")).await.unwrap();
    assert_eq!(misses(&same), Some(1), "the connection was kept");

    let changed = same.reloaded();
    let chain = forward(&changed, &format!("{text} {{\nexpire 20s\n}}"));
    ask(&chain, &query("a.example. A")).await.unwrap();
    assert_eq!(misses(&changed), Some(2), "other settings, other connections");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let folder = std::env::temp_dir().join(format!("rhumb-forward-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("resolv.conf");
    std::fs::write(&file, "search example.org\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n")
        .unwrap();
    let kit = Kit::new();
    let plugin = kit.plugin(&PLUGIN, &format!("forward . {}", file.display())).unwrap();
    let upstreams = kit.block.capabilities.all::<dyn Upstreams>();
    assert_eq!(upstreams[0].upstreams(), ["192.0.2.1:53", "[fe80::1]:53"]);

    let (trigger, shutdown) = Shutdown::pair();
    let running = tokio::spawn(async move { plugin.run(shutdown).await });
    // The watch begins some time after the task does, and the first round reads the file anyway.
    tokio::task::yield_now().await;
    std::fs::write(&file, "nameserver 192.0.2.7\nnameserver 192.0.2.1\nnameserver nonsense\n")
        .unwrap();
    while upstreams[0].upstreams().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let after = upstreams[0].upstreams();
    assert_eq!(
        after,
        ["192.0.2.1:53", "[fe80::1]:53", "192.0.2.7:53"],
        "numbers keep their meaning"
    );
    trigger.fire();
    running.await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_upstream_out_of_service_is_not_asked_but_can_be() {
    let (a, b) = (answering("192.0.2.1").await, answering("192.0.2.2").await);
    let kit = Kit::new();
    let text = format!("forward . {} {} {{\npolicy sequential\n}}", a.address, b.address);
    let chain: Chain = forward(&kit, &text);
    let upstreams = kit.block.capabilities.all::<dyn Upstreams>();
    upstreams[0].set_in_service(0, false);
    assert_eq!(told(ask(&chain, &query("x.example. A")).await), "x.example. 60 IN A 192.0.2.2");
    let probe = query("x.example. A").request().message().to_vec().unwrap();
    let reply = upstreams[0].ask(0, &probe, Duration::from_secs(5)).await.unwrap();
    assert_eq!(reply[..2], probe[..2]);
    upstreams[0].set_in_service(1, false);
    assert_eq!(told(ask(&chain, &query("x.example. A")).await), "ServFail: no healthy proxies");
    upstreams[0].set_in_service(0, true);
    assert_eq!(told(ask(&chain, &query("x.example. A")).await), "x.example. 60 IN A 192.0.2.1");
    assert!(upstreams[0].ask(9, &probe, Duration::from_secs(5)).await.is_none());
}
