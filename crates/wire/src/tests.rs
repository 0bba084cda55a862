use super::*;

/// `web.shop. A`, RD, ID 0x1267.
const PLAIN: &[u8] =
    b"\x12\x67\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x04Shop\x00\x00\x01\x00\x01";

fn with_opt(options: &[u8]) -> Vec<u8> {
    let mut message = PLAIN.to_vec();
    message[11] = 1;
    message.extend_from_slice(b"\x00\x00\x29\x04\xD0\x00\x00\x80\x00");
    message.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
    message.extend_from_slice(options);
    message
}

#[test]
fn a_plain_query_is_viewed_as_sent() {
    let view = QueryView::parse(PLAIN).unwrap();
    assert_eq!(view.id(), 0x1267);
    assert_eq!(view.flags(), 0x0100);
    assert_eq!(view.qname(), b"\x03web\x04Shop\x00");
    assert_eq!((view.qtype(), view.qclass()), (1, 1));
    assert_eq!(view.opt(), None);
    assert_eq!(LowerName::new(view.qname()).unwrap().as_bytes(), b"\x03web\x04shop\x00");
}

#[test]
fn the_opt_record_is_viewed_with_its_options() {
    for options in [&b""[..], b"\x00\x0A\x00\x08abcdefgh"] {
        let message = with_opt(options);
        let opt = QueryView::parse(&message).unwrap().opt().unwrap();
        let expected = Opt { udp_payload_size: 1232, version: 0, dnssec_ok: true, options };
        assert_eq!(opt, expected);
    }
}

#[test]
fn what_is_not_such_a_query_has_no_view() {
    let mut two_questions = PLAIN.to_vec();
    two_questions[5] = 2;
    let mut trailing = PLAIN.to_vec();
    trailing.push(0);
    let mut pointer = PLAIN.to_vec();
    pointer[16] = 0xC0;
    let mut opt_cut = with_opt(b"");
    opt_cut.pop();
    let mut long = PLAIN[..12].to_vec();
    for _ in 0..5 {
        long.push(63);
        long.extend_from_slice(&[b'a'; 63]);
    }
    long.extend_from_slice(b"\x00\x00\x01\x00\x01");
    for (name, message) in [
        ("empty", &b""[..]),
        ("header cut", &PLAIN[..11]),
        ("question cut", &PLAIN[..PLAIN.len() - 1]),
        ("two questions", &two_questions),
        ("trailing octet", &trailing),
        ("compressed name", &pointer),
        ("OPT cut", &opt_cut),
        ("name too long", &long),
    ] {
        assert!(QueryView::parse(message).is_none(), "{name}");
    }
}

#[test]
fn messages_are_screened_as_coredns_does() {
    let with = |at: usize, octet: u8| {
        let mut message = PLAIN.to_vec();
        message[at] = octet;
        message
    };
    for (name, message, expected) in [
        ("query", PLAIN.to_vec(), Screened::Query),
        ("NOTIFY", with(2, 0x20), Screened::Query),
        ("reply", with(2, 0x80), Screened::Ignore),
        ("short", PLAIN[..11].to_vec(), Screened::Ignore),
        ("empty", Vec::new(), Screened::Ignore),
        ("UPDATE", with(2, 0x28), Screened::NotImp),
        ("STATUS", with(2, 0x10), Screened::NotImp),
        ("no question", with(5, 0), Screened::FormErr),
        ("two questions", with(5, 2), Screened::FormErr),
        ("two answers", with(7, 2), Screened::FormErr),
        ("two authorities", with(9, 2), Screened::FormErr),
        ("three additionals", with(11, 3), Screened::FormErr),
        ("question cut", PLAIN[..20].to_vec(), Screened::FormErr),
    ] {
        assert_eq!(screen(&message), expected, "{name}");
    }
}

#[test]
fn a_rejection_keeps_the_id_and_says_why() {
    let mut update = PLAIN.to_vec();
    update[2] = 0x29;
    let reply = rejection(&update, Screened::NotImp).unwrap();
    assert_eq!(reply, b"\x12\x67\xA9\x04\x00\x00\x00\x00\x00\x00\x00\x00");
    let reply = rejection(PLAIN, Screened::FormErr).unwrap();
    assert_eq!(reply, b"\x12\x67\x81\x01\x00\x00\x00\x00\x00\x00\x00\x00");
    assert_eq!(rejection(PLAIN, Screened::Ignore), None);
    let reply = malformed_after_question(PLAIN).unwrap();
    assert_eq!(&reply[12..], &PLAIN[12..]);
}

#[test]
fn names_are_skipped_pointers_included() {
    for (name, bytes, expected) in [
        ("root", &b"\x00"[..], Some(1)),
        ("labels", b"\x01a\x01b\x00rest", Some(5)),
        ("pointer", b"\xC0\x0C", Some(2)),
        ("label, pointer", b"\x01a\xC0\x0Crest", Some(4)),
        ("cut", b"\x03ab", None),
        ("pointer cut", b"\xC0", None),
        ("extended label type", b"\x41a\x00", None),
    ] {
        assert_eq!(skip_name(bytes, 0), expected, "{name}");
    }
}
