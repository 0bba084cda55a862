use std::time::Duration;

use super::parse;
use crate::{Argument, Bounds, Directive, Span};

fn directive(text: &str) -> Directive {
    let loaded = parse(&format!(". {{\n{text}\n}}\n"));
    assert!(!loaded.has_errors(), "{text}");
    loaded.corefile.blocks[0].directives[0].clone()
}

fn argument(text: &str) -> Argument {
    Argument { text: text.to_owned(), span: Span::default() }
}

#[test]
fn wrong_numbers_of_arguments_are_named() {
    let cases = [
        ("a", 0..=0, None),
        ("a b", 0..=0, Some("`a` wants no argument, not 1")),
        ("a", 1..=1, Some("`a` wants 1 argument, not 0")),
        ("a b", 1..=1, None),
        ("a b c", 1..=1, Some("`a` wants 1 argument, not 2")),
        ("a b", 2..=2, Some("`a` wants 2 arguments, not 1")),
        ("a b c", 0..=1, Some("`a` wants at most 1 argument, not 2")),
        ("a", 1..=usize::MAX, Some("`a` wants at least 1 argument, not 0")),
        ("a b c d", 1..=2, Some("`a` wants 1 to 2 arguments, not 3")),
    ];
    for (text, wanted, message) in cases {
        let directive = directive(text);
        let error = directive.expect_arguments(wanted).err();
        assert_eq!(error.as_ref().map(|error| error.message.as_str()), message, "{text}");
    }
}

#[test]
fn the_first_argument_too_many_is_pointed_at() {
    let directive = directive("a b c d");
    let error = directive.expect_arguments(0..=1).unwrap_err();
    assert_eq!(error.span, Some(directive.arguments[1].span));
    let error = directive.expect_arguments(5..=5).unwrap_err();
    assert_eq!(error.span, Some(directive.span()));
}

#[test]
fn blocks_can_be_refused() {
    assert!(directive("a").expect_bare().is_ok());
    assert!(directive("a b").expect_bare().is_err());
    let error = directive("a {\n}").expect_bare().unwrap_err();
    assert_eq!(error.message, "`a` takes no block");
    assert!(directive("a b").expect_no_block().is_ok());
}

#[test]
fn values_are_parsed_or_pointed_at() {
    assert_eq!(directive("a 7").value::<u16>("a number"), Ok(7));
    let error = directive("a lots").value::<u16>("a number").unwrap_err();
    assert_eq!(error.message, "expected a number, not `lots`");
    assert_eq!(error.label.as_deref(), Some("not a number"));
    assert_eq!(directive("a 1h30m").duration(), Ok(Duration::from_mins(90)));
    let error = directive("a 30").duration().unwrap_err();
    assert_eq!(error.message, "expected a duration, not `30`");
    assert!(directive("a").duration().is_err());
}

#[test]
fn unknown_properties_have_a_nearest_known_one() {
    let directive = directive("health {\n lamduck 5s\n}");
    let property = &directive.properties()[0];
    let help = |known| directive.unknown_property(property, known).help.unwrap();
    assert_eq!(help(&["lameduck"]), "did you mean `lameduck`?");
    assert_eq!(help(&["success", "denial"]), "known properties: success, denial");
    assert_eq!(help(&[]), "`health` has no properties");
}

#[test]
fn values_out_of_bounds_are_refused_with_the_numbers() {
    let bounds = Bounds { default: 30, min: 1, max: 3600 };
    assert_eq!(bounds.check(1, &argument("1")), Ok(1));
    assert_eq!(bounds.check(3600, &argument("3600")), Ok(3600));
    for value in [0, 3601] {
        let error = bounds.check(value, &argument(&value.to_string())).unwrap_err();
        assert_eq!(error.message, format!("`{value}` is out of range: from 1 to 3600"));
    }
}
