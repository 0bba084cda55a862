//! What Rhumb's tests share; a dev-dependency only.
//!
//! ```ignore
//! let kit = testkit::Kit::new();
//! let chain = kit.chain(&[(&PLUGIN, "whoami")])?;
//! let reply = testkit::ask(&chain, &testkit::query("example.org. A")).await?;
//! assert_eq!(testkit::lines(&reply.message().unwrap().answers), ["…"]);
//! ```
//!
//! [`Kit`] sets plugins up from Corefile text, [`query()`] builds requests, [`Table`] is a plugin that
//! answers from zone-file lines, [`StubUpstream`] is a real socket that answers what a closure says.

mod kit;
mod logs;
mod query;
mod records;
mod setup;
mod table;
mod upstream;

pub use kit::{Kit, rendered};
pub use logs::Logs;
pub use query::{Query, ask, query};
pub use records::{lines, record, records};
pub use setup::with_setup;
pub use table::Table;
pub use upstream::StubUpstream;
