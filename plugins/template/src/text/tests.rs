use super::{Map, Object, Subject, Template, Value};

/// A query for `a-12.example.`, matched by a pattern with the groups `l` and `n`.
struct Query;

impl Subject for Query {
    fn field(&self, of: Object, name: &str) -> Option<Value> {
        let groups = [("0", "a-12"), ("1", "a"), ("2", "12"), ("l", "a"), ("n", "12")];
        let entries = groups.map(|(name, text)| (name.to_owned(), Value::text(text)));
        Some(match (of, name) {
            (Object::Root, "Name") => Value::text("a-12.example."),
            (Object::Root, "Match") => Value::List(["a-12", "a", "12"].map(Value::text).to_vec()),
            (Object::Root, "Group") => {
                Value::Map(Map { entries: entries.into_iter().collect(), is_text: true })
            }
            (Object::Root, "Var") => Value::Map(Map {
                entries: [("ttl".to_owned(), Value::Int(60))].into_iter().collect(),
                is_text: false,
            }),
            (Object::Root, "Question") => Value::Object(Object::Question),
            (Object::Question, "Qtype") => Value::Uint(1),
            _ => return None,
        })
    }

    fn meta(&self, label: &str) -> String {
        format!("<{label}>")
    }
}

/// What a template makes of the query: the text, or `error: …`.
fn filled_in(source: &str) -> String {
    match Template::parse(source) {
        Ok(template) => template.fill_in(&Query).unwrap_or_else(|error| format!("error: {error}")),
        Err(error) => panic!("{source}: {error}"),
    }
}

fn assert_filled_in(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(filled_in(source), *expected, "{source}");
    }
}

#[test]
fn text_stays_and_values_take_the_place_of_actions() {
    assert_filled_in(&[
        ("no action", "no action"),
        ("{{.Name}} 60", "a-12.example. 60"),
        ("{{ .Name }}}} {x}", "a-12.example.}} {x}"),
        ("{{ .Question.Qtype }}", "1"),
        ("{{ .Meta `a/b` }}{{ `c` | .Meta }}{{ $.Meta `d` }}", "<a/b><c><d>"),
        (
            "{{ true }} {{ 'a' }} {{ 0x1F }} {{ 0b11 }} {{ 017 }} {{ 1_000 }}",
            "true 97 31 3 15 1000",
        ),
        (
            "{{ 1.5 }} {{ -3 }} {{ +4 }} {{ .5 }} {{ 1e3 }} {{ 1e6 }} {{ 1e-5 }}",
            "1.5 -3 4 0.5 1000 1e+06 1e-05",
        ),
        (r#"{{ "q\x41\u0042\101\t" }}{{ `\n` }}"#, "qABA\t\\n"),
        ("{{ .Match }} {{ .Var }}", "[a-12 a 12] map[ttl:60]"),
    ]);
}

#[test]
fn trim_markers_take_white_space_away_and_comments_leave_nothing() {
    assert_filled_in(&[
        ("a  {{- 1 -}}  b", "a1b"),
        ("a \n{{- 1 }} b", "a1 b"),
        ("a {{/* c */}} b", "a  b"),
        ("a {{- /* c */ -}} b", "ab"),
        ("{{-3}}", "-3"),
        ("{{ `x`\n}}", "x"),
    ]);
}

#[test]
fn a_missing_name_is_no_value_for_fields_and_empty_text_for_index() {
    assert_filled_in(&[
        ("{{ .Group.l }}{{ .Group.none }}", "a<no value>"),
        ("{{ index .Group `none` }}|", "|"),
        ("{{ .Var.ttl }}{{ .Var.none }}{{ index .Var `none` }}", "60<no value><no value>"),
        ("{{ (.Group).l }}{{ ((.Group)).n }}", "a12"),
        ("{{ .Nope }}", "error: there is no field `Nope`"),
        ("{{ .Name.x }}", "error: string has no field `x`"),
        ("{{ .Name `x` }}", "error: `.Name` takes no arguments"),
        ("{{ $ }}", "error: an object cannot be printed"),
        ("{{ nil }}", "error: nil is not a command"),
    ]);
}

#[test]
fn branches_go_by_truth() {
    assert_filled_in(&[
        ("{{ if .Group.l }}y{{ else }}n{{ end }}", "y"),
        ("{{ if .Group.none }}y{{ else }}n{{ end }}", "n"),
        ("{{ if 0 }}a{{ else if `` }}b{{ else if 1.5 }}c{{ else }}d{{ end }}", "c"),
        ("{{ with .Group.l }}{{ . }}{{ $.Name }}{{ end }}", "aa-12.example."),
        ("{{ with .Group.none }}y{{ else with .Group.n }}{{ . }}{{ end }}", "12"),
        ("{{ with $x := .Group.n }}{{ $x }}{{ end }}", "12"),
        ("{{ and 1 `` (index .Match 9) }}|{{ or `` `x` (index .Match 9) }}", "|x"),
        ("{{ not .Group.none }} {{ and 1 2 }} {{ or 0 `` }}|", "true 2 |"),
    ]);
}

#[test]
fn ranges_go_over_lists_maps_and_numbers() {
    assert_filled_in(&[
        ("{{ range .Match }}<{{ . }}>{{ end }}", "<a-12><a><12>"),
        ("{{ range $i, $x := .Match }}{{ $i }}{{ $x }};{{ end }}", "0a-12;1a;212;"),
        ("{{ range $k, $v := .Var }}{{ $k }}={{ $v }}{{ end }}", "ttl=60"),
        (
            "{{ range $i := 4 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ if eq $i 3 }}{{ break }}{{ end }}{{ $i }}{{ end }}",
            "02",
        ),
        ("{{ range 0 }}x{{ else }}none{{ end }}", "none"),
        ("{{ range `ab` }}{{ end }}", "error: range cannot go over string"),
        ("{{ range 1000000 }}{{ end }}", "error: range went round 100000 times"),
    ]);
}

#[test]
fn variables_live_in_their_block() {
    assert_filled_in(&[
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"),
        ("{{ if $x := .Group.n }}{{ $x }}{{ end }}", "12"),
    ]);
}

#[test]
fn values_are_piped_in_as_the_last_argument() {
    assert_filled_in(&[
        ("{{ .Group.n | printf `%s-%s` `a` }}", "a-12"),
        ("{{ .Name | len | printf `%03d` }}", "013"),
        ("{{ .Group.n | }}", "12"),
    ]);
}

#[test]
fn functions_do_what_they_say() {
    assert_filled_in(&[
        ("{{ index .Match 1 }} {{ index .Name 0 }}", "a 97"),
        ("{{ index .Match 9 }}", "error: error calling index: index out of range: 9"),
        ("{{ index .Match -1 }}", "error: error calling index: index out of range: -1"),
        ("{{ slice .Name 0 4 }} {{ slice .Match 1 }}", "a-12 [a 12]"),
        ("{{ slice .Name 4 2 }}", "error: error calling slice: slice [4:2] is out of range"),
        ("{{ len .Match }} {{ len .Group }} {{ len .Name }}", "3 5 13"),
        ("{{ len 3 }}", "error: error calling len: int has no length"),
        (
            "{{ parseInt .Group.n 10 8 }} {{ parseInt `7b` 16 8 }} {{ parseInt `0x1F` 0 64 }}",
            "12 123 31",
        ),
        (
            "{{ parseInt `256` 10 8 }}",
            "error: error calling parseInt: parseInt: `256` does not fit into 8 bits",
        ),
        ("{{ parseInt `+1` 10 8 }}", "error: error calling parseInt: parseInt: `+1` is no number"),
        ("{{ parseInt }}", "error: error calling parseInt: parseInt does not take 0 arguments"),
        (
            "{{ eq .Group.l `x` `a` }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge `a` `b` }}",
            "true true true true true false",
        ),
        ("{{ eq (parseInt `5` 10 8) 5 }} {{ lt -1 (parseInt `5` 10 8) }}", "true true"),
        ("{{ eq 1 `1` }}", "error: error calling eq: int and string cannot be compared"),
        ("{{ print 1 2 `a` `b` 3 }}|{{ println `a` 1 }}|", "1 2ab3|a 1\n|"),
    ]);
}

#[test]
fn printf_formats_as_go_does() {
    assert_filled_in(&[
        ("{{ printf `%d-%s-%v` 5 `a` true }}", "5-a-true"),
        (
            "{{ printf `%03d|%x|%X|%o|%b|%O|%#x|%+d|% d` 7 255 255 8 5 8 255 5 5 }}",
            "007|ff|FF|10|101|0o10|0xff|+5| 5",
        ),
        ("{{ printf `%5s|%-5s|%.2s|%*d|` `ab` `ab` `abc` 5 42 }}", "   ab|ab   |ab|   42|"),
        ("{{ printf `%q|%c|%U` `a\"b` 65 65 }}", "\"a\\\"b\"|A|U+0041"),
        ("{{ printf `%x|%X|% x` `abc` `abc` `abc` }}", "616263|616263|61 62 63"),
        (
            "{{ printf `%f|%.2f|%08.3f|%e|%g|%.3g` 1.5 3.14159 3.14159 1500.0 1e21 12345.678 }}",
            "1.500000|3.14|0003.142|1.500000e+03|1e+21|1.23e+04",
        ),
        ("{{ printf `%d|%s` `x` 1 }}", "%!d(string=x)|%!s(int=1)"),
        (
            "{{ printf `%d %d` 1 }}{{ printf `%d` 1 2 }}{{ printf `%` }}",
            "1 %!d(MISSING)1%!(EXTRA int=2)%!(NOVERB)",
        ),
        ("{{ printf `%s %d%%` .Match 5 }}", "[a-12 a 12] 5%"),
        (
            "{{ printf `%99999d` 1 }}",
            "error: error calling printf: printf takes widths up to 10000",
        ),
    ]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let cases = [
        ("{{", "`{{` has no `}}`"),
        ("{{ .Name", "`{{` has no `}}`"),
        ("{{ }}", "a value is missing"),
        ("{{ end }}", "`end` outside"),
        ("{{ else }}", "`else` outside"),
        ("{{ if .Name }}x", "`if` has no `end`"),
        ("{{ if .Name }}{{ else }}{{ else }}{{ end }}", "`if` has two `else`"),
        ("{{ if .Name }}{{ else with .Name }}{{ end }}", "unexpected `with` after `else`"),
        ("{{ nofunc }}", "there is no function `nofunc`"),
        ("{{ html .Name }}", "the function `html` is not supported"),
        ("{{ define `x` }}{{ end }}", "`define` is not supported"),
        ("{{ template `x` }}", "`template` is not supported"),
        ("{{ $x }}", "undefined variable `$x`"),
        ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", "undefined variable `$x`"),
        ("{{ $x, $y := .Name }}", "too many variables"),
        ("{{ break }}", "`break` outside of `range`"),
        ("{{ .Name | 1 }}", "`1` takes nothing from a pipeline"),
        ("{{ .Name \"x }}", "a quoted string is not closed"),
        ("{{ .Name `x }}", "a raw string is not closed"),
        ("{{ 'ab' }}", "a character constant"),
        ("{{ 08 }}", "`08` is no number"),
        ("{{ \"\\777\" }}", "unknown escape"),
        ("{{ (.Name }}", "a parenthesis is not closed"),
        ("{{ .Name) }}", "a closing parenthesis has no opening one"),
        ("{{ `a``b` }}", "``b`` follows ``a`` without a space"),
        ("{{ .Name\"x\" }}", "unexpected `\"` after `.Name`"),
        ("{{ .Name & 1 }}", "unexpected `&` in an action"),
        ("{{ true.x }}", "`true` has no fields"),
        ("{{/* a }}", "a comment has no end"),
        ("{{/* a */ x }}", "a comment must be alone"),
    ];
    for (source, reason) in cases {
        let error = Template::parse(source).expect_err(source).to_string();
        assert!(error.contains(reason), "{source}: {error}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200));
    assert_eq!(Template::parse(&deep).unwrap_err().to_string(), "nested deeper than 100");
}

#[test]
fn a_template_is_written_back_as_go_writes_it() {
    let cases = [
        (
            "{{ .Name }} 60 IN TXT \"{{ index .Match 2 }}\"",
            "{{.Name}} 60 IN TXT \"{{index .Match 2}}\"",
        ),
        ("{{if .Name}}a{{else}}b{{end}}", "{{if .Name}}a{{else}}b{{end}}"),
        ("{{ $x := `a` | printf \"%s\" }}{{ $x }}", "{{$x := `a` | printf \"%s\"}}{{$x}}"),
        (
            "{{ range $i, $e := .Match }}{{ break }}{{ end }}",
            "{{range $i, $e := .Match}}{{break}}{{end}}",
        ),
        ("{{ (index .Match 1).x }}", "{{(index .Match 1).x}}"),
    ];
    for (source, expected) in cases {
        assert_eq!(Template::parse(source).unwrap().to_string(), expected, "{source}");
    }
}
