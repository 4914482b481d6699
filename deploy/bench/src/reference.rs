//! What the goals for one frame were set by, and how the machine of the day compares with it.

use crate::results::FrameCost;

/// Goals for frames of one size, with what a gateway's largest parts took on the machine that they were set on, in its
/// quiet hours. (The frames there were 14 bytes longer than AoE's, which nobody can measure.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    /// Sectors of a frame.
    pub(crate) sectors: u8,
    /// Bytes of a frame on the segment, Ethernet header included.
    pub(crate) frame_len: usize,
    /// Bytes of the record that was sealed.
    pub(crate) record_len: usize,
    /// Nanoseconds of sealing it (AES-256-GCM, by the library that seals today, or the factor would be one of libraries).
    pub(crate) aead_ns: f64,
    /// Nanoseconds per frame of `sendmmsg` on a veth, 64 frames a call.
    pub(crate) sendmmsg_ns: f64,
    /// Processor microseconds a frame may cost the gateway that seals it.
    pub(crate) sealing_us: f64,
    /// Processor microseconds a frame may cost the gateway that opens it.
    pub(crate) opening_us: f64,
}

const ALL: [Reference; 2] = [
    Reference {
        sectors: 2,
        frame_len: 1074,
        record_len: 1088,
        aead_ns: 257.0,
        sendmmsg_ns: 1127.0,
        sealing_us: 1.1,
        opening_us: 2.0,
    },
    Reference {
        sectors: 17,
        frame_len: 8754,
        record_len: 8740,
        aead_ns: 977.0,
        sendmmsg_ns: 1955.0,
        sealing_us: 4.9,
        opening_us: 5.4,
    },
];

impl Reference {
    /// For frames of so many sectors, if goals were set for them.
    pub(crate) fn of(sectors: u8) -> Option<Self> {
        ALL.into_iter().find(|reference| reference.sectors == sectors)
    }

    /// How many times as long as on that machine the same work takes today, judged by both parts together.
    pub(crate) fn scale(&self, today: &FrameCost) -> f64 {
        (today.aead_ns + today.sendmmsg_ns) / (self.aead_ns + self.sendmmsg_ns)
    }
}

/// What a frame costs, and how this machine compares, in a sentence or two.
pub(crate) fn describe(cost: &FrameCost) -> String {
    let FrameCost {
        sectors,
        sealing_us,
        opening_us,
        aead_ns,
        sendmmsg_ns,
    } = cost;
    let scale = Reference::of(*sectors).map(|reference| reference.scale(cost));
    let scale = scale.map_or(String::new(), |scale| {
        format!(", together {scale:.2} times what they took where the goals were set")
    });
    format!(
        "A frame of {sectors} sectors costs a saturated gateway {sealing_us:.2} us to seal and {opening_us:.2} us to \
         open. On this machine AEAD takes {aead_ns:.0} ns of that, and `sendmmsg` of a frame {sendmmsg_ns:.0} ns{scale}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_scaled_by_what_both_parts_take_together() {
        let mut today = FrameCost {
            sectors: 17,
            sealing_us: 0.0,
            opening_us: 0.0,
            aead_ns: 977.0,
            sendmmsg_ns: 1955.0,
        };
        let jumbo = Reference::of(17).unwrap();
        assert_eq!(jumbo.scale(&today), 1.0);
        // Half as long again for the larger part only.
        today.sendmmsg_ns *= 1.5;
        assert!((jumbo.scale(&today) - (977.0 + 2932.5) / 2932.0).abs() < 1e-9);
        assert_eq!(Reference::of(8), None, "nobody set goals for 4 KiB frames");
    }
}
