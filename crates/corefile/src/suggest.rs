//! "Did you mean": the nearest known word.

/// The word of `known` that differs least from `word`, where it is near enough to be what was meant:
/// at most one edit for short words, and a third of the letters for longer ones.
///
/// Upper and lower case make no difference. Very long words are not looked at.
pub fn suggest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > MOST_BYTES {
        return None;
    }
    let word: Vec<char> = word.to_ascii_lowercase().chars().collect();
    let most_edits = (word.len() / 3).max(1);
    known
        .iter()
        .filter(|candidate| candidate.len() <= MOST_BYTES)
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_ascii_lowercase().chars().collect();
            (distance(&word, &letters), *candidate)
        })
        .filter(|(edits, _)| *edits <= most_edits)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let cost = usize::from(from[i - 1] != to[j - 1]);
            row[j] = (row[j - 1] + 1).min(last[j] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

/// Longer than any name; the work grows with the square of it.
const MOST_BYTES: usize = 64;
