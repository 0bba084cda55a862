use std::path::Path;

use proptest::prelude::*;

use super::{data, environment};
use crate::{Directive, Loaded, Property, ServerKey, render, render_json};

/// Parses, and looks at everything that came of it.
fn survive(text: &str) -> Result<(), TestCaseError> {
    let loaded = crate::parse(&data("Corefile"), text, &environment);
    for diagnostic in &loaded.diagnostics {
        let rendered = render(diagnostic, &loaded.sources);
        prop_assert!(rendered.ends_with('\n'));
        if let Some(span) = diagnostic.span {
            let source = &loaded.sources.files()[span.file as usize].text;
            let range = span.start as usize..span.end as usize;
            prop_assert!(source.get(range).is_some(), "{diagnostic:?} is not a place");
        }
    }
    render_json(&loaded.diagnostics, &loaded.sources);
    for block in &loaded.corefile.blocks {
        prop_assert!(!block.keys.is_empty());
        for key in &block.keys {
            let _ = ServerKey::parse(key);
        }
        for directive in &block.directives {
            prop_assert!(!directive.name.is_empty());
            let _ = directive.span();
        }
    }
    Ok(())
}

/// Words that mean something, often enough.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("{".to_owned()),
        4 => Just("}".to_owned()),
        2 => Just("import".to_owned()),
        2 => Just("(s)".to_owned()),
        1 => Just("import s".to_owned()),
        1 => Just("import imports/lines".to_owned()),
        1 => Just("import imports/circle_a".to_owned()),
        1 => Just("\"".to_owned()),
        1 => Just("#".to_owned()),
        1 => Just("\\".to_owned()),
        1 => Just(",".to_owned()),
        1 => Just("{$ENDLESS}".to_owned()),
        1 => Just("{$OPEN}".to_owned()),
        1 => Just("{%CLOSE%}".to_owned()),
        1 => Just("10.0.0.0/9:53".to_owned()),
        4 => "[a-z]{1,3}",
        1 => "\\PC{0,4}",
        1 => any::<String>(),
    ]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![" ", " ", "\n", "\n", "\t", "\r\n", ""])
}

/// Lines of two words or so, and blocks of lines.
#[derive(Clone, Debug)]
struct Line {
    words: Vec<String>,
    block: Option<Vec<Self>>,
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    // Every character but those that open and close variables.
    let word = "[^{}$%\u{0}]{1,8}";
    let line = prop::collection::vec(word, 1..4).prop_map(|words| Line { words, block: None });
    let lines = line.prop_recursive(4, 24, 4, move |line| {
        (prop::collection::vec(word, 1..4), prop::collection::vec(line, 0..4))
            .prop_map(|(words, block)| Line { words, block: Some(block) })
    });
    prop::collection::vec(lines, 0..5)
}

/// Every word in quotes, but for what stands at the start of a line.
fn write(lines: &[Line], out: &mut String) {
    for line in lines {
        let words: Vec<String> = line
            .words
            .iter()
            .map(|word| format!("\"{}\"", word.replace('\\', "/").replace('"', "\\\"")))
            .collect();
        out.push_str(&words.join(" "));
        if let Some(block) = &line.block {
            out.push_str(" {\n");
            write(block, out);
            out.push('}');
        }
        out.push('\n');
    }
}

fn is_same(lines: &[Line], properties: &[Property]) -> bool {
    lines.len() == properties.len()
        && lines.iter().zip(properties).all(|(line, property)| {
            let Directive { name, arguments, block } = property;
            let words = std::iter::once(name).chain(arguments).map(|word| word.text.clone());
            words.eq(line.words.iter().map(|word| word.replace('\\', "/")))
                && match (&line.block, block) {
                    (None, None) => true,
                    (Some(lines), Some(block)) => is_same(lines, &block.properties),
                    _ => false,
                }
        })
}

fn parse(text: &str) -> Loaded {
    crate::parse(Path::new("Corefile"), text, &|_| None)
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in any::<String>()) {
        survive(&text)?;
    }

    #[test]
    fn no_sequence_of_words_is_a_panic(words in prop::collection::vec((word(), space()), 0..40)) {
        let text: String = words.into_iter().flat_map(|(word, space)| [word, space.to_owned()]).collect();
        survive(&text)?;
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        survive(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn trees_are_read_as_they_are_written(lines in lines()) {
        prop_assume!(lines.iter().all(|line| line.words[0] != "import"));
        let mut text = ". {\n".to_owned();
        write(&lines, &mut text);
        text.push_str("}\n");
        let loaded = parse(&text);
        prop_assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
        prop_assert!(is_same(&lines, &loaded.corefile.blocks[0].directives), "{text}\n{loaded:?}");
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_panic(cut in 0_usize..400) {
        let text = std::fs::read_to_string(data("mistakes/Corefile")).unwrap();
        let start: String = text.chars().take(cut).collect();
        let end: String = text.chars().skip(cut).collect();
        survive(&start)?;
        survive(&end)?;
    }
}
