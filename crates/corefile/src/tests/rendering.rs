use super::{data, golden, parse};
use crate::{Diagnostic, ServerKey, Sources, Span, render, render_json};

fn sources(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add("Corefile", text);
    sources
}

fn at(text: &str, part: &str) -> Span {
    let start = u32::try_from(text.find(part).unwrap()).unwrap();
    Span { file: 0, start, end: start + u32::try_from(part.len()).unwrap() }
}

#[test]
fn a_diagnostic_shows_its_line_and_a_caret() {
    let text = "\n".repeat(11) + "        max_concurrent lots\n";
    let diagnostic =
        Diagnostic::error(at(&text, "lots"), "`max_concurrent` wants a whole number of queries")
            .label("not a number")
            .help("write `max_concurrent 1000`; see rhumb-forward(7)");
    let wanted = "\
error: `max_concurrent` wants a whole number of queries
  --> Corefile:12:24
   |
12 |         max_concurrent lots
   |                        ^^^^ not a number
   = help: write `max_concurrent 1000`; see rhumb-forward(7)
";
    assert_eq!(render(&diagnostic, &sources(&text)), wanted);
}

#[test]
fn a_diagnostic_about_no_place_is_its_message() {
    let diagnostic =
        Diagnostic::general("cannot read `Corefile`: no such file").help("name one with `-conf`");
    let wanted = "error: cannot read `Corefile`: no such file\n  = help: name one with `-conf`\n";
    assert_eq!(render(&diagnostic, &Sources::default()), wanted);
}

#[test]
fn excerpts_cover_every_kind_of_place() {
    let text = "first\n\ttab\there\nmany {\n  lines\n\n}\né\u{1b}[31mred\nlong {\n1\n2\n3\n4\n5\n6\n7\n8\n} end";
    let cases = [
        ("one word", at(text, "first")),
        ("after a tab", at(text, "here")),
        ("several lines", at(text, "many {\n  lines\n\n}")),
        ("the end of several lines in one", at(text, "first\n")),
        ("control characters", at(text, "red")),
        ("many lines", at(text, "long {\n1\n2\n3\n4\n5\n6\n7\n8\n}")),
        ("nothing, in a line", Span { file: 0, start: 2, end: 2 }),
        ("nothing, at the end", Span { file: 0, start: 999, end: 999 }),
        ("a backwards span", Span { file: 0, start: 4, end: 2 }),
        ("an unknown file", Span { file: 9, start: 4, end: 2 }),
        ("inside a character", Span { file: 0, start: at(text, "é").start + 1, end: 999 }),
    ];
    let sources = sources(text);
    let rendered: Vec<String> = cases
        .into_iter()
        .map(|(name, span)| render(&Diagnostic::warning(span, name).label("here"), &sources))
        .collect();
    golden("excerpts.txt", &rendered.join("\n"));
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!("{} needle {}", "x".repeat(100_000), "y".repeat(100_000));
    let sources = sources(&text);
    let lines = |span| render(&Diagnostic::error(span, "a long line").label("here"), &sources);
    for part in ["needle", "xxx", &*text] {
        let rendered = lines(at(&text, part));
        assert!(rendered.lines().all(|line| line.chars().count() < 200), "{rendered}");
    }
    let rendered = lines(at(&text, "needle"));
    let [excerpt, marks] = [3, 4].map(|line| rendered.lines().nth(line).unwrap());
    let column = |line: &str, part: &str| line[..line.find(part).unwrap()].chars().count();
    assert_eq!(column(excerpt, "needle"), column(marks, "^"));
}

#[test]
fn nothing_from_a_corefile_reaches_the_terminal_as_it_is() {
    let text = "\u{1b}]0;title\u{7} x\u{9b}y";
    let diagnostic = Diagnostic::error(at(text, "x"), text).label(text).help(text);
    let rendered = render(&diagnostic, &sources(text));
    assert!(!rendered.contains(|c: char| c.is_control() && c != '\n'), "{rendered:?}");
}

#[test]
fn json_has_every_field_in_order() {
    let text = "a\n  bé c\n";
    let diagnostics = [
        Diagnostic::error(at(text, "bé"), "a \"message\"").label("label").help("help"),
        Diagnostic::warning(at(text, "a\n  b"), "over lines"),
        Diagnostic::general("nowhere"),
    ];
    golden("diagnostics.json", &(render_json(&diagnostics, &sources(text)) + "\n"));
    assert_eq!(render_json(&[], &Sources::default()), "[]");
}

#[test]
fn a_corefile_with_many_mistakes_has_a_message_for_each() {
    let path = data("mistakes/Corefile");
    let text = std::fs::read_to_string(&path).unwrap();
    let loaded = parse_in_place(&text);
    let keys = loaded.corefile.blocks.iter().flat_map(|block| &block.keys);
    let refused = keys.filter_map(|key| ServerKey::parse(key).err());
    let all: Vec<Diagnostic> = loaded.diagnostics.iter().cloned().chain(refused).collect();
    let rendered: Vec<String> =
        all.iter().map(|diagnostic| render(diagnostic, &loaded.sources)).collect();
    let root = data("mistakes").display().to_string() + "/";
    golden("mistakes/rendered.txt", &rendered.join("\n").replace(&root, ""));
}

fn parse_in_place(text: &str) -> crate::Loaded {
    crate::parse(&data("mistakes/Corefile"), text, &super::environment)
}

#[test]
fn a_sound_corefile_has_no_diagnostics() {
    let text = "# The usual one.
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
";
    let loaded = parse(text);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.corefile.blocks[0].directives.len(), 10);
}
