use std::time::Duration;

use plugin::Setup;
use testkit::Kit;

use super::super::PLUGIN;
use super::super::config::{Config, Prefetch, Stale};

/// The settings of a directive that must be accepted.
fn config(text: &str) -> Config {
    let kit = Kit::new();
    let corefile = format!(". {{\n{text}\n}}\n");
    let loaded = corefile_of(&corefile);
    let mut diagnostics = Vec::new();
    let mut setup = Setup::new(&loaded, &kit.block, &kit.metrics, &kit.shared, &mut diagnostics);
    let config = Config::parse(&mut setup).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    config
}

fn corefile_of(text: &str) -> Vec<plugin::Directive> {
    let loaded = corefile::parse(std::path::Path::new("Corefile"), text, &|_| None);
    assert!(loaded.diagnostics.is_empty(), "{text}: {:?}", loaded.diagnostics);
    loaded.corefile.blocks[0].directives.clone()
}

#[test]
fn capacities_and_ttls_are_read() {
    struct Case {
        text: &'static str,
        success: (u64, u32, u32),
        denial: (u64, u32, u32),
    }
    let cases = [
        Case { text: "cache", success: (9984, 3600, 5), denial: (9984, 1800, 5) },
        Case { text: "cache {}", success: (9984, 3600, 5), denial: (9984, 1800, 5) },
        Case { text: "cache {\n}", success: (9984, 3600, 5), denial: (9984, 1800, 5) },
        Case { text: "cache 25", success: (9984, 25, 5), denial: (9984, 25, 5) },
        Case {
            text: "cache 25 example.org {\n success 10000\n denial 20000 15\n}",
            success: (10000, 25, 5),
            denial: (20000, 15, 5),
        },
        Case {
            text: "cache example.org {\n success 5000 1800 30\n denial 5000 7200 0\n}",
            success: (5000, 1800, 30),
            denial: (5000, 7200, 0),
        },
        Case {
            text: "cache {\n success 10\n denial -1\n}",
            success: (1024, 3600, 5),
            denial: (1024, 1800, 5),
        },
    ];
    for case in cases {
        let config = config(case.text);
        let tiers = [(&config.success, case.success), (&config.denial, case.denial)];
        for (tier, expected) in tiers {
            let read = (tier.capacity, tier.max_ttl_secs, tier.min_ttl_secs);
            assert_eq!(read, expected, "{}", case.text);
        }
    }
}

#[test]
fn a_first_argument_that_is_no_number_is_a_zone() {
    assert_eq!(config("cache aaa example.org").zones.written(), ["aaa.", "example.org."]);
    assert_eq!(config("cache 30 Example.org").zones.written(), ["example.org."]);
    assert_eq!(config("cache 30").zones.written(), ["."]);
}

#[test]
fn prefetch_is_read() {
    let cases = [
        ("prefetch 0", None),
        ("prefetch 10", Some((10, 60, 10))),
        ("prefetch 10 5m", Some((10, 300, 10))),
        ("prefetch 1 2s 90%", Some((1, 2, 90))),
    ];
    for (text, expected) in cases {
        let read = config(&format!("cache {{\n{text}\n}}")).prefetch;
        let read = read.map(|Prefetch { amount, gap, percent }| (amount, gap.as_secs(), percent));
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn serve_stale_is_read() {
    struct Case {
        text: &'static str,
        up_to: u64,
        verify_ms: Option<u64>,
        ttl_secs: u32,
        recheck_ms: u64,
    }
    let case = |text, up_to, verify_ms, ttl_secs, recheck_ms| Case {
        text,
        up_to,
        verify_ms,
        ttl_secs,
        recheck_ms,
    };
    let cases = [
        case("serve_stale", 3600, None, 0, 0),
        case("serve_stale 20m", 1200, None, 0, 0),
        case("serve_stale 1h20m", 4800, None, 0, 0),
        case("serve_stale 0", 0, None, 0, 0),
        case("serve_stale 0m", 0, None, 0, 0),
        case("serve_stale 0 verify", 0, Some(0), 0, 0),
        case("serve_stale 0 IMMEDIATE", 0, None, 0, 0),
        case("serve_stale 1h immediate 30s", 3600, None, 30, 0),
        case("serve_stale 1h immediate 30s 30s", 3600, None, 30, 30_000),
        case("serve_stale 1h immediate 4294967295s", 3600, None, u32::MAX, 0),
        case("serve_stale 1h immediate 0", 3600, None, 0, 0),
        case("serve_stale 1h verify 100ms", 3600, Some(100), 0, 0),
        case("serve_stale 1h verify 100ms 30s", 3600, Some(100), 30, 0),
        case("serve_stale 1h verify 100ms 30s 250ms", 3600, Some(100), 30, 250),
        case("serve_stale 1h Verify 0 1m 5m", 3600, Some(0), 60, 300_000),
        case("serve_stale 1h verify\nserve_stale 5s", 5, None, 0, 0),
    ];
    for case in cases {
        let read = config(&format!("cache {{\n{}\n}}", case.text)).stale.unwrap();
        let Stale { up_to, verify, ttl_secs, recheck } = read;
        assert_eq!(up_to, Duration::from_secs(case.up_to), "{}", case.text);
        assert_eq!(verify, case.verify_ms.map(Duration::from_millis), "{}", case.text);
        assert_eq!(ttl_secs, case.ttl_secs, "{}", case.text);
        assert_eq!(recheck, Duration::from_millis(case.recheck_ms), "{}", case.text);
    }
}

#[test]
fn the_other_properties_are_read() {
    assert_eq!(config("cache").servfail, Duration::from_secs(5));
    for (text, secs) in [("1s", 1), ("5m", 300), ("0s", 0), ("0", 0)] {
        let read = config(&format!("cache {{\n servfail {text}\n}}")).servfail;
        assert_eq!(read, Duration::from_secs(secs), "{text}");
    }
    let read = config("cache {\n disable success\n disable denial a.example B.example\n}");
    assert_eq!(read.success.disabled.written(), ["."]);
    assert_eq!(read.denial.disabled.written(), ["a.example.", "b.example."]);
    let read = config("cache {\n disable success a.example\n disable success b.example\n}");
    assert_eq!(read.success.disabled.written(), ["b.example."], "the last one holds");
    assert!(config("cache {\n keepttl\n}").keeps_ttl);
    assert!(!config("cache").keeps_ttl);
    let read = config("cache {\n serve_stale_policy PREFER_POSITIVE\n serve_stale\n}");
    assert!(read.prefers_positive);
}

#[test]
fn mistakes_are_refused() {
    let cases = [
        ("cache 0 example.org", "the TTL `0` is not positive"),
        ("cache -1 example.org", "the TTL `-1` is not positive"),
        ("cache\ncache", "`cache` can only be used once"),
        ("cache {\n positive 15\n}", "unknown property `positive`"),
        ("cache {\n success\n}", "`success` wants at least 1 argument"),
        ("cache {\n denial aaa\n}", "not `aaa`"),
        ("cache {\n success 10 0\n}", "the TTL `0` is not positive"),
        ("cache {\n success 10 x\n}", "not `x`"),
        ("cache {\n denial 10 -5\n}", "the TTL `-5` is not positive"),
        ("cache {\n success 10 10 -1\n}", "the minimum TTL `-1` is negative"),
        ("cache {\n success 10 10 x\n}", "not `x`"),
        ("cache {\n prefetch\n}", "`prefetch` wants 1 to 3 arguments"),
        ("cache {\n prefetch 1 1m 10% x\n}", "`prefetch` wants 1 to 3 arguments"),
        ("cache {\n prefetch -1\n}", "the amount `-1` is negative"),
        ("cache {\n prefetch 0 blurp\n}", "expected a duration"),
        ("cache {\n prefetch 1 1m 10\n}", "expected a percentage"),
        ("cache {\n prefetch 1 1m %\n}", "expected a percentage"),
        ("cache {\n prefetch 1 1m 9%\n}", "from 10 to 90"),
        ("cache {\n prefetch 1 1m 91%\n}", "from 10 to 90"),
        ("cache {\n serve_stale 20\n}", "expected a duration"),
        ("cache {\n serve_stale -20m\n}", "expected a duration"),
        ("cache {\n serve_stale aa\n}", "expected a duration"),
        ("cache {\n serve_stale 1m nono\n}", "expected `immediate` or `verify`"),
        ("cache {\n serve_stale 0 after nono\n}", "expected `immediate` or `verify`"),
        ("cache {\n serve_stale 1h immediate 100ms\n}", "expected a whole number of seconds"),
        ("cache {\n serve_stale 1h immediate 4294967296s\n}", "longer than a TTL"),
        ("cache {\n serve_stale 1h immediate -1s\n}", "expected a duration"),
        ("cache {\n serve_stale 1h immediate 30s extra\n}", "expected a duration"),
        ("cache {\n serve_stale 1h immediate 30s 5m1s\n}", "out of range"),
        ("cache {\n serve_stale 1h immediate 30s 30s extra\n}", "wants at most 4 arguments"),
        ("cache {\n serve_stale 1h verify -1ms\n}", "expected a duration"),
        ("cache {\n serve_stale 1h verify garbage\n}", "expected a duration"),
        ("cache {\n serve_stale 1h verify 100ms 500ms\n}", "expected a whole number of seconds"),
        ("cache {\n serve_stale 1h verify 100ms 30s -1s\n}", "expected a duration"),
        ("cache {\n serve_stale 1h verify 1s 30s 30s extra\n}", "wants at most 5 arguments"),
        ("cache {\n serve_stale_policy prefer_positive\n}", "wants `serve_stale`"),
        ("cache {\n serve_stale\n serve_stale_policy\n}", "wants 1 argument"),
        ("cache {\n serve_stale\n serve_stale_policy prefer_positive x\n}", "wants 1 argument"),
        ("cache {\n serve_stale\n serve_stale_policy other\n}", "expected a policy"),
        (
            "cache {\n serve_stale\n serve_stale_policy prefer_positive\n serve_stale_policy prefer_positive\n}",
            "only be given once",
        ),
        ("cache {\n servfail\n}", "wants 1 argument"),
        ("cache {\n servfail 6m\n}", "out of range"),
        ("cache {\n servfail 20\n}", "expected a duration"),
        ("cache {\n servfail -1s\n}", "expected a duration"),
        ("cache {\n servfail 1m x\n}", "wants 1 argument"),
        ("cache {\n disable\n}", "wants at least 1 argument"),
        ("cache {\n disable invalid example.org\n}", "expected `success` or `denial`"),
        ("cache {\n keepttl x\n}", "`keepttl` wants no argument"),
        ("cache {\n keeptll\n}", "did you mean `keepttl`?"),
    ];
    for (text, expected) in cases {
        let diagnostics = testkit::rendered(&PLUGIN, text);
        assert!(diagnostics.contains(expected), "{text}: {diagnostics}");
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let diagnostics =
        testkit::rendered(&PLUGIN, "cache 0 {\n success a\n servfail b\n keepttl c\n}");
    for word in ["`0`", "`a`", "`b`", "`keepttl` wants no argument"] {
        assert!(diagnostics.contains(word), "{word}: {diagnostics}");
    }
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let readme = include_str!("../../README.md");
    let mut n_examples = 0;
    for fence in readme.split("```corefile\n").skip(1) {
        let corefile = fence.split("```").next().unwrap();
        for directive in corefile_of(corefile).iter().filter(|d| &*d.name == "cache") {
            let mut diagnostics = Vec::new();
            let kit = Kit::new();
            let directives = std::slice::from_ref(directive);
            let mut setup =
                Setup::new(directives, &kit.block, &kit.metrics, &kit.shared, &mut diagnostics);
            let made = (PLUGIN.setup)(&mut setup);
            assert!(made.is_ok() && diagnostics.is_empty(), "{corefile}: {diagnostics:?}");
            n_examples += 1;
        }
    }
    assert!(n_examples > 3);
}
