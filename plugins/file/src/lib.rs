//! Answers from zones in master files.
//!
//! ```text
//!  db.example.org ── master: text to records ──► Zone, sorted ──► lookup: sections ──► serve: reply
//!        └────────── store: read again when its serial or time changes ┘        └─ aliases that lead out:
//!                                                                                  Request::lookup
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directive, typed |
//! | [`master`] | the parser of master files |
//! | [`zone`] | the records of one zone |
//! | [`lookup`] | what a zone answers |
//! | [`store`] | a zone that follows its file |
//! | [`serve`] | zones to questions, answers to replies |
//! | [`transfer`] | zones as a whole, for the `transfer` plugin |
//!
//! Zones are served as they are written: nothing is signed here, and who may have a zone as a whole is for
//! another plugin to say.

mod config;
mod lookup;
mod master;
mod serve;
mod store;
mod transfer;
mod zone;

use std::sync::Arc;

use plugin::capability::Transfer;
use plugin::proto::rr::Name;
use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::{Config, ZoneFile};
use crate::serve::{File, Served};
use crate::store::{LoadError, Store, TARGET};
use crate::transfer::WholeZones;

/// The `file` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "file", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    let mut zones = Vec::new();
    for file in &config.files {
        for origin in file.zones.names() {
            let store = open(setup, file, origin);
            zones.extend(setup.note(store).map(|store| Served { store, reload: file.reload }));
        }
    }
    let file = File::new(zones, config.fallthrough);
    setup.provide::<dyn Transfer>(Arc::new(WholeZones::new(file.stores())));
    Ok(Box::new(file))
}

/// Loads a zone, unless the configuration before this one has it. A file that cannot be read is tried again
/// later, unless it is never looked at again; one with a mistake is an error.
fn open(setup: &Setup<'_>, file: &ZoneFile, origin: &Name) -> Result<Arc<Store>, Diagnostic> {
    let key = format!("{} {origin}", file.path.display());
    let store = setup.keep(key, || Store::new(&file.path, origin));
    let wrong = |error: LoadError| {
        Diagnostic::error(file.named.span, format!("zone file `{}`: {error}", file.named))
            .label("this file")
    };
    match store.load() {
        Err(LoadError::Unreadable(error)) if !file.reload.interval.is_zero() => {
            tracing::warn!(
                target: TARGET,
                "Failed to open \"{}\": {error}: trying again in {:?}",
                file.path.display(),
                file.reload.interval
            );
        }
        loaded => loaded.map_err(wrong)?,
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
