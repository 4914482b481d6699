//! Session indexes: to us a peer, to others random.
//!
//! ```text
//!    31                    12 11            0
//!   ┌────────────────────────┬───────────────┐
//!   │ random                 │ seat          │   the whole XOR a random number of this process
//!   └────────────────────────┴───────────────┘
//! ```
//! A seat is the lowest number that no peer has. Peers come and go, their numbers are never used again and outgrow 12
//! bits; seats do not. An index is compared as a whole, so one that a seat's former owner had finds no session of the
//! next.

use crate::config::PeerId;
use crate::table::{Id, Table, ids};

ids! {
    /// A peer's place among those there are now.
    pub(crate) Seat,
}

/// Bits of a session index that hold the seat.
const SEAT_BITS: u32 = 12;
/// How many seats there are.
const SEATS: u16 = 1 << SEAT_BITS;

/// Who sits where.
pub(crate) struct Seats {
    mask: u32,
    taken: Table<Seat, PeerId>,
}

impl Seats {
    /// All free; `mask` is random, and hides seats from others.
    pub(crate) fn new(mask: u32) -> Seats {
        Seats {
            mask,
            taken: Table::default(),
        }
    }

    /// Gives a peer the lowest free seat; `None`: all 4096 are taken.
    pub(crate) fn take(&mut self, peer: PeerId) -> Option<Seat> {
        let seat = (0..SEATS)
            .map(Seat::of)
            .find(|seat| self.taken.get(*seat).is_none())?;
        self.taken.insert(seat, peer);
        Some(seat)
    }

    /// A seat is free again.
    pub(crate) fn leave(&mut self, seat: Seat) {
        self.taken.remove(seat);
    }

    /// The index of this seat with these random bits.
    pub(crate) fn index(&self, seat: Seat, random: u32) -> u32 {
        ((random << SEAT_BITS) | u32::from(seat.number())) ^ self.mask
    }

    /// Whose session this index may be.
    pub(crate) fn peer(&self, index: u32) -> Option<PeerId> {
        #[allow(clippy::cast_possible_truncation, reason = "masked to 12 bits")]
        let seat = ((index ^ self.mask) & (u32::from(SEATS) - 1)) as u16;
        self.taken.get(Seat::of(seat)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_and_go_without_end_and_each_is_found_by_its_index() {
        let mut seats = Seats::new(0x1234_5678);
        let stays = seats.take(PeerId(0)).unwrap();
        for number in 1..5001 {
            let peer = PeerId(number);
            let seat = seats.take(peer).unwrap();
            assert_eq!(seat.number(), 1, "the lowest that is free");
            let index = seats.index(seat, u32::from(number) << 4);
            assert_eq!(seats.peer(index), Some(peer));
            seats.leave(seat);
            assert_eq!(seats.peer(index), None);
        }
        assert_eq!(seats.peer(seats.index(stays, 7)), Some(PeerId(0)));
    }

    #[test]
    fn there_are_4096() {
        let mut seats = Seats::new(9);
        for number in 0..SEATS {
            let seat = seats.take(PeerId(number)).unwrap();
            assert_eq!(seats.peer(seats.index(seat, u32::MAX)), Some(PeerId(number)));
        }
        assert!(seats.take(PeerId(SEATS)).is_none());
        seats.leave(Seat::of(17));
        assert_eq!(seats.take(PeerId(SEATS)), Some(Seat::of(17)));
    }
}
