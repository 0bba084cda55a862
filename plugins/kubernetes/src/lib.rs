//! Answers the cluster's names from Kubernetes objects.
//!
//! ```text
//!   source ──► object ──► kept, in the store ──► records, reverse, servers ──► serve
//!   watch or manifests    by service, by address      on demand, per query
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`config`], [`selector`] | the directive's settings |
//! | [`source`](mod@source), [`manifests`], [`api`] | where objects come from: files, or an API server |
//! | [`watch`], [`instrument`], [`backoff`] | one watch of an API server, its requests, its patience |
//! | [`object`], [`kept`] | objects as they arrive, and as they are kept |
//! | [`store`] | the cluster, ready for look-ups |
//! | [`records`], [`reverse`], [`servers`] | names to records, addresses to names, this server's own names |
//! | [`serve`] | the handler |
//! | [`transfer`] | zones as a whole, for the `transfer` plugin |
//! | [`autopath`] | a pod's search path, for the `autopath` plugin |

mod api;
mod autopath;
mod backoff;
mod config;
mod instrument;
mod kept;
mod manifests;
mod metrics;
mod object;
mod records;
mod reverse;
mod selector;
mod serve;
mod servers;
mod source;
mod store;
mod transfer;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use plugin::capability::{SearchPath, Transfer};
use plugin::{Diagnostic, Plugin, PluginSpec, Setup};
use tokio::time::Instant;

use crate::api::ApiServer;
use crate::autopath::PodSearch;
use crate::config::{Config, Origin};
use crate::manifests::Manifests;
use crate::metrics::Metrics;
use crate::source::{Cluster, Source};
use crate::store::Store;
use crate::transfer::WholeZones;

/// The `kubernetes` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "kubernetes", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    let (source, files) = source(setup, &config)?;
    let make = || Cluster::new(Arc::new(Store::new(config.detail, &config.kinds())), source);
    let cluster = setup.keep(format!("{} {files}", config.cluster_key()), make);
    let local = Arc::new(OnceLock::new());
    setup.provide::<dyn Transfer>(Arc::new(WholeZones::new(&cluster, &config, &local)));
    setup.provide::<dyn SearchPath>(Arc::new(PodSearch::new(&cluster, &config)));
    Ok(Box::new(Kubernetes {
        cluster,
        config,
        background: setup.shared.background.clone(),
        listen: setup.block.listen.clone(),
        local,
        startup_end: OnceLock::new(),
    }))
}

/// Where the objects come from, and a fingerprint of what that depends on beside the settings.
fn source(setup: &Setup<'_>, config: &Config) -> Result<(Arc<dyn Source>, u64), Diagnostic> {
    let metrics = Metrics::new(setup.metrics);
    if let Origin::Manifests(paths) = &config.origin {
        let manifests = Manifests {
            paths: paths.clone(),
            labels: config.labels.clone(),
            namespace_labels: config.namespace_labels.clone(),
        };
        return Ok((Arc::new(manifests), 0));
    }
    let (server, files) = ApiServer::new(setup, config, metrics)?;
    Ok((Arc::new(server), files))
}

/// One `kubernetes` directive; the cluster it answers from may outlive it.
struct Kubernetes {
    config: Config,
    cluster: Arc<Cluster>,
    background: tokio::runtime::Handle,
    listen: Vec<SocketAddr>,
    /// The addresses that this server is reached by, found out at the start.
    local: Arc<OnceLock<Vec<IpAddr>>>,
    /// Until when queries wait for the store to sync; set when the server starts.
    startup_end: OnceLock<Instant>,
}

#[cfg(test)]
mod tests;
