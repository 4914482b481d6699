//! Numbers that look random and come again with the same seed.

/// A small generator (SplitMix64, Steele, Lea and Flood 2014): good enough for tests, useless for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A sequence of its own for every seed.
    pub const fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Whether something that happens with `probability` (0 to 1) happens now.
    pub fn happens(&mut self, probability: f64) -> bool {
        // 53 bits fill a double's mantissa exactly.
        let unit = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        unit < probability
    }
}

/// Scrambles a number so that neighbours have nothing in common.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_probabilities_hold() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..10_000).filter(|_| random.happens(0.01)).count()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(Random::new(7).next_u64(), Random::new(8).next_u64());
        assert!((60..140).contains(&draw(7)), "{}", draw(7));
    }

    #[test]
    fn below_covers_its_range_and_nothing_else() {
        let mut random = Random::new(1);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[usize::try_from(random.below(5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }
}
