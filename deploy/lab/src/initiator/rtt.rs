//! The Linux initiator's round trip estimator (`calc_rttavg`, `rto` in drivers/block/aoe/aoecmd.c).

use std::time::Duration;

/// The average is kept times 256, the deviation times 8; all arithmetic is 32 bits wide and wraps, as the driver's.
const AVERAGE_SHIFT: u32 = 8;
const DEVIATION_SHIFT: u32 = 3;
const INITIAL_AVERAGE: u32 = 250_000 << AVERAGE_SHIFT;
const INITIAL_DEVIATION: u32 = INITIAL_AVERAGE / 4;

/// Round trip time and its deviation, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RttEstimator {
    average: u32,
    deviation: u32,
}

impl RttEstimator {
    /// The state after IDENTIFY: 250 ms with 2 s of deviation, so 16.5 s until the first retransmission.
    pub fn new() -> Self {
        RttEstimator {
            average: INITIAL_AVERAGE,
            deviation: INITIAL_DEVIATION,
        }
    }

    /// Takes in one measured round trip: gain 1/256 for the average, 1/8 for the deviation.
    pub fn sample(&mut self, rtt: Duration) {
        let rtt = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
        let error = rtt.wrapping_sub(self.average >> AVERAGE_SHIFT).cast_signed();
        self.average = self.average.wrapping_add_signed(error);
        let surprise = error
            .unsigned_abs()
            .wrapping_sub(self.deviation >> DEVIATION_SHIFT);
        self.deviation = self.deviation.wrapping_add(surprise);
    }

    /// Time without an answer after which a frame is sent again: twice the average and eight deviations, at least
    /// one microsecond. There is no upper bound and no back-off.
    pub fn timeout(&self) -> Duration {
        let average = self.average.wrapping_mul(2) >> AVERAGE_SHIFT;
        let deviation = self.deviation.wrapping_mul(8) >> DEVIATION_SHIFT;
        Duration::from_micros(u64::from(average.wrapping_add(deviation).max(1)))
    }
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Timeouts after a number of samples that alternate around `rtt` by `spread`.
    fn timeout_after(samples: u32, rtt: u64, spread: u64) -> Duration {
        let mut estimator = RttEstimator::new();
        for sample in 0..samples {
            let micros = if sample % 2 == 0 {
                rtt - spread
            } else {
                rtt + spread
            };
            estimator.sample(Duration::from_micros(micros));
        }
        estimator.timeout()
    }

    #[test]
    fn the_first_timeout_is_sixteen_and_a_half_seconds() {
        assert_eq!(RttEstimator::new().timeout(), Duration::from_millis(16_500));
    }

    #[test]
    fn it_comes_down_as_slowly_as_the_driver_does() {
        // Values computed from the driver's arithmetic, for 0.2 ms +- 0.05 and for 20 ms +- 1.
        for (samples, rtt, spread, low, high) in [
            (1, 200, 50, 14.6, 14.8),
            (10, 200, 50, 6.0, 6.2),
            (60, 200, 50, 1.9, 2.1),
            (1000, 200, 50, 0.045, 0.06),
            (1, 20_000, 1000, 14.6, 14.8),
            (500, 20_000, 1000, 0.36, 0.38),
            (5000, 20_000, 1000, 0.042, 0.050),
        ] {
            let seconds = timeout_after(samples, rtt, spread).as_secs_f64();
            assert!(
                (low..high).contains(&seconds),
                "{samples} samples of {rtt}: {seconds}"
            );
        }
    }

    #[test]
    fn one_late_reply_lifts_the_timeout_to_its_age() {
        let mut estimator = RttEstimator::new();
        for _ in 0..10_000 {
            estimator.sample(Duration::from_micros(200));
        }
        estimator.sample(Duration::from_secs(30));
        let seconds = estimator.timeout().as_secs_f64();
        assert!((30.0..30.5).contains(&seconds), "{seconds}");
    }
}
