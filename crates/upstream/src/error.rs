//! Why an exchange failed.

use std::io;
use std::net::SocketAddr;

use crate::Proto;

/// Why an exchange failed. The messages are those that Go's network library gives, since alerts and log searches
/// know them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection could be made.
    #[error("dial {} {upstream}: connect: {}", network(*proto), reason(source))]
    Dial {
        /// Over what.
        proto: Proto,
        /// To where.
        upstream: SocketAddr,
        /// What happened.
        source: io::Error,
    },
    /// Connecting took too long.
    #[error("dial {} {upstream}: i/o timeout", network(*proto))]
    DialTimeout {
        /// Over what.
        proto: Proto,
        /// To where.
        upstream: SocketAddr,
    },
    /// The connection failed while the query was sent or the reply awaited.
    #[error("read {} {local}->{upstream}: read: {}", network(*proto), reason(source))]
    Broken {
        /// Over what.
        proto: Proto,
        /// From where.
        local: SocketAddr,
        /// To where.
        upstream: SocketAddr,
        /// What happened.
        source: io::Error,
    },
    /// The upstream closed the connection instead of replying.
    #[error("EOF")]
    Closed,
    /// No reply came in time.
    #[error("read {} {local}->{upstream}: i/o timeout", network(*proto))]
    Timeout {
        /// Over what.
        proto: Proto,
        /// From where.
        local: SocketAddr,
        /// To where.
        upstream: SocketAddr,
    },
    /// A reply came with the right ID, but to another question or to none.
    #[error("reply from {upstream} is not to the question asked")]
    Mismatch {
        /// From where.
        upstream: SocketAddr,
    },
    /// HTTP went wrong.
    #[error("https://{upstream}: {source}")]
    Http {
        /// From where.
        upstream: SocketAddr,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An HTTP reply that is not one of DNS.
    #[error("https://{upstream}: HTTP status {status}")]
    HttpStatus {
        /// From where.
        upstream: SocketAddr,
        /// Its status.
        status: u16,
    },
    /// The query is longer than a message can be.
    #[error("query of {0} octets is too long")]
    QueryTooLong(usize),
}

impl Error {
    /// Whether no reply came in time, rather than something having failed at once.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::DialTimeout { .. })
    }

    /// Whether the other side ended the connection: on one that idled, nothing but its age.
    pub(crate) fn is_hang_up(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        match self {
            Self::Closed | Self::Http { .. } => true,
            Self::Broken { source, .. } => matches!(
                source.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
            ),
            _ => false,
        }
    }
}

fn network(proto: Proto) -> &'static str {
    match proto {
        Proto::Udp => "udp",
        Proto::Tcp | Proto::TcpTls => "tcp",
    }
}

/// The words for what happened, without Rust's `(os error 111)`.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".into(),
        _ => error.to_string(),
    }
}
