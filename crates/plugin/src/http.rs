//! The small HTTP endpoints of health, ready and prometheus.
//!
//! A listener outlives a reload: both configurations accept from the same socket while one takes over
//! from the other, so a probe is never refused.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{Argument, Diagnostic, Shutdown};

/// A listening socket for HTTP, opened when the configuration that named it starts.
#[derive(Debug)]
pub struct HttpListener {
    address: String,
    socket: Mutex<Option<TcpListener>>,
}

/// What a handler is asked.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// What stands after `?`.
    pub query: Option<&'a str>,
}

/// What a handler answers.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Checks `host:port` or `:port` as written in a Corefile; `example` stands in the remedy.
pub fn check_address(written: &Argument, example: &str) -> Result<String, Diagnostic> {
    let wrong = || {
        let help = format!("write `host:port` or `:port`, such as `{example}`");
        written.expected("an address with a port").help(help)
    };
    let (host, port) = written.rsplit_once(':').ok_or_else(wrong)?;
    let host_is_plausible = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.split('%').next().is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()),
        None => !host.contains([':', '[', ']', '/']),
    };
    let port: u16 = if port.is_empty() { 0 } else { port.parse().map_err(|_| wrong())? };
    if host_is_plausible { Ok(format!("{host}:{port}")) } else { Err(wrong()) }
}

impl HttpResponse {
    /// A plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::text(404, "404 page not found\n")
    }
}

impl HttpListener {
    /// A listener for `host:port` or `:port` (all addresses); nothing is opened yet.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), socket: Mutex::default() }
    }

    /// The address as written.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens, once it is open.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Opens the socket, unless it is open.
    pub fn open(&self) -> io::Result<()> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.is_none() {
            *socket = Some(listen(&self.address).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {}: {error}", self.address))
            })?);
        }
        Ok(())
    }

    /// Serves until shutdown. Several may serve one listener at a time; each connection gets one of them.
    pub async fn serve(
        &self,
        handler: impl Fn(HttpRequest<'_>) -> HttpResponse + Send + Sync + 'static,
        shutdown: &Shutdown,
    ) -> io::Result<()> {
        self.open()?;
        let socket = {
            let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            socket.as_ref().map(TcpListener::try_clone).transpose()?
        };
        let Some(socket) = socket else { return Ok(()) };
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let handler = Arc::new(handler);
        // Oldest first.
        let mut connections: VecDeque<JoinHandle<()>> = VecDeque::new();
        loop {
            let stream = tokio::select! {
                () = shutdown.fired() => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of descriptors, most likely: wait for some to be given back.
                        tracing::warn!(%error, address = self.address, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            connections.retain(|connection| !connection.is_finished());
            if connections.len() >= MAX_CONNECTIONS
                && let Some(oldest) = connections.pop_front()
            {
                // Whoever sits on connections must not keep a probe waiting.
                oldest.abort();
            }
            let conversation = converse(stream, Arc::clone(&handler), shutdown.clone());
            connections.push_back(tokio::spawn(conversation));
        }
    }
}

/// Answers the requests of one connection until it ends or the configuration does.
async fn converse(
    stream: TcpStream,
    handler: Arc<impl Fn(HttpRequest<'_>) -> HttpResponse + Send + Sync + 'static>,
    shutdown: Shutdown,
) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let uri = request.uri();
        let answer = handler(HttpRequest { path: uri.path(), query: uri.query() });
        async move { Ok::<_, Infallible>(encode(answer)) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let end = tokio::time::sleep(MAX_LIFETIME);
    tokio::pin!(end);
    let mut is_over = false;
    loop {
        tokio::select! {
            // A client that goes away or sends rubbish is its own problem.
            _ = connection.as_mut() => return,
            () = &mut end => return,
            () = shutdown.fired(), if !is_over => {
                // The handler knows the old configuration only: what is asked next is for the new one.
                is_over = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn encode(answer: HttpResponse) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(answer.body));
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status)
        .unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = hyper::header::HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, content_type);
    response
}

fn listen(address: &str) -> io::Result<TcpListener> {
    if let Some(port) = address.strip_prefix(':') {
        let port: u16 = port.parse().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("`{port}` is not a port"))
        })?;
        // All addresses of both families where there are both.
        return listen_at(([0_u16; 8], port).into())
            .or_else(|_| listen_at(([0, 0, 0, 0], port).into()));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    // `localhost` may have an address of each family: the IPv4 one first, which is what probes use.
    let mut addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    for address in addresses {
        match listen_at(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking(),
        None,
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // A second process can take over without a gap, as with CoreDNS.
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// With more clients than this the one that came first has to go.
const MAX_CONNECTIONS: usize = 128;
/// For the request's head to arrive.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this whatever it does.
const MAX_LIFETIME: Duration = Duration::from_mins(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
