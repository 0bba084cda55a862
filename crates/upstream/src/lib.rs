//! Pooled, health-checked connections to other resolvers: bytes in, bytes out.
//!
//! An [`Upstream`] is one address over one protocol. [`Upstream::exchange`] sends a query and returns
//! the reply to it; everything that makes this quick and safe stands behind that call:
//!
//! ```text
//!  exchange ─► pool of this thread ─► idle connection? ─ yes ─► send, receive ─► back to the pool
//!                                          │ no                    │ error
//!                                          └─► connect ────────────┤
//!                                                                  └─► suspect() ─► probe until it answers
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`message`] | the few header fields and the question, read and written in place |
//! | `pool` | idle connections, kept on the thread whose runtime made them |
//! | `udp`, `stream`, [`https`] | one exchange over a datagram socket; over TCP or TLS; over HTTP/2 |
//! | `health` | failed checks counted, probes while something is wrong |
//! | `timing` | smoothed round-trip time and time to connect |
//! | [`tls`] | client configurations from PEM |
//!
//! Which upstream to ask, when to ask a second one, and what a reply means is the caller's business.

mod error;
mod health;
pub mod https;
pub mod message;
mod pool;
mod stream;
mod timing;
pub mod tls;
mod udp;
mod upstream;

pub use error::Error;
pub use health::HealthCheck;
pub use https::{HttpsClient, Method};
pub use tls::{TlsClient, TlsError};
pub use upstream::{Observer, Over, Proto, Protocol, Settings, Upstream};

#[cfg(test)]
mod tests;
