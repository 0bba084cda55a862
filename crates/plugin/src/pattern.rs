//! Regular expressions as they are written for CoreDNS.
//!
//! Both `regex` and Go's RE2 keep to linear time and nearly the same language. What they read differently is
//! rewritten here, so that an expression from a working Corefile goes on meaning the same:
//!
//! | written | to CoreDNS | to `regex` |
//! |---|---|---|
//! | `{`, `a{b}` | a brace, where it is no repetition | an error |
//! | `[[]`, `[a&&b]`, `[a~~b]` | characters | sets of sets |
//! | `\Q.+\E` | the text between | an error |

use crate::{Argument, Diagnostic};
use regex::{Regex, RegexBuilder};

/// Compiles an expression that stands in a Corefile: at most 10,000 octets, as with CoreDNS.
pub fn compile(written: &Argument) -> Result<Regex, Diagnostic> {
    let wrong = |message: String| Diagnostic::error(written.span, message);
    if written.len() > MAX_LEN {
        return Err(wrong(format!(
            "the expression is {} octets long, more than {MAX_LEN}",
            written.len()
        ))
        .label("too long"));
    }
    of_text(written).map_err(|reason| {
        wrong(reason)
            .label("cannot be compiled")
            .help("the language is RE2's; quote expressions with spaces")
    })
}

/// Compiles an expression; the error says what is wrong with it.
pub fn of_text(written: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(written)).size_limit(MAX_SIZE).build().map_err(|error| {
        // The last line says what is wrong; those above it draw the expression.
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{written}` is not a regular expression: {reason}")
    })
}

/// The same expression in `regex`'s language.
fn translate(written: &str) -> String {
    let mut translated = String::with_capacity(written.len());
    let mut rest = written;
    let mut in_class = false;
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '\\' if rest.starts_with("\\Q") => {
                let text = &rest[2..];
                let end = text.find("\\E");
                translated.push_str(&regex::escape(&text[..end.unwrap_or(text.len())]));
                2 + end.map_or(text.len(), |end| end + 2)
            }
            '\\' => {
                let n_taken = escape_len(rest);
                translated.push_str(&rest[..n_taken]);
                n_taken
            }
            '[' if in_class => {
                let n_taken = posix_class_len(rest);
                translated.push_str(n_taken.map_or("\\[", |n_taken| &rest[..n_taken]));
                n_taken.unwrap_or(1)
            }
            '[' => {
                in_class = true;
                // A bracket that comes first, or after the caret, is a character.
                let n_taken = ["[^]", "[]", "[^"].into_iter().find(|start| rest.starts_with(start));
                let opening = n_taken.unwrap_or("[");
                translated.push_str(&opening.replace(']', "\\]"));
                opening.len()
            }
            ']' if in_class => {
                in_class = false;
                translated.push(']');
                1
            }
            '&' | '~' if in_class => {
                translated.push('\\');
                translated.push(next);
                1
            }
            '{' if !in_class && !is_repetition(rest) => {
                translated.push_str("\\{");
                1
            }
            _ => {
                translated.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    translated
}

/// Octets of the escape that `rest` begins with: `\d`, `\pL`, `\p{Greek}`, `\x{263A}`.
fn escape_len(rest: &str) -> usize {
    let mut chars = rest.chars();
    chars.next();
    let Some(escaped) = chars.next() else { return rest.len() };
    let n_escape = 1 + escaped.len_utf8();
    match rest[n_escape..].find('}') {
        Some(end) if "pPx".contains(escaped) && rest[n_escape..].starts_with('{') => {
            n_escape + end + 1
        }
        _ => n_escape,
    }
}

/// Octets of a class like `[:alpha:]` that `rest` begins with.
fn posix_class_len(rest: &str) -> Option<usize> {
    let name = rest.strip_prefix("[:")?;
    let end = name.find(":]")?;
    name[..end].chars().all(|c| c == '^' || c.is_ascii_lowercase()).then_some(end + 4)
}

/// Whether `rest` begins with `{2}`, `{2,}` or `{2,5}`.
fn is_repetition(rest: &str) -> bool {
    let Some(end) = rest.find('}') else { return false };
    let (least, most) = match rest[1..end].split_once(',') {
        Some((least, most)) => (least, Some(most)),
        None => (&rest[1..end], None),
    };
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && are_digits(least) && most.is_none_or(are_digits)
}

/// Longer expressions are refused, as CoreDNS refuses them.
const MAX_LEN: usize = 10_000;
/// Octets that a compiled expression may take.
const MAX_SIZE: usize = 4 << 20;
