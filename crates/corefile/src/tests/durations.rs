use std::time::Duration;

use proptest::prelude::*;

use crate::duration::parse;

#[test]
fn durations_are_those_of_go() {
    let nanos = Duration::from_nanos;
    let cases = [
        ("0", nanos(0)),
        ("+0", nanos(0)),
        ("-0", nanos(0)),
        ("0s", nanos(0)),
        ("-0s", nanos(0)),
        ("5s", nanos(5_000_000_000)),
        ("+5s", nanos(5_000_000_000)),
        ("300ms", nanos(300_000_000)),
        ("1.5h", nanos(5_400_000_000_000)),
        ("2h45m", nanos(9_900_000_000_000)),
        ("1h30m5s", nanos(5_405_000_000_000)),
        ("1s1h", nanos(3_601_000_000_000)),
        ("7ns", nanos(7)),
        ("7us", nanos(7_000)),
        ("7µs", nanos(7_000)),
        ("7μs", nanos(7_000)),
        (".5s", nanos(500_000_000)),
        ("1.s", nanos(1_000_000_000)),
        ("0.3333333333333333333h", nanos(1_199_999_999_999)),
        ("0.100000000000000000000h", nanos(360_000_000_000)),
        ("1.9ns", nanos(1)),
        ("0000000000000000000000001s", nanos(1_000_000_000)),
        ("9223372036854775807ns", nanos(9_223_372_036_854_775_807)),
        ("9223372036.854775807s", nanos(9_223_372_036_854_775_807)),
        ("2562047h47m16s", nanos(9_223_372_036_000_000_000)),
    ];
    for (text, wanted) in cases {
        assert_eq!(parse(text), Some(wanted), "{text}");
    }
}

#[test]
fn what_go_refuses_and_negative_durations_are_refused() {
    for text in [
        "",
        "+",
        "-",
        "3",
        "30",
        "-5s",
        "s",
        ".",
        ".s",
        "+.s",
        "1",
        "1 s",
        " 1s",
        "1s ",
        "1d",
        "1S",
        "1sec",
        "1.2.3s",
        "1h-1m",
        "--1s",
        "1e3s",
        "9223372036854775808ns",
        "9223372036.854775808s",
        "2562048h",
        "99999999999999999999s",
        "1_000s",
        "٣s",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn whole_numbers_of_every_unit_round_trip(n in 0_u64..2_500_000) {
        for (unit, nanos) in [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)] {
            prop_assert_eq!(parse(&format!("{n}{unit}")), Some(Duration::from_nanos(n * nanos)));
        }
    }

    #[test]
    fn seconds_round_trip_to_the_nanosecond(nanos in 0..=i64::MAX as u64) {
        let text = format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000);
        prop_assert_eq!(parse(&text), Some(Duration::from_nanos(nanos)));
    }

    #[test]
    fn no_text_is_a_panic(text in "[0-9.a-zµ+-]{0,30}|.*") {
        let _ = parse(&text);
    }
}
