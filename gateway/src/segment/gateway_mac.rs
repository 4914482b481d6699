//! The address our frames leave with on a TAP device.

use aoe_common::frame::MacAddr;
use aws_lc_rs::digest::{SHA256, digest};

/// A stable, locally administered address for this gateway on this segment.
///
/// It is not the address of the TAP device: that one belongs to the host, whose initiator or target sits on
/// the other side of the same device. It only depends on the two names, so initiators and targets know it
/// again after a restart.
pub fn gateway_mac(gateway: &str, segment: &str) -> MacAddr {
    // Names hold no zero byte, so no two pairs of names read the same.
    let text = ["aoe-gateway TAP address", gateway, segment].join("\0");
    let hash = digest(&SHA256, text.as_bytes());
    let mut mac = [0; 6];
    for (to, from) in mac.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    let [first, ..] = &mut mac;
    // IEEE 802: bit 0 is for groups, bit 1 for addresses that no manufacturer assigned.
    *first = *first & !1 | 2;
    MacAddr(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_unicast_local_stable_and_its_own() {
        let mac = gateway_mac("site-a", "san");
        assert_eq!(mac, gateway_mac("site-a", "san"));
        for (gateway, segment) in [("site-b", "san"), ("site-a", "san2"), ("site-as", "an")] {
            let other = gateway_mac(gateway, segment);
            assert_ne!(mac, other);
            assert!(!other.is_multicast());
            assert_eq!(other.0[0] & 2, 2);
        }
    }
}
