//! Logs the errors that the plugins below return, one line each or many in one.
//!
//! An error that repeats with every query fills the log and says nothing new. `consolidate` rules take such
//! errors out of the log and print one line for all of them when a while has passed:
//!
//! ```text
//!  error ─► first rule that matches ─► count += 1 ── first of a window ──► `run` sleeps until its end
//!     └──── none ─► logged as it is                                            └─► "N errors like …"
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directive, typed |
//! | [`consolidate`] | the window of one rule |
//! | [`serve`] | the line of an error |

mod config;
mod consolidate;
mod serve;

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use config::Config;
use serve::Errors;

/// The `errors` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "errors", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup)?;
    Ok(Box::new(Errors::new(config)))
}

#[cfg(test)]
mod tests;
