use crate::lexer;

/// Words with their lines.
type Words = &'static [(u32, &'static str)];

#[test]
fn words_and_their_lines_are_those_of_coredns() {
    let cases: &[(&str, &str, Words)] = &[
        ("nothing", "", &[]),
        ("white space only", " \t\r\n\u{a0}\u{2003}\n", &[]),
        ("a byte order mark only", "\u{feff}", &[]),
        ("a byte order mark before a word", "\u{feff}:53", &[(1, ":53")]),
        ("a byte order mark elsewhere is a letter", "a \u{feff}b", &[(1, "a"), (1, "\u{feff}b")]),
        ("words on lines", "a b c\nd e", &[(1, "a"), (1, "b"), (1, "c"), (2, "d"), (2, "e")]),
        ("an empty line counts", "a:1\n\n  b", &[(1, "a:1"), (3, "b")]),
        ("braces alone", "a {\n b\n}", &[(1, "a"), (1, "{"), (2, "b"), (3, "}")]),
        ("braces in one line", "a { b }", &[(1, "a"), (1, "{"), (1, "b"), (1, "}")]),
        ("braces in words", "a{ {} }b", &[(1, "a{"), (1, "{}"), (1, "}b")]),
        (
            "other white space separates",
            "a\u{a0}b\u{3000}c\u{b}d",
            &[(1, "a"), (1, "b"), (1, "c"), (1, "d")],
        ),
        (
            "comments",
            "a {\n #b\n c\n # d\n e # f g\n}",
            &[(1, "a"), (1, "{"), (3, "c"), (5, "e"), (6, "}")],
        ),
        ("a comment right after a quote", "\"a\"#b c\nd", &[(1, "a"), (2, "d")]),
        ("a comment inside a word ends with it", "a#b c\nd", &[(1, "a"), (1, "c"), (2, "d")]),
        ("a hash in quotes", "\"a # b\" c", &[(1, "a # b"), (1, "c")]),
        ("quotes", "a \"b c\" d\ne", &[(1, "a"), (1, "b c"), (1, "d"), (2, "e")]),
        ("an empty word", "a \"\" b", &[(1, "a"), (1, ""), (1, "b")]),
        ("an escaped quote", r#"a "b \"c\" d" e"#, &[(1, "a"), (1, r#"b "c" d"#), (1, "e")]),
        (
            "other backslashes stay",
            r#""a\b" "c\\d" "C:\e\f.exe""#,
            &[(1, r"a\b"), (1, r"c\\d"), (1, r"C:\e\f.exe")],
        ),
        (
            "a backslash before a backslash does not escape a quote",
            r#""a\\" b"#,
            &[(1, r"a\\"), (1, "b")],
        ),
        ("a quote inside a word", "a\"b c\"", &[(1, "a\"b"), (1, "c\"")]),
        ("words right after a quote", "\"a\"b\"c\"", &[(1, "a"), (1, "b\"c\"")]),
        (
            "a line break in quotes",
            "a \"b\n  c\" {\nd",
            &[(1, "a"), (1, "b\n  c"), (2, "{"), (3, "d")],
        ),
        ("an unclosed quote", "a \"b c\nd", &[(1, "a"), (1, "b c\nd")]),
        ("an unclosed quote with nothing in it", "a \"", &[(1, "a")]),
        ("an unclosed quote that ends in a backslash", "\"a\\", &[(1, "a")]),
        ("carriage returns before line feeds", "a b\r\nc\r\n", &[(1, "a"), (1, "b"), (2, "c")]),
        ("a carriage return inside a word", "a\rb", &[(1, "ab")]),
        ("a carriage return in quotes", "\"a\r\nb\"", &[(1, "a\r\nb")]),
    ];
    for (name, text, wanted) in cases {
        let lexed = lexer::lex(text, 0);
        let words: Vec<(u32, &str)> =
            lexed.tokens.iter().map(|token| (token.line, &*token.text)).collect();
        assert_eq!(words, *wanted, "{name}");
    }
}

#[test]
fn quoted_line_breaks_move_the_end_of_a_word() {
    let lexed = lexer::lex("a \"b\n\nc\" d", 0);
    let lines: Vec<(u32, u32)> =
        lexed.tokens.iter().map(|token| (token.line, token.end_line)).collect();
    assert_eq!(lines, [(1, 1), (1, 3), (3, 3)]);
}

#[test]
fn spans_cover_words_with_their_quotes() {
    let text = "é \"b c\" d#e\n  f\r g";
    let lexed = lexer::lex(text, 7);
    let covered: Vec<&str> = lexed
        .tokens
        .iter()
        .map(|token| &text[token.span.start as usize..token.span.end as usize])
        .collect();
    assert_eq!(covered, ["é", "\"b c\"", "d", "f", "g"]);
    assert!(lexed.tokens.iter().all(|token| token.span.file == 7));
    let indents: Vec<u32> = lexed.tokens.iter().map(|token| token.indent).collect();
    assert_eq!(indents, [0, 3, 9, 2, 5]);
}

#[test]
fn unclosed_quotes_and_hashes_inside_words_are_doubtful() {
    let cases: &[(&str, &[&str])] = &[
        ("a \"b", &["unclosed quote"]),
        ("a \"", &["unclosed quote"]),
        ("8.8.8.8# first", &["this `#` starts no comment, since it is inside a word"]),
        ("8.8.8.8#first", &[]),
        ("8.8.8.8#first\nb", &[]),
        ("8.8.8.8 # first", &[]),
    ];
    for (text, wanted) in cases {
        let lexed = lexer::lex(text, 0);
        let messages: Vec<&str> =
            lexed.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(messages, *wanted, "{text}");
    }
}
