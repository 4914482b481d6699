//! How much somebody may have of a target, and how much is kept free for them.

use std::fmt;

use super::{ExportId, PeerId};
use crate::frame::MacAddr;

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// All users of an export together.
    Export(ExportId),
    /// All that a peer asks, of any export.
    Peer(PeerId),
    /// What a peer asks of an export.
    Grant(ExportId, PeerId),
    /// What an initiator behind a peer asks of an export.
    Initiator(ExportId, PeerId, MacAddr),
}

/// Ceilings and floors, each absent if there is none. Each is at least 1 a second, and no ceiling is below its floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// At most this much.
    pub ceiling: Rates,
    /// This much goes before what others want.
    pub floor: Rates,
}

/// What counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a second.
    pub iops: Option<u64>,
    /// Bytes of sectors a second, read and written.
    pub bandwidth: Option<u64>,
}

/// The limit of a peer over all of its exports, of which each worker has a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimit {
    /// All of it, over all workers.
    pub whole: Limit,
    /// How many workers serve exports that the peer may use, at least 1: each has an even part.
    pub among: u8,
}

impl Default for PeerLimit {
    fn default() -> Self {
        PeerLimit {
            whole: Limit::default(),
            among: 1,
        }
    }
}

impl PeerLimit {
    /// What one worker has of it.
    pub fn part(&self) -> Limit {
        self.whole.part(self.among)
    }
}

impl Rates {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Rates::default()
    }

    fn map(self, change: impl Fn(u64) -> u64) -> Rates {
        Rates {
            iops: self.iops.map(&change),
            bandwidth: self.bandwidth.map(&change),
        }
    }
}

impl Limit {
    /// Whether nothing is limited or kept.
    pub fn is_none(&self) -> bool {
        *self == Limit::default()
    }

    /// One of so many even parts; at least 1 a second.
    pub fn part(&self, of: u8) -> Limit {
        let part = |rate: u64| (rate / u64::from(of.max(1))).max(1);
        Limit {
            ceiling: self.ceiling.map(part),
            floor: self.floor.map(part),
        }
    }
}

/// What an operator changes of a limit. What it does not name stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitChange {
    /// Ceilings.
    pub ceiling: RatesChange,
    /// Floors.
    pub floor: RatesChange,
}

/// New rates; `Some(None)`: none from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatesChange {
    /// Requests a second.
    pub iops: Option<Option<u64>>,
    /// Bytes a second.
    pub bandwidth: Option<Option<u64>>,
}

/// A floor above its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least {floor} cannot be kept free for one who may have {ceiling} at most")]
pub struct FloorAboveCeiling {
    floor: Rates,
    ceiling: Rates,
}

impl Limit {
    /// Whether no ceiling is below its floor.
    ///
    /// # Errors
    /// One is.
    pub fn check(&self) -> Result<(), FloorAboveCeiling> {
        let Limit { ceiling, floor } = *self;
        let is_above =
            |floor: Option<u64>, ceiling: Option<u64>| floor.zip(ceiling).is_some_and(|(f, c)| f > c);
        match (
            is_above(floor.iops, ceiling.iops),
            is_above(floor.bandwidth, ceiling.bandwidth),
        ) {
            (false, false) => Ok(()),
            (iops, bandwidth) => {
                let those = |rates: Rates| Rates {
                    iops: rates.iops.filter(|_| iops),
                    bandwidth: rates.bandwidth.filter(|_| bandwidth),
                };
                Err(FloorAboveCeiling {
                    floor: those(floor),
                    ceiling: those(ceiling),
                })
            }
        }
    }

    /// The same with this change.
    #[must_use]
    pub fn changed(&self, change: LimitChange) -> Limit {
        let rates = |old: Rates, new: RatesChange| Rates {
            iops: new.iops.unwrap_or(old.iops),
            bandwidth: new.bandwidth.unwrap_or(old.bandwidth),
        };
        Limit {
            ceiling: rates(self.ceiling, change.ceiling),
            floor: rates(self.floor, change.floor),
        }
    }
}

impl fmt::Display for Limit {
    /// `1000 IOPS, 50 MB/s, at least 200 IOPS, 5 MB/s`; `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ceiling.is_none(), self.floor.is_none()) {
            (true, true) => f.write_str("none"),
            (false, true) => self.ceiling.fmt(f),
            (true, false) => write!(f, "at least {}", self.floor),
            (false, false) => write!(f, "{}, at least {}", self.ceiling, self.floor),
        }
    }
}

impl fmt::Display for Rates {
    /// `1000 IOPS, 50 MB/s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bandwidth = self.bandwidth.map(Bandwidth);
        match (self.iops, bandwidth) {
            (Some(iops), Some(bandwidth)) => write!(f, "{iops} IOPS, {bandwidth}"),
            (Some(iops), None) => write!(f, "{iops} IOPS"),
            (None, Some(bandwidth)) => bandwidth.fmt(f),
            (None, None) => f.write_str("none"),
        }
    }
}

/// Bytes a second.
struct Bandwidth(u64);

impl fmt::Display for Bandwidth {
    /// By the largest unit that it is a whole number of: `50 MB/s`, `1500 kB/s`, `1001 B/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB/s"), (1_000_000, "MB/s"), (1000, "kB/s")];
        let unit = units.into_iter().find(|(size, _)| self.0.is_multiple_of(*size));
        match unit {
            Some((size, name)) => write!(f, "{} {name}", self.0 / size),
            None => write!(f, "{} B/s", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_said_as_they_are_written() {
        let mut limit = Limit::default();
        assert_eq!(limit.to_string(), "none");
        limit.ceiling.iops = Some(1000);
        assert_eq!(limit.to_string(), "1000 IOPS");
        limit.ceiling.bandwidth = Some(1_500_000);
        limit.floor.bandwidth = Some(5_000_000_000);
        assert_eq!(limit.to_string(), "1000 IOPS, 1500 kB/s, at least 5 GB/s");
        limit.ceiling = Rates::default();
        limit.floor = Rates {
            iops: Some(7),
            bandwidth: Some(1001),
        };
        assert_eq!(limit.to_string(), "at least 7 IOPS, 1001 B/s");
    }

    #[test]
    fn a_change_changes_what_it_names_and_a_floor_is_not_above_its_ceiling() {
        let limit = Limit {
            ceiling: Rates {
                iops: Some(1000),
                bandwidth: Some(5_000_000),
            },
            floor: Rates::default(),
        };
        let mut change = LimitChange::default();
        assert_eq!(limit.changed(change), limit);
        change.floor.iops = Some(Some(1001));
        change.ceiling.bandwidth = Some(None);
        let changed = limit.changed(change);
        assert_eq!(changed.to_string(), "1000 IOPS, at least 1001 IOPS");
        let fault = changed.check().unwrap_err().to_string();
        assert_eq!(
            fault,
            "at least 1001 IOPS cannot be kept free for one who may have 1000 IOPS at most"
        );
        change.floor.iops = Some(Some(1000));
        assert_eq!(limit.changed(change).check(), Ok(()));
    }

    #[test]
    fn a_part_is_never_nothing() {
        let whole = Limit {
            ceiling: Rates {
                iops: Some(1000),
                bandwidth: None,
            },
            floor: Rates {
                iops: Some(2),
                bandwidth: None,
            },
        };
        let part = PeerLimit { whole, among: 3 }.part();
        assert_eq!(part.to_string(), "333 IOPS, at least 1 IOPS");
        assert_eq!(PeerLimit { whole, among: 0 }.part(), whole);
    }
}
