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
//! | [`source`], [`manifests`] | where objects come from |
//! | [`object`], [`kept`] | objects as they arrive, and as they are kept |
//! | [`store`] | the cluster, ready for look-ups |
//! | [`records`], [`reverse`], [`servers`] | names to records, addresses to names, this server's own names |
//! | [`serve`] | the handler |

mod config;
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

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::{Config, Origin};
use crate::manifests::Manifests;
use crate::metrics::Metrics;
use crate::source::{Cluster, Source};
use crate::store::Store;

/// The `kubernetes` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "kubernetes", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let refused = || Diagnostic::error(setup.directive.name.span, "`kubernetes` cannot be set up");
    let refused = refused();
    let Some(config) = Config::parse(setup) else { return Err(refused) };
    let metrics = Metrics::new(setup.metrics);
    let source = source(setup, &config, &metrics)?;
    let make = || Cluster::new(Arc::new(Store::new(config.detail, &config.kinds())), source);
    let cluster = setup.keep(config.cluster_key(), make);
    Ok(Box::new(Kubernetes {
        cluster,
        config,
        background: setup.shared.background.clone(),
        listen: setup.block.listen.clone(),
        local: OnceLock::new(),
    }))
}

fn source(
    _setup: &Setup<'_>,
    config: &Config,
    _metrics: &Metrics,
) -> Result<Arc<dyn Source>, Diagnostic> {
    match &config.origin {
        Origin::Manifests(paths) => Ok(Arc::new(Manifests {
            paths: paths.clone(),
            labels: config.labels.clone(),
            namespace_labels: config.namespace_labels.clone(),
        })),
        _ => Err(Diagnostic::general("only `manifests` for now")),
    }
}

/// One `kubernetes` directive; the cluster it answers from may outlive it.
struct Kubernetes {
    config: Config,
    cluster: Arc<Cluster>,
    background: tokio::runtime::Handle,
    listen: Vec<SocketAddr>,
    /// The addresses that this server is reached by, found out at the start.
    local: OnceLock<Vec<IpAddr>>,
}

#[cfg(test)]
mod tests;
