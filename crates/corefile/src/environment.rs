//! Environment variables in words: `{%NAME%}` first, then `{$NAME}`.
//!
//! A value is never split into words. It is searched again, so a value may name other variables; that is also why
//! there are limits here, where CoreDNS would not come to an end.

/// A word after replacement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// The variables that were not set, which count as empty.
    pub(crate) unset: Vec<String>,
}

/// Replacement did not come to an end: a value that contains its own name, for one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endless;

/// Looks a variable up.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every variable of a word.
pub(crate) fn expand(word: &str, environment: Environment<'_>) -> Result<Expanded, Endless> {
    let mut expanded = Expanded { text: word.to_owned(), unset: Vec::new() };
    replace(&mut expanded, "{%", "%}", environment)?;
    replace(&mut expanded, "{$", "}", environment)?;
    Ok(expanded)
}

fn replace(
    expanded: &mut Expanded,
    open: &str,
    close: &str,
    environment: Environment<'_>,
) -> Result<(), Endless> {
    let most_bytes = expanded.text.len() + MOST_BYTES;
    let mut n_rounds = 0;
    while let Some(start) = expanded.text.find(open) {
        // As in CoreDNS, the end is searched from the first byte of `open`: `{%}` has its end inside its beginning.
        let Some(length) = expanded.text[start..].find(close) else { break };
        if length <= open.len() {
            break; // No name: neither this one nor what follows is replaced.
        }
        let name = expanded.text[start + open.len()..start + length].to_owned();
        let reference = format!("{open}{name}{close}");
        let value = environment(&name).unwrap_or_else(|| {
            if !expanded.unset.contains(&name) {
                expanded.unset.push(name);
            }
            String::new()
        });
        n_rounds += 1;
        let grows_by = value.len().saturating_mul(expanded.text.matches(&reference).count());
        if n_rounds > MOST_ROUNDS || expanded.text.len().saturating_add(grows_by) > most_bytes {
            return Err(Endless);
        }
        expanded.text = expanded.text.replace(&reference, &value);
    }
    Ok(())
}

/// Different references in one word.
const MOST_ROUNDS: usize = 256;

/// How much longer a word may become. The kernel's limit for one variable is an eighth of it.
const MOST_BYTES: usize = 1 << 20;
