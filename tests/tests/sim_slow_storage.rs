//! Storage stays right at targets that are slow: what may still be at the target is reckoned with, however late it is.

use e2e::sim::seeds::for_each_seed;
use e2e::sim::storm::kinds::{RESTARTS_IN_STALLS, SLOW, SLOW_NO_ORDER};
use e2e::sim::storm::{Storm, Trouble};

fn holds(storm: Storm, seeds: u64) {
    for_each_seed(seeds, |seed| drop(storm.rage(seed)));
}

/// What happens to a target without order whose exit is not gone: what an exit leaves there without a word is known to
/// nobody, so with that nothing holds.
const NOT_THE_EXIT: &[Trouble] = &[
    Trouble::PathStalls,
    Trouble::PathDetours,
    Trouble::GatewayPauses,
    Trouble::TargetPauses,
    Trouble::TargetRestarts,
];

#[test]
fn nothing_is_undone_at_a_slow_target_without_order() {
    let storm = Storm {
        troubles: NOT_THE_EXIT,
        ..SLOW_NO_ORDER
    };
    holds(storm, 60);
}

#[test]
fn nothing_is_undone_at_a_slow_target_that_works_in_order() {
    holds(SLOW, 40);
}

#[test]
fn a_new_exit_takes_nothing_of_what_a_slow_target_owes_the_one_before() {
    holds(RESTARTS_IN_STALLS, 100);
}
