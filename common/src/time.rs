//! Time as the core sees it: a number that the caller hands in.

use std::ops::Add;
use std::time::Duration;

/// A moment, in microseconds since the process's own zero.
///
/// The core never asks what time it is; every input carries `now`. Virtual time in a simulation and the
/// monotonic clock of the daemon are the same to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// A moment that never comes: the deadline of something that waits for nothing.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The moment `micros` microseconds after zero.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// Microseconds since zero.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Microseconds passed since `earlier`, zero if `earlier` is in the future.
    pub const fn micros_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time passed since `earlier`, zero if `earlier` is in the future.
    pub fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Instant {
    /// The moment `before` earlier, zero if there is none.
    pub fn saturating_sub(self, before: Duration) -> Instant {
        Instant(
            self.0
                .saturating_sub(u64::try_from(before.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at [`Instant::NEVER`].
    fn add(self, after: Duration) -> Instant {
        Instant(
            self.0
                .saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates_and_differences_never_go_negative() {
        let start = Instant::from_micros(10);
        assert_eq!((start + Duration::from_millis(1)).as_micros(), 1010);
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
        assert_eq!(start.saturating_since(Instant::NEVER), Duration::ZERO);
        assert_eq!(start.saturating_sub(Duration::from_secs(1)), Instant::default());
    }
}
