//! Answers A, AAAA and PTR from a hosts file and from lines of the same form in the Corefile.
//!
//! ```text
//!  /etc/hosts ── refresh, when its time or size has changed ──► table ─┐
//!  Corefile ──── set-up ──────────────────────────────────────► table ─┴─► answers, the file's first
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directive, typed |
//! | [`table`] | names to addresses and back |
//! | [`store`] | the two tables, and when the file is read again |
//! | [`serve`] | which of them answers what |
//!
//! A hosts file has no SOA record, so there is no proper negative answer: a name that is not there is
//! passed on or fails. Data survives a reload that leaves the directive as it is.

mod config;
mod metrics;
mod reverse;
mod serve;
mod store;
mod table;

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::serve::Hosts;
use crate::store::Store;

/// The `hosts` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "hosts", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    let metrics = Metrics::new(setup.metrics);
    let store = setup.keep(format!("{config:?}"), || Store::new(&config, metrics));
    store.refresh();
    Ok(Box::new(Hosts::new(config, store)))
}

#[cfg(test)]
mod tests;
