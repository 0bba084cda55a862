//! Says over HTTP that the process is alive: `/health` for a Kubernetes liveness probe.
//!
//! ```text
//!  run:   /health ─► 200 OK, or 503 with the reason while a probe fails
//!         every second: GET /health of our own ─► how long it took
//!         every few seconds: each probe asks a name of our own listener
//!  drain: lame duck: still alive, still answering, until the time is over
//! ```
//!
//! The GET of our own shows how busy the process is: an answer to it waits in the same queues as any other work.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directive, typed |
//! | [`check`] | the GET of our own |
//! | [`probe`] | names that have to be answered for the process to count as alive |
//! | [`metrics`] | the families |

mod check;
mod config;
mod metrics;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use plugin::http::{HttpListener, HttpRequest, HttpResponse};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, Shutdown, StartError,
    async_trait,
};
use tokio::task::JoinSet;

use check::Check;
use config::Config;
use probe::Probe;

/// The `health` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "health", setup };

#[expect(clippy::unnecessary_wraps, reason = "every set-up has this shape")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let Config { address, lameduck, probes } = Config::parse(setup);
    let listener = setup.http_listener(&address);
    let probes = probes.into_iter().map(|settings| Arc::new(Probe::new(settings, setup)));
    Ok(Box::new(Health {
        check: Arc::new(Check::new(Arc::clone(&listener), setup.metrics)),
        probes: probes.collect(),
        listener,
        lameduck,
    }))
}

struct Health {
    listener: Arc<HttpListener>,
    check: Arc<Check>,
    probes: Arc<[Arc<Probe>]>,
    lameduck: Duration,
}

#[async_trait]
impl Plugin for Health {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        next.serve(request).await
    }

    fn is_chain_member(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<(), StartError> {
        self.listener.open().map_err(|error| StartError(error.into()))
    }

    async fn run(&self, shutdown: Shutdown) {
        // Dropped at the end, which ends what it holds.
        let mut work = JoinSet::new();
        let check = Arc::clone(&self.check);
        work.spawn(async move { check.run().await });
        for probe in self.probes.iter().map(Arc::clone) {
            work.spawn(async move { probe.run().await });
        }
        let probes = Arc::clone(&self.probes);
        let serving = self.listener.serve(move |request| answer(&probes, &request), &shutdown);
        if let Err(error) = serving.await {
            tracing::error!(target: "plugin/health", %error, "cannot serve /health");
        }
    }

    async fn drain(&self) {
        if !self.lameduck.is_zero() {
            tracing::info!(
                target: "plugin/health",
                "Going into lameduck mode for {:?}", self.lameduck
            );
            tokio::time::sleep(self.lameduck).await;
        }
    }
}

fn answer(probes: &[Arc<Probe>], request: &HttpRequest<'_>) -> HttpResponse {
    if request.path != "/health" {
        return HttpResponse::not_found();
    }
    let reasons: Vec<String> = probes.iter().filter_map(|probe| probe.why_unhealthy()).collect();
    if reasons.is_empty() {
        HttpResponse::text(200, "OK")
    } else {
        HttpResponse::text(503, reasons.join("\n"))
    }
}

#[cfg(test)]
mod tests;
