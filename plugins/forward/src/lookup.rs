//! Addresses of upstreams that are given by host name, looked up while the configuration is read.
//!
//! Nothing can be answered before this is known, so these look-ups block.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use plugin::proto::op::{Message, MessageType, OpCode, Query};
use plugin::proto::rr::{Name, RData, RecordType};
use upstream::message::{self, Relation};

/// Whether a word can be a host name: a domain name whose last label is not all digits (RFC 3696 §2), or else it is
/// an address with a slip in it.
pub(crate) fn is_host_name(text: &str) -> bool {
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !last.is_empty()
        && text.chars().all(is_plain)
        && !last.chars().all(|c| c.is_ascii_digit())
        && Name::from_ascii(text).is_ok()
}

/// The addresses of a host, IPv4 first: from the first resolver that knows any, or from the system.
pub(crate) fn addresses(host: &str, resolvers: &[SocketAddr]) -> Result<Vec<IpAddr>, String> {
    if resolvers.is_empty() {
        let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
        let mut addresses: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.dedup();
        return if addresses.is_empty() { Err("no addresses".into()) } else { Ok(addresses) };
    }
    let mut last_error = "no addresses".to_owned();
    for resolver in resolvers {
        let mut addresses = Vec::new();
        for qtype in [RecordType::A, RecordType::AAAA] {
            match ask(host, qtype, *resolver) {
                Ok(found) => addresses.extend(found),
                Err(error) => {
                    last_error = format!("{resolver}: {error}");
                    break;
                }
            }
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
    }
    Err(last_error)
}

fn ask(host: &str, qtype: RecordType, resolver: SocketAddr) -> io::Result<Vec<IpAddr>> {
    let mut name = Name::from_ascii(host).map_err(io::Error::other)?;
    name.set_fqdn(true);
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, qtype));
    let query = query.to_vec().map_err(io::Error::other)?;
    let any: SocketAddr =
        if resolver.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(resolver)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.send(&query)?;
    let mut buffer = [0; 4096];
    for _ in 0..MAX_STRAYS {
        let len = socket.recv(&mut buffer)?;
        if message::relation(&query, &buffer[..len]) != Relation::Reply {
            continue;
        }
        let reply = Message::from_vec(&buffer[..len]).map_err(io::Error::other)?;
        let address = |rdata: &RData| match rdata {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        };
        return Ok(reply.answers.iter().filter_map(|record| address(&record.data)).collect());
    }
    Err(io::ErrorKind::TimedOut.into())
}

const TIMEOUT: Duration = Duration::from_secs(2);
/// Datagrams that are not the reply; more than that is an attack.
const MAX_STRAYS: usize = 16;
