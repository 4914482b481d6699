//! AoE addresses: shelf and slot.

use std::fmt;
use std::str::FromStr;

/// The shelf that means every shelf.
pub const BROADCAST_SHELF: u16 = 0xffff;
/// The slot that means every slot.
pub const BROADCAST_SLOT: u8 = 0xff;

/// A shelf the Linux initiator ignores with a warning (`aoecmd.c`).
const SHELF_IGNORED_BY_LINUX: u16 = 0x0fff;

/// An AoE address, written `e7.3`: shelf (major) 7, slot (minor) 3.
///
/// On the wire either part may be all ones, which addresses every shelf or every slot; such an address is a
/// query, never the name of a target. Text form: [`FromStr`] reads concrete addresses only.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    /// Shelf, or [`BROADCAST_SHELF`].
    pub shelf: u16,
    /// Slot, or [`BROADCAST_SLOT`].
    pub slot: u8,
}

impl Address {
    /// Every slot of every shelf: what the Linux initiator's discovery is addressed to.
    pub const BROADCAST: Self = Self {
        shelf: BROADCAST_SHELF,
        slot: BROADCAST_SLOT,
    };

    /// Does this address mean more than one target, by either of its parts?
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        self.shelf == BROADCAST_SHELF || self.slot == BROADCAST_SLOT
    }

    /// Does a target with this concrete address answer what is addressed to `query`?
    ///
    /// True for the same address, for all slots of this shelf, for this slot of all shelves, and for everything.
    /// An address that is itself a broadcast names no target and answers nothing.
    #[must_use]
    pub const fn matches(self, query: Self) -> bool {
        !self.is_broadcast()
            && (query.shelf == self.shelf || query.shelf == BROADCAST_SHELF)
            && (query.slot == self.slot || query.slot == BROADCAST_SLOT)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}.{}", self.shelf, self.slot)
    }
}

/// Why a text does not name a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form `eSHELF.SLOT` with plain decimal numbers.
    #[error("not an AoE address: write eSHELF.SLOT, such as e7.3")]
    Syntax,
    /// The shelf does not fit, or is the broadcast shelf 65535.
    #[error("the shelf must be 0 to 65534 and not 4095")]
    Shelf,
    /// The shelf is 4095.
    #[error("shelf 4095 is ignored by the Linux initiator: choose another")]
    IgnoredShelf,
    /// The slot does not fit, or is the broadcast slot 255.
    #[error("the slot must be 0 to 254")]
    Slot,
}

/// Reads `e7.3`: an `e`, shelf, dot, slot, in decimal without sign or leading zeros.
///
/// # Errors
/// [`AddressError`]: also for broadcast parts and for shelf 4095, which the Linux initiator would not see.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (shelf, slot) = text
            .strip_prefix('e')
            .and_then(|rest| rest.split_once('.'))
            .ok_or(AddressError::Syntax)?;
        if !is_decimal(shelf) || !is_decimal(slot) {
            return Err(AddressError::Syntax);
        }
        let shelf: u16 = shelf.parse().map_err(|_| AddressError::Shelf)?;
        let slot: u8 = slot.parse().map_err(|_| AddressError::Slot)?;
        match (shelf, slot) {
            (BROADCAST_SHELF, _) => Err(AddressError::Shelf),
            (SHELF_IGNORED_BY_LINUX, _) => Err(AddressError::IgnoredShelf),
            (_, BROADCAST_SLOT) => Err(AddressError::Slot),
            (shelf, slot) => Ok(Self { shelf, slot }),
        }
    }
}

/// One spelling per number: `007` might be meant as octal by somebody, and `+7` by nobody.
fn is_decimal(text: &str) -> bool {
    text == "0"
        || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, BROADCAST_SHELF, BROADCAST_SLOT};

    const fn at(shelf: u16, slot: u8) -> Address {
        Address { shelf, slot }
    }

    #[test]
    fn texts_of_concrete_addresses_round_trip() {
        for address in [at(0, 0), at(7, 3), at(4094, 0), at(4096, 1), at(65534, 254)] {
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn each_fault_of_a_text_is_named() {
        for (text, fault) in [
            ("", AddressError::Syntax),
            ("7.3", AddressError::Syntax),
            ("e7", AddressError::Syntax),
            ("e7.", AddressError::Syntax),
            ("e.3", AddressError::Syntax),
            ("e7.3.1", AddressError::Syntax),
            ("e+7.3", AddressError::Syntax),
            ("e07.3", AddressError::Syntax),
            ("e7.00", AddressError::Syntax),
            ("E7.3", AddressError::Syntax),
            (" e7.3", AddressError::Syntax),
            ("e65535.3", AddressError::Shelf),
            ("e65536.3", AddressError::Shelf),
            ("e4095.0", AddressError::IgnoredShelf),
            ("e7.255", AddressError::Slot),
            ("e7.256", AddressError::Slot),
        ] {
            assert_eq!(text.parse::<Address>(), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_target_answers_the_four_kinds_of_query_and_no_other() {
        let target = at(7, 3);
        for query in [
            Address::BROADCAST,
            at(BROADCAST_SHELF, 3),
            at(7, BROADCAST_SLOT),
            target,
        ] {
            assert!(target.matches(query), "{query}");
        }
        for query in [at(BROADCAST_SHELF, 4), at(8, BROADCAST_SLOT), at(7, 4), at(8, 3)] {
            assert!(!target.matches(query), "{query}");
        }
    }

    #[test]
    fn a_broadcast_address_names_no_target() {
        for address in [Address::BROADCAST, at(BROADCAST_SHELF, 3), at(7, BROADCAST_SLOT)] {
            assert!(address.is_broadcast());
            assert!(!address.matches(address));
            assert!(!address.matches(Address::BROADCAST));
        }
        assert!(!at(7, 3).is_broadcast());
    }
}
