//! One exchange over UDP.
//!
//! What keeps forged replies out (RFC 5452): the kernel picks a random source port for each socket, the socket is
//! connected so that only the upstream's address is heard, the ID is random, and a reply has to repeat the question.
//! A socket carries one query at a time and a bounded number in its life, so that ports change; one whose query went
//! unanswered is closed, and with it the door for the late reply.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::message::{self, Relation};
use crate::{Error, Proto};

/// A socket that hears nobody but the upstream.
pub(crate) async fn connect(
    source: Option<IpAddr>,
    upstream: SocketAddr,
) -> Result<UdpSocket, Error> {
    let source = source.unwrap_or_else(|| match upstream {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    });
    let failed = |source| Error::Dial { proto: Proto::Udp, upstream, source };
    let socket = UdpSocket::bind((source, 0)).await.map_err(failed)?;
    socket.connect(upstream).await.map_err(failed)?;
    Ok(socket)
}

/// Sends the query and waits for its reply. The ID must be random already.
pub(crate) async fn exchange(
    socket: &UdpSocket,
    upstream: SocketAddr,
    query: &[u8],
    read_timeout: Duration,
) -> Result<Vec<u8>, Error> {
    let local = || socket.local_addr().unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
    let proto = Proto::Udp;
    let broken = |source| Error::Broken { proto, local: local(), upstream, source };
    let mut deadline = Instant::now() + read_timeout;
    let mut has_mismatch = false;
    socket.send(query).await.map_err(broken)?;
    loop {
        match timeout_at(deadline, socket.ready(Interest::READABLE | Interest::ERROR)).await {
            Ok(ready) if ready.as_ref().is_ok_and(|ready| ready.is_error()) => {
                clear_error(socket).map_err(broken)?;
            }
            Ok(ready) => ready.map(|_| ()).map_err(broken)?,
            Err(_) if has_mismatch => return Err(Error::Mismatch { upstream }),
            Err(_) => return Err(Error::Timeout { proto, local: local(), upstream }),
        }
        let received: io::Result<_> = BUFFER.with_borrow_mut(|buffer| {
            let len = socket.try_recv(buffer)?;
            let message = &buffer[..len];
            let relation = message::relation(query, message);
            Ok((relation, if relation == Relation::Reply { message.to_vec() } else { Vec::new() }))
        });
        match received {
            Ok((Relation::Reply, reply)) => return Ok(reply),
            Ok((Relation::Foreign, _)) => {}
            Ok((Relation::Mismatch, _)) if has_mismatch => {}
            // Most likely a broken upstream. In case it is a forgery, the true reply gets a moment to arrive.
            Ok((Relation::Mismatch, _)) => {
                has_mismatch = true;
                deadline = deadline.min(Instant::now() + MISMATCH_GRACE);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

/// The error that ICMP brought, such as a refused connection: it shows as readiness of its own.
fn clear_error(socket: &UdpSocket) -> io::Result<()> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    let cleared = socket.try_io(Interest::ERROR, || Err(io::ErrorKind::WouldBlock.into()));
    cleared.or(Ok(()))
}

thread_local! {
    /// Room for the longest datagram: an upstream that sends more than was asked for is not cut.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 65_535].into());
}

/// How long the reply may still take once a message with its ID and another question came.
const MISMATCH_GRACE: Duration = Duration::from_millis(100);
/// Exchanges over one socket; then another port has its turn.
pub(crate) const MAX_EXCHANGES: u32 = 64;
