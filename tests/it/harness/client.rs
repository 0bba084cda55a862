//! Queries over UDP and TCP, one at a time or as raw bytes.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use tokio::time::Instant;

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub(crate) const BOTH: [Self; 2] = [Self::Udp, Self::Tcp];
}

/// A reply with its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) message: Message,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    /// Decodes a reply; what does not decode is an error to the test.
    pub(crate) fn new(bytes: Vec<u8>) -> io::Result<Self> {
        match Message::from_vec(&bytes) {
            Ok(message) => Ok(Self { message, bytes }),
            Err(error) => Err(io::Error::other(format!("{error}: {bytes:02x?}"))),
        }
    }

    /// As dig writes it, with the upper bits that the OPT record holds.
    pub(crate) fn rcode(&self) -> String {
        rcode_text(self.message.metadata.response_code.into())
    }

    /// The data of the answer section, sorted.
    pub(crate) fn answers(&self) -> Vec<String> {
        let mut texts: Vec<_> =
            self.message.answers.iter().map(|record| rdata_text(&record.data)).collect();
        texts.sort();
        texts
    }

    /// The extended DNS errors (RFC 8914): number and text.
    pub(crate) fn edes(&self) -> Vec<(u16, String)> {
        let Some(edns) = &self.message.edns else { return Vec::new() };
        let ede = |option: &EdnsOption| match option {
            EdnsOption::Unknown(15, data) if data.len() >= 2 => {
                let text = String::from_utf8_lossy(&data[2..]).into_owned();
                Some((u16::from_be_bytes([data[0], data[1]]), text))
            }
            _ => None,
        };
        edns.options().as_ref().iter().filter_map(|(_, option)| ede(option)).collect()
    }
}

/// A query for `name type`, with RD and a random ID.
pub(crate) fn query(question: &str) -> Message {
    let (name, qtype) = question.split_once(' ').expect("a name and a type");
    let name = Name::from_ascii(name).expect("a name");
    let qtype = record_type(qtype.trim());
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, qtype));
    message
}

/// The same with an OPT record.
pub(crate) fn query_edns(question: &str, udp_payload_size: u16) -> Message {
    let mut message = query(question);
    let mut edns = Edns::new();
    edns.set_max_payload(udp_payload_size);
    message.set_edns(edns);
    message
}

fn record_type(text: &str) -> RecordType {
    match text.strip_prefix("TYPE").map(str::parse) {
        Some(Ok(number)) => RecordType::Unknown(number),
        _ => text.parse().unwrap_or_else(|_| panic!("`{text}` is no type")),
    }
}

/// Asks `name type`.
pub(crate) fn ask(server: SocketAddr, transport: Transport, question: &str) -> io::Result<Reply> {
    exchange(server, transport, &query(question))
}

/// Sends a query and waits for its reply. Over UDP it is sent again once, as a stub resolver would.
pub(crate) fn exchange(
    server: SocketAddr,
    transport: Transport,
    query: &Message,
) -> io::Result<Reply> {
    let bytes = query.to_vec().map_err(io::Error::other)?;
    let reply = match transport {
        Transport::Udp => {
            let client = Udp::to(server)?;
            match client.exchange(&bytes, RESEND) {
                Err(error) if is_timeout(&error) => client.exchange(&bytes, TIMEOUT),
                outcome => outcome,
            }
        }
        Transport::Tcp => Tcp::to(server)?.exchange(&bytes),
    };
    let reply = Reply::new(reply?)?;
    let is_same = reply.message.queries == query.queries
        && reply.message.queries.first().map(|q| q.name().to_ascii())
            == query.queries.first().map(|q| q.name().to_ascii());
    if !is_same {
        return Err(io::Error::other(format!("another question: {:?}", reply.message.queries)));
    }
    Ok(reply)
}

/// A connected UDP socket: the kernel lets nothing through that comes from elsewhere.
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) fn to(server: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = if server.is_ipv4() { [0_u8; 4].into() } else { [0_u16; 8].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        Ok(Self(socket))
    }

    pub(crate) fn send(&self, query: &[u8]) -> io::Result<()> {
        self.0.send(query).map(|_| ())
    }

    /// The next datagram.
    pub(crate) fn receive(&self, limit: Duration) -> io::Result<Vec<u8>> {
        self.0.set_read_timeout(Some(limit))?;
        let mut buffer = vec![0; 65_535];
        loop {
            match self.0.recv(&mut buffer) {
                Ok(len) => {
                    buffer.truncate(len);
                    return Ok(buffer);
                }
                // A machine that was stopped and went on: signal(7).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a query and waits for the reply with its ID.
    pub(crate) fn exchange(&self, query: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
        self.send(query)?;
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let reply = self.receive(left)?;
            if reply.get(..2) == query.get(..2) {
                return Ok(reply);
            }
        }
    }
}

/// A TCP connection with messages in frames.
pub(crate) struct Tcp(pub(crate) TcpStream);

impl Tcp {
    pub(crate) fn to(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self(stream))
    }

    pub(crate) fn send(&mut self, query: &[u8]) -> io::Result<()> {
        self.0.write_all(&framed(query))
    }

    /// The next message.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 2];
        self.0.read_exact(&mut len)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(len))];
        self.0.read_exact(&mut reply)?;
        Ok(reply)
    }

    pub(crate) fn exchange(&mut self, query: &[u8]) -> io::Result<Vec<u8>> {
        self.send(query)?;
        self.receive()
    }

    /// Whether the server has closed its side: nothing more comes, and no message either.
    pub(crate) fn is_closed(&mut self, limit: Duration) -> bool {
        let _ = self.0.set_read_timeout(Some(limit));
        match self.0.read(&mut [0; 1]) {
            Ok(n_read) => n_read == 0,
            Err(error) => !is_timeout(&error),
        }
    }
}

/// RFC 1035 §4.2.2: two octets of length in front.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a message has at most 65,535 octets");
    [&len.to_be_bytes()[..], message].concat()
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// A record as dig prints it, one space between the columns.
pub(crate) fn record_text(record: &Record) -> String {
    let Record { name, ttl, dns_class, data, .. } = record;
    format!("{} {ttl} {dns_class} {} {}", name.to_ascii(), data.record_type(), rdata_text(data))
}

/// Data as dig prints it.
pub(crate) fn rdata_text(data: &RData) -> String {
    match data {
        RData::TXT(txt) => {
            let string = |string: &[u8]| format!("\"{}\"", String::from_utf8_lossy(string));
            txt.txt_data.iter().map(|s| string(s)).collect::<Vec<_>>().join(" ")
        }
        // RFC 6672 §2.1: a name, without compression.
        RData::Unknown { code, rdata } if u16::from(*code) == 39 => {
            let name = Name::read(&mut BinDecoder::new(&rdata.anything));
            name.map_or_else(|error| error.to_string(), |name| name.to_ascii())
        }
        data => data.to_string(),
    }
}

/// The mnemonics of dig.
pub(crate) fn rcode_text(rcode: u16) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    match (rcode, NAMES.get(usize::from(rcode))) {
        (_, Some(name)) => (*name).to_owned(),
        (16, None) => "BADVERS".to_owned(),
        (rcode, None) => format!("RCODE{rcode}"),
    }
}

/// What clients wait for a reply: glibc's and dig's 5 s.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const RESEND: Duration = Duration::from_secs(3);
