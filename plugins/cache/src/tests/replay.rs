//! How long replies may be replayed, and the end of entries whose data has changed.

use std::sync::Arc;
use std::time::Duration;

use plugin::{Epochs, Replay, Reply, Tally};
use testkit::{Kit, query, records};
use tokio::time::Instant;

use super::{Below, advance, ask, background, chain, count};

const ASK: &str = "www.example.org. A";

/// Answers as a plugin with a store would: replayable while the epoch of the name stands.
fn answers_from(epochs: &Epochs, below: &Arc<Below>) {
    let epochs = epochs.clone();
    below.replies(move |request| {
        let epoch = epochs.read("www");
        let mut reply = request.reply();
        reply.answers = records("www.example.org. 60 IN A 192.0.2.1");
        Reply::from(reply).replay_while(Replay::while_unchanged([epoch]))
    });
}

fn holds_in(reply: &Reply, secs: f64) -> bool {
    reply.replay().holds(Instant::now() + Duration::from_secs_f64(secs))
}

#[tokio::test(start_paused = true)]
async fn a_hit_is_replayable_until_its_entry_expires_and_a_kept_miss_is_not() {
    let below = Below::address(60);
    let chain = chain(&Kit::new(), "cache", &below);
    assert!(!holds_in(&ask(&chain, &query(ASK)).await, 0.0), "the next one is a hit");
    advance(10.0).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 49.9));
    assert!(!holds_in(&reply, 50.0));
    let counted: Vec<bool> =
        reply.tallies().iter().map(|tally| matches!(tally, Tally::Count(_))).collect();
    assert_eq!(counted, [true, true], "a replay is a request and a hit");
}

#[tokio::test(start_paused = true)]
async fn a_change_ends_what_was_made_from_it_at_once() {
    for text in ["cache", "cache {\n serve_stale\n}"] {
        let below = Below::address(0);
        let epochs = Epochs::new(16);
        answers_from(&epochs, &below);
        let chain = chain(&Kit::new(), text, &below);
        ask(&chain, &query(ASK)).await;
        let reply = ask(&chain, &query(ASK)).await;
        assert!(holds_in(&reply, 1.0), "{text}");
        epochs.bump("www");
        assert!(!holds_in(&reply, 1.0), "{text}");
        ask(&chain, &query(ASK)).await;
        assert_eq!(below.n_asked(), 2, "{text}");
        ask(&chain, &query(ASK)).await;
        assert_eq!(below.n_asked(), 2, "{text}: the new entry holds");
        // After expiry as well: changed data is not served stale.
        advance(61.0).await;
        epochs.bump("www");
        below.fails();
        assert!(testkit::ask(&chain, &query(ASK)).await.is_err(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_made_while_its_data_changed_is_dead() {
    let below = Below::address(0);
    let epochs = Epochs::new(16);
    let read_before = epochs.read("www");
    epochs.bump("www");
    below.replies(move |request| {
        let mut reply = request.reply();
        reply.answers = records("www.example.org. 60 IN A 192.0.2.1");
        Reply::from(reply).replay_while(Replay::while_unchanged([read_before.clone()]))
    });
    let chain = chain(&Kit::new(), "cache", &below);
    ask(&chain, &query(ASK)).await;
    ask(&chain, &query(ASK)).await;
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_stays_replayable() {
    let kit = Kit::new();
    let below = Below::address(0);
    let epochs = Epochs::new(16);
    answers_from(&epochs, &below);
    let chain = chain(&kit, "cache 30 {\n disable success example.org\n}", &below);
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 3600.0));
    assert_eq!(reply.tallies().len(), 2, "a replay is a request and a miss");
    assert_eq!(reply.answered_by(), Some("below"));
    epochs.bump("www");
    assert!(!holds_in(&reply, 0.0));
    assert_eq!(count(&kit, "coredns_cache_misses_total", &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn with_keepttl_a_replay_ends_before_ttls_are_counted_down() {
    let below = Below::address(60);
    let chain = chain(&Kit::new(), "cache {\n keepttl\n}", &below);
    ask(&chain, &query(ASK)).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 0.9));
    assert!(!holds_in(&reply, 1.0));
}

#[tokio::test(start_paused = true)]
async fn replays_leave_prefetch_what_it_needs() {
    let below = Below::address(100);
    let chain = chain(&Kit::new(), "cache {\n prefetch 3 20s 10%\n}", &below);
    ask(&chain, &query(ASK)).await;
    for _ in 0..2 {
        assert!(!holds_in(&ask(&chain, &query(ASK)).await, 0.0), "not popular yet: count it");
    }
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 19.9), "popular: no need to count");
    assert!(!holds_in(&reply, 20.0), "but see whether it is still asked for");
    // Queries that were answered by replay count as if they had come up to its end.
    advance(39.0).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 0.0));
    advance(35.0).await;
    assert!(holds_in(&ask(&chain, &query(ASK)).await, 15.0));
    advance(12.0).await;
    let reply = ask(&chain, &query(ASK)).await;
    assert!(holds_in(&reply, 3.9));
    assert!(!holds_in(&reply, 4.1), "the window begins with 10 s left");
    advance(5.0).await;
    assert!(!holds_in(&ask(&chain, &query(ASK)).await, 0.0));
    background().await;
    assert_eq!(below.n_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn replies_that_replace_a_stale_entry_are_not_replayed() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale 1h verify\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    // Without an SOA it is not kept, and the stale entry stays.
    below.replies(|request| {
        let reply = request.reply_with(plugin::proto::op::ResponseCode::NXDomain);
        Reply::from(reply).replay_while(Replay::while_unchanged([]))
    });
    for n_asked in [2, 3] {
        assert!(!holds_in(&ask(&chain, &query(ASK)).await, 0.0));
        assert_eq!(below.n_asked(), n_asked);
    }
}

#[tokio::test(start_paused = true)]
async fn stale_replies_are_not_replayed() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n serve_stale\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(11.0).await;
    below.fails();
    let reply = ask(&chain, &query(ASK)).await;
    assert!(!holds_in(&reply, 0.0));
    assert_eq!(reply.tallies().len(), 3);
}
