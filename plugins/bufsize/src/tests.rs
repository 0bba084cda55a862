use std::sync::{Arc, Mutex};

use plugin::Chain;
use plugin::proto::op::{Edns, ResponseCode};
use testkit::{Kit, Table, ask, query};

use super::PLUGIN;

#[tokio::test]
async fn sizes_are_lowered_and_never_raised_nor_invented() {
    let cases = [
        ("bufsize", Some(4096), Some(1232)),
        ("bufsize", Some(1233), Some(1232)),
        ("bufsize", Some(1232), Some(1232)),
        ("bufsize", Some(600), Some(600)),
        ("bufsize", None, None),
        ("bufsize 1100", Some(4096), Some(1100)),
        ("bufsize \"1220\"", Some(4096), Some(1220)),
        ("bufsize 4096", Some(65_535), Some(4096)),
        ("bufsize 512", Some(1232), Some(512)),
        ("bufsize 512", None, None),
    ];
    for (text, asked, expected) in cases {
        let bufsize = Kit::new().plugin(&PLUGIN, text).unwrap();
        let seen = Arc::new(Mutex::new(None));
        let seen_below = Arc::clone(&seen);
        let table = Arc::new(Table::new("").edit(move |request, _| {
            *seen_below.lock().unwrap() = request.edns().map(Edns::max_payload);
        }));
        let chain = Chain::new([("bufsize", bufsize), ("table", table.link())]);
        let mut query = query("www.example.org. A");
        if let Some(size) = asked {
            query = query.edns(size);
        }
        let reply = ask(&chain, &query).await.unwrap();
        let is_lowered = asked != expected;
        assert_eq!(reply.udp_payload_limit(), expected.filter(|_| is_lowered), "{text}: {asked:?}");
        assert_eq!(*seen.lock().unwrap(), expected, "{text}: {asked:?}");
        assert_eq!(table.asked(), 1, "{text}: {asked:?}");
    }
}

#[tokio::test]
async fn failures_tell_the_lowered_size_too() {
    let bufsize = Kit::new().plugin(&PLUGIN, "bufsize").unwrap();
    let table = Arc::new(Table::new("").failing());
    let chain = Chain::new([("bufsize", bufsize), ("table", table.link())]);
    let reply = ask(&chain, &query("www.example.org. A").edns(4096)).await.unwrap();
    assert_eq!((reply.rcode(), reply.udp_payload_limit()), (ResponseCode::ServFail, Some(1232)));
    assert!(ask(&chain, &query("www.example.org. A")).await.is_err());
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("bufsize 511", "`511` is out of range: from 512 to 4096"),
        ("bufsize 4097", "`4097` is out of range: from 512 to 4096"),
        ("bufsize 70000", "`70000` is out of range: from 512 to 4096"),
        ("bufsize abc123", "expected a whole number of octets, not `abc123`"),
        ("bufsize \"512 512\"", "expected a whole number of octets"),
        ("bufsize -1", "expected a whole number of octets"),
        ("bufsize 512 512", "`bufsize` wants at most 1 argument"),
        ("bufsize 512 {\n foo\n}", "`bufsize` takes no block"),
        ("bufsize 512\nbufsize 600", "warning: only the first `bufsize` counts"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}
