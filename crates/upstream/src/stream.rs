//! One exchange over TCP or TLS, with the two octets of length of RFC 1035 §4.2.2.
//!
//! A connection carries one query at a time: a slow answer never stands before a quick one, and an error costs one
//! query. Several are open where several queries are under way.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::message::{self, Relation};
use crate::tls::TlsClient;
use crate::{Error, Proto};

/// An open connection.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects; the caller bounds the time.
    pub(crate) async fn connect(
        source: Option<IpAddr>,
        upstream: SocketAddr,
        tls: Option<&TlsClient>,
    ) -> io::Result<Self> {
        match tls {
            None => Ok(Self::Tcp(connect_tcp(source, upstream).await?)),
            Some(tls) => Ok(Self::Tls(Box::new(connect_tls(source, upstream, tls).await?))),
        }
    }

    /// Sends the query and waits for its reply. The ID must be random already.
    pub(crate) async fn exchange(
        &mut self,
        upstream: SocketAddr,
        query: &[u8],
        read_timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        let (proto, local) = (self.proto(), self.local());
        let asked = async {
            match self {
                Self::Tcp(stream) => ask(stream, query).await,
                Self::Tls(stream) => ask(stream, query).await,
            }
        };
        match timeout(read_timeout, asked).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Ok(None)) => Err(Error::Mismatch { upstream }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Closed),
            Ok(Err(source)) => Err(Error::Broken { proto, local, upstream, source }),
            Err(_) => Err(Error::Timeout { proto, local, upstream }),
        }
    }

    fn proto(&self) -> Proto {
        match self {
            Self::Tcp(_) => Proto::Tcp,
            Self::Tls(_) => Proto::TcpTls,
        }
    }

    fn local(&self) -> SocketAddr {
        let tcp = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        tcp.local_addr().unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into())
    }
}

async fn connect_tcp(source: Option<IpAddr>, upstream: SocketAddr) -> io::Result<TcpStream> {
    let socket = if upstream.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(source) = source {
        socket.bind((source, 0).into())?;
    }
    let tcp = socket.connect(upstream).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

pub(crate) async fn connect_tls(
    source: Option<IpAddr>,
    upstream: SocketAddr,
    tls: &TlsClient,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = connect_tcp(source, upstream).await?;
    TlsConnector::from(tls.config()).connect(tls.server_name(), tcp).await
}

/// `None` where the reply has the right ID and another question.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    query: &[u8],
) -> io::Result<Option<Vec<u8>>> {
    let len = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // One write: a length on its own would travel in a segment of its own.
    let mut framed = Vec::with_capacity(query.len() + 2);
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(query);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    let mut received = framed;
    received.clear();
    loop {
        let message = read_message(stream, &mut received).await?;
        match message::relation(query, &message) {
            Relation::Reply => return Ok(Some(message)),
            Relation::Mismatch => return Ok(None),
            // A reply to a query that was given up; the connection should have gone with it.
            Relation::Foreign => {}
        }
    }
}

/// The next message; what was read beyond it stays in `received`.
async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    loop {
        if let Some(prefix) = received.first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*prefix));
            if received.len() >= end {
                let message = received[2..end].to_vec();
                received.drain(..end);
                return Ok(message);
            }
            received.reserve(end - received.len());
        } else {
            received.reserve(FIRST_READ);
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Most replies come with the first read.
const FIRST_READ: usize = 2048;
