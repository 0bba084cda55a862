//! The handler and the HTTP side.

use std::sync::Arc;

use plugin::http::{HttpListener, HttpRequest, HttpResponse};
use plugin::metrics::Registry;
use plugin::{Next, Plugin, Reply, Request, ServeError, Shutdown, StartError, async_trait};
use tokio::time::Instant;

use crate::metrics::{DnsMetrics, as_f64};
use crate::series::SeriesCache;
use crate::size::uncompressed_len;

/// The plugin.
pub(crate) struct Prometheus {
    series: SeriesCache,
    registry: Registry,
    listener: Arc<HttpListener>,
}

impl Prometheus {
    pub(crate) fn new(registry: Registry, listener: Arc<HttpListener>) -> Self {
        let series = SeriesCache::new(DnsMetrics::declare(&registry));
        Self { series, registry, listener }
    }

    /// Counts a reply, now and each time it is replayed.
    fn count(&self, request: &Request, reply: &mut Reply, began: Instant) {
        let origin = request.origin();
        // Where nothing is sent nobody answered, although a plugin decided so.
        let (response_len, plugin) = match reply.message() {
            Some(message) => (uncompressed_len(message), reply.answered_by().unwrap_or_default()),
            None => (0, ""),
        };
        let rcode = reply.rcode();
        self.series.with(request, |series| {
            if request.dnssec_ok() {
                reply.count(series.do_requests());
            }
            reply.count(series.requests(request));
            reply.elapsed(series.duration(), began.elapsed().as_secs_f64());
            reply.observe(series.request_size(origin.transport), as_f64(origin.len));
            reply.observe(series.response_size(origin.transport), as_f64(response_len));
            reply.count(&series.responses(rcode, plugin));
        });
    }

    /// Counts a query that failed: the server answers it, and nothing is replayed.
    fn count_error(&self, request: &Request, error: &ServeError, began: Instant) {
        let origin = request.origin();
        self.series.with(request, |series| {
            if request.dnssec_ok() {
                series.do_requests().inc();
            }
            series.requests(request).inc();
            series.duration().observe(began.elapsed().as_secs_f64());
            series.request_size(origin.transport).observe(as_f64(origin.len));
            series.response_size(origin.transport).observe(0.0);
            series.responses(error.rcode(), "").inc();
        });
    }
}

#[async_trait]
impl Plugin for Prometheus {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let began = Instant::now();
        let mut result = next.serve(request).await;
        match &mut result {
            Ok(reply) => self.count(request, reply, began),
            Err(error) => self.count_error(request, error, began),
        }
        result
    }

    /// What it counts travels with the reply.
    fn is_pure(&self) -> bool {
        true
    }

    async fn start(&self) -> Result<(), StartError> {
        // As CoreDNS: a server without metrics is better than none. `run` says what is wrong.
        let _ = self.listener.open();
        Ok(())
    }

    async fn run(&self, shutdown: Shutdown) {
        let registry = self.registry.clone();
        let serving = self.listener.serve(move |request| answer(&registry, &request), &shutdown);
        if let Err(error) = serving.await {
            tracing::error!(target: "plugin/prometheus", "Failed to start metrics handler: {error}");
        }
    }
}

/// Every block that names one address gives the same answer: there is one registry.
pub(crate) fn answer(registry: &Registry, request: &HttpRequest<'_>) -> HttpResponse {
    if request.path != "/metrics" {
        return HttpResponse::not_found();
    }
    HttpResponse { content_type: TEXT_FORMAT, ..HttpResponse::text(200, registry.text()) }
}

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
