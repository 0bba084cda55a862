//! What is printed once the server serves: each zone with where it is served, and the version.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::assemble::Endpoint;

/// The zones that are served and where, then the version: as CoreDNS prints them.
pub(crate) fn print(endpoints: &[Endpoint]) {
    let mut text = String::new();
    for endpoint in endpoints {
        for zone in &endpoint.zones {
            if !is_preferred_syntax(zone) {
                let _ = writeln!(
                    text,
                    "Warning: Domain {zone:?} does not follow RFC1035 preferred syntax"
                );
            }
            let _ = write!(text, "{zone}:{}", endpoint.address.port());
            if !endpoint.address.ip().is_unspecified() {
                let _ = write!(text, " on {}", endpoint.address.ip());
            }
            text.push('\n');
        }
    }
    text.push_str(&crate::cli::version());
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// RFC 1035 §2.3.1; the root and reverse zones pass.
fn is_preferred_syntax(zone: &str) -> bool {
    if zone == "." || zone.ends_with(".in-addr.arpa.") || zone.ends_with(".ip6.arpa.") {
        return true;
    }
    zone.strip_suffix('.').is_some_and(|labels| {
        labels.split('.').all(|label| {
            label.starts_with(|c: char| c.is_ascii_alphabetic())
                && label.ends_with(|c: char| c.is_ascii_alphanumeric())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    })
}
