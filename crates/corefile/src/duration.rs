//! Durations as Go writes them.

use std::time::Duration;

/// Parses `300ms`, `1.5h`, `2h45m`; `None` for anything else, negative durations included.
///
/// What is finer than a nanosecond is cut off. Go's durations end at 2^63 - 1 nanoseconds, about 292 years.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let nanos = if unsigned == "0" { 0 } else { nanos(unsigned)? };
    if text.starts_with('-') && nanos > 0 {
        return None;
    }
    let nanos = u64::try_from(nanos).ok().filter(|nanos| i64::try_from(*nanos).is_ok())?;
    Some(Duration::from_nanos(nanos))
}

fn nanos(text: &str) -> Option<u128> {
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (whole, after_whole) = leading_digits(rest);
        let (fraction, after_number) = match after_whole.strip_prefix('.') {
            Some(after_dot) => leading_digits(after_dot),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let n_unit_bytes = after_number
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(n_unit_bytes);
        let nanos_per_unit = nanos_per_unit(unit)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(u128::from(whole) * u128::from(nanos_per_unit))?;
        // A billionth of a billionth of an hour is less than a nanosecond.
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
            total += fraction.parse::<u128>().ok()? * u128::from(nanos_per_unit) / scale;
        }
        rest = after_unit;
    }
    (!text.is_empty()).then_some(total)
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

const fn nanos_per_unit(unit: &str) -> Option<u64> {
    // The micro sign and the Greek letter look alike, and Go takes both.
    Some(match unit.as_bytes() {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}
