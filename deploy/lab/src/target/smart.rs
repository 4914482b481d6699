//! What a disk says about its health.

use aoe_common::frame::{Ata, SECTOR_LEN};

/// Command register of SMART.
pub(super) const SMART: u8 = 0xb0;
/// Feature register of SMART READ DATA.
const READ_DATA: u8 = 0xd0;

/// Attributes: number, flags, value, worst value, raw value.
const ATTRIBUTES: &[(u8, u8, u8, u8, u32)] = &[
    (5, 0x33, 100, 100, 0),
    (9, 0x32, 99, 99, 4711),
    (194, 0x22, 64, 51, 36),
    (197, 0x12, 100, 100, 0),
];

/// Whether a SMART command asks for the attributes; it counts only with its signature in the address.
pub(super) fn asks_for_data(ata: &Ata<'_>) -> bool {
    ata.feature() == READ_DATA && matches!(ata.lba_bytes(), [_, 0x4f, 0xc2, ..])
}

/// The 512 bytes of SMART READ DATA (ATA-6): 30 attributes of 12 bytes, and at the end what makes the sum of all bytes 0.
pub fn smart_data() -> [u8; SECTOR_LEN] {
    let mut said = vec![0x10, 0x00];
    for (number, flags, value, worst, raw) in ATTRIBUTES {
        said.extend([*number, *flags, 0, *value, *worst]);
        said.extend(raw.to_le_bytes());
        said.extend([0; 3]);
    }
    // Attributes that are not there, collections of data, self-tests, and room for the vendor.
    said.resize(2 + 30 * 12, 0);
    said.extend([
        0x82, 0x00, 0x58, 0x02, 0x00, 0x5b, 0x03, 0x00, 0x01, 0x00, 0x02, 0x0a,
    ]);
    said.resize(SECTOR_LEN - 1, 0xee);
    let sum = said.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    said.push(sum.wrapping_neg());
    let mut sector = [0; SECTOR_LEN];
    for (to, from) in sector.iter_mut().zip(said) {
        *to = from;
    }
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_sum_is_zero_and_its_last_byte_is_not() {
        let data = smart_data();
        assert_eq!(data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!((data[0], data[2], data[14]), (0x10, 5, 9));
        assert_ne!(data[SECTOR_LEN - 1], 0, "what is cut off is seen");
    }
}
