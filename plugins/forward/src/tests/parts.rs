//! Policy, budget and RCODEs by themselves.

use std::time::Duration;

use crate::budget::Budget;
use crate::policy::Policy;
use crate::rcode;

#[test]
fn every_policy_names_every_upstream_once() {
    for name in Policy::NAMES {
        let policy = Policy::parse(name).unwrap();
        for n_upstreams in 0..20 {
            let mut order = policy.order(n_upstreams);
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..n_upstreams), "{name} {n_upstreams}");
        }
    }
    assert!(Policy::parse("Random").is_none());
}

#[test]
fn round_robin_begins_with_each_in_turn_and_goes_on_as_written() {
    let policy = Policy::parse("round_robin").unwrap();
    let orders = [(); 4].map(|()| policy.order(3).to_vec());
    assert_eq!(orders, [[1, 0, 2], [2, 0, 1], [0, 1, 2], [1, 0, 2]]);
}

#[test]
fn a_hedge_waits_for_the_usual_round_trip_within_bounds() {
    let ms = Duration::from_millis;
    let cases = [
        ("random", None, ms(40)),
        ("round_robin", Some(ms(1)), ms(30)),
        ("random", Some(ms(70)), ms(70)),
        ("random", Some(ms(4000)), ms(400)),
        ("sequential", None, ms(200)),
        ("sequential", Some(ms(1)), ms(150)),
        ("sequential", Some(ms(4000)), ms(1000)),
    ];
    for (name, usual, expected) in cases {
        assert_eq!(Policy::parse(name).unwrap().hedge_delay(usual), expected, "{name} {usual:?}");
    }
}

#[test]
fn hedges_are_a_tenth_of_the_questions_and_a_few_at_first() {
    let budget = Budget::new();
    let n_at_first = std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count();
    assert_eq!(n_at_first, 64);
    let mut n_hedges = 0;
    for _ in 0..1000 {
        budget.earn();
        n_hedges += u32::from(budget.spend());
    }
    assert_eq!(n_hedges, 100);
    (0..100_000).for_each(|_| budget.earn());
    let n_saved = std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count();
    assert_eq!(n_saved, 64, "a quiet night is no reason for a storm in the morning");
}

#[test]
fn rcodes_have_the_names_that_dashboards_know() {
    for (name, number) in [("noerror", 0), ("NXDomain", 3), ("NOTIMPL", 4), ("BADCOOKIE", 23)] {
        assert_eq!(rcode::parse(name), Some(number));
    }
    assert_eq!(rcode::parse("3"), None);
    let labels = [0, 4, 11, 12, 16, 4095].map(rcode::label);
    assert_eq!(labels, ["NOERROR", "NOTIMP", "DSOTYPENI", "12", "BADSIG", "4095"]);
}
