//! Clients that ask without a pause, and keep count.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::time::Instant;

use super::client::{self, Tcp, Transport, Udp, query};

/// Clients at work; each asks a question, waits for its reply, and asks the next.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    n_answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What happened to the queries of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each answered query took.
    pub(crate) latencies: Vec<Duration>,
    /// Answered otherwise than with NOERROR.
    pub(crate) failed: Vec<String>,
    /// No reply within a client's timeout: lost.
    pub(crate) lost: Vec<String>,
    /// Nobody listened any more, and the client was told.
    pub(crate) n_refused: usize,
}

impl Tally {
    /// The latency that one in a hundred exceeds.
    pub(crate) fn p99(&mut self) -> Duration {
        self.latencies.sort();
        let at = (self.latencies.len() * 99 / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }

    /// Fails where a query was lost or refused, or where none was asked.
    pub(crate) fn assert_all_answered(&self) {
        assert!(!self.latencies.is_empty(), "nothing was asked");
        assert!(self.lost.is_empty(), "{} lost, such as {:?}", self.lost.len(), self.lost.first());
        let failed = self.failed.first();
        assert!(failed.is_none(), "{} failed, such as {failed:?}", self.failed.len());
        assert_eq!(self.n_refused, 0, "refused");
    }
}

impl Load {
    /// Starts clients. `question` makes the n-th question of a client.
    pub(crate) fn start(
        server: SocketAddr,
        transport: Transport,
        n_clients: usize,
        question: impl Fn(usize, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let n_answered = Arc::new(AtomicUsize::new(0));
        let question = Arc::new(question);
        let start = |client| {
            let client = Client {
                server,
                transport,
                number: client,
                is_over: Arc::clone(&is_over),
                n_answered: Arc::clone(&n_answered),
            };
            let question = Arc::clone(&question);
            std::thread::spawn(move || client.run(&*question))
        };
        let clients = (0..n_clients).map(start).collect();
        Self { is_over, n_answered, clients }
    }

    /// Waits until this many more queries have been answered.
    pub(crate) fn wait_for_answers(&self, n_more: usize) {
        let goal = self.n_answered() + n_more;
        let is_there = || (self.n_answered() >= goal).then_some(());
        assert!(super::eventually(super::LONG, is_there).is_some(), "the load gets no answers");
    }

    pub(crate) fn n_answered(&self) -> usize {
        self.n_answered.load(Ordering::Relaxed)
    }

    /// Waits for the clients to end by themselves: their server is going away.
    pub(crate) fn join(self) -> Tally {
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.join().expect("clients do not panic");
            all.latencies.extend(tally.latencies);
            all.failed.extend(tally.failed);
            all.lost.extend(tally.lost);
            all.n_refused += tally.n_refused;
        }
        all
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Tally {
        self.is_over.store(true, Ordering::Relaxed);
        self.join()
    }
}

struct Client {
    server: SocketAddr,
    transport: Transport,
    number: usize,
    is_over: Arc<AtomicBool>,
    n_answered: Arc<AtomicUsize>,
}

impl Client {
    fn run(self, question: &dyn Fn(usize, usize) -> String) -> Tally {
        let mut tally = Tally::default();
        let mut connection = None;
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let question = question(self.number, number);
            let query = query(&question);
            let begin = Instant::now();
            match self.exchange(&query, &mut connection) {
                Ok(reply) => {
                    tally.latencies.push(begin.elapsed());
                    let reply = client::Reply::new(reply);
                    match reply.map(|reply| reply.rcode()) {
                        Ok(rcode) if rcode == "NOERROR" => {}
                        other => tally.failed.push(format!("{question}: {other:?}")),
                    }
                    self.n_answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if client::is_timeout(&error) => tally.lost.push(question),
                Err(_) => {
                    // The server is gone.
                    tally.n_refused += 1;
                    break;
                }
            }
        }
        tally
    }

    fn exchange(&self, query: &Message, connection: &mut Option<Tcp>) -> io::Result<Vec<u8>> {
        let bytes = query.to_vec().map_err(io::Error::other)?;
        match self.transport {
            // A socket each: another source port, and so another worker.
            Transport::Udp => Udp::to(self.server)?.exchange(&bytes, client::TIMEOUT),
            Transport::Tcp => {
                if connection.is_none() {
                    *connection = Some(Tcp::to(self.server)?);
                }
                connection.as_mut().expect("it was just made").exchange(&bytes)
            }
        }
    }
}
