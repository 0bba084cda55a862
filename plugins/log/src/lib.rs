//! Logs each query with its reply, in the format of CoreDNS.
//!
//! ```text
//!  query ─► first scope with the name ─► next plugin ─► class wanted? ─► one line
//!               └─ none: not logged
//! ```
//!
//! Lines are handed to the server's log, which writes them without holding an answer up.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directives, typed |
//! | [`format`](mod@format) | a line's format: text and placeholders |
//! | [`class`] | what kind of answer a reply is |
//! | [`serve`] | the handler |

mod class;
mod config;
mod format;
mod serve;

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use config::Config;
use serve::Log;

/// The `log` directive. It may be repeated; all of them make one plugin.
pub const PLUGIN: PluginSpec = PluginSpec { name: "log", setup };

#[expect(clippy::unnecessary_wraps, reason = "every set-up has this shape")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let Config { rules } = Config::parse(setup);
    Ok(Box::new(Log { rules }))
}

#[cfg(test)]
mod tests;
