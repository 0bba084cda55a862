//! Label selectors as the Corefile writes them: `environment in (production, qa),tier!=cache`.
//!
//! The API server gets the text as it stands; objects from manifests are matched here. The grammar is
//! that of `kubectl -l`, without `<` and `>`, which label selectors of objects do not have.

use std::collections::BTreeMap;

/// Requirements that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Selector {
    /// As it goes to the API server.
    pub(crate) text: String,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Selector {
    /// The selector, or what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words = Words { rest: text };
        let mut requirements = Vec::new();
        while !words.peek().is_empty() {
            requirements.push(requirement(&mut words)?);
            match words.next() {
                "," if !words.peek().is_empty() => {}
                "" => break,
                other => return Err(format!("expected a comma, not `{other}`")),
            }
        }
        Ok(Self { text: text.to_owned(), requirements })
    }

    /// Whether an object with these labels is selected.
    pub(crate) fn selects(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = |key: &String| labels.and_then(|labels| labels.get(key));
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => value(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => {
                !value(key).is_some_and(|value| values.contains(value))
            }
            Requirement::Exists(key) => value(key).is_some(),
            Requirement::Missing(key) => value(key).is_none(),
        })
    }
}

fn requirement(words: &mut Words<'_>) -> Result<Requirement, String> {
    if words.peek() == "!" {
        words.next();
        return Ok(Requirement::Missing(key(words.next())?));
    }
    let key = key(words.next())?;
    Ok(match words.peek() {
        "" | "," => Requirement::Exists(key),
        "=" | "==" => {
            words.next();
            Requirement::In(key, vec![one_value(words)?])
        }
        "!=" => {
            words.next();
            Requirement::NotIn(key, vec![one_value(words)?])
        }
        "in" => {
            words.next();
            Requirement::In(key, values(words)?)
        }
        "notin" => {
            words.next();
            Requirement::NotIn(key, values(words)?)
        }
        other => return Err(format!("expected `=`, `!=`, `in` or `notin`, not `{other}`")),
    })
}

/// What follows `=`: nothing at all is the empty value.
fn one_value(words: &mut Words<'_>) -> Result<String, String> {
    match words.peek() {
        "" | "," => Ok(String::new()),
        _ => value(words.next()),
    }
}

/// `(a, b)`.
fn values(words: &mut Words<'_>) -> Result<Vec<String>, String> {
    if words.next() != "(" {
        return Err("expected `(`".into());
    }
    let mut values = Vec::new();
    loop {
        match words.peek() {
            "," | ")" => values.push(String::new()),
            _ => values.push(value(words.next())?),
        }
        match words.next() {
            "," => {}
            ")" => return Ok(values),
            "" => return Err("the `(` is not closed".into()),
            other => return Err(format!("expected `,` or `)`, not `{other}`")),
        }
    }
}

/// A label's key: a name of up to 63 characters, perhaps after a domain name and a slash.
fn key(word: &str) -> Result<String, String> {
    let (prefix, name) = word.rsplit_once('/').unwrap_or(("example.org", word));
    let is_domain = !prefix.is_empty()
        && prefix.len() <= 253
        && prefix.split('.').all(|label| {
            is_name(label) && !label.contains(['_', '.']) && !label.contains(char::is_uppercase)
        });
    if is_domain && is_name(name) && name.len() <= 63 {
        Ok(word.to_owned())
    } else {
        Err(format!("`{word}` is not a label's key"))
    }
}

fn value(word: &str) -> Result<String, String> {
    if word.is_empty() || (is_name(word) && word.len() <= 63) {
        Ok(word.to_owned())
    } else {
        Err(format!("`{word}` is not a label's value"))
    }
}

/// Letters, digits, `-`, `_` and `.`, with a letter or a digit at both ends.
fn is_name(word: &str) -> bool {
    let ends = word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.ends_with(|c: char| c.is_ascii_alphanumeric());
    ends && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The words and signs of a selector; the empty word is the end.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn peek(&self) -> &'a str {
        let rest = self.rest.trim_start();
        for sign in ["==", "!=", "=", "!", ",", "(", ")"] {
            if let Some(found) = rest.get(..sign.len()).filter(|start| *start == sign) {
                return found;
            }
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!,()".contains(c));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.rest = &self.rest.trim_start()[word.len()..];
        word
    }
}

#[cfg(test)]
mod tests;
