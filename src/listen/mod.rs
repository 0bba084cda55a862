//! Workers: one thread per core, each with its own runtime and its own sockets.
//!
//! The kernel spreads clients over the sockets of one address (`SO_REUSEPORT`). A query is answered by
//! the worker that received it, from beginning to end:
//!
//! ```text
//!  lifecycle ── Command::Open(socket) ──► worker 0: udp, tcp tasks
//!           └── Command::Open(socket) ──► worker 1: udp, tcp tasks
//! ```

mod tcp;
mod udp;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use plugin::{Shutdown, ShutdownTrigger};
use tokio::sync::mpsc;

use crate::chain::Listener;

pub(crate) use tcp::Connections;

/// The sockets of one worker for one address.
#[derive(Debug)]
pub(crate) struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    /// Opens both on `address`.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { udp: udp::bind(address)?, tcp: tcp::bind(address)? })
    }

    /// Where they listen: the port is known here where it was 0.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }
}

/// A thread that serves.
pub(crate) struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

enum Command {
    /// Serves on sockets until the shutdown fires.
    Open(Sockets, Arc<Listener>, Shutdown),
    /// Answers what is being answered, for so long at the most, and ends.
    Finish(Duration),
}

/// What the tasks of one worker share.
pub(crate) struct WorkerState {
    /// Queries that wait for something: an upstream, mostly.
    n_pending: Cell<usize>,
    n_pending_by_client: RefCell<HashMap<IpAddr, usize, ahash::RandomState>>,
    /// TCP connections of this worker.
    n_conversations: Cell<usize>,
    /// Open TCP connections, of all workers.
    connections: Arc<Connections>,
}

impl WorkerState {
    /// Whether a client still waits for something.
    fn is_busy(&self) -> bool {
        self.n_pending.get() > 0 || self.n_conversations.get() > 0
    }
}

impl Worker {
    /// Starts a worker.
    pub(crate) fn start(idx: usize, connections: Arc<Connections>) -> io::Result<Self> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread =
            std::thread::Builder::new().name(format!("worker-{idx}")).spawn(move || {
                let tasks = tokio::task::LocalSet::new();
                tasks.block_on(&runtime, run(receiver, connections));
            })?;
        Ok(Self { commands, thread })
    }

    /// Serves on the sockets until the trigger fires or is dropped.
    pub(crate) fn open(&self, sockets: Sockets, listener: Arc<Listener>) -> ShutdownTrigger {
        let (trigger, shutdown) = Shutdown::pair();
        // A worker ends only when told to, so it is there to receive this.
        let _ = self.commands.send(Command::Open(sockets, listener, shutdown));
        trigger
    }

    /// Tells the worker to end when its queries are answered, or after `grace`.
    pub(crate) fn finish(&self, grace: Duration) {
        let _ = self.commands.send(Command::Finish(grace));
    }

    /// Waits for the end.
    pub(crate) fn join(self) {
        let _ = self.thread.join();
    }
}

async fn run(mut commands: mpsc::UnboundedReceiver<Command>, connections: Arc<Connections>) {
    let state = Rc::new(WorkerState {
        n_pending: Cell::new(0),
        n_pending_by_client: RefCell::default(),
        n_conversations: Cell::new(0),
        connections,
    });
    let mut serving: Vec<tokio::task::JoinHandle<()>> = Vec::new();
    while let Some(command) = commands.recv().await {
        serving.retain(|task| !task.is_finished());
        match command {
            Command::Open(sockets, listener, shutdown) => {
                let Sockets { udp, tcp } = sockets;
                let served =
                    udp::serve(udp, Arc::clone(&listener), Rc::clone(&state), shutdown.clone());
                serving.push(tokio::task::spawn_local(report("UDP", served)));
                let served = tcp::serve(tcp, listener, Rc::clone(&state), shutdown);
                serving.push(tokio::task::spawn_local(report("TCP", served)));
            }
            Command::Finish(grace) => {
                let end = tokio::time::Instant::now() + grace;
                for task in serving {
                    let _ = tokio::time::timeout_at(end, task).await;
                }
                while state.is_busy() && tokio::time::Instant::now() < end {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return;
            }
        }
    }
}

async fn report(transport: &str, served: impl Future<Output = io::Result<()>>) {
    if let Err(error) = served.await {
        tracing::error!("cannot serve {transport}: {error}");
    }
}

/// Counts a TCP connection of this worker, until dropped.
struct Conversing(Rc<WorkerState>);

impl Conversing {
    fn begin(state: &Rc<WorkerState>) -> Self {
        state.n_conversations.set(state.n_conversations.get() + 1);
        Self(Rc::clone(state))
    }
}

impl Drop for Conversing {
    fn drop(&mut self) {
        self.0.n_conversations.set(self.0.n_conversations.get() - 1);
    }
}

/// Counts a query that waits, until dropped.
struct Pending {
    state: Rc<WorkerState>,
    client: IpAddr,
}

impl Pending {
    /// `None` where as many wait as may: in all, or half as many of one client.
    fn begin(state: &Rc<WorkerState>, client: IpAddr) -> Option<Self> {
        let n_pending = state.n_pending.get();
        let mut by_client = state.n_pending_by_client.borrow_mut();
        let n_of_client = by_client.get(&client).copied().unwrap_or(0);
        (n_pending < MAX_PENDING && n_of_client < MAX_PENDING / 2).then(|| {
            state.n_pending.set(n_pending + 1);
            by_client.insert(client, n_of_client + 1);
            Self { state: Rc::clone(state), client }
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.state.n_pending.set(self.state.n_pending.get() - 1);
        let mut by_client = self.state.n_pending_by_client.borrow_mut();
        if let Some(n_of_client) = by_client.get_mut(&self.client) {
            *n_of_client -= 1;
            if *n_of_client == 0 {
                by_client.remove(&self.client);
            }
        }
    }
}

/// An address that a reply leaves from, as the plugins see it.
fn local(bound: SocketAddr, to: Option<IpAddr>) -> SocketAddr {
    to.map_or(bound, |ip| SocketAddr::new(ip.to_canonical(), bound.port()))
}

/// Queries that wait, per worker. Beyond it new ones are dropped, which a client takes for loss and
/// asks again: better than memory without end, at some 10 KiB each.
const MAX_PENDING: usize = 4096;
