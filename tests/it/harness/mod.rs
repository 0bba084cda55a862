//! What the tests share.
//!
//! | module | noun |
//! |---|---|
//! | [`server`] | the process under test |
//! | [`places`] | its folder, its ports and what else a Corefile template names |
//! | [`client`] | queries over UDP and TCP |
//! | [`upstream`] | a resolver to forward to, which can fail on demand |
//! | [`dialog`] | queries and expected replies as text |
//! | [`load`] | clients that ask without a pause |
//! | [`http`] | `/metrics`, `/ready`, `/health` |

pub(crate) mod client;
pub(crate) mod dialog;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod places;
pub(crate) mod server;
pub(crate) mod upstream;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// Asks again until there is an answer, for so long at the most.
pub(crate) fn eventually<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says that a test was left out, and why: past the runner's capture, and in `target/tmp/left-out`.
pub(crate) fn left_out(test: &str, why: &str) {
    let line = format!("LEFT OUT: {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("left-out");
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = file.write_all(line.as_bytes());
    }
}

/// A figure for the reader of the run's output: past the runner's capture.
pub(crate) fn tell(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const LONG: Duration = Duration::from_secs(30);
