//! Counts queries and replies, and serves `/metrics`.
//!
//! ```text
//!  query ─► next plugin ─► reply ─► counters of (server, zone, view) ─► reply, with what was counted
//! ```
//!
//! What is counted for a reply travels with it, so that a replay counts the same again. The counters of a server, zone
//! and view are looked up once and kept; from then on a count is one store into the worker's own memory.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directive, typed |
//! | [`metrics`] | the families: [`DnsMetrics`], which the server uses for queries that reach no chain |
//! | [`series`] | the counters of one server, zone and view, ready at hand |
//! | [`size`] | how long a reply is |
//! | [`serve`] | the handler and the HTTP side |

mod config;
mod metrics;
mod series;
mod serve;
mod size;

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

pub use metrics::{DnsMetrics, Dropped};

use config::Config;
use serve::Prometheus;

/// The `prometheus` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "prometheus", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    metrics::build_info(setup.metrics, setup.shared.build);
    if config.has_runtime_metrics {
        metrics::runtime(setup.metrics, &setup.shared.background);
    }
    let listener = setup.http_listener(&config.address);
    Ok(Box::new(Prometheus::new(setup.metrics.clone(), listener)))
}

#[cfg(test)]
mod tests;
