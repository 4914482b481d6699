//! A gateway that is changed while it runs behaves as one that was started so, and loses nothing on the way.

use e2e::sim::reload::the_law_holds;
use e2e::sim::seeds::for_each_seed;

/// Hundreds of random pairs of configurations, one after the other under load and loss.
#[test]
fn a_reloaded_gateway_is_as_one_that_was_started_so() {
    for_each_seed(150, the_law_holds);
}
