//! How the losses of one peer were repaired.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::peers::Peer;

/// What a relay saw of the repairs of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repaired {
    /// Whose.
    pub(crate) peer: Peer,
    /// Datagrams lost, in both directions.
    pub(crate) lost: u64,
    /// Those whose very bytes arrived later. Others are not sent again: probes, second copies of a repair.
    pub(crate) repaired: u64,
    /// Median time from loss to arrival.
    pub(crate) p50_us: f64,
    /// The same of the slowest hundredth.
    pub(crate) p99_us: f64,
}

impl Repaired {
    /// Of so many losses and the times that repairs took, in any order.
    pub(crate) fn new(peer: Peer, lost: u64, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let micros = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Repaired {
            peer,
            lost,
            repaired: times.len() as u64,
            p50_us: micros(50),
            p99_us: micros(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repair_times_have_their_ranks_in_any_order() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let repaired = Repaired::new(Peer::Ours, 102, times);
        assert_eq!((repaired.lost, repaired.repaired), (102, 100));
        assert_eq!((repaired.p50_us, repaired.p99_us), (50_000.0, 99_000.0));
        assert_eq!(Repaired::new(Peer::Ours, 0, Vec::new()).p99_us, 0.0);
    }
}
