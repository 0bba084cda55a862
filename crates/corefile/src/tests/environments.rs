use super::Want::{Doubts, Errors, Tree};
use super::{Case, check, environment};
use crate::environment::{Endless, expand};

#[test]
fn variables_are_replaced_in_every_word() {
    check(&[
        Case { name: "a key", text: "{$ZONE}", want: Tree("example.org {}") },
        Case { name: "two in a key", text: "{$ZONE}:{$PORT}", want: Tree("example.org:1053 {}") },
        Case {
            name: "the other style",
            text: "{%ZONE%}:{$PORT}",
            want: Tree("example.org:1053 {}"),
        },
        Case {
            name: "the other order",
            text: "{$ZONE}:{%PORT%}",
            want: Tree("example.org:1053 {}"),
        },
        Case { name: "a directive's name", text: ".\nd{$DIR}", want: Tree(". { dr1 }") },
        Case { name: "an argument", text: ".\na {$ZONE}/x", want: Tree(". { a example.org/x }") },
        Case {
            name: "in quotes",
            text: ".\na \"b {$ZONE} c\"",
            want: Tree(". { a \"b example.org c\" }"),
        },
        Case {
            name: "an empty argument stays",
            text: ".\na {$EMPTY} b",
            want: Tree(". { a \"\" b }"),
        },
        Case {
            name: "no words come of it",
            text: ".\na {$LINES} b\nc",
            want: Tree(". { a \"a\\nb\" b; c }"),
        },
        Case {
            name: "`import` where keys are",
            text: "{$IMPORT} imports/block",
            want: Tree("block.org { whoami }"),
        },
        Case {
            name: "braces come of it where arguments are",
            text: ".\na {$OPEN} b",
            want: Tree(". { a \"{\" b }"),
        },
        Case {
            name: "an unset one",
            text: ".\na {$NOPE}",
            want: Doubts(". { a \"\" }", &["the environment variable `NOPE` is not set"]),
        },
        Case {
            name: "an unset one in a template",
            text: ".\na \"{{$var}} {{ $var }}\"",
            want: Doubts(
                ". { a \"{} {{ $var }}\" }",
                &["the environment variable `var` is not set"],
            ),
        },
        Case {
            name: "without end",
            text: ".\na {$ENDLESS}",
            want: Errors(&["replacing environment variables here has no end"]),
        },
    ]);
}

#[test]
fn references_are_found_as_coredns_finds_them() {
    let cases = [
        ("{$ZONE", "{$ZONE"),
        ("{%ZONE}", "{%ZONE}"),
        ("{%ZONE$}", "{%ZONE$}"),
        ("{$}", "{$}"),
        ("{%}", "{%}"),
        ("{%%}", "{%%}"),
        ("{$$}", ""),
        ("{$PORT$}", ""),
        ("{ $PORT }", "{ $PORT }"),
        ("{$TWICE}", "example.org:1053"),
        // An empty name ends it for what follows, though not for names seen before.
        ("{$PORT}{$}{$ZONE}", "1053{$}{$ZONE}"),
        ("{$PORT}{$}{$PORT}", "1053{$}1053"),
        ("{{ .Name }} {$ZONE}", "{{ .Name }} example.org"),
        // What `{%X%}` gives is looked at once more.
        ("{%OPEN%}$PORT}", "1053"),
    ];
    for (word, wanted) in cases {
        assert_eq!(expand(word, &environment).unwrap().text, wanted, "{word}");
    }
}

#[test]
fn values_that_grow_for_ever_are_refused() {
    for word in ["{$ENDLESS}", "{$DOUBLING}"] {
        assert_eq!(expand(word, &environment), Err(Endless), "{word}");
    }
    let many = (0..300).fold(String::new(), |many, n| format!("{many}{{$V{n}}}"));
    assert_eq!(expand(&many, &|_| None), Err(Endless), "too many names");
}

#[test]
fn long_values_are_fine() {
    let value = "x".repeat(200_000);
    let word = format!("{}{{$A}}", "y".repeat(1000));
    let expanded = expand(&word, &|_| Some(value.clone())).unwrap();
    assert_eq!(expanded.text.len(), 201_000);
}
