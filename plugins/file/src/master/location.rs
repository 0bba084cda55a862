//! LOC: `D [M [S]] N|S D [M [S]] E|W ALTITUDE [SIZE [HORIZONTAL [VERTICAL]]]` (RFC 1876 §3).

/// The data in wire format.
pub(super) fn parse(words: &[&[u8]]) -> Option<[u8; 16]> {
    let words =
        words.iter().map(|word| std::str::from_utf8(word).ok()).collect::<Option<Vec<_>>>()?;
    let (latitude, words) = angle(&words, 90, "N", "S")?;
    let (longitude, words) = angle(words, 180, "E", "W")?;
    let (altitude, words) = words.split_first()?;
    // From 100 km below the ellipsoid, in centimetres.
    let altitude = u32::try_from(centimetres(altitude)?.checked_add(10_000_000)?).ok()?;
    if words.len() > 3 {
        return None;
    }
    let precision = |at: usize, otherwise: u8| match words.get(at) {
        Some(word) => size(word),
        None => Some(otherwise),
    };
    let mut wire = [0; 16];
    // 1 m, 10 km and 10 m unless written.
    wire[1..4].copy_from_slice(&[precision(0, 0x12)?, precision(1, 0x16)?, precision(2, 0x13)?]);
    wire[4..8].copy_from_slice(&latitude.to_be_bytes());
    wire[8..12].copy_from_slice(&longitude.to_be_bytes());
    wire[12..].copy_from_slice(&altitude.to_be_bytes());
    Some(wire)
}

/// Thousandths of a second of arc, 2^31 being the equator or the prime meridian.
fn angle<'a, 'w>(
    words: &'a [&'w str],
    most_degrees: u32,
    positive: &str,
    negative: &str,
) -> Option<(u32, &'a [&'w str])> {
    let end = words.iter().take(4).position(|word| {
        word.eq_ignore_ascii_case(positive) || word.eq_ignore_ascii_case(negative)
    })?;
    let whole = |at: usize, most: u32| match words[..end].get(at) {
        Some(word) => word.parse::<u32>().ok().filter(|n| *n <= most),
        None => Some(0),
    };
    if end == 0 {
        return None;
    }
    let (degrees, minutes) = (whole(0, most_degrees)?, whole(1, 59)?);
    let thousandths = match words[..end].get(2) {
        Some(seconds) => u32::try_from(fixed(seconds, 3)?).ok().filter(|n| *n < 60_000)?,
        None => 0,
    };
    let angle = (degrees * 60 + minutes) * 60_000 + thousandths;
    if angle > most_degrees * 3_600_000 {
        return None;
    }
    let middle = 1_u32 << 31;
    let is_positive = words[end].eq_ignore_ascii_case(positive);
    let angle = if is_positive { middle + angle } else { middle - angle };
    Some((angle, &words[end + 1..]))
}

/// Metres with an `m` or without, in centimetres.
fn centimetres(word: &str) -> Option<i64> {
    fixed(word.strip_suffix(['m', 'M']).unwrap_or(word), 2)
}

/// A size as a digit and a power of ten, in centimetres (RFC 1876 §2).
fn size(word: &str) -> Option<u8> {
    let mut mantissa = centimetres(word).filter(|cm| (0..=9_000_000_000).contains(cm))?;
    let mut exponent = 0;
    while mantissa >= 10 {
        mantissa /= 10;
        exponent += 1;
    }
    Some(u8::try_from(mantissa).ok()? << 4 | exponent)
}

/// A decimal number with at most `n_decimals` decimals, as a whole number of its last decimal.
fn fixed(word: &str, n_decimals: usize) -> Option<i64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let is_sound = is_digits(whole)
        && is_digits(decimals)
        && decimals.len() <= n_decimals
        && !(whole.is_empty() && decimals.is_empty())
        && whole.len() <= 9;
    if !is_sound {
        return None;
    }
    format!("{whole}{decimals:0<n_decimals$}").parse::<i64>().ok().map(|n| sign * n)
}
