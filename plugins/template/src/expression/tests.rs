use super::{Environment, Program, RunError, Type, Value, environment};

/// Answers `name()` and `group()`, and fails everything else.
struct Host;

impl super::eval::Host for Host {
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, RunError> {
        match (name, arguments) {
            ("name", []) => Ok(Value::Text("a.example.".to_owned())),
            ("group", [Value::Text(group)]) => Ok(Value::Text(format!("<{group}>"))),
            _ => Err(RunError::from(format!("{name} fails"))),
        }
    }
}

fn known() -> Environment {
    let mut known = environment();
    known.variables.push(("n".to_owned(), Type::Int));
    known.variables.push(("any_value".to_owned(), Type::Any));
    known
}

/// What an expression gives, with `n` = 5 and `any_value` = `'x'`: the value, or `error: …`.
fn value(source: &str) -> String {
    let known = known();
    let program = known.compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let variables = [Value::Int(5), Value::Text("x".to_owned())];
    match program.run(&known, &Host, &variables) {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

fn assert_values(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(value(source), *expected, "{source}");
    }
}

#[test]
fn operators_bind_as_documented() {
    assert_values(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "-4"),
        ("7 / 2", "3.5"),
        ("-7 % 3", "-1"),
        ("1 + 0.5", "1.5"),
        ("'a' + \"b\" + `c`", "abc"),
        ("1 < 2 and not (2 < 1) or false", "true"),
        ("not true", "false"),
        ("1 < 2 < 3", "true"),
        ("1 < 3 < 2", "false"),
        ("1 == 1.0", "true"),
        ("'a' < 'b'", "true"),
        ("1..3", "[1 2 3]"),
        ("3..1", "[]"),
        ("nil ?? 'x'", "x"),
        ("n > 3 ? 'many' : 'few'", "many"),
        ("1; 2", "2"),
        ("let x = n + 1; x * x", "36"),
        ("if n > 9 { 'a' } else if n > 3 { 'b' } else { 'c' }", "b"),
        ("1 /* a */ + 2 // b", "3"),
        ("0x1f + 0b11 + 0o17 + 1_000", "1049"),
        ("'\\x41\\u0042\\'\\n'", "AB'\n"),
        ("9223372036854775807 + 1", "-9223372036854775808"),
    ]);
}

#[test]
fn texts_and_collections_are_asked() {
    assert_values(&[
        ("name() startsWith 'a' && name() endsWith '.'", "true"),
        ("name() not contains 'b'", "true"),
        ("name() matches '^a\\\\.'", "true"),
        ("name() matches any_value", "true"),
        ("'A' in ['A', 'AAAA']", "true"),
        ("'B' not in ['A', 'AAAA']", "true"),
        ("'a' in {a: 1}", "true"),
        ("[1, 2, 3][0]", "1"),
        ("[1, 2, 3][-1]", "3"),
        ("[1, 2, 3][5]", "error: there is no element 5 of 3"),
        ("[1, 2, 3][1:] == [2, 3]", "true"),
        ("'hello'[1:-1]", "ell"),
        ("{a: {b: 2}}.a.b", "2"),
        ("{a: 1}.b", "<nil>"),
        ("{a: nil}.a?.b.c", "<nil>"),
        ("group('x')", "<x>"),
        ("'a,b' | split(',') | join('-')", "a-b"),
    ]);
}

#[test]
fn functions_do_what_they_say() {
    assert_values(&[
        ("len('héllo') + len([1]) + len({a: 1})", "7"),
        ("abs(-3)", "3"),
        ("ceil(1.2) + floor(1.8) + round(1.5)", "5"),
        ("int('12') + int(1.9)", "13"),
        ("int('x')", "error: int: `x` is no whole number"),
        ("float('1.5')", "1.5"),
        ("string([1, 'a', nil])", "[1 a <nil>]"),
        ("trim('  a ') + trim('xax', 'x')", "aa"),
        ("trimPrefix('abc', 'a') + trimSuffix('abc', 'c')", "bcab"),
        ("upper('aé') + lower('AÉ')", "AÉaé"),
        ("split('a-b-c', '-', 2)", "[a b-c]"),
        ("split('abc', '')", "[a b c]"),
        ("splitAfter('a-b', '-')", "[a- b]"),
        ("replace('a-b-c', '-', '.')", "a.b.c"),
        ("replace('a-b-c', '-', '.', 1)", "a.b-c"),
        ("repeat('ab', 2)", "abab"),
        ("repeat('ab', 10000000)", "error: repeat: the string grows too long"),
        ("indexOf('abcb', 'b') + lastIndexOf('abcb', 'b') + indexOf('a', 'x')", "3"),
        ("hasPrefix('ab', 'a') && hasSuffix('ab', 'b')", "true"),
        ("max(1, [5, 2]) + min(1, 2)", "6"),
        ("mean([1, 2]) + median([3, 1, 2])", "3.5"),
        ("toBase64('hello') + fromBase64('aGVsbG8=')", "aGVsbG8=hello"),
        ("first([1, 2]) + last([1, 2])", "3"),
        ("first([])", "<nil>"),
        ("get([1], 5) ?? get({a: 1}, 'a')", "1"),
        ("take([1, 2, 3], 2)", "[1 2]"),
        ("keys({b: 1, a: 2})", "[a b]"),
        ("fromPairs(toPairs({a: 1}))", "map[a:1]"),
        ("reverse(uniq([1, 2, 1]))", "[2 1]"),
        ("flatten(concat([1], [[2, [3]]]))", "[1 2 3]"),
        ("sort([3, 1, 2], 'desc')", "[3 2 1]"),
        ("bitand(6, 3) + bitor(6, 3) + bitxor(6, 3) + bitnand(6, 3)", "18"),
        ("bitshl(1, 4) + bitshr(-16, 2) + bitushr(-1, 63) + bitnot(0)", "12"),
    ]);
}

#[test]
fn conditions_are_about_each_element() {
    assert_values(&[
        (
            "all([1, 2], # > 0) && none([1, 2], # > 2) && any([1, 2], {# > 1}) && one([1, 2], # == 1)",
            "true",
        ),
        ("filter(1..5, # % 2 == 0)", "[2 4]"),
        ("map(['a', 'b'], # + string(#index))", "[a0 b1]"),
        ("find([1, 2, 3], # > 1) + findLast([1, 2, 3], # > 1)", "5"),
        ("findIndex([1, 2, 3], # > 1) + findLastIndex([1, 2, 3], # > 1)", "3"),
        ("findIndex([1], # > 1)", "<nil>"),
        ("count([true, false]) + count([1, 2, 3], # > 1) + sum([1, 2], # * 2)", "9"),
        ("reduce(1..4, #acc * #) + reduce([1], #acc + #, 10)", "35"),
        ("sortBy([{n: 2}, {n: 1}], .n)", "[map[n:1] map[n:2]]"),
        ("any([[1], [2]], any(#, # > 1))", "true"),
        // What is decided is not asked for again.
        ("any(['a', 1], # == 'a' || # > 'x')", "true"),
        ("all(['a', 1], # + 1 == 2)", "error: `+` does not take string"),
    ]);
}

#[test]
fn what_goes_wrong_for_one_query_is_an_error() {
    assert_values(&[
        ("client_ip()", "error: client_ip fails"),
        ("any_value + 1", "error: `+` does not take string"),
        ("any_value % 2", "error: `%` does not take string"),
        ("not any_value", "error: a condition is a bool, not string"),
        ("n % (n - 5)", "error: division by zero"),
        ("true || client_ip() == ''", "true"),
        ("false && client_ip() == ''", "false"),
        ("1..1000000", "error: a range of more than 100000"),
        ("sum(map(1..2000, sum(1..2000, # * 2)))", "error: more than 1000000 steps"),
    ]);
}

#[test]
fn what_can_never_work_is_refused() {
    let cases = [
        ("1 +", "the expression ends too early"),
        ("invalid expression", "unexpected `expression`"),
        ("unknown", "`unknown` is not known"),
        ("name", "`name` is a function: write `name()`"),
        ("name() + 1", "`+` does not go between string and int"),
        ("n + 'x'", "`+` does not go between int and string"),
        ("1 in 'abc'", "`in` does not go between int and string"),
        ("'a' in [1]", "`in` does not go between string and array"),
        ("name() matches '('", "`(` is not a regular expression"),
        ("not 1", "`not` wants a bool, not int"),
        ("-'a'", "a sign wants a number, not string"),
        ("1 ? 2 : 3", "a condition is a bool, not int"),
        ("incidr('a')", "incidr takes 2 arguments, not 1"),
        ("incidr(1, 'a')", "incidr wants a string, not int"),
        ("n()", "`n` is a variable"),
        ("nothing()", "there is no function `nothing`"),
        ("len(1)", "len: int does not fit"),
        ("upper(1)", "upper: a string is wanted, not int"),
        ("any(1, true)", "any wants an array, not int"),
        ("any([1], 1)", "the condition of any is a int, not a bool"),
        ("#", "`#` means something in conditions only"),
        ("map([1], #acc)", "`#acc` means nothing here"),
        ("{a: 1}[1]", "map has no element of type int"),
        ("'abc'[0]", "string has no element of type int"),
        ("[1].a", "array has no field `a`"),
        ("1 ?? 2 + 3", "`??` cannot stand beside `+`"),
        ("let len = 1; len", "`len` is taken"),
        ("let x = 1; let x = 2; x", "`x` is taken"),
        ("1 % 0", "division by zero"),
        ("08x", "is no number"),
        ("'abc", "a string is not closed"),
        ("'\\q'", "unknown escape"),
        ("a @ b", "unexpected `@`"),
        ("now()", "`now` is not supported"),
        ("groupBy([1], # > 1)", "`groupBy` is not supported"),
        ("$env", "`$env` is not supported"),
        ("b'a'", "byte strings are not supported"),
    ];
    for (source, reason) in cases {
        let error = known().compile(source).expect_err(source).to_string();
        assert!(error.contains(reason), "{source}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    assert_eq!(known().compile(&deep).unwrap_err().to_string(), "nested deeper than 100");
}

#[test]
fn an_expression_is_pure_unless_it_asks_who_asks() {
    let is_pure = |source| known().compile(source).map(|program: Program| program.is_pure).unwrap();
    for source in ["1", "name() == 'a'", "type() + class() + group(1)", "do() || bufsize() > 512"] {
        assert!(is_pure(source), "{source}");
    }
    for source in ["client_ip()", "any([1], id() == #)", "let x = metadata('a'); 1", "proto()"] {
        assert!(!is_pure(source), "{source}");
    }
}

#[test]
fn words_of_the_language_are_reserved() {
    for name in ["len", "any", "true", "let", "matches", "now", "groupBy"] {
        assert!(super::is_reserved(name), "{name}");
    }
    for name in ["a", "ip", "acc", "index", "env"] {
        assert!(!super::is_reserved(name), "{name}");
    }
}
