//! Hands whole zones to secondaries (AXFR, IXFR) and tells them of changes (NOTIFY).
//!
//! ```text
//!   secondary ── AXFR over TCP ──► serve ── records ──► whichever plugin has the zone
//!        ▲                           └─ messages of at most 63,000 octets of records ─► client
//!        └────── NOTIFY over UDP ── notify ◄── another serial ──┘
//! ```
//!
//! The zones are those of other plugins of the server block, which offer them as
//! [`plugin::capability::Transfer`]. Differences between two versions of a zone are not kept: an IXFR is
//! answered with "you have it already" or with the whole zone, as RFC 1995 §4 allows.

mod config;
mod notify;
mod serve;

use plugin::capability::Capabilities;
use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::Config;

/// The `transfer` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "transfer", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    Ok(Box::new(Transfer { config, capabilities: setup.block.capabilities.clone() }))
}

/// All `transfer` directives of a server block.
struct Transfer {
    config: Config,
    /// The zones are found here once every plugin of the block is set up.
    capabilities: Capabilities,
}

#[cfg(test)]
mod tests;
