//! What was: every snapshot that is made for somebody is looked at; and if nobody asks, one is made.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aoe_common::history::{Changes, History};
use aoe_common::snapshot::Snapshot;
use aoe_common::time::Instant;
use tokio::time::sleep;

use super::snapshots::{FRESH, Snapshots};
use crate::clock::{Clock, unix_time};

/// Rows of a snapshot that cost a data plane a quarter of a millisecond: so many are looked at every second, and more of
/// them less often.
const ROWS_A_SECOND: usize = 2048;
/// However many there are.
const LONGEST: usize = 10;

/// The past of this gateway.
#[derive(Debug)]
pub(crate) struct Past {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    history: History,
    changes: Changes,
}

impl Past {
    /// Nothing was yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Past {
            clock,
            inner: Mutex::default(),
        }
    }

    /// Looks at a snapshot that was made just now, and writes into it what has changed in the last hour. Snapshots have
    /// to come in the order in which they were made.
    pub(super) fn look(&self, snapshot: &mut Snapshot) {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.changes.look(now, snapshot);
        snapshot.changes = inner.changes.rows(now, snapshot.gateway.now);
        inner.history.look(now, snapshot, period(snapshot));
    }

    /// Answers a question about the past. The second and third argument are this moment by both clocks.
    pub(crate) fn tell<T>(&self, what: impl FnOnce(&History, Instant, f64) -> T) -> T {
        what(&self.inner().history, self.clock.now(), unix_time().as_secs_f64())
    }

    /// How long it is until the next look.
    fn wait(&self) -> Duration {
        let inner = self.inner();
        inner.history.next().saturating_since(self.clock.now())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long after this snapshot the next one is made. A hub of which a snapshot costs much has one less often.
fn period(snapshot: &Snapshot) -> Duration {
    let grants: usize = snapshot.exports.iter().map(|export| export.allow.len()).sum();
    let rows = snapshot.exports.len() + snapshot.imports.len() + snapshot.initiators.len() + grants;
    let seconds = rows.div_ceil(ROWS_A_SECOND).clamp(1, LONGEST);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
}

/// Has snapshots made for as long as it is polled. One that somebody else has made in time will do.
pub(crate) async fn record(snapshots: Arc<Snapshots>) -> Infallible {
    loop {
        match snapshots.past().wait() {
            Duration::ZERO => {
                snapshots.snapshot().await;
                // One that was made just before this second began is given out again until it is too old.
                sleep(FRESH).await;
            }
            wait => sleep(wait).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use aoe_common::snapshot::{Export, Grant};

    use super::*;

    fn hub(exports: usize, grants: usize) -> Snapshot {
        let export = Export {
            allow: vec![Grant::default(); grants],
            ..Export::default()
        };
        Snapshot {
            exports: vec![export; exports],
            ..Snapshot::default()
        }
    }

    #[test]
    fn what_costs_much_is_looked_at_less_often() {
        for (exports, grants, seconds) in [(0, 0, 1), (1024, 1, 1), (256, 64, 9), (1024, 64, 10)] {
            assert_eq!(
                period(&hub(exports, grants)),
                Duration::from_secs(seconds),
                "{exports} {grants}"
            );
        }
    }

    #[test]
    fn the_next_look_is_when_its_second_begins() {
        let past = Past::new(Clock::start());
        assert_eq!(past.wait(), Duration::ZERO);
        past.look(&mut hub(1, 1));
        let wait = past.wait();
        assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
        past.look(&mut hub(256, 64));
        assert!(past.wait() <= Duration::from_secs(9));
    }
}
