//! A real server on a real socket that answers what a closure says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugin::proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

type Answer = dyn Fn(Message) -> Option<Message> + Send + Sync;

/// UDP and TCP on one free port of 127.0.0.1; it ends when dropped.
pub struct StubUpstream {
    /// Where it listens.
    pub address: SocketAddr,
    asked_udp: Arc<AtomicUsize>,
    asked_tcp: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl StubUpstream {
    /// Answers each query with what `answer` returns: nothing at all for `None`.
    ///
    /// # Panics
    /// Where no port can be had.
    pub async fn start(
        answer: impl Fn(Message) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        let answer: Arc<Answer> = Arc::new(answer);
        // The kernel picks the port for TCP; try again where UDP has it in use.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = tcp.local_addr().expect("a bound socket has an address");
            if let Ok(udp) = UdpSocket::bind(address).await {
                break (tcp, udp);
            }
        };
        let address = udp.local_addr().expect("a bound socket has an address");
        let (asked_udp, asked_tcp) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = vec![
            tokio::spawn(serve_udp(udp, Arc::clone(&answer), Arc::clone(&asked_udp))),
            tokio::spawn(serve_tcp(tcp, answer, Arc::clone(&asked_tcp))),
        ];
        Self { address, asked_udp, asked_tcp, tasks }
    }

    /// Answers every query with these records in the answer section, owner names as asked.
    pub async fn answering(records: &str) -> Self {
        let records = crate::records(records);
        Self::start(move |query| {
            let mut reply = reply_to(&query);
            reply.answers.clone_from(&records);
            for record in &mut reply.answers {
                record.name = query.queries[0].name().clone();
            }
            Some(reply)
        })
        .await
    }

    /// Takes every query and says nothing.
    pub async fn black_hole() -> Self {
        Self::start(|_| None).await
    }

    /// Queries that came over UDP.
    pub fn asked_udp(&self) -> usize {
        self.asked_udp.load(Ordering::SeqCst)
    }

    /// Queries that came over TCP.
    pub fn asked_tcp(&self) -> usize {
        self.asked_tcp.load(Ordering::SeqCst)
    }
}

impl StubUpstream {
    /// An empty NOERROR reply to a query, RA set: for closures to fill.
    pub fn reply_to(query: &Message) -> Message {
        reply_to(query)
    }
}

fn reply_to(query: &Message) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.queries.clone_from(&query.queries);
    reply
}

impl Drop for StubUpstream {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn serve_udp(socket: UdpSocket, answer: Arc<Answer>, asked: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 65_535];
    loop {
        let Ok((len, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(query) = Message::from_vec(&buffer[..len]) else { continue };
        asked.fetch_add(1, Ordering::SeqCst);
        if let Some(reply) = answer(query).and_then(|reply| reply.to_vec().ok()) {
            let _ = socket.send_to(&reply, client).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, answer: Arc<Answer>, asked: Arc<AtomicUsize>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok(len) = stream.read_u16().await {
                let mut query = vec![0; usize::from(len)];
                if stream.read_exact(&mut query).await.is_err() {
                    return;
                }
                let Ok(query) = Message::from_vec(&query) else { return };
                asked.fetch_add(1, Ordering::SeqCst);
                if let Some(reply) = answer(query).and_then(|reply| reply.to_vec().ok()) {
                    let len = u16::try_from(reply.len()).unwrap_or(u16::MAX);
                    let _ = stream.write_u16(len).await;
                    let _ = stream.write_all(&reply).await;
                }
            }
        });
    }
}
