//! The contract between the server and its plugins.
//!
//! A plugin answers a request, or asks the next one and may edit what comes back. Replies are
//! returned, never written to a writer:
//!
//! ```text
//!  Request ──► errors ──► cache ──► kubernetes ──► forward
//!                 ◄── Reply ◄── Reply ◄── Reply ◄──┘
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`chain`] | [`Plugin`], [`Next`], [`PluginSpec`]: the heart of the contract |
//! | [`request`] | [`Request`]: a query with where it came from and how to look things up on the way |
//! | [`reply`] | [`Reply`]: a message, what it may be replayed for, and the counters it bumped |
//! | [`replay`] | [`Replay`] and [`Epochs`]: how long a finished reply stays right |
//! | [`setup`] | [`Setup`]: a plugin's view of its directive, its server block and what outlives a reload |
//! | [`metrics`] | counters that cost a worker one uncontended store |
//! | [`http`] | the small HTTP endpoints of health, ready and prometheus |
//! | [`names`] | names, types and codes as log lines and labels write them |
//! | [`pattern`] | regular expressions in RE2's language |
//! | [`zones`] | [`Zones`] and [`Fallthrough`] arguments |
//!
//! Two plugins that must talk do so through a trait in [`capability`].

pub mod capability;
pub mod chain;
pub mod clock;
mod error;
pub mod http;
pub mod metrics;
pub mod names;
pub mod pattern;
pub mod replay;
pub mod reply;
pub mod request;
pub mod setup;
mod shutdown;
pub mod zones;

pub use async_trait::async_trait;
pub use corefile::{Argument, Bounds, Diagnostic, Directive, Property, Span};
pub use hickory_proto as proto;

pub use chain::{Chain, Next, Plugin, PluginSpec, SetupFn, StartError};
pub use error::{Ede, ServeError};
pub use replay::{Epoch, Epochs, Replay, Validity};
pub use reply::{Reply, Tally};
pub use request::{Origin, Request, Resolve, ServerInfo, Transport};
pub use setup::{Keep, Setup};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use zones::{Fallthrough, Zones};

#[cfg(test)]
mod tests;
