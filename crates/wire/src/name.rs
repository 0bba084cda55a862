//! Names in wire format.

/// The longest name, the root's octet included (RFC 1035 §2.3.4).
pub const MAX_NAME_LEN: usize = 255;

/// The offset after the name at `at`, compression pointers followed over but not into; `None` where
/// the bytes are no name.
pub fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let octet = *message.get(at)?;
        match octet {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(octet),
            // RFC 1035 §4.1.4: two bits set make a pointer, which ends the name.
            0xC0..=0xFF => return message.get(at + 1).map(|_| at + 2),
            // RFC 6891 §5: the other label types are not in use.
            _ => return None,
        }
        if at - start >= MAX_NAME_LEN {
            return None;
        }
    }
}

/// A name in wire format, in lower case, on the stack: a key for look-ups.
#[derive(Clone, Copy)]
pub struct LowerName {
    octets: [u8; MAX_NAME_LEN],
    len: u8,
}

impl LowerName {
    /// From an uncompressed name in wire format; `None` where it is longer than a name may be.
    pub fn new(name: &[u8]) -> Option<Self> {
        let len = u8::try_from(name.len()).ok()?;
        let mut octets = [0; MAX_NAME_LEN];
        let lower = octets.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        // A length octet is at most 63, so no letter is mistaken for one, nor the reverse.
        lower.make_ascii_lowercase();
        Some(Self { octets, len })
    }

    /// The octets, length octets included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for LowerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LowerName({})", self.as_bytes().escape_ascii())
    }
}

impl PartialEq for LowerName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for LowerName {}

impl std::hash::Hash for LowerName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}
