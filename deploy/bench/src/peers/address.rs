//! Where the disks are.

use aoe_common::frame::Address;

/// Where the target's first disk is.
pub(crate) const TARGET: Address = Address { shelf: 7, slot: 3 };
/// Where our gateway presents it.
pub(crate) const IMPORT: Address = Address { shelf: 107, slot: 3 };

/// The same for disk number `disk`; the first is 0.
pub(crate) fn nth(first: Address, disk: u8) -> Address {
    Address {
        slot: first.slot + disk,
        ..first
    }
}
