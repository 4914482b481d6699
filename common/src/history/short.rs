//! Numbers in two bytes: exact up to 2047, and to a two-thousandth above. So an hour of seconds is small.

/// Bits of a mantissa behind its first one.
const BITS: u32 = 10;
/// The first number that is not exact.
const EXACT: u64 = 1 << (BITS + 1);

/// A number that is about right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Short(u16);

impl Short {
    /// The nearest one.
    pub(super) fn of(n: u64) -> Short {
        if n < EXACT {
            return Short(u16::try_from(n).unwrap_or(u16::MAX));
        }
        let shift = n.ilog2().saturating_sub(BITS);
        let half = (1_u64 << shift) >> 1;
        // A mantissa that is rounded up to 2048 is the first one of the next exponent, by itself.
        let mantissa = n.saturating_add(half) >> shift;
        let code = (u64::from(shift) << BITS).saturating_add(mantissa);
        Short(u16::try_from(code).unwrap_or(u16::MAX))
    }

    /// The number.
    pub(super) fn get(self) -> u64 {
        let code = u64::from(self.0);
        if code < EXACT {
            return code;
        }
        let shift = (code >> BITS) - 1;
        let mantissa = (code & ((1 << BITS) - 1)) | (1 << BITS);
        u32::try_from(shift)
            .ok()
            .and_then(|shift| mantissa.checked_shl(shift))
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_exact_and_large_ones_fit() {
        for n in 0..=2048 {
            assert_eq!(Short::of(n).get(), n);
        }
        assert_eq!(Short::of(4095).get(), 4096);
        let most = Short::of(u64::MAX).get();
        assert!(most > u64::MAX / 2000 * 1999, "{most}");
    }

    proptest! {
        #[test]
        fn numbers_are_right_to_a_two_thousandth_and_keep_their_order(n: u64, zeroes in 0_u32..64, more in 0_u64..1000) {
            let n = n >> zeroes;
            let read = Short::of(n).get();
            prop_assert!(read.abs_diff(n) <= n / 2000, "{n} {read}");
            prop_assert!(Short::of(n) <= Short::of(n.saturating_add(more)));
        }
    }
}
