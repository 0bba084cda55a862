use std::time::Duration;

use plugin::{Epochs, Replay, Reply, Shutdown};
use testkit::{Kit, query, records};

use super::super::PLUGIN;
use super::{Below, ask, chain, count};

const ASK: &str = "www.example.org. A";

#[tokio::test(start_paused = true)]
async fn entries_survive_a_reload_that_leaves_the_settings_as_they_are() {
    let cases = [
        ("cache 30 example.org", true),
        ("cache 30", false),
        ("cache 60 example.org", false),
        ("cache 30 example.org {\n success 5000\n}", false),
    ];
    for (after, survives) in cases {
        let below = Below::address(60);
        let before = Kit::new();
        ask(&chain(&before, "cache 30 example.org", &below), &query(ASK)).await;
        let kit = before.reloaded();
        let chain = chain(&kit, after, &below);
        ask(&chain, &query(ASK)).await;
        assert_eq!(below.n_asked() == 1, survives, "{after}");
        let entries = count(&kit, "coredns_cache_entries", &["type=\"success\""]);
        assert!(entries >= 1, "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn blocks_for_other_zones_have_their_own_entries() {
    let below = Below::address(60);
    let kit = Kit::new();
    ask(&chain(&kit, "cache", &below), &query(ASK)).await;
    let kit = kit.reloaded().zones(&["example.org."]);
    ask(&chain(&kit, "cache", &below), &query(ASK)).await;
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn entries_with_epochs_end_with_their_configuration() {
    let below = Below::address(0);
    let epochs = Epochs::new(16);
    below.replies(move |request| {
        let mut reply = request.reply();
        reply.answers = records("www.example.org. 60 IN A 192.0.2.1");
        Reply::from(reply).replay_while(Replay::while_unchanged([epochs.read("www")]))
    });
    let before = Kit::new();
    let old = chain(&before, "cache", &below);
    ask(&old, &query(ASK)).await;
    ask(&old, &query(ASK)).await;
    assert_eq!(below.n_asked(), 1);
    // The store that bumped them may be gone, so nobody could tell that they are wrong.
    ask(&chain(&before.reloaded(), "cache", &below), &query(ASK)).await;
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn housekeeping_ends_with_the_configuration() {
    let plugin = Kit::new().plugin(&PLUGIN, "cache").unwrap();
    let (trigger, shutdown) = Shutdown::pair();
    let work = tokio::spawn(async move { plugin.run(shutdown).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!work.is_finished());
    trigger.fire();
    work.await.unwrap();
}
