use super::Want::{Doubts, Errors, Tree};
use super::{Case, check, parse};

#[test]
fn server_blocks_have_keys_and_directives() {
    check(&[
        Case { name: "nothing", text: "", want: Tree("") },
        Case { name: "a comment", text: "# nothing\n", want: Tree("") },
        Case { name: "an empty word", text: "\"\"", want: Tree("") },
        Case { name: "a key alone", text: ".", want: Tree(". {}") },
        Case { name: "a key with a port", text: "a.org:1053", want: Tree("a.org:1053 {}") },
        Case { name: "a block", text: ". {\n whoami\n}", want: Tree(". { whoami }") },
        Case { name: "an empty block", text: ". {\n}", want: Tree(". {}") },
        Case { name: "an empty block in one line", text: ". { }", want: Tree(". {}") },
        Case { name: "arguments", text: ". {\n a b c\n d\n}", want: Tree(". { a b c; d }") },
        Case {
            name: "quoted arguments",
            text: ". {\n a \"b c\" \"\"\n}",
            want: Tree(". { a \"b c\" \"\" }"),
        },
        Case {
            name: "a directive in the line of the brace",
            text: ". { whoami\n}",
            want: Tree(". { whoami }"),
        },
        Case {
            name: "a brace on the next line",
            text: ".\n{\n whoami\n}",
            want: Tree(". { whoami }"),
        },
        Case {
            name: "repeated directives stay apart",
            text: ". {\n a 1\n b\n a 2\n}",
            want: Tree(". { a 1; b; a 2 }"),
        },
        Case { name: "two blocks", text: "a {\n}\nb {\n c\n}", want: Tree("a {} | b { c }") },
        Case {
            name: "two blocks that share a line",
            text: "a {\n} b {\n}",
            want: Tree("a {} | b {}"),
        },
        Case { name: "carriage returns", text: ". {\r\n a b\r\n}\r\n", want: Tree(". { a b }") },
        Case {
            name: "no line break at the end",
            text: ". {\n a # b\n} # c",
            want: Tree(". { a }"),
        },
    ]);
}

#[test]
fn a_block_needs_no_braces_if_it_is_the_only_one() {
    check(&[
        Case { name: "one line", text: "a.org\n b", want: Tree("a.org { b }") },
        Case { name: "two lines", text: "a b\n c 1\n d", want: Tree("a b { c 1; d }") },
        Case {
            name: "blocks inside",
            text: "a\n b {\n c d\n}\n e {\n f\n}",
            want: Tree("a { b { c d }; e { f } }"),
        },
        Case { name: "an empty block inside", text: "a\n b {\n}", want: Tree("a { b {} }") },
        Case { name: "a brace ends it", text: "a\n b\n}\nc {\n}", want: Tree("a { b } | c {}") },
    ]);
}

#[test]
fn commas_let_keys_go_on_in_the_next_line() {
    check(&[
        Case { name: "spaces", text: "a b {\n}", want: Tree("a b {}") },
        Case { name: "a comma", text: "a, b {\n c\n}", want: Tree("a b { c }") },
        Case { name: "commas and lines", text: "a,\n b,\nc\n d", want: Tree("a b c { d }") },
        Case { name: "an empty word between", text: "a, \"\" b {\n}", want: Tree("a b {}") },
        Case { name: "empty variable", text: "{$EMPTY} a {\n}", want: Tree("a {}") },
        Case {
            name: "a comma before the brace",
            text: "a, {\n b\n}",
            want: Errors(&["a key is missing after the comma"]),
        },
        Case {
            name: "a comma before the end",
            text: "a, b,",
            want: Errors(&["a key is missing after the comma"]),
        },
        Case {
            name: "a comma alone",
            text: "a , b {\n}",
            want: Errors(&["a key is missing before the comma"]),
        },
    ]);
}

#[test]
fn blocks_nest() {
    check(&[
        Case {
            name: "properties",
            text: ". {\n a b {\n c d\n e\n}\n f\n}",
            want: Tree(". { a b { c d; e }; f }"),
        },
        Case {
            name: "a block in a block",
            text: ". {\n a {\n b {\n c\n}\n d\n}\n e 1 2\n}",
            want: Tree(". { a { b { c }; d }; e 1 2 }"),
        },
        Case {
            name: "a property in the line of the brace",
            text: ". {\n a { b\n c\n}\n}",
            want: Tree(". { a { b; c } }"),
        },
        Case {
            name: "arguments that go over lines in quotes",
            text: ". {\n a {\n b \"c\nd\" e\n f\n}\n}",
            want: Tree(". { a { b \"c\\nd\" e; f } }"),
        },
        Case {
            name: "braces in quotes are braces",
            text: ". {\n a \"{\"\n b\n \"}\"\n}",
            want: Tree(". { a { b } }"),
        },
        Case {
            name: "braces in words are not",
            text: ". {\n a {b} {c }d\n}",
            want: Tree(". { a {b} {c }d }"),
        },
    ]);
}

#[test]
fn blocks_in_one_line_are_blocks_but_hardly_portable() {
    check(&[
        Case {
            name: "one property",
            text: ". {\n health { lameduck 5s }\n}",
            want: Doubts(
                ". { health { lameduck 5s } }",
                &["this `}` is in the line of `lameduck`"],
            ),
        },
        Case {
            name: "only the last property",
            text: ". {\n a {\n b\n c d }\n}",
            want: Doubts(". { a { b; c d } }", &["this `}` is in the line of `c`"]),
        },
        Case { name: "nothing", text: ". {\n a { }\n}", want: Tree(". { a {} }") },
        Case {
            name: "the whole server block",
            text: ". { whoami }",
            want: Errors(&["unexpected `}` in the line of `whoami`"]),
        },
        Case {
            name: "the end of the server block",
            text: ". {\n whoami }\na {\n}",
            want: Errors(&["unexpected `}` in the line of `whoami`"]),
        },
        Case {
            name: "both ends",
            text: ". {\n a {\n b\n} }\nc {\n}",
            want: Errors(&["unexpected `}` after another `}`"]),
        },
        Case {
            name: "a brace too many at the end of a line",
            text: ". {\n a }\n}\nb {\n}",
            want: Errors(&["unexpected `}` in the line of `a`"]),
        },
    ]);
}

#[test]
fn misplaced_braces_are_reported_once() {
    check(&[
        Case {
            name: "an opening brace in its own line",
            text: ". {\n log\n {\n  class all\n }\n}",
            want: Errors(&["the `{` of `log` is not in its line"]),
        },
        Case {
            name: "an opening brace before any directive",
            text: ". {\n {\n  a\n }\n b\n}",
            want: Errors(&["unexpected `{`"]),
        },
        Case {
            name: "an opening brace in its own line inside a block",
            text: ". {\n a {\n  b\n  {\n   c\n  }\n }\n}",
            want: Errors(&["unexpected `{`"]),
        },
        Case {
            name: "a second block",
            text: ". {\n a {\n }\n {\n  b\n }\n}",
            want: Errors(&["unexpected `{`"]),
        },
        Case {
            name: "text after a block",
            text: ". {\n a {\n  b\n } c d\n e\n}",
            want: Errors(&["unexpected `c` after a `}`"]),
        },
        Case {
            name: "text and another block after a block",
            text: ". {\n a {\n } b {\n  c\n }\n}",
            want: Errors(&["unexpected `b` after a `}`", "unexpected `{`"]),
        },
        Case {
            name: "text after a block inside a block",
            text: ". {\n a {\n  b {\n  } c\n }\n}",
            want: Errors(&["unexpected `c` after a `}`"]),
        },
        Case {
            name: "no space before the brace",
            text: ". {\n health{\n  lameduck 5s\n }\n ready\n}",
            want: Errors(&["`health{` is one word, so it opens no block"]),
        },
        Case {
            name: "a brace from a variable",
            text: ". {\n {$OPEN} a\n {$CLOSE}\n}",
            want: Errors(&[
                "`{` cannot be the name of a directive",
                "`}` cannot be the name of a directive",
            ]),
        },
        Case {
            name: "a name from an empty variable",
            text: ". {\n {$EMPTY} a\n}",
            want: Errors(&["`` cannot be the name of a directive"]),
        },
        Case {
            name: "a closing brace between blocks",
            text: "a {\n}\n}\nb {\n}",
            want: Errors(&["unexpected `}`"]),
        },
    ]);
}

#[test]
fn what_coredns_hardly_means_to_accept_is_a_warning() {
    check(&[
        Case {
            name: "closing braces at the end",
            text: "a {\n}\n}\n}",
            want: Doubts("a {}", &["unexpected `}`", "unexpected `}`"]),
        },
        Case {
            name: "the last brace is that of a directive",
            text: ". {\n a {\n  b\n }\n",
            want: Doubts(". { a { b } }", &["unclosed block: this server block has no `}`"]),
        },
        Case {
            name: "no key",
            text: "{\n whoami\n}\na {\n}",
            want: Doubts("a {}", &["this block has no key, so it serves nothing"]),
        },
        Case {
            name: "no key and no braces",
            text: "{$EMPTY}\nwhoami",
            want: Doubts("", &["this block has no key, so it serves nothing"]),
        },
        Case {
            name: "a brace glued to a key",
            text: "a.org{\n whoami\n}",
            want: Doubts("a.org{ { whoami }", &["a brace in the key `a.org{`"]),
        },
        Case {
            name: "both braces glued",
            text: "a.org {}",
            want: Doubts("a.org {} {}", &["a brace in the key `{}`"]),
        },
        Case {
            name: "commas without spaces",
            text: "a,b,c {\n}",
            want: Doubts("a,b,c {}", &["a comma in the key `a,b,c`"]),
        },
        Case {
            name: "an unknown scheme",
            text: "http://a.org {\n}",
            want: Doubts("http://a.org {}", &["`http` is not a scheme in the key `http://a.org`"]),
        },
        Case {
            name: "a port that is no number",
            text: "a.org:dns {\n}",
            want: Doubts("a.org:dns {}", &["`dns` is not a port in the key `a.org:dns`"]),
        },
        Case {
            name: "an address",
            text: "127.0.0.1 {\n}",
            want: Doubts("127.0.0.1 {}", &["an address in the key `127.0.0.1`"]),
        },
    ]);
}

#[test]
fn a_file_that_ends_in_a_block_is_refused() {
    check(&[
        Case {
            name: "in a server block",
            text: ". {\n a\n",
            want: Errors(&["unclosed block: this server block has no `}`"]),
        },
        Case {
            name: "right after the brace",
            text: ". {",
            want: Errors(&["unclosed block: this server block has no `}`"]),
        },
        Case {
            name: "in a directive",
            text: ".\n a {\n  b",
            want: Errors(&["unclosed block: `a` has no `}`"]),
        },
        Case {
            name: "in both",
            text: ". {\n a {\n  b",
            want: Errors(&[
                "unclosed block: `a` has no `}`",
                "unclosed block: this server block has no `}`",
            ]),
        },
        Case {
            name: "in a snippet",
            text: "(a) {\n b\n",
            want: Errors(&["unclosed block: the snippet `a` has no `}`"]),
        },
    ]);
}

#[test]
fn unclosed_blocks_are_found_by_their_indentation() {
    let cases = [
        (
            "the next directive stands left",
            ". {\n  a {\n    b\n  c\n  d {\n    e\n  }\n}\n",
            "its `{` is at F:1:3; is the `}` of `a` missing above F:4:3?",
        ),
        (
            "the brace stands left",
            ". {\n  a {\n    b\n}\n",
            "its `{` is at F:1:3; is the `}` of `a` missing above F:4:1?",
        ),
        ("nothing is indented", ". {\na {\nb\nc\n}\n", "its `{` is at F:1:3"),
        ("everything is in place", ". {\n  a {\n    b\n  }\n  c {\n  }\n", "its `{` is at F:1:3"),
    ];
    for (name, text, wanted) in cases {
        let loaded = crate::parse("F".as_ref(), text, &|_| None);
        let help = loaded.diagnostics[0].help.as_deref();
        assert_eq!(help, Some(wanted), "{name}");
        assert!(!loaded.has_errors(), "{name}: CoreDNS accepts any brace at the end");
    }
}

#[test]
fn one_mistake_does_not_hide_the_next() {
    let text = "a, {\n b {\n  c\n } d\n e }\n}\n(s) {\n import s\n}\nf {\n import\n g{\n }\n}\n";
    check(&[Case {
        name: "five mistakes",
        text,
        want: Errors(&[
            "a key is missing after the comma",
            "unexpected `d` after a `}`",
            "unexpected `}` in the line of `e`",
            "the snippet `s` imports itself",
            "`import` wants a file or a snippet",
            "`g{` is one word, so it opens no block",
        ]),
    }]);
}

#[test]
fn spans_point_at_what_was_written() {
    let text = "a.org, b.org {\n  c \"d e\" {\n    f\n  }\n}\n";
    let loaded = parse(text);
    let at = |span: crate::Span| &text[span.start as usize..span.end as usize];
    let block = &loaded.corefile.blocks[0];
    assert_eq!(at(block.span), text.trim_end());
    assert_eq!(at(block.keys[0].span), "a.org,");
    let directive = &block.directives[0];
    assert_eq!(at(directive.span()), "c \"d e\"");
    assert_eq!(at(directive.arguments[0].span), "\"d e\"");
    assert_eq!(at(directive.block.as_ref().unwrap().span), "{\n    f\n  }");
}
