use std::sync::Arc;
use std::time::Duration;

use plugin::{Chain, Plugin};
use testkit::{Kit, Table, ask, lines, query};

use super::PLUGIN;

fn chain(kit: &Kit, text: &str, table: &Arc<Table>) -> Chain {
    Chain::new([("cache", kit.plugin(&PLUGIN, text).unwrap()), ("table", table.link())])
}

const WWW: &str = "www.example.org. 300 IN A 192.0.2.1";

#[tokio::test(start_paused = true)]
async fn the_second_query_is_a_hit_with_the_ttl_that_is_left() {
    let kit = Kit::new();
    let table = Arc::new(Table::new(WWW));
    let chain = chain(&kit, "cache 30", &table);
    let reply = ask(&chain, &query("www.example.org. A")).await.unwrap();
    assert_eq!(lines(&reply.message().unwrap().answers), ["www.example.org. 30 IN A 192.0.2.1"]);
    assert!(!reply.message().unwrap().metadata.authoritative);
    tokio::time::advance(Duration::from_millis(10_100)).await;
    let reply = ask(&chain, &query("WWW.example.org. A")).await.unwrap();
    let message = reply.message().unwrap();
    assert_eq!(lines(&message.answers), ["www.example.org. 20 IN A 192.0.2.1"]);
    assert!(message.metadata.authoritative);
    assert_eq!(message.queries[0].name().to_ascii(), "WWW.example.org.");
    assert_eq!(table.asked(), 1);
    tokio::time::advance(Duration::from_secs(20)).await;
    ask(&chain, &query("www.example.org. A")).await.unwrap();
    assert_eq!(table.asked(), 2);
    let _: &dyn Plugin = &*table;
}
