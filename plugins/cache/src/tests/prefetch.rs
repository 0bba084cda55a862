use plugin::Transport;
use plugin::proto::op::ResponseCode;
use testkit::{Kit, query, records};

use super::{Below, advance, ask, background, chain, count, ttl_secs};

const ASK: &str = "www.example.org. A";

#[tokio::test(start_paused = true)]
async fn a_popular_entry_is_refreshed_before_it_expires() {
    let kit = Kit::new();
    let below = Below::address(100);
    let chain = chain(&kit, "cache {\n prefetch 2 1m 10%\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(50.0).await;
    ask(&chain, &query(ASK)).await;
    advance(39.9).await;
    ask(&chain, &query(ASK)).await;
    background().await;
    assert_eq!(below.n_asked(), 1, "popular, but more than 10 s are left");
    advance(0.2).await;
    let reply = ask(&chain, &query(ASK).edns(1232)).await;
    assert_eq!(ttl_secs(&reply), 10, "the client does not wait");
    background().await;
    assert_eq!(below.n_asked(), 2);
    assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 100);
    assert_eq!(count(&kit, "coredns_cache_prefetch_total", &[]), 1);
    assert_eq!(count(&kit, "coredns_cache_misses_total", &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_makes_an_entry_unpopular() {
    let below = Below::address(100);
    let chain = chain(&Kit::new(), "cache {\n prefetch 5 20s 10%\n}", &below);
    ask(&chain, &query(ASK)).await;
    for _ in 0..4 {
        ask(&chain, &query(ASK)).await;
    }
    advance(95.0).await;
    below.denies(ResponseCode::NXDomain, 60);
    for n_asked in [1, 1, 1, 1, 2] {
        ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(below.n_asked(), n_asked);
    }
    assert_eq!(ask(&chain, &query(ASK)).await.rcode(), ResponseCode::NXDomain);
}

#[tokio::test(start_paused = true)]
async fn popularity_is_inherited() {
    let below = Below::address(20);
    let chain = chain(&Kit::new(), "cache {\n prefetch 5 1m 50%\n}", &below);
    for _ in 0..4 {
        ask(&chain, &query(ASK)).await;
    }
    for n_asked in [2, 3, 4] {
        advance(15.0).await;
        ask(&chain, &query(ASK)).await;
        ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(below.n_asked(), n_asked);
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_a_share_of_the_ttl_rounded_up() {
    // Of 15 s, 10 % are 1.5 s: the window begins with 2 s left.
    for (age, is_refreshed) in [(12.9, false), (13.0, true)] {
        let below = Below::address(15);
        let chain = chain(&Kit::new(), "cache {\n prefetch 1\n}", &below);
        ask(&chain, &query(ASK)).await;
        advance(age).await;
        ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(below.n_asked() == 2, is_refreshed, "{age}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_asks_over_tcp_with_the_bits_of_the_client_and_ad() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n prefetch 1 1m 90%\n}", &below);
    let query = query(ASK).dnssec_ok().edit(|message| {
        message.metadata.checking_disabled = true;
    });
    ask(&chain, &query).await;
    assert_eq!(below.last_asked().origin().transport, Transport::Udp);
    advance(2.0).await;
    ask(&chain, &query).await;
    background().await;
    assert_eq!(below.n_asked(), 2);
    let asked = below.last_asked();
    assert_eq!(asked.origin().transport, Transport::Tcp);
    assert!(asked.client().ip().is_unspecified());
    assert!(asked.dnssec_ok());
    assert!(asked.message().metadata.checking_disabled);
    assert!(asked.message().metadata.authentic_data);
}

#[tokio::test(start_paused = true)]
async fn one_refresh_of_an_entry_is_under_way() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n prefetch 1 1m 90%\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(2.0).await;
    below.delays(std::time::Duration::from_secs(3));
    for _ in 0..5 {
        ask(&chain, &query(ASK)).await;
        background().await;
    }
    assert_eq!(below.n_asked(), 2);
    advance(3.0).await;
    background().await;
    assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 10);
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_leaves_the_entry_and_is_tried_again() {
    let below = Below::address(10);
    let chain = chain(&Kit::new(), "cache {\n prefetch 1 1m 90%\n}", &below);
    ask(&chain, &query(ASK)).await;
    advance(2.0).await;
    below.fails();
    for n_asked in [2, 3] {
        assert_eq!(ttl_secs(&ask(&chain, &query(ASK)).await), 8);
        background().await;
        assert_eq!(below.n_asked(), n_asked);
    }
}

#[tokio::test(start_paused = true)]
async fn without_prefetch_nothing_is_asked_before_expiry() {
    for text in ["cache", "cache {\n prefetch 0\n}"] {
        let below = Below::address(10);
        below.answers(|request| {
            let mut reply = request.reply();
            reply.answers = records("www.example.org. 10 IN A 192.0.2.1");
            reply
        });
        let chain = chain(&Kit::new(), text, &below);
        for _ in 0..20 {
            ask(&chain, &query(ASK)).await;
        }
        advance(9.0).await;
        ask(&chain, &query(ASK)).await;
        background().await;
        assert_eq!(below.n_asked(), 1, "{text}");
    }
}
