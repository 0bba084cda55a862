use std::path::Path;

use super::Want::{Doubts, Errors, Tree};
use super::{Case, check, data, messages, parse, shape};
use crate::{Loaded, Severity, import};

#[test]
fn snippets_are_put_where_they_are_imported() {
    check(&[
        Case {
            name: "directives",
            text: "(s) {\n a b\n c\n}\n. {\n import s\n d\n}",
            want: Tree(". { a b; c; d }"),
        },
        Case {
            name: "twice",
            text: "(s) {\n a\n}\nx {\n import s\n}\ny {\n import s\n import s\n}",
            want: Tree("x { a } | y { a; a }"),
        },
        Case {
            name: "server blocks",
            text: "(s) {\n a {\n  b\n }\n}\nimport s\nc {\n}",
            want: Tree("a { b } | c {}"),
        },
        Case {
            name: "properties",
            text: "(s) {\n a 1\n b 2\n}\n. {\n c {\n  x\n  import s\n  y\n }\n}",
            want: Tree(". { c { x; a 1; b 2; y } }"),
        },
        Case {
            name: "keys",
            text: "(s) {\n a b\n}\nc,\nimport s\n{\n d\n}",
            want: Tree("c a b { d }"),
        },
        Case {
            name: "snippets in snippets",
            text: "(s) {\n a\n}\n(t) {\n import s\n b\n import s\n}\n. {\n import t\n c {\n  import t\n }\n}",
            want: Tree(". { a; b; a; c { a; b; a } }"),
        },
        Case { name: "nothing", text: "(s) {\n}\n. {\n import s\n a\n}", want: Tree(". { a }") },
        Case {
            name: "a brace on the next line",
            text: "(s)\n{\n a\n}\n.\nimport s",
            want: Tree(". { a }"),
        },
        Case {
            name: "a name from a variable",
            text: "({$ZONE}) {\n a\n}\n.\nimport {$ZONE}",
            want: Tree(". { a }"),
        },
        Case {
            name: "a word `import` that is not at the start of a line",
            text: ". {\n a / import b\n}",
            want: Tree(". { a / import b }"),
        },
        Case {
            name: "two keys in parentheses are keys",
            text: "(a) (b) {\n}",
            want: Tree("(a) (b) {}"),
        },
        Case { name: "a snippet's name alone in a file", text: "(a)", want: Tree("(a) {}") },
        Case {
            name: "mistakes in a snippet nobody imports",
            text: "(s) {\n a {\n } b\n import nowhere\n}\n. {\n}",
            want: Tree(". {}"),
        },
    ]);
}

#[test]
fn snippets_can_be_declared_wrongly() {
    check(&[
        Case {
            name: "twice",
            text: "(s) {\n a\n}\n(s) {\n b\n}\n. {\n import s\n}",
            want: Errors(&["the snippet `s` is declared twice"]),
        },
        Case {
            name: "after their import",
            text: ". {\n import s\n}\n(s) {\n a\n}",
            want: Errors(&["cannot find `s` to import"]),
        },
        Case {
            name: "without a block",
            text: "(s)\na {\n}",
            want: Errors(&["the snippet `s` has no block"]),
        },
        Case {
            name: "importing themselves",
            text: "(s) {\n import s\n}",
            want: Errors(&["the snippet `s` imports itself"]),
        },
        Case {
            name: "importing themselves in one line",
            text: "(s) { import s\n}",
            want: Errors(&["the snippet `s` imports itself"]),
        },
        Case {
            name: "importing themselves after a block without keys",
            text: "(s) {\n{ }\nimport s\n}\nimport s",
            want: Errors(&["the snippet `s` imports itself"]),
        },
        Case {
            name: "importing each other",
            text: "(s) {\n import t\n}\n(t) {\n import s\n}\n. {\n import s\n}",
            want: Errors(&["the snippet `s` imports itself"]),
        },
        Case {
            name: "naming themselves where nothing is imported",
            text: "(s) {\n a import s\n}\n. {\n import s\n}",
            want: Tree(". { a import s }"),
        },
        Case {
            name: "importing each other, but never imported",
            text: "(s) {\n import t\n}\n(t) {\n import s\n}\n. {\n}",
            want: Tree(". {}"),
        },
    ]);
}

#[test]
fn files_are_put_where_they_are_imported() {
    check(&[
        Case {
            name: "a server block",
            text: "import imports/block",
            want: Tree("block.org { whoami }"),
        },
        Case {
            name: "directives",
            text: ". {\n a\n import imports/lines\n b\n}",
            want: Tree(". { a; x 1 2; y; b }"),
        },
        Case {
            name: "properties",
            text: ". {\n a {\n  import imports/lines\n  b\n }\n}",
            want: Tree(". { a { x 1 2; y; b } }"),
        },
        Case {
            name: "a file with an import relative to it",
            text: ".\nimport imports/nested",
            want: Tree(". { n; x 1 2; y; last }"),
        },
        Case {
            name: "a file whose import is its last line",
            text: ". {\nimport imports/tail\nimport imports/tail\n}",
            want: Tree(". { x 1 2; y; x 1 2; y }"),
        },
        Case {
            name: "a path with dots",
            text: ".\nimport imports/many/../lines",
            want: Tree(". { x 1 2; y }"),
        },
        Case {
            name: "a pattern, sorted, hidden files included",
            text: ".\nimport imports/many/*.part",
            want: Tree(". { hidden; a; b; c }"),
        },
        Case {
            name: "one of each wildcard",
            text: ".\nimport imports/man?/*.part",
            want: Tree(". { hidden; a; b; c }"),
        },
        Case {
            name: "a pattern that matches nothing",
            text: ". {\nimport imports/*.nothing\n}",
            want: Doubts(". {}", &["no file matches `imports/*.nothing`"]),
        },
        Case {
            name: "a pattern whose folder is missing",
            text: ". {\nimport nowhere/*\n}",
            want: Doubts(". {}", &["no file matches `nowhere/*`"]),
        },
        Case {
            name: "an empty file",
            text: ". {\nimport imports/empty\na\n}",
            want: Tree(". { a }"),
        },
        Case {
            name: "the first part of a server block",
            text: "import imports/head\n b\n}",
            want: Tree("head.org { a; b }"),
        },
        Case {
            name: "a snippet's import is relative to where it was written",
            text: "import imports/many/snippet\n. {\n import here\n}",
            want: Tree(". { a }"),
        },
        Case {
            name: "a file uses the importer's snippet",
            text: "(common) {\n c\n}\nimport imports/uses",
            want: Tree("uses.org { c }"),
        },
    ]);
}

#[test]
fn imports_can_be_wrong() {
    check(&[
        Case {
            name: "no argument",
            text: ". {\n import\n a\n}",
            want: Errors(&["`import` wants a file or a snippet"]),
        },
        Case {
            name: "an empty argument",
            text: ". {\n import {$EMPTY}\n}",
            want: Errors(&["`import` wants a file or a snippet"]),
        },
        Case {
            name: "two arguments",
            text: "import imports/block imports/lines",
            want: Errors(&["`import` wants one argument"]),
        },
        Case {
            name: "a brace in its line",
            text: ". { import imports/lines }",
            want: Errors(&["`import` wants one argument"]),
        },
        Case {
            name: "a file that is not there",
            text: "import nowhere",
            want: Errors(&["cannot find `nowhere` to import"]),
        },
        Case {
            name: "a literal that looks like syntax",
            text: "import }{$\"",
            want: Errors(&["cannot find `}{$\"` to import"]),
        },
        Case {
            name: "too many stars",
            text: "import */*.part",
            want: Errors(&["`*/*.part` is not a pattern that can be imported"]),
        },
        Case {
            name: "too many question marks",
            text: "import imports/??",
            want: Errors(&["`imports/??` is not a pattern that can be imported"]),
        },
        Case {
            name: "a class of characters",
            text: "import imports/[a-z]",
            want: Errors(&["`imports/[a-z]` is not a pattern that can be imported"]),
        },
        Case {
            name: "backslashes at the end of a name",
            text: "import imports/a\\\nimport imports\\/lines\nimport imports/\\\\a",
            want: Errors(&[
                "`imports/a\\` is not a pattern that can be imported",
                "`imports\\/lines` is not a pattern that can be imported",
                "cannot find `imports/\\\\a` to import",
            ]),
        },
        Case {
            name: "names that are no variables",
            text: ". {\nimport {$}\nimport {%}\nimport {%%}\n}",
            want: Errors(&[
                "cannot find `{$}` to import",
                "cannot find `{%}` to import",
                "cannot find `{%%}` to import",
            ]),
        },
    ]);
}

#[test]
fn folders_cannot_be_imported() {
    for text in ["import imports/folder.d", "import imports/*.d"] {
        let loaded = parse(text);
        let diagnostic = &loaded.diagnostics[0];
        assert!(diagnostic.message.starts_with("cannot import `"), "{text}");
        assert_eq!(diagnostic.label.as_deref(), Some("it is a directory"), "{text}");
    }
}

#[test]
fn absolute_paths_name_folders_by_a_final_slash() {
    let root = data("imports").display().to_string();
    let import = |path: &str| parse(&format!(".\nimport {root}/{path}"));
    assert_eq!(shape(&import("lines")), ". { x 1 2; y }");
    assert_eq!(shape(&import("many/../lines")), ". { x 1 2; y }");
    assert!(import("lines/").diagnostics[0].message.starts_with("cannot find `"));
    assert!(import("folder.d/").diagnostics[0].message.starts_with("cannot import `"));
    assert!(import("*/").diagnostics[0].message.starts_with("no file matches `"));
}

#[test]
fn circles_of_files_are_refused_at_once() {
    for text in [
        "import imports/circle",
        ".\nimport imports/circle_a",
        ". {\na {\nimport imports/circle_b\n}\n}",
    ] {
        let loaded = parse(text);
        let errors = messages(&loaded, Severity::Error);
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].ends_with("imports itself"), "{text}: {}", errors[0]);
    }
}

#[test]
fn a_corefile_cannot_import_itself() {
    let loaded = crate::load(&data("imports/circle"), &|_| None);
    assert!(loaded.has_errors());
    assert_eq!(loaded.sources.files().len(), 1);
}

#[test]
fn the_first_word_of_an_import_starts_a_line() {
    check(&[
        Case {
            name: "an import in the first line of a snippet, as a property",
            text: "(s) {\n a\n}\n(t) {\n import s\n b\n}\n. {\n c {\n  import t\n }\n}",
            want: Tree(". { c { a; b } }"),
        },
        Case {
            name: "an import in the first line of a snippet, as a block",
            text: "(s) {\n a {\n }\n}\n(t) {\n import s\n}\nimport t",
            want: Tree("a {}"),
        },
        Case {
            name: "a snippet that is declared below the one that imports it",
            text: "(t) {\n import s\n import u\n}\n(s) {\n a\n}\n(u) {\n b\n}\n. {\n import t\n}",
            want: Tree(". { a; b }"),
        },
    ]);
}

#[test]
fn a_file_is_read_once_and_its_mistakes_are_reported_once() {
    let loaded = parse(". {\nimport imports/wrong\nimport imports/wrong\n}");
    assert_eq!(loaded.sources.files().len(), 2);
    assert_eq!(messages(&loaded, Severity::Error), ["unexpected `c` after a `}`"]);
    let place = loaded.sources.position(loaded.diagnostics[0].span.unwrap());
    assert_eq!(place.path, data("imports/wrong"));
    assert_eq!((place.line, place.column), (2, 3));
}

#[test]
fn names_match_patterns_as_in_go() {
    let cases = [
        ("*", "", true),
        ("*", ".hidden", true),
        ("*.conf", "a.conf", true),
        ("*.conf", "a.conf.bak", false),
        ("a*z", "az", true),
        ("a*z", "abcz", true),
        ("a*z", "abc", false),
        ("?", "é", true),
        ("?", "", false),
        ("?*", "a", true),
        (r"\*", "*", true),
        (r"\*", "a", false),
        (r"a\b", "ab", true),
        ("", "", true),
        ("", "a", false),
        ("abc", "abc", true),
        ("ABC", "abc", false),
    ];
    for (pattern, name, wanted) in cases {
        assert_eq!(import::name_matches(pattern, name), wanted, "{pattern} {name}");
    }
}

#[test]
fn a_missing_corefile_is_one_error_about_no_place() {
    let loaded = crate::load(Path::new("nowhere/Corefile"), &|_| None);
    assert!(loaded.has_errors());
    assert_eq!(loaded.diagnostics.len(), 1);
    assert_eq!(loaded.diagnostics[0].span, None);
    assert_eq!(loaded.diagnostics[0].message, "cannot read `nowhere/Corefile`: no such file");
    let folder = crate::load(&data("imports"), &|_| None);
    assert!(folder.diagnostics[0].message.ends_with("it is a directory"));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_one_by_one() {
    let loaded: Loaded = crate::load(&data("not_utf8"), &|_| None);
    assert_eq!(shape(&loaded), ". { a \u{fffd}\u{fffd}b }");
    assert_eq!(messages(&loaded, Severity::Warning), ["2 bytes are not UTF-8"]);
    let span = loaded.diagnostics[0].span.unwrap();
    assert_eq!(
        loaded.sources.position(span).to_string(),
        format!("{}:2:4", data("not_utf8").display())
    );
    let imported = parse("import not_utf8");
    assert_eq!(messages(&imported, Severity::Warning), ["2 bytes are not UTF-8"]);
}
