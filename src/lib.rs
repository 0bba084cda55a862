//! Rhumb, a cluster DNS server: the server's own part, which is glue and no DNS semantics.
//!
//! A build with plugins of one's own is this `main`:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     rhumb::run(&rhumb::directives().before("forward", &acme::PLUGIN))
//! }
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`directives`](mod@directives) | THE ordered list of plugins |
//! | `cli` | the command line, CoreDNS's flags and our sub-commands |
//! | `conf` | the Corefile: where it comes from, what is wrong with it, whether it has changed |
//! | `assemble` | Corefile tree to server blocks to compiled chains |
//! | `routes`, `chain`, `finish` | a message on its way through a listener |
//! | `replay` | the fast path: finished replies, sent again while they hold |
//! | `listen` | workers with their UDP and TCP sockets |
//! | `settings` | directives that set up the server instead of answering |
//! | `lifecycle`, `signals`, `banner` | start, reload, lame duck, shutdown |
//! | `log` | log lines as CoreDNS writes them |

mod assemble;
mod banner;
mod chain;
mod cli;
mod conf;
pub mod directives;
mod finish;
mod lifecycle;
mod listen;
mod log;
#[cfg_attr(not(feature = "replay"), path = "replay/absent.rs")]
mod replay;
mod routes;
mod settings;
mod signals;

pub use cli::run;
pub use directives::{Directives, directives};

/// What this server was built from.
pub const BUILD: plugin::setup::Build = plugin::setup::Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("RHUMB_COMMIT"),
    rustc: env!("RHUMB_RUSTC"),
};
