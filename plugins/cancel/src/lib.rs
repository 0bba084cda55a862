//! Bounds the time that the plugins below may take for a query.
//!
//! A client gives up after some seconds; what goes on for it after that is wasted. When the time is over
//! the work for the query is dropped where it stands, and the client gets SERVFAIL.

mod config;

use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

use crate::config::Config;

/// The `cancel` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "cancel", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    Ok(Box::new(Cancel(Config::parse(setup))))
}

struct Cancel(Config);

#[async_trait]
impl Plugin for Cancel {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let timeout = self.0.timeout;
        match tokio::time::timeout(timeout, next.serve(request)).await {
            Ok(served) => served,
            Err(_) => Err(ServeError::failed(format!("not answered within {timeout:?}"))),
        }
    }

    /// A reply that came in time is passed on as it is.
    fn is_pure(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
