//! From totals in two documents to what happens in a second.

use aoe_common::snapshot::Snapshot;

/// Seconds between two documents of the same process; `None` if they are of two, or not one after the other.
pub(super) fn seconds(before: &Snapshot, now: &Snapshot) -> Option<f64> {
    let (was, is) = (&before.gateway, &now.gateway);
    let seconds = is.now - was.now;
    ((was.pid, was.started) == (is.pid, is.started) && seconds > 0.0).then_some(seconds)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rate to three digits; a cast from a float saturates"
)]
/// So many in so many seconds, as many a second.
pub(super) fn per_second(n: u64, seconds: f64) -> Option<u64> {
    (seconds > 0.0).then(|| (n as f64 / seconds).round() as u64)
}
