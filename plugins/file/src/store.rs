//! A zone that follows its file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use plugin::proto::rr::Name;
use plugin::{Epoch, Epochs};
use tokio::sync::watch;

use crate::zone::{Zone, ZoneError};

/// One zone of one file. It outlives a reload of the Corefile.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    origin: Name,
    /// `None` until the file could be read.
    zone: ArcSwapOption<Zone>,
    /// Time of change and size of the file when it was last read as a whole.
    seen: Mutex<Option<Stamp>>,
    /// One stripe: whatever changes, changes with the serial.
    epochs: Epochs,
    /// `None` as long as the zone is; for those who wait for another.
    serial: watch::Sender<Option<u32>>,
}

type Stamp = (SystemTime, u64);

/// Why a zone could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LoadError {
    /// The file cannot be read; it may be later.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// The file holds no zone.
    #[error("{0}")]
    Wrong(#[from] ZoneError),
}

impl Store {
    /// A zone that is not loaded yet.
    pub(crate) fn new(path: &Path, origin: &Name) -> Self {
        Self {
            path: path.to_owned(),
            origin: origin.to_lowercase(),
            zone: ArcSwapOption::empty(),
            seen: Mutex::default(),
            epochs: Epochs::new(1),
            serial: watch::Sender::new(None),
        }
    }

    /// The name of the zone.
    pub(crate) fn origin(&self) -> &Name {
        &self.origin
    }

    /// The zone as it is now, and what ends when it changes.
    pub(crate) fn zone(&self) -> (Option<Arc<Zone>>, Epoch) {
        // The epoch first: data that is newer than its epoch is asked for again, never the reverse.
        let epoch = self.epochs.read(());
        (self.zone.load_full(), epoch)
    }

    /// Returns the serial once it is another than `known`.
    pub(crate) async fn serial_after(&self, known: Option<u32>) -> u32 {
        let mut serials = self.serial.subscribe();
        let another = |serial: &Option<u32>| serial.is_some() && *serial != known;
        let serial = serials.wait_for(another).await.ok().and_then(|serial| *serial);
        match serial {
            Some(serial) => serial,
            // It cannot come to this: the sender is ours.
            None => std::future::pending().await,
        }
    }

    /// Reads the file if it has changed since it was read.
    pub(crate) fn load(&self) -> Result<(), LoadError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path)?;
        if *seen != Some(stamp) || self.zone.load().is_none() {
            self.read(std::fs::read(&self.path)?)?;
            *seen = Some(stamp);
        }
        Ok(())
    }

    /// Reads the file if it is newer than it was, or its serial is another. Failures are logged, and what was
    /// read before stays.
    pub(crate) fn refresh(&self, by_mtime: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (zone, file) = (&self.origin, self.path.display());
        match self.try_refresh(&mut seen, by_mtime) {
            Ok(None) => {}
            Ok(Some(serial)) => tracing::info!(
                target: TARGET,
                "Successfully reloaded zone \"{zone}\" in \"{file}\" with {serial} SOA serial"
            ),
            Err(LoadError::Unreadable(error)) => tracing::error!(
                target: TARGET,
                "Failed to open zone \"{zone}\" in \"{file}\": {error}"
            ),
            Err(LoadError::Wrong(error)) => {
                tracing::error!(target: TARGET, "Parsing zone \"{zone}\": {error}");
            }
        }
    }

    /// The new serial, where there is something new.
    fn try_refresh(
        &self,
        seen: &mut Option<Stamp>,
        by_mtime: bool,
    ) -> Result<Option<u32>, LoadError> {
        let before = stamp(&self.path)?;
        let known = self.zone.load().as_ref().map(|zone| zone.serial());
        if by_mtime && seen.is_some_and(|(modified, _)| before.0 <= modified) {
            return Ok(None);
        }
        if !by_mtime && known.is_some() {
            // The serial tells even where the file was written twice within one tick of its clock.
            let octets = std::fs::read(&self.path)?;
            if Some(Zone::peek_serial(octets, &self.path, &self.origin)?) == known {
                return Ok(None);
            }
        }
        let octets = std::fs::read(&self.path)?;
        // What is still being written would be half a zone with the new serial, and never looked at again.
        if stamp(&self.path)? != before {
            return Ok(None);
        }
        let serial = self.read(octets)?;
        *seen = Some(before);
        Ok(Some(serial))
    }

    fn read(&self, octets: Vec<u8>) -> Result<u32, LoadError> {
        let zone = Zone::parse(octets, &self.path, &self.origin)?;
        let (serial, n_strays) = (zone.serial(), zone.n_strays());
        if n_strays > 0 {
            tracing::warn!(
                target: TARGET,
                zone = %self.origin,
                file = %self.path.display(),
                n_records = n_strays,
                "left out records that are not in the zone"
            );
        }
        self.zone.store(Some(Arc::new(zone)));
        self.epochs.bump_all();
        self.serial.send_replace(Some(serial));
        Ok(serial)
    }
}

/// Answers kept elsewhere end with what they were made from.
impl Drop for Store {
    fn drop(&mut self) {
        self.epochs.bump_all();
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}

pub(crate) const TARGET: &str = "plugin/file";
