//! The wall clock, in one place.

use std::time::{Duration, SystemTime};

/// Time since the Unix epoch: for SOA serials, signature validity and reload timestamps.
/// Use `tokio::time::Instant` for everything that waits or expires, so that tests can advance it.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
