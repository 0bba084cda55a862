//! Keeps replies and answers from them until their TTL is over.
//!
//! ```text
//!  query ─► look up ─┬─ fresh ──────────────────────► reply, TTLs counted down
//!                    │    └─ popular, nearly over ──► refresh in the background
//!                    ├─ stale, within serve_stale ──► reply now or after asking; refresh
//!                    └─ none ─► next plugins ─► keep ► reply, all TTLs made one
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the settings |
//! | [`kind`] | what sort of reply may be kept, and for how long |
//! | [`entry`] | one kept reply |
//! | [`store`] | the two maps, and which entry answers a question |
//! | [`serve`] | hits and misses |
//! | [`refresh`] | asking again for what is kept already |
//!
//! An entry remembers the epochs of the data it was made from. When the cluster changes, the entries
//! made from what has changed are dead at once, whatever their TTL, and are not served stale either.

mod config;
mod entry;
mod kind;
mod metrics;
mod refresh;
mod serve;
mod store;

use std::sync::Arc;
use std::time::Duration;

use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, Shutdown, async_trait,
};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::Store;
use plugin::setup::BlockInfo;

/// The `cache` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "cache", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    let metrics = Metrics::new(setup.metrics, config.zones.written().join(","));
    let BlockInfo { zones, listen, below, .. } = setup.block;
    // Blocks that differ in their view alone share a store; the view is part of each key.
    let store =
        setup.keep(format!("{zones:?} {listen:?} {below} {config:?}"), || Store::new(&config));
    let generation = store.next_generation();
    Ok(Box::new(Cache(Arc::new(Inner { config, metrics, store, generation }))))
}

/// Shared with refreshes in the background.
struct Cache(Arc<Inner>);

struct Inner {
    config: Config,
    metrics: Metrics,
    store: Arc<Store>,
    /// Which configuration this is of those that used the store.
    generation: u32,
}

#[async_trait]
impl Plugin for Cache {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if !self.0.config.zones.contain(request.qname()) {
            return next.serve(request).await;
        }
        serve::serve(&self.0, request, next).await
    }

    /// Pure in this sense: a reply that is passed on without being kept stays as replayable as it was,
    /// since asking again would find nothing kept; every other reply gets its replay from `serve`.
    fn is_pure(&self) -> bool {
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        let tidy = async {
            loop {
                tokio::time::sleep(TIDY_INTERVAL).await;
                self.0.store.tidy();
            }
        };
        tokio::select! {
            () = shutdown.fired() => {}
            () = tidy => {}
        }
    }
}

const TIDY_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
