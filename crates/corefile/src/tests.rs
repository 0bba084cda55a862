//! What every test here needs: a text in, a line per server block or the messages out.

mod durations;
mod environments;
mod imports;
mod keys;
mod lexing;
mod limits;
mod parsing;
mod properties;
mod rendering;
mod tree;
mod words;

use std::path::{Path, PathBuf};

use crate::{Directive, Loaded, Severity};

/// A text and what comes of it.
struct Case {
    name: &'static str,
    text: &'static str,
    want: Want,
}

enum Want {
    /// The tree as `shape` prints it, without any diagnostic.
    Tree(&'static str),
    /// The tree, and the messages of the warnings.
    Doubts(&'static str, &'static [&'static str]),
    /// The messages of the errors. Warnings and the tree are not looked at.
    Errors(&'static [&'static str]),
}

fn check(cases: &[Case]) {
    for Case { name, text, want } in cases {
        let loaded = parse(text);
        let (errors, warnings) =
            (messages(&loaded, Severity::Error), messages(&loaded, Severity::Warning));
        match want {
            Want::Tree(tree) => {
                assert_eq!(errors, [""; 0], "{name}");
                assert_eq!(warnings, [""; 0], "{name}");
                assert_eq!(shape(&loaded), *tree, "{name}");
            }
            Want::Doubts(tree, doubts) => {
                assert_eq!(errors, [""; 0], "{name}");
                assert_eq!(warnings, *doubts, "{name}");
                assert_eq!(shape(&loaded), *tree, "{name}");
            }
            Want::Errors(messages) => assert_eq!(errors, *messages, "{name}"),
        }
    }
}

/// Parses with a few variables set, as if from a file beside the fixtures.
fn parse(text: &str) -> Loaded {
    crate::parse(&data("Corefile"), text, &environment)
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "ZONE" => "example.org",
        "PORT" => "1053",
        "DIR" => "r1",
        "EMPTY" => "",
        "OPEN" => "{",
        "CLOSE" => "}",
        "IMPORT" => "import",
        "LINES" => "a\nb",
        "TWICE" => "{$ZONE}:{$PORT}",
        "ENDLESS" => "x{$ENDLESS}",
        "DOUBLING" => "{$DOUBLING}{$DOUBLING}",
        _ => return None,
    };
    Some(value.to_owned())
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data").join(name)
}

fn messages(loaded: &Loaded, severity: Severity) -> Vec<&str> {
    let all = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity);
    all.map(|diagnostic| diagnostic.message.as_str()).collect()
}

/// `key key { directive argument { property; property }; directive }`, blocks separated by ` | `.
fn shape(loaded: &Loaded) -> String {
    let blocks = loaded.corefile.blocks.iter().map(|block| {
        let keys: Vec<String> = block.keys.iter().map(|key| word(key)).collect();
        format!("{} {}", keys.join(" "), braces(&block.directives))
    });
    blocks.collect::<Vec<_>>().join(" | ")
}

fn braces(directives: &[Directive]) -> String {
    if directives.is_empty() {
        return "{}".to_owned();
    }
    let lines: Vec<String> = directives.iter().map(line).collect();
    format!("{{ {} }}", lines.join("; "))
}

fn line(directive: &Directive) -> String {
    let mut words = vec![word(&directive.name)];
    words.extend(directive.arguments.iter().map(|argument| word(argument)));
    words.extend(directive.block.iter().map(|block| braces(&block.properties)));
    words.join(" ")
}

/// Words that could be taken for something else are quoted.
fn word(text: &str) -> String {
    let is_plain = !text.is_empty()
        && !text.contains([' ', '\n', '\t', ';', '|', '"'])
        && text != "{"
        && text != "}";
    if is_plain { text.to_owned() } else { format!("{text:?}") }
}

/// Compares with a file under `tests/data`; `UPDATE=1` writes it instead.
fn golden(name: &str, actual: &str) {
    let path = data(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, wanted, "{name} differs; UPDATE=1 rewrites it");
}
