//! The only place that asks what time it is.

use std::time::{Duration, SystemTime};

use aoe_common::time::Instant;

/// The process's own time: it starts at zero and never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: std::time::Instant,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Clock {
            zero: std::time::Instant::now(),
        }
    }

    /// The moment it is.
    pub fn now(self) -> Instant {
        Instant::from_micros(u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Wall clock: time since 1970. Zero on a machine whose clock stands before that.
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_advances() {
        let clock = Clock::start();
        let before = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now().saturating_since(before) >= Duration::from_millis(2));
    }
}
