//! The tables that answers come from, and when the file's is made anew.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use plugin::{Epoch, Epochs, Zones};

use crate::config::{Config, TARGET};
use crate::metrics::Metrics;
use crate::table::Table;

/// The hosts of one directive. It outlives a reload of the Corefile that leaves the directive as it is.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    zones: Zones,
    has_reverse: bool,
    inline: Table,
    file: ArcSwap<Table>,
    /// Time of change and size of the file as it was last read.
    seen: Mutex<Option<(SystemTime, u64)>>,
    /// One stripe: the file is one thing.
    epochs: Epochs,
    metrics: Metrics,
}

/// The tables as they were at one time.
pub(crate) struct View<'a> {
    /// What ends when the file changes.
    pub(crate) epoch: Epoch,
    file: Arc<Table>,
    inline: &'a Table,
}

impl Store {
    /// The lines of the Corefile; the file has still to be read.
    pub(crate) fn new(config: &Config, metrics: Metrics) -> Self {
        Self {
            path: config.path.clone(),
            zones: config.zones.clone(),
            has_reverse: config.has_reverse,
            inline: Table::parse(&config.inline.join("\n"), &config.zones, config.has_reverse),
            file: ArcSwap::default(),
            seen: Mutex::default(),
            epochs: Epochs::new(1),
            metrics,
        }
    }

    /// Reads the file if its time or size has changed. While it is not there, what was read stays.
    pub(crate) fn refresh(&self) {
        if let Err(error) = self.try_refresh() {
            let path = self.path.display();
            tracing::debug!(target: TARGET, %path, %error, "cannot read hosts file");
        }
    }

    fn try_refresh(&self) -> io::Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let now = (metadata.modified()?, metadata.len());
        if *seen == Some(now) {
            return Ok(());
        }
        let mut octets = Vec::new();
        file.read_to_end(&mut octets)?;
        let text = String::from_utf8_lossy(&octets);
        let table = Table::parse(&text, &self.zones, self.has_reverse);
        let n_entries = table.n_entries() + self.inline.n_entries();
        self.file.store(Arc::new(table));
        self.epochs.bump_all();
        *seen = Some(now);
        self.show(n_entries, now.0);
        Ok(())
    }

    fn show(&self, n_entries: usize, modified: SystemTime) {
        let path = self.path.to_string_lossy();
        tracing::debug!(target: TARGET, %path, n_entries, "read hosts file");
        #[expect(clippy::cast_precision_loss, reason = "Prometheus's numbers are floats")]
        self.metrics.entries.with(&[&*path]).set(n_entries as f64);
        let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.reloaded.set(since_epoch.as_secs_f64());
    }

    /// The tables as they are now.
    pub(crate) fn view(&self) -> View<'_> {
        // The epoch first: a table that is newer than its epoch is asked for again, never the reverse.
        let epoch = self.epochs.read(());
        View { epoch, file: self.file.load_full(), inline: &self.inline }
    }
}

/// Answers kept elsewhere end with what they were made from.
impl Drop for Store {
    fn drop(&mut self) {
        self.epochs.bump_all();
    }
}

impl View<'_> {
    /// What the file gives, then what the Corefile gives.
    pub(crate) fn each<'a, T: 'a>(
        &'a self,
        look_up: impl Fn(&'a Table) -> &'a [T],
    ) -> impl Iterator<Item = &'a T> {
        [&*self.file, self.inline].into_iter().flat_map(look_up)
    }
}
