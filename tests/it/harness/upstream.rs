//! A resolver to forward to, which fails on demand.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};

use super::client::framed;

/// UDP and TCP on one free port of 127.0.0.1; it ends when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    zone: Zone,
    n_asked: AtomicUsize,
    is_silent: AtomicBool,
    is_over: AtomicBool,
    /// Names whose first label begins with `slow` wait here for [`Upstream::release`].
    held: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Upstream {
    /// Answers from records in zone-file lines, as a recursive resolver would.
    pub(crate) fn start(zone: &str) -> Self {
        // The kernel picks the port for TCP; try again where UDP has it in use.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = tcp.local_addr().expect("a bound socket has an address");
            if let Ok(udp) = UdpSocket::bind(address) {
                break (tcp, udp);
            }
        };
        let address = udp.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            zone: Zone::new(zone),
            n_asked: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            held: Mutex::default(),
        });
        let of_udp = Arc::clone(&state);
        std::thread::spawn(move || of_udp.serve_udp(&Arc::new(udp)));
        let of_tcp = Arc::clone(&state);
        std::thread::spawn(move || of_tcp.serve_tcp(&tcp));
        Self { address, state }
    }

    /// Queries taken so far, health checks included.
    pub(crate) fn n_asked(&self) -> usize {
        self.state.n_asked.load(Ordering::SeqCst)
    }

    /// A black hole from now on, or no longer: queries are taken and nothing is said.
    pub(crate) fn set_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Waits until this many `slow` queries are held back.
    pub(crate) fn wait_for_held(&self, n_held: usize) {
        let enough = || (self.state.held().len() >= n_held).then_some(());
        assert!(super::eventually(super::LONG, enough).is_some(), "{n_held} held queries");
    }

    /// Answers what was held back.
    pub(crate) fn release(&self) {
        let held = std::mem::take(&mut *self.state.held());
        for answer in held {
            answer();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes both threads up.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(&[0], self.address);
        }
    }
}

impl State {
    fn held(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn FnOnce() + Send>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn serve_udp(&self, socket: &Arc<UdpSocket>) {
        let mut buffer = vec![0; 65_535];
        while !self.is_over() {
            let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
            let socket = Arc::clone(socket);
            self.answer(&buffer[..len], true, move |reply| {
                let _ = socket.send_to(reply, client);
            });
        }
    }

    fn serve_tcp(self: &Arc<Self>, listener: &TcpListener) {
        while !self.is_over() {
            let Ok((stream, _)) = listener.accept() else { continue };
            let state = Arc::clone(self);
            std::thread::spawn(move || state.converse(stream));
        }
    }

    fn converse(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let mut len = [0; 2];
        while stream.read_exact(&mut len).is_ok() && !self.is_over() {
            let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
            if stream.read_exact(&mut query).is_err() {
                return;
            }
            let Ok(mut writer) = stream.try_clone() else { return };
            self.answer(&query, false, move |reply| {
                let _ = writer.write_all(&framed(reply));
            });
        }
    }

    fn answer(&self, query: &[u8], is_udp: bool, mut send: impl FnMut(&[u8]) + Send + 'static) {
        let Ok(query) = Message::from_vec(query) else { return };
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        if self.is_silent.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut reply) = self.zone.answer(&query).to_vec() else { return };
        let limit = query.edns.as_ref().map_or(512, |edns| edns.max_payload().max(512));
        if is_udp && reply.len() > usize::from(limit) {
            let mut cut = self.zone.answer(&query);
            cut.answers.clear();
            cut.metadata.truncation = true;
            let Ok(bytes) = cut.to_vec() else { return };
            reply = bytes;
        }
        let is_slow = |name: &Name| name.iter().next().is_some_and(|l| l.starts_with(b"slow"));
        if query.queries.first().is_some_and(|question| is_slow(question.name())) {
            self.held().push(Box::new(move || send(&reply)));
        } else {
            send(&reply);
        }
    }
}

/// Records by owner. `*.zone` answers for what is below, SOA records show which names are ours at all.
#[derive(Default)]
struct Zone {
    records: HashMap<Name, Vec<Record>>,
}

impl Zone {
    fn new(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(';'));
        let mut zone = Self::default();
        for record in lines.map(testkit::record) {
            zone.records.entry(record.name.to_lowercase()).or_default().push(record);
        }
        zone
    }

    fn answer(&self, query: &Message) -> Message {
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.checking_disabled = query.metadata.checking_disabled;
        reply.metadata.recursion_available = true;
        reply.queries.clone_from(&query.queries);
        reply.edns.clone_from(&query.edns);
        let Some(question) = query.queries.first() else { return reply };
        let mut owner = question.name().clone();
        let is_wanted = |record: &Record| {
            question.query_type() == RecordType::ANY
                || record.record_type() == question.query_type()
        };
        // As long a chain of aliases as anybody needs.
        for _ in 0..8 {
            let Some(records) = self.at(&owner) else { break };
            let mut alias = None;
            let mut add = |record: &Record| {
                let mut record = record.clone();
                record.name = owner.clone();
                reply.answers.push(record);
            };
            for record in records {
                if is_wanted(record) {
                    add(record);
                } else if let hickory_proto::rr::RData::CNAME(target) = &record.data {
                    add(record);
                    alias = Some(target.0.clone());
                }
            }
            match alias {
                Some(target) => owner = target,
                None => break,
            }
        }
        let is_done = reply.answers.last().is_some_and(is_wanted);
        if !is_done {
            let soa = self.soa(&owner);
            let exists = !reply.answers.is_empty() || self.at(&owner).is_some();
            reply.metadata.response_code = match (&soa, exists) {
                (_, true) => ResponseCode::NoError,
                (Some(_), false) => ResponseCode::NXDomain,
                (None, false) => ResponseCode::Refused,
            };
            reply.authorities.extend(soa);
        }
        reply
    }

    fn at(&self, owner: &Name) -> Option<&[Record]> {
        let owner = owner.to_lowercase();
        if let Some(records) = self.records.get(&owner) {
            return Some(records);
        }
        let wildcard = owner.base_name().prepend_label("*").ok()?;
        self.records.get(&wildcard).map(Vec::as_slice)
    }

    fn soa(&self, owner: &Name) -> Option<Record> {
        let mut owner = owner.to_lowercase();
        loop {
            let is_soa = |record: &&Record| record.record_type() == RecordType::SOA;
            let records = self.records.get(&owner);
            if let Some(soa) = records.and_then(|records| records.iter().find(is_soa)) {
                return Some(soa.clone());
            }
            if owner.is_root() {
                return None;
            }
            owner = owner.base_name();
        }
    }
}
