//! What IDENTIFY DEVICE says about a disk.

/// The parts of the 512 bytes that an initiator uses (ATA-6 §8.15).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFacts {
    /// Size in sectors of 512 bytes.
    pub sectors: u64,
    /// Whether it takes 48-bit addresses.
    pub has_wide_addresses: bool,
    /// Serial number, without the blanks around it.
    pub serial: String,
    /// Model, without the blanks around it.
    pub model: String,
}

impl DiskFacts {
    /// Reads the bytes as the Linux initiator does (`ataid_complete`): missing words count as zero.
    pub fn from_identify(bytes: &[u8]) -> Self {
        let words: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| {
                pair.iter()
                    .rev()
                    .fold(0, |word, byte| word << 8 | u16::from(*byte))
            })
            .collect();
        let word = |at: usize| words.get(at).copied().unwrap_or(0);
        let number = |at: usize, count: usize| {
            (at..at + count)
                .rev()
                .fold(0, |number, at| number << 16 | u64::from(word(at)))
        };
        let text = |at: usize, count: usize| {
            let bytes: Vec<u8> = (at..at + count).flat_map(|at| word(at).to_be_bytes()).collect();
            String::from_utf8_lossy(&bytes)
                .trim_matches([' ', '\0'])
                .to_owned()
        };
        let has_wide_addresses = (word(83) | word(86)) & 1 << 10 != 0;
        DiskFacts {
            sectors: if has_wide_addresses {
                number(100, 4)
            } else {
                number(60, 2)
            },
            has_wide_addresses,
            serial: text(10, 10),
            model: text(27, 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_comes_from_the_words_the_flags_name() {
        let mut bytes = [0; 512];
        bytes[120..124].copy_from_slice(&0x0abc_def0u32.to_le_bytes());
        bytes[200..208].copy_from_slice(&0x1_2345_6789u64.to_le_bytes());
        bytes[20..24].copy_from_slice(b"BADC");
        let narrow = DiskFacts::from_identify(&bytes);
        assert_eq!(
            (narrow.sectors, narrow.has_wide_addresses, narrow.serial.as_str()),
            (0x0abc_def0, false, "ABCD")
        );
        bytes[167] |= 4;
        assert_eq!(DiskFacts::from_identify(&bytes).sectors, 0x1_2345_6789);
    }

    #[test]
    fn missing_bytes_are_zero() {
        assert_eq!(DiskFacts::from_identify(&[0xff; 7]), DiskFacts::default());
    }
}
