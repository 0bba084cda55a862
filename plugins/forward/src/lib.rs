//! Passes queries on to other resolvers and their replies back.
//!
//! ```text
//!  request ─► which `forward` of the block? ─► identical question under way? ─ yes ─► share its reply
//!             FROM, except                            │ no
//!                                                     ▼
//!                        race: first upstream ─► late? second one as well ─► first good reply
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `config` | the properties; `target` the TO arguments; `lookup` host names among them |
//! | `stanza` | one `forward` directive at work: its upstreams, its limits |
//! | `race` | one question to one or more upstreams |
//! | `policy`, `budget` | in which order; how many more queries than needed |
//! | `flight` | identical questions answered together |
//! | `watch` | resolv.conf-style files read again |
//!
//! Connections, health and round-trip times are `rhumb-upstream`'s; they outlive a reload.

mod budget;
mod config;
mod error;
mod flight;
mod lookup;
mod metrics;
mod policy;
mod race;
mod rcode;
mod registry;
mod serve;
mod stanza;
mod target;
mod watch;

use std::sync::Arc;

use plugin::capability::Upstreams;
use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use config::Config;
use metrics::Metrics;
use registry::Registry;
use serve::Forward;
use stanza::Stanza;

/// The `forward` directive; it may be repeated, and the first whose FROM matches is asked.
pub const PLUGIN: PluginSpec = PluginSpec { name: "forward", setup };

#[expect(
    clippy::unnecessary_wraps,
    reason = "every mistake is reported; the type is the contract's"
)]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let metrics = Arc::new(Metrics::new(setup.metrics));
    let registry = setup.keep("forward", Registry::default);
    let mut stanzas = Vec::new();
    for directive in setup.directives {
        let Some(config) = Config::parse(directive, setup) else { continue };
        let maker = registry::Maker {
            registry: Arc::clone(&registry),
            metrics: Arc::clone(&metrics),
            background: setup.shared.background.clone(),
        };
        let stanza = Arc::new(Stanza::new(config, maker));
        setup.provide::<dyn Upstreams>(Arc::<Stanza>::clone(&stanza));
        stanzas.push(stanza);
    }
    Ok(Box::new(Forward { stanzas }))
}

#[cfg(test)]
mod tests;
