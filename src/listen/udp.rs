//! DNS over UDP: batches in, batches out.
//!
//! What can be answered at once is answered within the batch; what has to wait becomes a task, and its
//! reply goes out alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use plugin::{Origin, Shutdown, Transport};
use tokio::io::Interest;
use tokio::time::Instant;
use udp::{Datagram, Inbox, Outbox};

use super::{Pending, WorkerState};
use crate::chain::{Decoded, Listener, decode};
use crate::finish::Finished;
use crate::replay::Table;

pub(super) use udp::bind;

/// Serves until the shutdown fires, and answers what has arrived by then.
pub(super) async fn serve(
    socket: UdpSocket,
    listener: Arc<Listener>,
    state: Rc<WorkerState>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let socket = Rc::new(tokio::net::UdpSocket::from_std(socket)?);
    let bound = socket.local_addr()?;
    let mut inbox = Inbox::new(BATCH, MAX_QUERY_LEN);
    let mut outbox = Outbox::new();
    let mut table = Table::new();
    let mut replayed = Vec::with_capacity(512);
    let over = shutdown.fired();
    tokio::pin!(over);
    let mut is_ending = false;
    let mut n_in_a_row = 0;
    loop {
        if !is_ending {
            tokio::select! {
                biased;
                () = &mut over => {
                    is_ending = true;
                    take_no_more(&socket, bound).await;
                }
                ready = socket.readable() => ready?,
            }
        }
        let received = if is_ending {
            // Not by way of the runtime's readiness, which may not know of the last ones yet.
            inbox.receive(socket.as_fd())
        } else {
            socket.try_io(Interest::READABLE, || inbox.receive(socket.as_fd()))
        };
        // An error: nothing there, or an ICMP error of an earlier reply that surfaces here.
        let n_received = match received {
            Ok(n_received) => n_received,
            Err(error) if is_ending && error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        let arrived = Instant::now();
        table.follow(listener.generation());
        for idx in 0..n_received {
            let Some(datagram) = inbox.datagram(idx) else { continue };
            let Some(id) = datagram.bytes.first_chunk() else { continue };
            let key = table.key(datagram.bytes, datagram.from.ip().to_canonical());
            if key.as_ref().is_some_and(|key| table.replay(key, *id, arrived, &mut replayed)) {
                outbox.push(&replayed, datagram.from, datagram.to);
                continue;
            }
            let Some(reply) = answer(&datagram, bound, arrived, &listener, &state, &socket) else {
                continue;
            };
            outbox.push(&reply.bytes, datagram.from, datagram.to);
            if let Some(key) = key {
                table.keep(&key, &reply, arrived);
            }
        }
        if !outbox.is_empty() {
            outbox.flush(socket.as_fd());
        }
        n_in_a_row += n_received;
        if n_in_a_row >= BATCH {
            // The socket may never run dry: let timers and the tasks of other queries have their turn.
            n_in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Connects the socket to a port where nobody sends from: what clients send from now on goes to another
/// socket of this address, or is refused, instead of being lost in the buffer of a socket that closes.
async fn take_no_more(socket: &tokio::net::UdpSocket, bound: SocketAddr) {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let _ = socket.connect((ip, PORT_DISCARD)).await;
}

/// The reply, where it is known at once; otherwise a task will send it.
fn answer(
    datagram: &Datagram<'_>,
    bound: SocketAddr,
    arrived: Instant,
    listener: &Arc<Listener>,
    state: &Rc<WorkerState>,
    socket: &Rc<tokio::net::UdpSocket>,
) -> Option<Finished> {
    if datagram.is_truncated || datagram.from.port() == 0 {
        // Nothing that long is a query, and nobody listens on port 0.
        return None;
    }
    let query = match decode(datagram.bytes) {
        Decoded::Query(query) => query,
        Decoded::Reply(reply) => return Some(reply.into()),
        Decoded::Silence => return None,
    };
    let origin = Origin {
        client: SocketAddr::new(datagram.from.ip().to_canonical(), datagram.from.port()),
        local: super::local(bound, datagram.to),
        transport: Transport::Udp,
        len: datagram.bytes.len(),
        arrived,
    };
    let mut answering = Box::pin(Arc::clone(listener).answer(query, origin));
    // Most answers need to wait for nothing, so they need no task.
    match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => reply,
        Poll::Pending => {
            let pending = Pending::begin(state, origin.client.ip())?;
            let later =
                send_later(answering, datagram.from, datagram.to, Rc::clone(socket), pending);
            tokio::task::spawn_local(later);
            None
        }
    }
}

async fn send_later(
    answering: Pin<Box<impl Future<Output = Option<Finished>>>>,
    to: SocketAddr,
    from: Option<IpAddr>,
    socket: Rc<tokio::net::UdpSocket>,
    _pending: Pending,
) {
    if let Some(reply) = answering.await {
        let mut outbox = Outbox::new();
        outbox.push(&reply.bytes, to, from);
        outbox.flush(socket.as_fd());
    }
}

/// RFC 863.
const PORT_DISCARD: u16 = 9;
/// Datagrams received with one call.
const BATCH: usize = 32;
/// The longest query taken. CoreDNS cuts at 512; EDNS options such as padding can be longer.
const MAX_QUERY_LEN: usize = 4096;
