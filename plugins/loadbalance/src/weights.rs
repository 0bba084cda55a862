//! The weights of addresses, and the file that they stand in.
//!
//! ```text
//! # which of the two is first in the answer
//! www.example.org
//! 192.0.2.1 3
//! 192.0.2.2 1
//! ```

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use plugin::proto::rr::Name;

/// Weights by owner and address; 1 for those not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights(HashMap<Name, Vec<(IpAddr, u8)>>);

/// Why there are no weights.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WeightsError {
    #[error("cannot read the weight file: {0}")]
    Unreadable(#[from] io::Error),
    #[error("line {line}: `{word}` is not a domain name")]
    Name { line: usize, word: String },
    #[error("line {line}: `{word}` is not an address")]
    Address { line: usize, word: String },
    #[error("line {line}: `{word}` is not a weight from 1 to 255")]
    Weight { line: usize, word: String },
    #[error("line {line}: a weight before the first domain name")]
    NoName { line: usize },
    #[error("line {line}: neither a domain name nor an address and its weight")]
    Words { line: usize },
}

impl Weights {
    /// The weight of an address at an owner.
    pub(crate) fn of(&self, owner: &Name, address: IpAddr) -> u8 {
        let weights = self.0.get(owner).map_or(&[][..], Vec::as_slice);
        weights.iter().find(|(known, _)| *known == address).map_or(1, |(_, weight)| *weight)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<(Self, Vec<u8>), WeightsError> {
        let octets = std::fs::read(path)?;
        let weights = Self::parse(&String::from_utf8_lossy(&octets))?;
        Ok((weights, octets))
    }

    /// From the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, WeightsError> {
        let mut weights = Self::default();
        let mut current: Option<Name> = None;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                [word] => {
                    let wrong = || WeightsError::Name { line, word: (*word).to_owned() };
                    // An address alone on its line is a weight forgotten.
                    if word.parse::<IpAddr>().is_ok() {
                        return Err(wrong());
                    }
                    let mut name = Name::from_ascii(word).map_err(|_| wrong())?;
                    name.set_fqdn(true);
                    current = Some(name);
                }
                [address, weight] => {
                    let address: IpAddr = address
                        .parse()
                        .map_err(|_| WeightsError::Address { line, word: (*address).to_owned() })?;
                    let wrong = || WeightsError::Weight { line, word: (*weight).to_owned() };
                    let weight: u8 = weight.parse().map_err(|_| wrong())?;
                    if weight == 0 {
                        return Err(wrong());
                    }
                    let owner = current.clone().ok_or(WeightsError::NoName { line })?;
                    weights.0.entry(owner).or_default().push((address.to_canonical(), weight));
                }
                _ => return Err(WeightsError::Words { line }),
            }
        }
        Ok(weights)
    }
}
