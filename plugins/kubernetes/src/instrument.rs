//! What is counted and limited about requests to the API server, as a layer around the client.
//!
//! It sees responses byte by byte, and so knows when a watch was last heard: bookmarks, which the
//! watcher keeps to itself, count as well.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::{self, Instant};
use tower::{Layer, Service};

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::store::Kind;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// When each watch was last heard.
#[derive(Debug)]
pub(crate) struct Contact {
    host: Box<str>,
    since: Instant,
    /// Milliseconds after `since`, plus one; 0 for never. By kind.
    heard: [AtomicU64; 4],
}

impl Contact {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.into(), since: Instant::now(), heard: Default::default() }
    }

    /// When the watch of a kind was last heard.
    pub(crate) fn heard(&self, kind: Kind) -> Option<Instant> {
        self.after(self.heard[kind as usize].load(Ordering::Relaxed))
    }

    /// When any watch was last heard.
    fn last_heard(&self) -> Option<Instant> {
        let latest = self.heard.iter().map(|heard| heard.load(Ordering::Relaxed)).max();
        self.after(latest.unwrap_or(0))
    }

    fn after(&self, millis: u64) -> Option<Instant> {
        (millis > 0).then(|| self.since + Duration::from_millis(millis - 1))
    }

    fn note(&self, kind: Kind) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard[kind as usize].store(millis + 1, Ordering::Relaxed);
    }

    /// Shows in the metrics how stale the store may be, as long as there is a store.
    pub(crate) fn show(self: &Arc<Self>, metrics: &Metrics) {
        let contact = Arc::downgrade(self);
        metrics.staleness.read_with(&[&self.host], move || {
            Some(contact.upgrade()?.last_heard()?.elapsed().as_secs_f64())
        });
    }
}

/// Which watch a request belongs to, by the last part of its path.
fn kind_of(path: &str) -> Option<Kind> {
    match path.rsplit('/').next()? {
        "services" => Some(Kind::Service),
        "endpointslices" => Some(Kind::EndpointSlice),
        "namespaces" => Some(Kind::Namespace),
        "pods" => Some(Kind::Pod),
        _ => None,
    }
}

/// The layer.
pub(crate) struct InstrumentLayer(Arc<Shared>);

/// A service with the layer around it.
pub(crate) struct Instrument<S> {
    inner: S,
    shared: Arc<Shared>,
}

struct Shared {
    contact: Arc<Contact>,
    metrics: Metrics,
    bucket: Bucket,
    inflight: Option<Arc<Semaphore>>,
}

impl Instrument<()> {
    pub(crate) fn layer(
        contact: Arc<Contact>,
        metrics: Metrics,
        limits: Limits,
    ) -> InstrumentLayer {
        let inflight = usize::try_from(limits.max_inflight).unwrap_or(0);
        InstrumentLayer(Arc::new(Shared {
            contact,
            metrics,
            bucket: Bucket::new(limits),
            inflight: (inflight > 0).then(|| Arc::new(Semaphore::new(inflight))),
        }))
    }
}

impl<S> Layer<S> for InstrumentLayer {
    type Service = Instrument<S>;

    fn layer(&self, inner: S) -> Instrument<S> {
        Instrument { inner, shared: Arc::clone(&self.0) }
    }
}

impl<S, R, B> Service<Request<R>> for Instrument<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Heard<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let method = request.method().clone();
        let kind = kind_of(request.uri().path());
        // Nothing is sent before the response is polled for.
        let response = self.inner.call(request);
        Box::pin(async move {
            let Shared { contact, metrics, bucket, inflight } = &*shared;
            let (method, host) = (method.as_str(), &*contact.host);
            let wait = bucket.take();
            metrics.limiter_seconds.with(&[method, host]).observe(wait.as_secs_f64());
            time::sleep(wait).await;
            // Never closed; held until the response's head is there, since a watch has no end.
            let _permit = match inflight {
                Some(inflight) => inflight.acquire().await.ok(),
                None => None,
            };
            let asked = Instant::now();
            let response = response.await;
            let seconds = asked.elapsed().as_secs_f64();
            metrics.request_seconds.with(&[method, host]).observe(seconds);
            let code = match &response {
                Ok(response) => response.status().as_str().to_owned(),
                Err(_) => "<error>".to_owned(),
            };
            metrics.requests.with(&[&code, method, host]).inc();
            let contact = Arc::clone(contact);
            Ok(response?.map(|body| Heard { body, contact, kind }))
        })
    }
}

/// A response body that notes when data came.
pub(crate) struct Heard<B> {
    body: B,
    contact: Arc<Contact>,
    kind: Option<Kind>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Heard<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Ok(_))), Some(kind)) = (&polled, self.kind) {
            self.contact.note(kind);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A token bucket: `burst` requests at once, `qps` a second after that.
struct Bucket {
    limits: Limits,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::new((f64::from(limits.burst), Instant::now())) }
    }

    /// Takes a token, which may not be there yet: how long it takes to come.
    fn take(&self) -> Duration {
        let (qps, burst) = (f64::from(self.limits.qps), f64::from(self.limits.burst));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, filled) = *state;
        let tokens = (tokens + filled.elapsed().as_secs_f64() * qps).min(burst) - 1.0;
        *state = (tokens, Instant::now());
        Duration::try_from_secs_f64((-tokens).max(0.0) / qps).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_after_the_burst_wait_for_their_turn() {
        let bucket = Bucket::new(Limits { qps: 2.0, burst: 3, max_inflight: 0 });
        let waits: Vec<_> = (0..5).map(|_| bucket.take().as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 500, 1000]);
        time::advance(Duration::from_mins(1)).await;
        assert_eq!(bucket.take(), Duration::ZERO);
    }
}
