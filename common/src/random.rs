//! Randomness from one seed, so that a simulation repeats itself.
//!
//! Keys come from [`Secrets`], everything else from [`Random`]. The state of neither tells what `Secrets` has given.

use std::time::Duration;

use aws_lc_rs::hmac;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes on the heap, erased when dropped.
pub(crate) type Secret = Box<Zeroizing<[u8; 32]>>;

/// Key material, seeded once by the operating system (or by a test), with fast key erasure: every draw replaces the key
/// it was made from (Bernstein 2017, as Linux's own generator does). Who reads the state learns nothing of the draws
/// before.
pub(crate) struct Secrets(Secret);

impl Secrets {
    /// Takes the seed and erases the copy that came in as the argument.
    pub(crate) fn new(mut seed: [u8; 32]) -> Secrets {
        let state = Box::new(Zeroizing::new(seed));
        seed.zeroize();
        Secrets(state)
    }

    /// 32 bytes that are not drawn again.
    pub(crate) fn draw(&mut self) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let drawn = derive(&key, b"draw");
        self.0 = derive(&key, b"next");
        drawn
    }
}

fn derive(key: &hmac::Key, label: &[u8]) -> Secret {
    let mut secret = Secret::default();
    let tag = hmac::sign(key, label);
    secret
        .iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    secret
}

/// Numbers that are no keys: jitter, indices, tags, nonces of cookies. Unpredictable from outside, but its state tells
/// what it has given before.
#[derive(Debug)]
pub(crate) struct Random(ChaCha20Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        Random(ChaCha20Rng::from_seed(seed))
    }

    /// A generator of its own for one part of the engine.
    pub(crate) fn drawn_from(secrets: &mut Secrets) -> Random {
        Random::new(**secrets.draw())
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
        base + self.part_of(base / 3)
    }

    /// Something from nothing up to all of it.
    pub(crate) fn part_of(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(f64::from(self.u32()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn jitter_stays_within_a_third() {
        let mut random = Random::new([1; 32]);
        for _ in 0..1000 {
            let wait = random.jitter(Duration::from_secs(3));
            assert!((3000..=4000).contains(&wait.as_millis()));
        }
    }

    #[test]
    fn a_later_state_makes_none_of_the_keys_drawn_before() {
        let mut secrets = Secrets::new([5; 32]);
        let before: BTreeSet<_> = (0..1000).map(|_| **secrets.draw()).collect();
        assert_eq!(before.len(), 1000, "no key is drawn twice");
        // Who reads the memory of the process has this, and can go on from it; what came before is not in it.
        let mut stolen = Secrets::new(**secrets.0);
        for _ in 0..1000 {
            assert!(!before.contains(&**stolen.0));
            assert!(!before.contains(&**stolen.draw()));
        }
        assert_ne!(**stolen.0, [5; 32]);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let mut secrets = Secrets::new([seed; 32]);
            [(); 3].map(|()| **secrets.draw())
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}
