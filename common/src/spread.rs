//! Places for numbers in tables: the same in every run, and neighbours far from each other.

/// 2^64 divided by the golden ratio (Knuth, multiplicative hashing).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The place of a number among so many, 2^32 at most; 0 if there is none.
pub(crate) fn place_of(number: u64, places: usize) -> usize {
    // The upper half is the one that depends on every bit; it is a fraction of 2^32.
    let fraction = number.wrapping_mul(FACTOR) >> 32;
    let place = fraction.wrapping_mul(places as u64) >> 32;
    usize::try_from(place).unwrap_or(0)
}

/// The same by a factor that is odd and drawn at random: nobody can choose numbers that share a place.
pub(crate) fn place_by(factor: u64, number: u64, places: usize) -> usize {
    let mixed = number.wrapping_mul(factor);
    place_of(mixed ^ mixed >> 32, places)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn neighbours_have_places_of_their_own_and_none_is_outside() {
        for places in [1, 3, 64, 4096] {
            // The second factor is near 16/225 of 2^64.
            for factor in [1, 0x1234_5678_9abc_def1, u64::MAX] {
                let used: BTreeSet<usize> = (0..places as u64).map(|n| place_by(factor, n, places)).collect();
                assert!(used.len() * 2 > places, "{} of {places}", used.len());
                assert!(used.iter().all(|place| *place < places));
            }
            let used: BTreeSet<usize> = (0..places as u64).map(|n| place_of(n, places)).collect();
            assert!(used.len() * 2 > places, "{} of {places}", used.len());
        }
        assert_eq!(place_of(u64::MAX, 0), 0);
    }
}
