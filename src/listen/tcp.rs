//! DNS over TCP (RFC 7766): queries of one connection are answered at the same time and in any order.
//!
//! ```text
//!  read length, read query ──► answer ──┐
//!  read length, read query ──► answer ──┼──► queue ──► write
//!         (reader)            (at most N)             (writer)
//! ```
//!
//! What a client can hold on to is bounded: connections in all and per address, queries in flight per
//! connection, replies that it does not read, the time for a query to arrive, to be read, and for the
//! connection as a whole.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use plugin::{Origin, Shutdown, Transport};
use smallvec::SmallVec;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Conversing, Pending, WorkerState};
use crate::chain::{Decoded, Listener, decode};
use crate::finish::Finished;

/// Open connections of all workers.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    most_per_client: usize,
    /// Octets of replies that wait for their clients to read.
    n_unwritten: AtomicUsize,
    open: Mutex<HashMap<IpAddr, usize, ahash::RandomState>>,
    n_open: AtomicUsize,
}

/// One open connection, until dropped.
struct Connection {
    connections: Arc<Connections>,
    client: IpAddr,
}

impl Connections {
    /// At most `most` in all, and half of that for one client: a node's cache is one client for many pods.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_client: (most / 2).max(1),
            n_unwritten: AtomicUsize::new(0),
            open: Mutex::default(),
            n_open: AtomicUsize::new(0),
        })
    }

    /// `None` where there are as many as may be.
    fn begin(self: &Arc<Self>, client: IpAddr) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let n_of_client = open.get(&client).copied().unwrap_or(0);
        if self.n_open.load(Ordering::Relaxed) >= self.most || n_of_client >= self.most_per_client {
            return None;
        }
        open.insert(client, n_of_client + 1);
        self.n_open.fetch_add(1, Ordering::Relaxed);
        Some(Connection { connections: Arc::clone(self), client })
    }

    /// How long a connection may be idle: less when there is hardly room for more.
    fn idle_timeout(&self) -> Duration {
        let n_open = self.n_open.load(Ordering::Relaxed);
        if n_open * 4 > self.most * 3 { IDLE_TIMEOUT_WHEN_FULL } else { IDLE_TIMEOUT }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n_of_client) = open.get_mut(&self.client) {
            *n_of_client -= 1;
            if *n_of_client == 0 {
                open.remove(&self.client);
            }
        }
        self.connections.n_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A listening socket that others may share (`SO_REUSEPORT`).
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the shutdown fires. Connections that are open then go on until they are idle.
pub(super) async fn serve(
    listener: TcpListener,
    server: Arc<Listener>,
    state: Rc<WorkerState>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let over = shutdown.fired();
    tokio::pin!(over);
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = &mut over => break,
        };
        match accepted {
            Ok((stream, client)) => welcome(stream, client, &server, &state, &shutdown),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: a loop without a pause would burn the core.
                tracing::warn!("cannot accept TCP connections: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Connections that are established when it is over are answered. Not by way of the runtime's
    // readiness, which may not know of the last ones yet.
    let listener = listener.into_std()?;
    while let Ok((stream, client)) = listener.accept() {
        stream.set_nonblocking(true)?;
        welcome(TcpStream::from_std(stream)?, client, &server, &state, &shutdown);
    }
    Ok(())
}

/// Begins a conversation, unless there are as many as may be: closing at once tells a client to come
/// back or to use UDP.
fn welcome(
    stream: TcpStream,
    client: SocketAddr,
    server: &Arc<Listener>,
    state: &Rc<WorkerState>,
    shutdown: &Shutdown,
) {
    let client = SocketAddr::new(client.ip().to_canonical(), client.port());
    let Some(connection) = state.connections.begin(client.ip()) else { return };
    // Counted before the task runs: a worker that ends waits for it.
    let conversing = Conversing::begin(state);
    let (server, state) = (Arc::clone(server), Rc::clone(state));
    let conversation = converse(stream, client, connection, server, state, shutdown.clone());
    tokio::task::spawn_local(async move {
        conversation.await;
        drop(conversing);
    });
}

/// `accept(2)`: errors of a connection that was gone before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    connection: Connection,
    server: Arc<Listener>,
    state: Rc<WorkerState>,
    shutdown: Shutdown,
) {
    let Ok(local) = stream.local_addr() else { return };
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (sender, queue) = mpsc::unbounded_channel();
    let backlog = Rc::new(Backlog::new(Arc::clone(&connection.connections)));
    let replies = Replies { sender, backlog: Rc::clone(&backlog) };
    let conversation = Conversation { client, local, server, state, replies };
    let reading = conversation.read(reader, &connection.connections, &shutdown);
    let writing = write(writer, queue);
    let talking = async move {
        tokio::pin!(writing);
        tokio::select! {
            biased;
            () = reading => {}
            // The client is gone or does not read.
            () = &mut writing => return,
        }
        // The reader holds no sender any more: the writer ends after the last reply.
        writing.await;
    };
    tokio::select! {
        biased;
        () = backlog.overflown.notified() => {}
        () = talking => {}
    }
}

/// Replies of one connection that the client has not taken yet.
struct Backlog {
    n_octets: Cell<usize>,
    connections: Arc<Connections>,
    /// A reply was written.
    shrunk: Notify,
    /// There is no more memory for a client that does not read.
    overflown: Notify,
}

/// A reply on its way to the writer; part of the backlog until dropped.
struct Unwritten {
    reply: Vec<u8>,
    backlog: Rc<Backlog>,
}

/// Where answers go.
#[derive(Clone)]
struct Replies {
    sender: mpsc::UnboundedSender<Unwritten>,
    backlog: Rc<Backlog>,
}

impl Backlog {
    fn new(connections: Arc<Connections>) -> Self {
        Self {
            n_octets: Cell::new(0),
            connections,
            shrunk: Notify::new(),
            overflown: Notify::new(),
        }
    }

    /// Returns once there is room for another reply.
    async fn has_room(&self) {
        while self.n_octets.get() > MAX_BACKLOG {
            self.shrunk.notified().await;
        }
    }
}

impl Replies {
    /// Sends a reply. Where all replies that wait take too much memory, and this client has its share in
    /// it, its connection ends instead.
    fn send(&self, reply: Vec<u8>) {
        let total = &self.backlog.connections.n_unwritten;
        let n_octets = self.backlog.n_octets.get();
        if n_octets > FAIR_BACKLOG && total.load(Ordering::Relaxed) > MAX_UNWRITTEN {
            self.backlog.overflown.notify_one();
            return;
        }
        total.fetch_add(reply.len(), Ordering::Relaxed);
        self.backlog.n_octets.set(n_octets + reply.len());
        // The queue is closed where the client is gone.
        let _ = self.sender.send(Unwritten { reply, backlog: Rc::clone(&self.backlog) });
    }

    /// Sends a reply and what follows it, as fast as the client takes it.
    async fn send_all(&self, reply: Finished) {
        self.send(reply.bytes);
        for message in reply.more {
            self.backlog.has_room().await;
            self.send(message);
        }
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let n_octets = &self.backlog.n_octets;
        n_octets.set(n_octets.get() - self.reply.len());
        self.backlog.connections.n_unwritten.fetch_sub(self.reply.len(), Ordering::Relaxed);
        // The reader may wait, and a transfer or two.
        self.backlog.shrunk.notify_waiters();
    }
}

struct Conversation {
    client: SocketAddr,
    local: SocketAddr,
    server: Arc<Listener>,
    state: Rc<WorkerState>,
    replies: Replies,
}

impl Conversation {
    /// Reads queries until the client is done or a limit is reached.
    async fn read(self, mut reader: OwnedReadHalf, connections: &Connections, shutdown: &Shutdown) {
        let mut end = Instant::now() + MAX_LIFETIME;
        let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut idle_timeout = FIRST_QUERY_TIMEOUT;
        loop {
            // One permit a query: a client that does not read its replies is not read from either.
            let permit = async {
                self.replies.backlog.has_room().await;
                Arc::clone(&in_flight).acquire_owned().await
            };
            let Ok(Ok(permit)) = timeout_at(end, permit).await else { return };
            if shutdown.has_fired() {
                // What this configuration knows is no longer kept up to date.
                end = end.min(Instant::now() + LAST_QUERIES_TIMEOUT);
            }
            let idle = idle_timeout.min(connections.idle_timeout());
            let Some(len) = read_len(&mut reader, idle, end, shutdown).await else { return };
            let Some(bytes) = read_query(&mut reader, usize::from(len)).await else { return };
            idle_timeout = IDLE_TIMEOUT;
            let query = match decode(&bytes) {
                Decoded::Query(query) => query,
                Decoded::Reply(reply) => {
                    self.replies.send(reply);
                    continue;
                }
                // It is no DNS that is spoken here.
                Decoded::Silence => return,
            };
            let origin = Origin {
                client: self.client,
                local: self.local,
                transport: Transport::Tcp,
                len: bytes.len(),
                arrived: Instant::now(),
            };
            let is_transfer = query.is_transfer();
            let mut answering = Box::pin(Arc::clone(&self.server).answer(query, origin));
            // Most answers need to wait for nothing, so they need no task.
            if let Poll::Ready(reply) = futures::poll!(answering.as_mut()) {
                if let Some(reply) = reply {
                    self.replies.send_all(reply).await;
                }
                continue;
            }
            let Some(pending) = Pending::begin(&self.state, self.client.ip()) else { return };
            if is_transfer {
                // Its messages come in one piece: what was asked after it is answered after it.
                if let Some(reply) = answering.await {
                    self.replies.send_all(reply).await;
                }
                drop(pending);
                continue;
            }
            let replies = self.replies.clone();
            tokio::task::spawn_local(async move {
                if let Some(reply) = answering.await {
                    replies.send_all(reply).await;
                }
                drop((permit, pending));
            });
        }
    }
}

/// Reads the length of the next message; `None` where none comes in time. When it is over, only what is
/// on its way is waited for.
async fn read_len(
    reader: &mut OwnedReadHalf,
    idle: Duration,
    end: Instant,
    shutdown: &Shutdown,
) -> Option<u16> {
    let mut prefix = [0; 2];
    let mut n_read = 0;
    let mut deadline = (Instant::now() + idle).min(end);
    let over = shutdown.fired();
    tokio::pin!(over);
    let mut is_over = false;
    while n_read < prefix.len() {
        tokio::select! {
            biased;
            read = timeout_at(deadline, reader.read(&mut prefix[n_read..])) => match read {
                Ok(Ok(n @ 1..)) => n_read += n,
                _ => return None,
            },
            () = &mut over, if !is_over => {
                is_over = true;
                deadline = deadline.min(Instant::now() + LAST_QUERY_TIMEOUT);
            }
        }
    }
    Some(u16::from_be_bytes(prefix))
}

/// Reads a message of `len` octets; `None` where it does not come in time. Memory is taken as it comes.
async fn read_query(reader: &mut OwnedReadHalf, len: usize) -> Option<Vec<u8>> {
    let mut query = Vec::with_capacity(len.min(512));
    let mut whole = reader.take(len as u64);
    match timeout(READ_TIMEOUT, whole.read_to_end(&mut query)).await {
        Ok(Ok(n_read)) if n_read == len => Some(query),
        _ => None,
    }
}

/// Writes replies in the order in which they are ready, until there can be no more.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Unwritten>) {
    while let Some(first) = queue.recv().await {
        let mut written = SmallVec::<[Unwritten; 8]>::new();
        let mut framed = Vec::with_capacity(first.reply.len() + 2);
        frame(&mut framed, &first.reply);
        written.push(first);
        // What else is ready goes along.
        while framed.len() < 16 * 1024
            && let Ok(next) = queue.try_recv()
        {
            frame(&mut framed, &next.reply);
            written.push(next);
        }
        match timeout(WRITE_TIMEOUT, writer.write_all(&framed)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

fn frame(framed: &mut Vec<u8>, reply: &[u8]) {
    // Replies are at most 65,535 octets: see `finish`.
    let len = u16::try_from(reply.len()).unwrap_or(u16::MAX);
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(&reply[..usize::from(len)]);
}

const BACKLOG: i32 = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Octets of replies that one connection may leave unread before its next query is read.
const MAX_BACKLOG: usize = 64 * 1024;
/// Octets of replies that all connections together may leave unread …
const MAX_UNWRITTEN: usize = 32 * 1024 * 1024;
/// … before those end that leave more than this.
const FAIR_BACKLOG: usize = 16 * 1024;
/// Queries of one connection that are answered at the same time.
const MAX_IN_FLIGHT: usize = 128;
/// From the connection to the first query; CoreDNS's `timeouts read`.
const FIRST_QUERY_TIMEOUT: Duration = Duration::from_secs(3);
/// From the first octet of a query to its last.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// For a query that is on its way when the server ends.
const LAST_QUERY_TIMEOUT: Duration = Duration::from_millis(200);
/// For a connection that goes on asking when the server ends, or no longer listens there.
const LAST_QUERIES_TIMEOUT: Duration = Duration::from_secs(5);
/// From one query to the next; CoreDNS's `timeouts idle`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT_WHEN_FULL: Duration = Duration::from_secs(1);
/// For a client to take a reply; CoreDNS's `timeouts write`.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection ends after this between two queries, whatever it does.
const MAX_LIFETIME: Duration = Duration::from_hours(1);
