use std::time::Duration;

use plugin::Epochs;
use plugin::metrics::Registry;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const NAME: &[u8] = b"\x03web\x04shop\x00";

/// A query, RD set, with or without an OPT record.
fn query(name: &[u8], opt: &[u8]) -> Vec<u8> {
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    query[11] = u8::from(!opt.is_empty());
    query.extend_from_slice(name);
    query.extend_from_slice(b"\x00\x01\x00\x01");
    query.extend_from_slice(opt);
    query
}

/// A reply with so many A records of TTL 30.
fn reply(name: &[u8], n_answers: u8) -> Vec<u8> {
    let mut reply = query(name, b"");
    reply[2..4].copy_from_slice(b"\x85\x00");
    reply[7] = n_answers;
    for last in 1..=n_answers {
        reply.extend_from_slice(name);
        reply.extend_from_slice(b"\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x0a\x00\x00");
        reply.push(last);
    }
    reply
}

fn finished(bytes: Vec<u8>, replay: Replay) -> Finished {
    Finished { replay, ..Finished::from(bytes) }
}

fn ask_at(table: &mut Table, query: &[u8], now: Instant) -> Option<Vec<u8>> {
    let key = table.key(query, CLIENT)?;
    let mut replayed = Vec::new();
    table.replay(&key, [0xAB, 0xCD], now, &mut replayed).then_some(replayed)
}

fn ask(table: &mut Table, query: &[u8]) -> Option<Vec<u8>> {
    ask_at(table, query, Instant::now())
}

fn keep(table: &mut Table, query: &[u8], finished: &Finished) {
    let key = table.key(query, CLIENT).unwrap();
    table.keep(&key, finished, Instant::now());
}

#[test]
fn a_reply_is_replayed_with_the_clients_id_until_its_epoch_ends() {
    let (mut table, epochs) = (Table::new(), Epochs::new(16));
    let query = query(NAME, b"");
    assert_eq!(ask(&mut table, &query), None);
    let replay = Replay::while_unchanged([epochs.read("web")]);
    keep(&mut table, &query, &finished(reply(NAME, 1), replay));
    let later = Instant::now() + Duration::from_secs(100);
    let replayed = ask_at(&mut table, &query, later).unwrap();
    assert_eq!(replayed[..2], [0xAB, 0xCD]);
    // Without an end in time the TTL is the plugin's own: it does not count down.
    assert_eq!(replayed[2..], reply(NAME, 1)[2..]);
    epochs.bump("web");
    assert_eq!(ask(&mut table, &query), None);
    assert_eq!(table.n_octets, 0);
}

#[test]
fn the_ttls_of_what_expires_count_down() {
    let mut table = Table::new();
    let query = query(NAME, b"");
    let made = Instant::now();
    let replay = Replay::while_unchanged([]).until(made + Duration::from_secs(30));
    let key = table.key(&query, CLIENT).unwrap();
    table.keep(&key, &finished(reply(NAME, 1), replay), made);
    let later = made + Duration::from_millis(12_900);
    let replayed = ask_at(&mut table, &query, later).unwrap();
    let ttl_at = replayed.len() - 10;
    assert_eq!(replayed[ttl_at..ttl_at + 4], [0, 0, 0, 18]);
    assert_eq!(ask_at(&mut table, &query, made + Duration::from_secs(30)), None);
}

#[test]
fn what_an_answer_can_depend_on_is_in_the_key() {
    let mut table = Table::new();
    let asked = query(NAME, b"");
    keep(&mut table, &asked, &finished(reply(NAME, 1), Replay::while_unchanged([])));
    assert!(ask(&mut table, &asked).is_some());
    let edit = |at: usize, octet: u8| {
        let mut edited = asked.clone();
        edited[at] = octet;
        edited
    };
    for (name, other) in [
        ("letter case", query(b"\x03Web\x04shop\x00", b"")),
        ("RD", edit(2, 0)),
        ("CD", edit(3, 0x10)),
        ("AD", edit(3, 0x20)),
        ("opcode", edit(2, 0x21)),
        ("TC", edit(2, 0x03)),
        ("type", edit(asked.len() - 3, 28)),
        ("class", edit(asked.len() - 1, 3)),
        ("EDNS", query(NAME, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00")),
        (
            "EDNS option",
            query(NAME, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x00"),
        ),
    ] {
        assert_eq!(ask(&mut table, &other), None, "{name}");
    }
    let v6 = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    let key = table.key(&asked, v6).unwrap();
    assert!(!table.replay(&key, [0, 0], Instant::now(), &mut Vec::new()), "family");
}

#[test]
fn shuffled_addresses_come_in_every_order_and_are_never_lost() {
    let mut table = Table::new();
    let query = query(NAME, b"");
    let whole = finished(reply(NAME, 3), Replay::while_unchanged([]));
    keep(&mut table, &query, &Finished { is_shuffled: true, ..whole });
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let replayed = ask(&mut table, &query).unwrap();
        let record_len = NAME.len() + 14;
        let last_octets: Vec<u8> =
            (0..3).map(|i| replayed[replayed.len() - 1 - i * record_len]).collect();
        let mut sorted = last_octets.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3]);
        orders.insert(last_octets);
    }
    assert_eq!(orders.len(), 6);
}

#[test]
fn what_never_holds_is_not_kept_and_a_new_configuration_forgets_all() {
    let mut table = Table::new();
    let query = query(NAME, b"");
    keep(&mut table, &query, &finished(reply(NAME, 1), Replay::Never));
    assert_eq!(ask(&mut table, &query), None);
    keep(&mut table, &query, &finished(reply(NAME, 1), Replay::while_unchanged([])));
    assert!(ask(&mut table, &query).is_some());
    table.follow(1);
    assert_eq!(ask(&mut table, &query), None);
}

#[test]
fn counts_are_made_again_with_each_replay() {
    let registry = Registry::new();
    let counter = registry.counter("replayed_total", "Counts.");
    let sizes = registry.histogram_vec("replayed_size", "Sizes.", &[], &[100.0]).with(&[]);
    let mut counted = plugin::Reply::default();
    counted.count(&counter);
    counted.observe(&sizes, 42.0);
    let mut table = Table::new();
    let query = query(NAME, b"");
    let whole = finished(reply(NAME, 1), Replay::while_unchanged([]));
    keep(&mut table, &query, &Finished { tallies: counted.tallies().into(), ..whole });
    for _ in 0..9 {
        assert!(ask(&mut table, &query).is_some());
    }
    assert_eq!((counter.get(), sizes.count()), (10, 10));
}

#[test]
fn a_flood_of_random_names_leaves_the_hot_ones_and_memory_is_bounded() {
    let mut table = Table::new();
    let name = |number: u32| {
        let mut name = vec![8];
        name.extend_from_slice(format!("{number:08x}").as_bytes());
        name.extend_from_slice(b"\x04shop\x00");
        name
    };
    let visit = |table: &mut Table, number: u32| {
        let (query, reply) = (query(&name(number), b""), reply(&name(number), 1));
        let is_hit = ask(table, &query).is_some();
        if !is_hit {
            keep(table, &query, &finished(reply, Replay::while_unchanged([])));
        }
        is_hit
    };
    for _ in 0..5 {
        (0..1000).for_each(|hot| {
            visit(&mut table, hot);
        });
    }
    let mut n_hits = 0;
    for round in 0..50 {
        for random in 0..4000 {
            visit(&mut table, 10_000 + round * 4000 + random);
        }
        n_hits += (0..1000).filter(|&hot| visit(&mut table, hot)).count();
    }
    assert!(n_hits > 49_000, "{n_hits} of 50,000 questions for hot names were replayed");
    assert!(table.n_octets <= MAX_OCTETS);
}
