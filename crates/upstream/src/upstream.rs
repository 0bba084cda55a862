//! One upstream: its connections, its health and how quick it is.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use crate::health::{CHECK_TIMEOUT, Health, HealthCheck, MIN_INTERVAL};
use crate::https::{Connection, HttpsClient};
use crate::pool::{Age, Limits, Pool};
use crate::stream::Stream;
use crate::timing::{DialTime, RoundTrip};
use crate::{Error, TlsClient, message, udp};

/// What an upstream is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is talked to.
    pub protocol: Protocol,
    /// How long a connection may idle.
    pub expire: Duration,
    /// How long a connection may live; `None` for no limit.
    pub max_age: Option<Duration>,
    /// How many connections may idle, for each transport; `None` for no limit.
    pub max_idle: Option<usize>,
    /// The address to ask from; `None` lets the kernel choose.
    pub source: Option<IpAddr>,
    /// How it is probed while it is under suspicion.
    pub health_check: HealthCheck,
}

/// How an upstream is talked to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// UDP or TCP, as each exchange says.
    Dns,
    /// DNS over TLS, whatever the exchange says.
    Tls(TlsClient),
    /// DNS over HTTPS, whatever the exchange says.
    Https(HttpsClient),
}

/// What a plain upstream is to be asked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

/// What an exchange really went over; the `proto` label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    /// RFC 1035 §4.2.1.
    Udp,
    /// RFC 1035 §4.2.2.
    Tcp,
    /// RFC 7858.
    TcpTls,
}

impl Proto {
    /// `udp`, `tcp` or `tcp-tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::TcpTls => "tcp-tls",
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hears what is worth counting.
pub trait Observer: Send + Sync {
    /// An idle connection was used again.
    fn connection_reused(&self, proto: Proto);
    /// No idle connection was there.
    fn connection_opened(&self, proto: Proto);
    /// A probe failed, the `n_failed`th in a row.
    fn health_check_failed(&self, n_failed: u32, error: &Error);
    /// A probe succeeded after `n_failed` had failed.
    fn health_check_recovered(&self, _n_failed: u32) {}
}

/// One address over one protocol. It may be asked from any number of threads and runtimes.
pub struct Upstream {
    settings: Settings,
    udp: Pool<UdpSocket>,
    streams: Pool<Stream>,
    https: Pool<Connection>,
    dial_time: DialTime,
    round_trip: RoundTrip,
    health: Health,
    observer: Box<dyn Observer>,
    background: Handle,
}

impl Upstream {
    /// An upstream that nobody has talked to; `background` is where its probes run.
    pub fn new(settings: Settings, background: Handle, observer: Box<dyn Observer>) -> Self {
        let Settings { expire, max_age, max_idle, .. } = settings;
        let limits = Limits { expire, max_age, max_idle, max_exchanges: u32::MAX };
        Self {
            udp: Pool::new(Limits { max_exchanges: udp::MAX_EXCHANGES, ..limits }),
            streams: Pool::new(limits),
            https: Pool::new(limits),
            dial_time: DialTime::new(),
            round_trip: RoundTrip::default(),
            health: Health::default(),
            settings,
            observer,
            background,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.settings.address
    }

    /// Asks a query in wire format and returns the reply to it, with the query's ID. `deadline` bounds the time to
    /// connect, `read_timeout` the wait for the reply.
    ///
    /// Dropping the future gives the exchange up and closes its connection.
    pub async fn exchange(
        &self,
        query: &[u8],
        over: Over,
        read_timeout: Duration,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        let mut wire = query.to_vec();
        let id = match self.settings.protocol {
            // RFC 8484 §4.1: so that HTTP caches see that queries are the same.
            Protocol::Https(_) => 0,
            // RFC 5452 §9.2: whatever the client's ID was.
            Protocol::Dns | Protocol::Tls(_) => rand::random(),
        };
        message::set_id(&mut wire, id);
        let read_timeout = read_timeout.min(deadline.saturating_duration_since(Instant::now()));
        let result = match (&self.settings.protocol, over) {
            (Protocol::Dns, Over::Udp) => self.over_udp(&wire, read_timeout).await,
            (Protocol::Dns, Over::Tcp) => {
                self.over_stream(None, &wire, read_timeout, deadline).await
            }
            (Protocol::Tls(tls), _) => {
                self.over_stream(Some(tls), &wire, read_timeout, deadline).await
            }
            (Protocol::Https(https), _) => {
                self.over_https(https, &wire, read_timeout, deadline).await
            }
        };
        // A reply to another question is a sign of life as well.
        self.health.exchange_ended(matches!(result, Ok(_) | Err(Error::Mismatch { .. })));
        result.map(|mut reply| {
            message::set_id(&mut reply, message::id(query));
            reply
        })
    }

    async fn over_udp(&self, query: &[u8], read_timeout: Duration) -> Result<Vec<u8>, Error> {
        let (socket, age) = if let Some(idle) = self.udp.take() {
            self.observer.connection_reused(Proto::Udp);
            idle
        } else {
            self.observer.connection_opened(Proto::Udp);
            let socket = udp::connect(self.settings.source, self.settings.address).await?;
            (socket, Age::new())
        };
        let asked = Instant::now();
        let reply = udp::exchange(&socket, self.settings.address, query, read_timeout).await?;
        self.round_trip.record(asked.elapsed());
        self.udp.put(socket, age);
        Ok(reply)
    }

    async fn over_stream(
        &self,
        tls: Option<&TlsClient>,
        query: &[u8],
        read_timeout: Duration,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        if query.len() > usize::from(u16::MAX) {
            return Err(Error::QueryTooLong(query.len()));
        }
        let proto = if tls.is_some() { Proto::TcpTls } else { Proto::Tcp };
        loop {
            let idle = self.streams.take();
            let is_reused = idle.is_some();
            let (mut stream, age) = if let Some(idle) = idle {
                self.observer.connection_reused(proto);
                idle
            } else {
                self.observer.connection_opened(proto);
                (self.dial(tls, proto, deadline).await?, Age::new())
            };
            let asked = Instant::now();
            match stream.exchange(self.settings.address, query, read_timeout).await {
                Ok(reply) => {
                    self.round_trip.record(asked.elapsed());
                    self.streams.put(stream, age);
                    return Ok(reply);
                }
                // It was closed while it idled, which says nothing about the upstream: take another one.
                Err(error) if is_reused && error.is_hang_up() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn over_https(
        &self,
        https: &HttpsClient,
        query: &[u8],
        read_timeout: Duration,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        loop {
            let open = self.https.take().filter(|(connection, _)| !connection.is_closed());
            let is_reused = open.is_some();
            let (mut connection, age) = match open {
                Some(open) => open,
                None => (self.dial_https(https, deadline).await?, Age::new()),
            };
            // Whoever comes meanwhile takes the same connection.
            self.https.put(connection.clone(), age);
            let asked = Instant::now();
            let address = self.settings.address;
            match https.exchange(&mut connection, address, query, read_timeout).await {
                Ok(reply) => {
                    self.round_trip.record(asked.elapsed());
                    return Ok(reply);
                }
                // It was closed while it idled.
                Err(error) if is_reused && error.is_hang_up() && connection.is_closed() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn dial(
        &self,
        tls: Option<&TlsClient>,
        proto: Proto,
        deadline: Instant,
    ) -> Result<Stream, Error> {
        // Boxed: the state of a TLS handshake is large, and most exchanges need none.
        let connect = Box::pin(Stream::connect(self.settings.source, self.settings.address, tls));
        self.timed(connect, proto, deadline).await
    }

    async fn dial_https(
        &self,
        https: &HttpsClient,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let connect = Box::pin(https.connect(self.settings.source, self.settings.address));
        self.timed(connect, Proto::TcpTls, deadline).await
    }

    /// Connects within the time that is usual for this upstream.
    async fn timed<T>(
        &self,
        connect: impl Future<Output = io::Result<T>>,
        proto: Proto,
        deadline: Instant,
    ) -> Result<T, Error> {
        let upstream = self.settings.address;
        let begun = Instant::now();
        let limit = self.dial_time.timeout().min(deadline.saturating_duration_since(begun));
        let dialled = timeout(limit, connect).await;
        self.dial_time.record(begun.elapsed());
        match dialled {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(source)) => Err(Error::Dial { proto, upstream, source }),
            Err(_) => Err(Error::DialTimeout { proto, upstream }),
        }
    }

    /// Begins to probe, if nobody does yet, until a probe succeeds. Call it when an exchange failed.
    pub fn suspect(self: &Arc<Self>) {
        if !self.health.begin_probing() {
            return;
        }
        let probed = Probed(Arc::downgrade(self));
        self.background.spawn(async move {
            // An upstream that nobody else holds any more is not probed to the end of days.
            while let Some(upstream) = probed.0.upgrade() {
                let Err(error) = upstream.check().await else {
                    match upstream.health.check_succeeded() {
                        0 => {}
                        n_failed => upstream.observer.health_check_recovered(n_failed),
                    }
                    return;
                };
                let n_failed = upstream.health.check_failed();
                upstream.observer.health_check_failed(n_failed, &error);
                let interval = upstream.settings.health_check.interval.max(MIN_INTERVAL);
                drop(upstream);
                sleep(interval).await;
            }
        });
    }

    /// One probe, on a connection of its own: whatever comes back is a sign of life.
    async fn check(&self) -> Result<(), Error> {
        let check = &self.settings.health_check;
        let query = message::ns_query(&check.domain, check.recursion_desired);
        let (source, upstream) = (self.settings.source, self.settings.address);
        let alive = |result| match result {
            Ok(_) | Err(Error::Mismatch { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        let dial_by = Instant::now() + CHECK_TIMEOUT;
        let tls = match &self.settings.protocol {
            Protocol::Tls(tls) => Some(tls),
            Protocol::Https(https) => {
                let mut connection = self.dial_https(https, dial_by).await?;
                let asked = https.exchange(&mut connection, upstream, &query, CHECK_TIMEOUT);
                return alive(asked.await);
            }
            Protocol::Dns if check.over_tcp => None,
            Protocol::Dns => {
                let socket = udp::connect(source, upstream).await?;
                return alive(udp::exchange(&socket, upstream, &query, CHECK_TIMEOUT).await);
            }
        };
        let proto = if tls.is_some() { Proto::TcpTls } else { Proto::Tcp };
        let dial = self.dial(tls, proto, dial_by);
        alive(dial.await?.exchange(upstream, &query, CHECK_TIMEOUT).await)
    }

    /// Whether more than `max_fails` probes in a row failed. 0 means that no upstream is ever down.
    pub fn is_down(&self, max_fails: u32) -> bool {
        max_fails != 0 && self.health.n_failed() > max_fails
    }

    /// Whether the last exchange brought a reply; `false` before the first.
    pub fn has_answered(&self) -> bool {
        self.health.has_answered()
    }

    /// Whether it is being probed and has not answered anything since.
    pub fn is_suspect(&self) -> bool {
        self.health.is_probed() && !self.health.has_answered()
    }

    /// Says that another upstream, asked later, answered first. See [`Upstream::is_lagging`].
    pub fn overtaken(&self) {
        self.health.set_lagging();
    }

    /// Whether another upstream answered first, and no reply and no successful probe came since.
    pub fn is_lagging(&self) -> bool {
        self.health.is_lagging()
    }

    /// Lets it no longer count that another upstream answered first.
    pub fn forgive(&self) {
        self.health.forgive();
    }

    /// The time after which hardly any reply is still to come, from the round trips so far; `None` before the first.
    pub fn overdue_after(&self) -> Option<Duration> {
        self.round_trip.overdue_after()
    }

    /// Idle connections, over all threads and transports.
    pub fn n_idle(&self) -> usize {
        self.udp.n_idle() + self.streams.n_idle() + self.https.n_idle()
    }

    /// Closes connections that have idled too long. Call it every few seconds.
    pub fn sweep(&self) {
        self.udp.sweep();
        self.streams.sweep();
        self.https.sweep();
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("address", &self.settings.address)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// Ends the series of probes however it ends: the runtime may drop it half way.
struct Probed(std::sync::Weak<Upstream>);

impl Drop for Probed {
    fn drop(&mut self) {
        if let Some(upstream) = self.0.upgrade() {
            upstream.health.end_probing();
        }
    }
}
