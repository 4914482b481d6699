//! Whether an answer is about what was asked.
//!
//! Targets send the frame of the request back, with a few registers changed: vblade (`aoeata`), ggaoed (`finish_ata`)
//! and their descendants leave address and flags as they came. The specification does not ask for that, and a drive of
//! its own makes of the address what it likes. So what a target repeats is learnt from the target: once it has repeated
//! [`PROOF`] times in a row what it was asked, an answer that does not is not believed, and the request stays. One that
//! is not believed [`DISPROOF`] times in a row is another target, or has another way now, and everything is learnt again.

use super::span::Span;
use crate::frame::aoe::Pdu;
use crate::frame::{Ata, SECTOR_LEN};
use crate::request::Asked;

/// Answers in a row that repeat what was asked, after which one that does not is not believed.
const PROOF: u8 = 8;
/// Answers in a row that do not, after which the target is not one that repeats it. A tag is met by chance once in
/// millions of times, so this is never that.
const DISPROOF: u8 = 16;

/// What one target is known to repeat.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    alike: u8,
    other: u8,
}

/// How an answer compares with what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// It says nothing about it, or what everything would say: sector 0.
    Mute,
    /// It repeats it.
    Alike,
    /// It is about other sectors, or the other direction.
    Other,
}

impl Echo {
    /// Whether an answer like this is to be believed.
    pub(crate) fn believes(&mut self, likeness: Likeness) -> bool {
        match likeness {
            Likeness::Mute => true,
            Likeness::Alike => {
                self.alike = self.alike.saturating_add(1).min(PROOF);
                self.other = 0;
                true
            }
            Likeness::Other if self.alike < PROOF => {
                self.alike = 0;
                true
            }
            Likeness::Other => {
                self.other += 1;
                if self.other >= DISPROOF {
                    *self = Echo::default();
                }
                false
            }
        }
    }
}

impl Likeness {
    /// Of an answer to a read or a write. A real drive may leave the address of its last sector, or of the one after.
    pub(super) fn of(asked: Asked, span: &Span, answer: &Pdu<'_>) -> Likeness {
        let Asked::Ata { opcode, flags, .. } = asked else {
            return Likeness::Mute;
        };
        let is_transfer = opcode.is_read() || opcode.is_write();
        let (true, false, Ok(ata)) = (is_transfer, answer.is_error(), Ata::parse(answer.argument())) else {
            return Likeness::Mute;
        };
        let has_data = opcode.is_write() && ata.data().len() >= SECTOR_LEN;
        let [short, long] = ata.both_lbas();
        let is_there = span.is_about(short) || span.is_about(long);
        if has_data || ata.flags().is_write() != flags.is_write() || !is_there {
            Likeness::Other
        } else if long == 0 {
            Likeness::Mute
        } else {
            Likeness::Alike
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::Touch;
    use super::*;
    use crate::frame::{AtaFlags, AtaOpcode};

    #[test]
    fn what_a_target_repeats_is_learnt_and_forgotten() {
        let mut echo = Echo::default();
        for _ in 0..100 {
            assert!(echo.believes(Likeness::Other), "it never repeats anything");
        }
        for _ in 0..PROOF {
            assert!(echo.believes(Likeness::Alike) && echo.believes(Likeness::Mute));
        }
        assert!(!echo.believes(Likeness::Other) && echo.believes(Likeness::Alike));
        for _ in 0..DISPROOF {
            assert!(!echo.believes(Likeness::Other));
        }
        assert!(echo.believes(Likeness::Other), "it is another one");
    }

    #[test]
    fn an_answer_is_about_its_sectors_and_goes_its_way() {
        let read = Asked::Ata {
            opcode: AtaOpcode::ReadExt,
            sectors: 2,
            flags: AtaFlags(AtaFlags::EXTENDED),
        };
        let write = Asked::Ata {
            opcode: AtaOpcode::WriteExt,
            sectors: 2,
            flags: AtaFlags(AtaFlags::EXTENDED | AtaFlags::WRITE),
        };
        let likeness = |asked, start, flags: u8, lba: u8, data: usize| {
            let mut pdu = vec![
                0x18, 0, 0, 7, 3, 0, 0, 0, 0, 1, flags, 0, 0, 0x40, lba, 0, 0, 0, 0, 0, 0, 0,
            ];
            pdu.resize(pdu.len() + data, 0);
            let span = Span::new(start, 2, Touch::Reads);
            Likeness::of(asked, &span, &Pdu::parse(&pdu).unwrap())
        };
        for lba in [8, 9, 10] {
            assert_eq!(likeness(read, 8, 0x40, lba, 1024), Likeness::Alike);
            assert_eq!(likeness(write, 8, 0x41, lba, 24), Likeness::Alike);
        }
        for lba in [0, 7, 11] {
            assert_eq!(likeness(read, 8, 0x40, lba, 1024), Likeness::Other);
        }
        assert_eq!(likeness(read, 0, 0x40, 0, 1024), Likeness::Mute);
        assert_eq!(likeness(read, 8, 0x41, 8, 0), Likeness::Other, "of a write");
        assert_eq!(likeness(write, 8, 0x40, 8, 1024), Likeness::Other, "of a read");
        assert_eq!(likeness(write, 8, 0x41, 8, 1024), Likeness::Other, "with data");
        assert_eq!(likeness(Asked::Query, 8, 0, 99, 0), Likeness::Mute);
    }
}
