//! Says over HTTP whether every plugin can answer: `/ready` for a Kubernetes readiness probe.
//!
//! The server keeps the list of plugins of the configuration that serves; this plugin asks them when it is
//! asked. So a reload needs no word here: from the swap on, the plugins of the new configuration count.
//!
//! ```text
//!  GET /ready ─► server is ending?          ─► 503 Shutting down
//!                a plugin that is not ready ─► 503 erratic,kubernetes
//!                else                       ─► 200 OK
//! ```

mod config;
mod monitor;

use std::sync::Arc;

use plugin::http::{HttpListener, HttpRequest, HttpResponse};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, Shutdown, StartError,
    async_trait,
};

use config::Config;
use monitor::Monitor;

/// The `ready` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "ready", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let Config { address, mode } = Config::parse(setup)?;
    let listener = setup.http_listener(&address);
    // Blocks that name one address share its monitor, as they share its socket; a configuration has its own.
    let configuration = Arc::as_ptr(&setup.shared.keep);
    let monitor = setup.keep(format!("{address} in {configuration:p}"), || {
        Monitor::new(Arc::clone(&setup.shared.readiness))
    });
    monitor.set_mode(mode);
    Ok(Box::new(Ready { listener, monitor }))
}

struct Ready {
    listener: Arc<HttpListener>,
    monitor: Arc<Monitor>,
}

#[async_trait]
impl Plugin for Ready {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        next.serve(request).await
    }

    fn is_chain_member(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<(), StartError> {
        // As CoreDNS: DNS is served all the same. `run` says what is wrong.
        let _ = self.listener.open();
        Ok(())
    }

    async fn run(&self, shutdown: Shutdown) {
        let monitor = Arc::clone(&self.monitor);
        let serving = self.listener.serve(move |request| answer(&monitor, &request), &shutdown);
        if let Err(error) = serving.await {
            tracing::error!(target: "plugin/ready", %error, "cannot serve /ready");
        }
    }
}

fn answer(monitor: &Monitor, request: &HttpRequest<'_>) -> HttpResponse {
    if request.path != "/ready" {
        return HttpResponse::not_found();
    }
    if monitor.is_ending() {
        return HttpResponse::text(503, "Shutting down");
    }
    let unready = monitor.unready().join(",");
    if unready.is_empty() {
        return HttpResponse::text(200, "OK");
    }
    tracing::info!(target: "plugin/ready", "Plugins not ready: \"{unready}\"");
    HttpResponse::text(503, unready)
}

#[cfg(test)]
mod tests;
