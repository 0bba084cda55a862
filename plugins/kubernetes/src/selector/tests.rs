use std::collections::BTreeMap;

use super::Selector;

#[test]
fn selectors_select_what_kubectl_would() {
    let labels = BTreeMap::from([
        ("environment".to_owned(), "production".to_owned()),
        ("app.example.org/tier".to_owned(), "web".to_owned()),
        ("empty".to_owned(), String::new()),
    ]);
    let cases = [
        ("", true),
        ("environment", true),
        ("!environment", false),
        ("! color", true),
        ("environment=production", true),
        ("environment == production", true),
        ("environment=qa", false),
        ("environment!=qa", true),
        ("color!=red", true),
        ("environment in (production, qa)", true),
        ("environment in (staging,qa)", false),
        ("environment notin (production)", false),
        ("color notin (red)", true),
        ("environment=production,app.example.org/tier=web", true),
        ("environment=production,app.example.org/tier=db", false),
        ("empty=", true),
        ("empty=,environment", true),
    ];
    for (text, expected) in cases {
        let selector = Selector::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"));
        assert_eq!(selector.selects(Some(&labels)), expected, "`{text}`");
    }
}

#[test]
fn what_is_no_selector_is_refused() {
    let cases = [
        "environment in (production, qa",
        "environment in production",
        "environment in (a b)",
        "=x",
        "a=b c",
        "a=b,",
        "a>1",
        "-a=b",
        "a/b/c=d",
        "/a=b",
        "a=b!",
        "Example.org/a=b",
        "!",
    ];
    for text in cases {
        assert!(Selector::parse(text).is_err(), "`{text}` is accepted");
    }
    let long = "x".repeat(64);
    assert!(Selector::parse(&long).is_err());
    assert!(Selector::parse(&format!("a={long}")).is_err());
}
