//! Octets as text and back (RFC 4648 §4).

/// Octets as text.
pub(super) fn to_base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let octet = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for i in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * i) & 0x3f) as usize];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Text as octets; `None` where it is no such text. Line breaks are passed over.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let n_digits = digits.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    if !digits.len().is_multiple_of(4) || digits.len() - n_digits > 2 {
        return None;
    }
    let mut octets = Vec::with_capacity(digits.len() / 4 * 3);
    for chunk in digits[..n_digits].chunks(4) {
        let mut bits = 0_u32;
        for digit in chunk {
            let value = BASE64.iter().position(|known| known == digit)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let n_octets = chunk.len() * 6 / 8;
        bits <<= 6 * (4 - chunk.len());
        octets.extend(&bits.to_be_bytes()[1..=n_octets]);
    }
    Some(octets)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
