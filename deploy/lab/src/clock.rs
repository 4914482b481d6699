//! Real time in the form the models take it.

use std::time::{Duration, Instant as SystemInstant};

use aoe_common::time::Instant;

/// A monotonic clock that starts at zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: SystemInstant,
}

impl Clock {
    /// Starts a clock.
    pub fn start() -> Self {
        Clock {
            zero: SystemInstant::now(),
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Instant {
        Instant::from_micros(0) + self.zero.elapsed()
    }

    /// How long it is until `deadline`, at most `limit`.
    pub fn until(&self, deadline: Instant, limit: Duration) -> Duration {
        deadline.saturating_since(self.now()).min(limit)
    }
}
