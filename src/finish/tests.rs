use hickory_proto::rr::rdata::{A, opt::EdnsOption as Opt};
use hickory_proto::rr::{Name, RData, RecordType};

use super::*;

fn reply(n_answers: usize) -> Message {
    let mut reply = Message::response(7, hickory_proto::op::OpCode::Query);
    let name = Name::from_ascii("web.shop.svc.cluster.local.").unwrap();
    reply.add_query(Query::query(name.clone(), RecordType::A));
    for idx in 0..n_answers {
        let ip = std::net::Ipv4Addr::from(0x0A00_0000 + u32::try_from(idx).unwrap());
        reply.add_answer(Record::from_rdata(name.clone(), 5, RData::A(A(ip))));
    }
    reply
}

fn client(udp_payload_size: Option<u16>, transport: Transport) -> Client {
    let edns = udp_payload_size.map(|size| {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        edns
    });
    Client {
        edns,
        advertised_size: udp_payload_size.unwrap_or(0),
        address: ([192, 0, 2, 1], 4000).into(),
        transport,
    }
}

#[test]
fn a_reply_fits_what_the_client_takes_and_says_what_was_left_out() {
    struct Case {
        name: &'static str,
        n_answers: usize,
        size: Option<u16>,
        transport: Transport,
        most: usize,
        n_kept: usize,
        is_truncated: bool,
    }
    let udp = Transport::Udp;
    for case in [
        Case {
            name: "small",
            n_answers: 1,
            size: None,
            transport: udp,
            most: 88,
            n_kept: 1,
            is_truncated: false,
        },
        Case {
            name: "compressed to fit 512",
            n_answers: 20,
            size: None,
            transport: udp,
            most: 512,
            n_kept: 20,
            is_truncated: false,
        },
        Case {
            name: "cut at 512",
            n_answers: 60,
            size: None,
            transport: udp,
            most: 512,
            n_kept: 29,
            is_truncated: true,
        },
        Case {
            name: "less than 512 is 512",
            n_answers: 60,
            size: Some(100),
            transport: udp,
            most: 512,
            n_kept: 28,
            is_truncated: true,
        },
        Case {
            name: "1232 with EDNS",
            n_answers: 60,
            size: Some(1232),
            transport: udp,
            most: 1232,
            n_kept: 60,
            is_truncated: false,
        },
        Case {
            name: "TCP has room",
            n_answers: 1000,
            size: None,
            transport: Transport::Tcp,
            most: 65_535,
            n_kept: 1000,
            is_truncated: false,
        },
        Case {
            name: "TCP has an end",
            n_answers: 5000,
            size: Some(512),
            transport: Transport::Tcp,
            most: 65_535,
            n_kept: 4092,
            is_truncated: true,
        },
    ] {
        let client = client(case.size, case.transport);
        let bytes = finish(reply(case.n_answers), &[], &client).unwrap();
        assert!(bytes.len() <= case.most, "{}: {} octets", case.name, bytes.len());
        let decoded = Message::from_vec(&bytes).unwrap();
        assert_eq!(decoded.answers.len(), case.n_kept, "{}", case.name);
        assert_eq!(decoded.metadata.truncation, case.is_truncated, "{}", case.name);
        assert_eq!(decoded.edns.is_some(), case.size.is_some(), "{}", case.name);
    }
}

#[test]
fn opt_echoes_the_size_and_the_options_that_are_hop_by_hop() {
    let mut client = client(Some(1400), Transport::Udp);
    let edns = client.edns.as_mut().unwrap();
    edns.set_dnssec_ok(true);
    edns.options_mut().insert(Opt::Unknown(10, b"12345678".to_vec()));
    edns.options_mut().insert(Opt::Unknown(65_001, b"private".to_vec()));
    let decoded = Message::from_vec(&finish(reply(1), &[], &client).unwrap()).unwrap();
    let opt = decoded.edns.unwrap();
    assert_eq!(opt.max_payload(), 1400);
    assert!(opt.flags().dnssec_ok);
    assert!(opt.option(EdnsCode::Cookie).is_some());
    assert!(opt.option(EdnsCode::Unknown(65_001)).is_none());
}

#[test]
fn extended_errors_reach_edns_clients_only() {
    let ede = [Ede::new(Ede::NOT_READY, "not synced")];
    for (size, expected) in [(Some(1232), true), (None, false)] {
        let bytes = finish(reply(0), &ede, &client(size, Transport::Udp)).unwrap();
        let decoded = Message::from_vec(&bytes).unwrap();
        let option = decoded.edns.and_then(|edns| edns.option(EdnsCode::Unknown(15)).cloned());
        assert_eq!(option.is_some(), expected);
        if let Some(Opt::Unknown(_, data)) = option {
            assert_eq!(data, b"\x00\x0enot synced");
        }
    }
}
