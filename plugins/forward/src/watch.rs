//! Notices that a resolv.conf-style file has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::debug;

/// Watches the folders that the files are in: a file that is replaced, as in a ConfigMap, takes a watch on itself
/// along with it. Where watching fails there is still the slow poll.
pub(crate) struct Watch {
    changes: Arc<Notify>,
    /// Dropping it ends the watch.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    pub(crate) fn new<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let changes = Arc::new(Notify::new());
        let mut folders: Vec<&Path> = files.filter_map(Path::parent).collect();
        folders.sort_unstable();
        folders.dedup();
        if folders.is_empty() {
            return Self { changes, _watcher: None };
        }
        let told = Arc::clone(&changes);
        let watcher = notify::recommended_watcher(move |_event| told.notify_one());
        let watcher = watcher.and_then(|mut watcher| {
            for folder in folders {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(
                |error| debug!(target: "plugin/forward", %error, "cannot watch, will poll"),
            )
            .ok();
        Self { changes, _watcher: watcher }
    }

    /// Returns some time after something changed, when the flurry of events is over.
    pub(crate) async fn changed(&self) {
        self.changes.notified().await;
        sleep(SETTLE).await;
    }
}

const SETTLE: Duration = Duration::from_millis(100);
