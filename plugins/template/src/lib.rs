//! Answers from templates, filled in from the question.
//!
//! ```text
//!  query ── zone, class, type ── match ── var, expr ──► answer, authority, additional ── text ──► records
//!               │ no                │ no     │ no
//!               ▼                   ▼        ▼
//!         next template        SERVFAIL, or with `fallthrough` the next template; after the last the next plugin
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the directives, typed |
//! | [`serve`] | which of them answers, and how |
//! | [`subject`] | what templates can say about a query |
//! | [`text`] | the language of templates |
//! | [`expression`] | the language of `var` and `expr` |
//! | [`record`] | a line of a zone file to a record |

mod config;
mod expression;
mod metrics;
mod record;
mod serve;
mod subject;
mod text;

use plugin::{Diagnostic, Plugin, PluginSpec, Setup};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::serve::Templates;

/// The `template` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "template", setup };

#[expect(clippy::unnecessary_wraps, reason = "mistakes are reported, all of them")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let configs = Config::parse_all(setup);
    Ok(Box::new(Templates::new(configs, Metrics::new(setup.metrics))))
}

#[cfg(test)]
mod tests;
