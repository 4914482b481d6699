//! Randomness from one seed, so that a simulation repeats itself.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// A cryptographic generator, seeded once by the operating system (or by a test).
#[derive(Debug)]
pub(crate) struct Random(ChaCha20Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        Random(ChaCha20Rng::from_seed(seed))
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// `base` plus up to a third of it, so that two sides that failed together do not try again together.
    pub(crate) fn jitter(&mut self, base: Duration) -> Duration {
        base + (base / 3).mul_f64(f64::from(self.u32()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_third() {
        let mut random = Random::new([1; 32]);
        for _ in 0..1000 {
            let wait = random.jitter(Duration::from_secs(3));
            assert!((3000..=4000).contains(&wait.as_millis()));
        }
    }
}
