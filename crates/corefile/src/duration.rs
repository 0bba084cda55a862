//! Durations as Go writes them.

use std::time::Duration;

/// Parses `300ms`, `1.5h`, `2h45m`; `None` for anything else, negative durations included.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let n_number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(n_number);
        let n_unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(n_unit);
        let nanos_per_unit: f64 = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        let nanos = number.parse::<f64>().ok()? * nanos_per_unit;
        // Go's durations end at 2^63 nanoseconds, about 292 years.
        if !nanos.is_finite() || nanos > 9.2e18 {
            return None;
        }
        total = total.checked_add(Duration::from_secs_f64(nanos.round() / 1e9))?;
        rest = after;
    }
    (total.as_nanos() <= i64::MAX as u128).then_some(total)
}
