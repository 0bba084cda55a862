//! Walks a client's search path on the server, so that the client asks once.
//!
//! A stub resolver with `search a.example b.example` and `ndots:5` asks for `www.example.org` as
//! `www.example.org.a.example.` first, then `….b.example.`, then as it is. This plugin knows the path,
//! takes the first name apart and asks the rest of the chain for each in turn:
//!
//! ```text
//!   www.example.org.a.example. A ──► base `www.example.org`
//!        www.example.org.a.example.   NXDOMAIN
//!        www.example.org.b.example.   NXDOMAIN
//!        www.example.org.             NOERROR, A 192.0.2.1
//!   ◄── www.example.org.a.example. CNAME www.example.org. + A 192.0.2.1
//! ```
//!
//! The path is that of a resolv.conf file for all clients, or what another plugin knows of this client
//! ([`SearchPath`](plugin::capability::SearchPath)). Where nothing is known for certain, the question is
//! passed on untouched and the client does its own searching. NXDOMAIN holds for every type of a name
//! (RFC 8020), so A and AAAA come to the same name.

mod config;
mod metrics;
mod serve;

use plugin::capability::Capabilities;
use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::Config;
use crate::metrics::Metrics;

/// The `autopath` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "autopath", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    let capabilities = setup.block.capabilities.clone();
    Ok(Box::new(Autopath { config, capabilities, metrics: Metrics::new(setup.metrics) }))
}

/// The plugin.
struct Autopath {
    config: Config,
    /// Plugins that know their clients are found here once every plugin of the block is set up.
    capabilities: Capabilities,
    metrics: Metrics,
}

#[cfg(test)]
mod tests;
