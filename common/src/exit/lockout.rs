//! Masks and reservations that would shut us out.
//!
//! A target knows its initiators by their MACs, and all that come through a gateway have the gateway's. A list without it
//! takes the disk from everybody behind every peer, and only a station on the target's own segment can give it back. So
//! a list that passes has our own MAC in it, or is empty.

use crate::frame::mac_mask::{DirectiveCommand, MacMaskCommand};
use crate::frame::reserve::ReserveCommand;
use crate::frame::{MacAddr, MacMask, Reserve};
use crate::request::Command;

/// Whether the target would not obey `own` any more.
pub(super) fn shuts_out(command: &Command<'_>, own: MacAddr) -> bool {
    match command {
        Command::Reserve(reserve) => reserves_without(reserve, own),
        Command::MacMask(mask) => masks(mask, own),
        Command::Ata(_) | Command::Query(_) | Command::Other => false,
    }
}

fn reserves_without(reserve: &Reserve<'_>, own: MacAddr) -> bool {
    let sets = match reserve.header().command {
        ReserveCommand::Set | ReserveCommand::ForceSet => true,
        ReserveCommand::Read | ReserveCommand::Unknown(_) => false,
    };
    let mut addresses = reserve.addresses();
    sets && addresses.len() > 0 && !addresses.any(|mac| mac == own)
}

/// The list as it is may be empty, which means everybody: the first that is added shuts out all others.
fn masks(mask: &MacMask<'_>, own: MacAddr) -> bool {
    if mask.header().command != MacMaskCommand::Edit {
        return false;
    }
    let has = |command, mac: Option<MacAddr>| {
        let mut all = mask.directives();
        all.any(|one| one.command == command && mac.is_none_or(|mac| one.address == mac))
    };
    has(DirectiveCommand::Delete, Some(own))
        || has(DirectiveCommand::Add, None) && !has(DirectiveCommand::Add, Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_reservation_has_to_name_us_or_nobody() {
        for (command, list, expected) in [
            (0, &[][..], false),
            (0, &[OTHER], false),
            (1, &[], false),
            (1, &[OTHER], true),
            (1, &[OTHER, OWN], false),
            (2, &[OTHER], true),
            (2, &[OWN], false),
        ] {
            let mut argument = vec![command, u8::try_from(list.len()).unwrap()];
            list.iter().for_each(|mac| argument.extend(mac.0));
            let command = Command::Reserve(Reserve::parse(&argument).unwrap());
            assert_eq!(shuts_out(&command, OWN), expected, "{argument:?}");
        }
    }

    #[test]
    fn a_mask_has_to_name_us_and_never_forgets_us() {
        const ADD: u8 = 1;
        const DELETE: u8 = 2;
        for (command, list, expected) in [
            (0, &[][..], false),
            (1, &[], false),
            (1, &[(ADD, OTHER)], true),
            (1, &[(ADD, OTHER), (ADD, OWN)], false),
            (1, &[(DELETE, OTHER)], false),
            (1, &[(DELETE, OWN)], true),
            (1, &[(ADD, OWN), (DELETE, OWN)], true),
        ] {
            let mut argument = vec![0, command, 0, u8::try_from(list.len()).unwrap()];
            for (directive, mac) in list {
                argument.extend([0, *directive]);
                argument.extend(mac.0);
            }
            let command = Command::MacMask(MacMask::parse(&argument).unwrap());
            assert_eq!(shuts_out(&command, OWN), expected, "{argument:?}");
        }
    }
}
