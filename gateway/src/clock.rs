//! The only place that asks what time it is.

use std::time::{Duration, SystemTime};

use aoe_common::time::Instant;
use nix::time::{ClockId, clock_gettime};

/// The process's own time: it starts at zero, never goes back, and goes on while the machine sleeps or the process is
/// stopped (`CLOCK_BOOTTIME`). A hypervisor that pauses the machine stops it too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Duration,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Clock { zero: since_boot() }
    }

    /// The moment it is.
    pub fn now(self) -> Instant {
        Instant::default() + since_boot().saturating_sub(self.zero)
    }
}

/// Every kernel since 2.6.39 has this clock, so it does not fail.
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
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

    /// Nobody can let the test's machine sleep, but the kernel says how long it has slept since it was started.
    #[test]
    fn it_counts_what_the_machine_slept() {
        let clock = Clock { zero: Duration::ZERO };
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map(Duration::from)
            .unwrap();
        let boot = clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map(Duration::from)
            .unwrap();
        // Our clock counts whole microseconds.
        let now = clock.now().saturating_since(Instant::default()) + Duration::from_micros(1);
        assert!(now >= boot && now >= monotonic);
    }
}
