//! The GET of our own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use plugin::http::HttpListener;
use plugin::metrics::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::metrics::CheckMetrics;

/// Asks our own `/health` every second.
pub(crate) struct Check {
    listener: Arc<HttpListener>,
    metrics: CheckMetrics,
}

impl Check {
    pub(crate) fn new(listener: Arc<HttpListener>, registry: &Registry) -> Self {
        Self { listener, metrics: CheckMetrics::declare(registry) }
    }

    /// Never returns.
    pub(crate) async fn run(&self) {
        let mut tick = interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Some(address) = self.listener.local_addr() {
                self.once(reachable(address)).await;
            }
        }
    }

    /// One request. Any answer will do: a failing probe is no failure of the endpoint.
    pub(crate) async fn once(&self, address: SocketAddr) {
        let began = Instant::now();
        let answered = timeout(TIMEOUT, get(address)).await;
        let took = began.elapsed();
        self.metrics.duration.observe(took.as_secs_f64());
        let error = match answered {
            Ok(Ok(())) if took <= SLOW => return,
            Ok(Ok(())) => {
                tracing::warn!(
                    target: "plugin/health",
                    "Local health request to \"http://{address}/health\" took more than 1s: {took:?}"
                );
                return;
            }
            Ok(Err(error)) => error,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "no answer within 3s"),
        };
        self.metrics.failures.inc();
        tracing::warn!(
            target: "plugin/health",
            "Local health request to \"http://{address}/health\" failed: {error}"
        );
    }
}

async fn get(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut begin = [0; b"HTTP/1.1 ".len()];
    stream.read_exact(&mut begin).await?;
    if begin.starts_with(b"HTTP/1.") {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
    }
}

/// Where a socket bound to `address` can be reached from here. An unspecified address is all of them, those of IPv4
/// included; where IPv6 is switched off `::1` is missing, and the socket is there all the same.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

const EVERY: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// A request within one process takes a millisecond; this is worth a line.
const SLOW: Duration = Duration::from_secs(1);
