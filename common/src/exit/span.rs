//! Which part of a disk a request touches, and how.

use crate::config::ExtraCommand;
use crate::frame::mac_mask::MacMaskCommand;
use crate::frame::reserve::ReserveCommand;
use crate::frame::{Ata, AtaOpcode, MacMask, QueryCommand, Reserve};

/// Sectors of a block: what the index of ranges counts in. No request is longer, so it touches two at most.
const BLOCK_BITS: u32 = 5;
/// Beyond every address of 48 bits: where things that are no sectors have their place, so that order and collapse are
/// the same for them.
const NO_SECTORS: u64 = 1 << 60;
/// The config string of a target.
const CONFIG_STRING: u64 = NO_SECTORS;
/// Commands about the whole device.
const COMMANDS: u64 = NO_SECTORS + (1 << 8);
/// How the device is: what is granted by name asks for it, or changes it.
const DEVICE: u64 = NO_SECTORS + (2 << 8);
/// Whom the target obeys, and whom it listens to.
const RESERVATION: u64 = NO_SECTORS + (3 << 8);
const MAC_MASK: u64 = NO_SECTORS + (4 << 8);

/// A run of sectors of a target, and whether they are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u64,
    sectors: u8,
    pub(crate) touch: Touch,
}

/// What a request does to its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Reads,
    Writes,
}

impl Span {
    /// Of nothing.
    pub(crate) const NOWHERE: Span = Span {
        start: 0,
        sectors: 0,
        touch: Touch::Reads,
    };

    pub(crate) fn new(start: u64, sectors: u8, touch: Touch) -> Span {
        Span {
            start,
            sectors,
            touch,
        }
    }

    /// What an ATA request touches, by the address that all targets agree on.
    pub(crate) fn of_ata(ata: &Ata<'_>) -> Span {
        match ata.command() {
            AtaOpcode::Read | AtaOpcode::ReadExt => Span::new(ata.lba(), ata.sectors(), Touch::Reads),
            AtaOpcode::Write | AtaOpcode::WriteExt => Span::new(ata.lba(), ata.sectors(), Touch::Writes),
            AtaOpcode::Identify | AtaOpcode::Flush | AtaOpcode::FlushExt | AtaOpcode::CheckPower => {
                let code = u64::from(ata.header().command_status);
                Span::new(COMMANDS + code, 1, Touch::Reads)
            }
            AtaOpcode::Other(_) => {
                let reads = ExtraCommand::of(ata).is_some_and(|command| !command.changes());
                Span::new(DEVICE, 1, if reads { Touch::Reads } else { Touch::Writes })
            }
        }
    }

    /// What a Config query touches.
    pub(crate) fn of_query(command: QueryCommand) -> Span {
        let touch = match command {
            QueryCommand::SetIfEmpty | QueryCommand::ForceSet => Touch::Writes,
            QueryCommand::Read | QueryCommand::Test | QueryCommand::Prefix | QueryCommand::Unknown(_) => {
                Touch::Reads
            }
        };
        Span::new(CONFIG_STRING, 1, touch)
    }

    /// What a Reserve/Release command touches.
    pub(crate) fn of_reserve(reserve: &Reserve<'_>) -> Span {
        let touch = match reserve.header().command {
            ReserveCommand::Set | ReserveCommand::ForceSet => Touch::Writes,
            ReserveCommand::Read | ReserveCommand::Unknown(_) => Touch::Reads,
        };
        Span::new(RESERVATION, 1, touch)
    }

    /// What a MAC mask command touches.
    pub(crate) fn of_mac_mask(mask: &MacMask<'_>) -> Span {
        let touch = match mask.header().command {
            MacMaskCommand::Edit => Touch::Writes,
            MacMaskCommand::Read | MacMaskCommand::Unknown(_) => Touch::Reads,
        };
        Span::new(MAC_MASK, 1, touch)
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn writes(&self) -> bool {
        self.touch == Touch::Writes
    }

    /// Whether the two have a sector in common.
    pub(crate) fn overlaps(&self, other: &Span) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Whether a sector is one of its own, or the next.
    pub(super) fn is_about(&self, lba: u64) -> bool {
        self.start <= lba && lba <= self.end()
    }

    /// The blocks it lies in: the first, and the last if that is another one.
    pub(crate) fn blocks(&self) -> (u64, Option<u64>) {
        let first = self.start >> BLOCK_BITS;
        let last = (self.end().max(self.start + 1) - 1) >> BLOCK_BITS;
        (first, (last != first).then_some(last))
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.sectors.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MAX_SECTORS;

    #[test]
    fn spans_overlap_if_they_share_a_sector() {
        let span = |start, sectors| Span::new(start, sectors, Touch::Writes);
        for (a, b, expected) in [
            (span(10, 2), span(11, 2), true),
            (span(10, 2), span(12, 2), false),
            (span(10, 31), span(20, 1), true),
            (span(10, 0), span(10, 1), false),
        ] {
            assert_eq!(
                (a.overlaps(&b), b.overlaps(&a)),
                (expected, expected),
                "{a:?} {b:?}"
            );
        }
    }

    /// Every two spans that overlap have a block in common, which is how the index finds one by the other.
    #[test]
    fn overlapping_spans_meet_in_a_block() {
        for start in 0..100 {
            for sectors in 1..=MAX_SECTORS {
                let one = Span::new(start, sectors, Touch::Reads);
                for other in (0..130).map(|at| Span::new(at, 2, Touch::Writes)) {
                    let blocks = |span: Span| {
                        let (first, second) = span.blocks();
                        [Some(first), second]
                    };
                    let meet = blocks(one)
                        .iter()
                        .flatten()
                        .any(|b| blocks(other).contains(&Some(*b)));
                    assert!(meet || !one.overlaps(&other), "{one:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn config_string_and_commands_are_no_sectors() {
        let set = Span::of_query(QueryCommand::ForceSet);
        assert!(set.writes() && set.overlaps(&Span::of_query(QueryCommand::Read)));
        assert!(!set.overlaps(&Span::new((1 << 48) - 1, 31, Touch::Reads)));
        let argument = [0, 0, 1, 0xec, 0, 0, 0, 0xa0, 0, 0, 0, 0];
        let identify = Span::of_ata(&Ata::parse(&argument).unwrap());
        assert!(!identify.writes() && !identify.overlaps(&set));
    }
}
