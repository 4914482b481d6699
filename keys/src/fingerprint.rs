//! The short form of a key that two people can read to each other.

use std::fmt;

use aws_lc_rs::digest;

use crate::{KEY_LEN, KeyKind};

/// 96 bits of SHA-256 over a key, written as six groups of four hexadecimal digits.
///
/// Good for comparing by eye or by telephone. It does not replace the key: configuration takes key texts only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_LEN]);

impl Fingerprint {
    /// The domain word keeps this hash apart from the checksum inside key texts, and one kind apart from another.
    pub(crate) fn of(kind: KeyKind, key: &[u8; KEY_LEN]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"aoe-gateway fingerprint ");
        hash.update(kind.prefix().as_bytes());
        hash.update(key);
        let mut short = [0; FINGERPRINT_LEN];
        short
            .iter_mut()
            .zip(hash.finish().as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if index > 0 && index % 2 == 0 { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

const FINGERPRINT_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_six_groups_of_four_digits() {
        let text = Fingerprint::of(KeyKind::Public, &[7; KEY_LEN]).to_string();

        let groups: Vec<&str> = text.split('-').collect();
        assert_eq!(groups.len(), 6, "{text}");
        assert!(groups.iter().all(|group| group.len() == 4), "{text}");
    }

    #[test]
    fn the_kind_is_part_of_it() {
        let [public, psk] = [KeyKind::Public, KeyKind::Psk].map(|kind| Fingerprint::of(kind, &[7; KEY_LEN]));

        assert_ne!(public, psk);
    }
}
