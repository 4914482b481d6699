//! Who may do what: one verdict per request, no state, no logging.
//!
//! The edge asks first, because it can refuse at once; the exit asks again and decides, because a peer may lie.

mod reach;
mod rights;

pub(crate) use self::reach::Reach;
pub(crate) use self::rights::{May, Rights, Rule};
use crate::config::{Brings, ExtraCommand};
use crate::drop_reason::DropReason;
use crate::frame::mac_mask::{MacMaskCommand, MacMaskError};
use crate::frame::reserve::ReserveCommand;
use crate::frame::{Ata, AtaOpcode, MacAddr, QueryCommand};
use crate::request::{Command, Request};

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go to the target.
    Admit,
    /// The initiator is told no, for this reason.
    Refuse(DropReason),
    /// The initiator is told nothing, for this reason: it does not learn that there is an export.
    Ignore(DropReason),
}

/// Most sectors of one request: what the longest frame that we carry has room for. A way may carry fewer at a time; that
/// is no reason to refuse, for what fits may change while a request is under way.
pub(crate) const MAX_SECTORS: u8 = 31;

/// Judges a request of an initiator behind the peer that has these rights on the export.
#[inline]
pub(crate) fn judge(rights: &Rights, initiator: MacAddr, request: &Request<'_>) -> Verdict {
    let Some(may) = rights.may(initiator) else {
        return Verdict::Ignore(DropReason::RequestInitiatorNotAllowed);
    };
    fault(may, &request.command).map_or(Verdict::Admit, Verdict::Refuse)
}

/// Whether an initiator may use the export at all.
pub(crate) fn covers(rights: &Rights, initiator: MacAddr) -> bool {
    rights.may(initiator).is_some()
}

/// Why a command may not pass, if it may not.
fn fault(may: &May, command: &Command<'_>) -> Option<DropReason> {
    let passes = match command {
        Command::Ata(ata) => return fault_of_ata(may, ata),
        Command::Query(query) => return fault_of_query(may, query.command()),
        Command::Reserve(reserve) => match reserve.header().command {
            ReserveCommand::Read | ReserveCommand::Set | ReserveCommand::ForceSet => may.reserve,
            ReserveCommand::Unknown(_) => false,
        },
        Command::MacMask(mask) => match mask.header().command {
            // A request that reports an error hides its directives from us, and from few targets.
            MacMaskCommand::Read | MacMaskCommand::Edit => {
                may.mac_mask && mask.header().error == MacMaskError::None
            }
            MacMaskCommand::Unknown(_) => false,
        },
        Command::Other => false,
    };
    (!passes).then_some(DropReason::RefusedAoeCommand)
}

/// Why an ATA command may not pass.
///
/// Allowed are the commands that initiators need for a disk, and those that are granted by name; everything else
/// (passwords, firmware, erasing, …) is refused by not being on the list.
fn fault_of_ata(may: &May, ata: &Ata<'_>) -> Option<DropReason> {
    // Where it may move sectors, if it does, and how many sectors of data it moves.
    let (reach, moved) = match ata.command() {
        AtaOpcode::Read | AtaOpcode::ReadExt => (Some(&may.read), Some(ata.sectors())),
        AtaOpcode::Write | AtaOpcode::WriteExt if may.write == Reach::Nothing => {
            return Some(DropReason::RefusedReadOnly);
        }
        AtaOpcode::Write | AtaOpcode::WriteExt => (Some(&may.write), Some(ata.sectors())),
        AtaOpcode::Identify | AtaOpcode::Flush | AtaOpcode::FlushExt | AtaOpcode::CheckPower => (None, None),
        AtaOpcode::Other(_) => match ExtraCommand::of(ata) {
            Some(extra) if may.commands.contains(extra) => (None, moved_by(extra, ata)),
            Some(_) | None => return Some(DropReason::RefusedAtaCommand),
        },
    };
    // Where targets would not agree what is meant, no initiator we know means it: another place, another direction than
    // the command's, no sectors, which is 256 in ATA, or more than there are addresses for.
    let contradicts = ata.flags().is_write() != ata.command().is_write();
    let last = ata.sectors().checked_sub(1).and_then(|last| ata.lba_behind(last));
    let no_end = reach.is_some() && last.is_none() || moved == Some(0);
    if ata.is_lba_disputed() || contradicts || no_end {
        return Some(DropReason::RefusedAtaCommand);
    }
    if moved.is_some_and(|moved| moved > MAX_SECTORS) {
        return Some(DropReason::RefusedTooManySectors);
    }
    let first = ata.lba();
    let last = first + u64::from(ata.sectors().saturating_sub(1));
    let within = reach.is_none_or(|reach| reach.holds(first, last));
    (!within).then_some(DropReason::RefusedSectors)
}

/// How many sectors of data a command that is granted by name moves, if the request says how many.
fn moved_by(extra: ExtraCommand, ata: &Ata<'_>) -> Option<u8> {
    match extra.brings() {
        Brings::Nothing | Brings::OneSector => None,
        Brings::Sectors => Some(ata.sectors()),
    }
}

/// Why a Config command may not pass: setting the config string is a right of its own.
fn fault_of_query(may: &May, command: QueryCommand) -> Option<DropReason> {
    let passes = match command {
        QueryCommand::Read | QueryCommand::Test | QueryCommand::Prefix => true,
        QueryCommand::SetIfEmpty | QueryCommand::ForceSet => may.set_config_string,
        QueryCommand::Unknown(_) => false,
    };
    (!passes).then_some(DropReason::RefusedConfigSet)
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
