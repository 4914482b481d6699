//! A number for everything that was sent, to tell whether two runs were the same.

use aoe_lab::random::mix;

/// Not for adversaries: collisions are possible, accidents are not to be expected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn number(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number).rotate_left(17);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        let mut sum = self.0;
        for word in words {
            sum = (sum ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        for byte in rest {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.number(sum);
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}
