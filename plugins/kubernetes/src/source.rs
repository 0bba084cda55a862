//! Where objects come from, and the store that they go to.
//!
//! A [`Source`] is an API server or a set of manifests; a snapshot that an earlier run left on disk would
//! be a third one, which fills the store and ends. What a source tells is kept in a [`Cluster`], which
//! outlives a reload together with its store: no list is asked for again because a TTL was edited.

use std::fmt;
use std::sync::{Arc, OnceLock};

use plugin::async_trait;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::store::Store;

/// Something that tells the store about objects.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Fills the store and keeps it up to date; for ever, unless there is nothing more to come.
    async fn feed(&self, store: &Store);
}

/// A store and what feeds it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) store: Arc<Store>,
    source: Arc<dyn Source>,
    task: OnceLock<AbortHandle>,
}

impl Cluster {
    /// Nothing is connected to or read before [`Cluster::start`].
    pub(crate) fn new(store: Arc<Store>, source: Arc<dyn Source>) -> Self {
        Self { store, source, task: OnceLock::new() }
    }

    /// Begins to feed the store, the first time it is called; later calls find it going on.
    pub(crate) fn start(&self, background: &Handle) {
        self.task.get_or_init(|| {
            let (store, source) = (Arc::clone(&self.store), Arc::clone(&self.source));
            background.spawn(async move { source.feed(&store).await }).abort_handle()
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}
