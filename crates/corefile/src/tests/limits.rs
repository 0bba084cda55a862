use std::fmt::Write as _;

use super::{messages, parse};
use crate::{Severity, render};

/// A hundred kilobytes of each and more: these take far longer than a test may if the work grows with the square.
#[test]
fn hostile_texts_take_no_longer_than_they_are_long() {
    let n = 30_000;
    let texts = [
        "{ ".repeat(n),
        "} ".repeat(n),
        ". {\n".to_owned() + &"a {\n".repeat(n),
        ". {\n a {\n".to_owned() + &"b {\n".repeat(n) + &"}\n".repeat(n),
        ". {\n a {".to_owned() + &"{ } ".repeat(n),
        ". {\n".to_owned() + &"a } ".repeat(n),
        ". {\n".to_owned() + &"a { } b ".repeat(n),
        "a, ".repeat(n),
        ", ".repeat(n),
        "a{ ".repeat(n),
        "a\n}\n".repeat(n),
        "(s) { } ".repeat(n),
        (0..n / 4).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "(snippet{n}) {{\n}}\nimport snipet{n}");
            text
        }),
        "import ".repeat(n),
        "import\n".repeat(n),
        "\"".repeat(n),
        "\"\\".repeat(n),
        "#".repeat(n),
        "a#b ".repeat(n),
        "{$a} ".repeat(n),
        "{$a}".repeat(n),
        "{$".repeat(n),
        ". {\na ".to_owned() + &"{%a".repeat(n) + "%}",
        (0..n).fold(String::new(), |mut text, n| {
            let _ = write!(text, "{{$v{n}}}");
            text
        }),
        ".:".repeat(n),
        "\\".repeat(n),
        "\u{fffd}".repeat(n),
    ];
    for text in texts {
        let loaded = parse(&text);
        for diagnostic in &loaded.diagnostics {
            render(diagnostic, &loaded.sources);
        }
        assert!(loaded.diagnostics.len() <= 202);
    }
}

#[test]
fn many_mistakes_are_cut_short_but_an_error_is_never_lost() {
    let text = ".\n".to_owned() + &"a {$NOPE}\n".repeat(1000) + "b }\n" + &"} ".repeat(1000);
    let loaded = parse(&text);
    assert!(loaded.has_errors());
    let warnings = messages(&loaded, Severity::Warning);
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[100], "more than 100 warnings: the others are left out");
}

#[test]
fn blocks_nest_up_to_a_limit() {
    let nested = |depth: usize| {
        parse(&format!(". {{\n{}{}}}\nz {{\n}}\n", "a {\n".repeat(depth), "}\n".repeat(depth)))
    };
    assert_eq!(nested(32).diagnostics, []);
    let loaded = nested(33);
    assert_eq!(messages(&loaded, Severity::Error), ["blocks are nested too deep"]);
    assert_eq!(loaded.corefile.blocks.len(), 2, "what follows is read all the same");
}

#[test]
fn snippets_are_imported_ten_thousand_times_at_most() {
    let imports = |n| parse(&("(s) {\n}\n.\n".to_owned() + &"import s\n".repeat(n)));
    assert_eq!(imports(10_000).diagnostics, []);
    let loaded = imports(10_002);
    assert_eq!(
        messages(&loaded, Severity::Error),
        ["more than 10000 imports of snippets", "more than 10000 imports of snippets"]
    );
}

#[test]
fn snippets_of_snippets_of_snippets_end() {
    let mut text = "(s0) {\n a b c d e f g h i j\n}\n".to_owned();
    for n in 1..8 {
        let _ = writeln!(text, "(s{n}) {{\n{}}}", format!("import s{}\n", n - 1).repeat(10));
    }
    let loaded = parse(&(text + ".\nimport s7\n"));
    let errors = messages(&loaded, Severity::Error);
    assert!(errors.contains(&"more than 10000 imports of snippets"), "{errors:?}");
    let words = "a ".repeat(500_000);
    let loaded = parse(&format!("(s) {{\n{words}\n}}\n.\n{}", "import s\n".repeat(10)));
    assert!(loaded.has_errors());
    assert_eq!(messages(&loaded, Severity::Error)[0], "imports make this Corefile too large");
}
