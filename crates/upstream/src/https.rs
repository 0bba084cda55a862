//! One exchange over HTTP/2 (RFC 8484).
//!
//! HTTP/2 carries many queries at a time over one connection, so a connection stays in the pool while it is in use,
//! and only one that was closed leaves it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use crate::message::{self, Relation};
use crate::stream::connect_tls;
use crate::{Error, Proto, TlsClient};

/// How an upstream is asked over HTTPS.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    tls: TlsClient,
    method: Method,
}

/// How a query travels: in the body, or in the path, where HTTP caches see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// In the body.
    #[default]
    Post,
    /// In the path.
    Get,
}

impl HttpsClient {
    /// A client; HTTP/2 is agreed on while TLS is set up.
    pub fn new(tls: TlsClient, method: Method) -> Self {
        Self { tls: tls.with_protocol(b"h2"), method }
    }

    /// Connects; the caller bounds the time.
    pub(crate) async fn connect(
        &self,
        source: Option<IpAddr>,
        upstream: SocketAddr,
    ) -> io::Result<Connection> {
        let stream = connect_tls(source, upstream, &self.tls).await?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        // It ends when the last sender is gone.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection { sender, is_dead: Arc::default() })
    }

    /// Sends the query, whose ID should be 0 for the sake of HTTP caches (RFC 8484 §4.1), and waits for its reply.
    pub(crate) async fn exchange(
        &self,
        connection: &mut Connection,
        upstream: SocketAddr,
        query: &[u8],
        read_timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Http { upstream, source };
        let request = self.request(upstream, query).map_err(|error| failed(error.into()))?;
        let asked = async {
            let response =
                connection.sender.send_request(request).await.map_err(|e| failed(e.into()))?;
            if response.status() != StatusCode::OK {
                return Err(Error::HttpStatus { upstream, status: response.status().as_u16() });
            }
            let body = Limited::new(response.into_body(), usize::from(u16::MAX)).collect().await;
            Ok(body.map_err(failed)?.to_bytes().to_vec())
        };
        let Ok(reply) = timeout(read_timeout, asked).await else {
            // Perhaps nothing comes through any more; the next query finds out on another one.
            connection.is_dead.store(true, Ordering::Relaxed);
            let local = SocketAddr::from(([0; 4], 0));
            return Err(Error::Timeout { proto: Proto::TcpTls, local, upstream });
        };
        let reply = reply?;
        match message::relation(query, &reply) {
            Relation::Reply => Ok(reply),
            Relation::Mismatch | Relation::Foreign => Err(Error::Mismatch { upstream }),
        }
    }

    fn request(
        &self,
        upstream: SocketAddr,
        query: &[u8],
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let builder = Request::builder().header(header::ACCEPT, MEDIA_TYPE);
        match self.method {
            Method::Post => builder
                .method(hyper::Method::POST)
                .uri(format!("https://{upstream}/dns-query"))
                .header(header::CONTENT_TYPE, MEDIA_TYPE)
                .body(Full::new(Bytes::copy_from_slice(query))),
            Method::Get => builder
                .uri(format!("https://{upstream}/dns-query?dns={}", base64url(query)))
                .body(Full::default()),
        }
    }
}

/// An open connection; a clone is another way to the same one.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Set for all clones when a query went unanswered.
    is_dead: Arc<AtomicBool>,
}

impl Connection {
    pub(crate) fn is_closed(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed) || self.sender.is_closed()
    }
}

/// RFC 4648 §5, without padding.
pub(crate) fn base64url(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            let sextet = bits >> (18 - 6 * digit) & 0x3f;
            text.push(DIGITS[sextet as usize].into());
        }
    }
    text
}

const MEDIA_TYPE: &str = "application/dns-message";
