use crate::suggest;

const KNOWN: &[&str] =
    &["cache", "errors", "forward", "health", "kubernetes", "log", "loop", "ready"];

#[test]
fn the_nearest_known_word_is_suggested() {
    let cases = [
        ("cahce", Some("cache")),
        ("chache", Some("cache")),
        ("Cache", Some("cache")),
        ("caches", Some("cache")),
        ("health{", Some("health")),
        ("kuberntes", Some("kubernetes")),
        ("k8s", None),
        ("lop", Some("log")),
        ("looop", Some("loop")),
        ("forwad", Some("forward")),
        ("proxy", None),
        ("", None),
    ];
    for (word, wanted) in cases {
        assert_eq!(suggest(word, KNOWN), wanted, "{word}");
    }
    assert_eq!(suggest("cache", &[]), None);
}

#[test]
fn very_long_words_are_not_looked_at() {
    let long = "a".repeat(100_000);
    assert_eq!(suggest(&long, &[&long]), None);
    assert_eq!(suggest("a", &[&long]), None);
}
