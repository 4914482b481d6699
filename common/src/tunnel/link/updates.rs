//! Updates about exports, ours and the peer's. One of ours is under way at a time.

use crate::allowance::Allowance;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::tunnel::timing::UPDATE_RETRY;

/// Updates of one peer applied in a second: each may make us announce something to many initiators. An honest peer
/// sends one per round trip at most, and sends again what is not acknowledged.
const UPDATES_PER_SECOND: u32 = 64;
/// Inquiries of one peer that are answered in a second: each makes us look through all exports. An honest peer asks once,
/// and again each second until it is told.
const INQUIRIES_PER_SECOND: u32 = 8;

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    Now,
    /// It was applied before.
    Already,
}

/// Updates of one peer and to it.
pub(crate) struct Updates {
    outgoing: Option<Outgoing>,
    next_serial: u32,
    /// The newest of the peer's that was applied; 0: none.
    seen_serial: u32,
    /// Updates applied in this second.
    applied: Allowance,
    /// Inquiries answered in this second.
    inquiries: Allowance,
}

/// An update sent and not acknowledged.
struct Outgoing {
    message: Vec<u8>,
    serial: u32,
    again_at: Instant,
}

impl Default for Updates {
    fn default() -> Self {
        Updates {
            outgoing: None,
            next_serial: 1,
            seen_serial: 0,
            applied: Allowance::default(),
            inquiries: Allowance::default(),
        }
    }
}

impl Updates {
    /// Whether none of ours is under way.
    pub(crate) fn are_told(&self) -> bool {
        self.outgoing.is_none()
    }

    /// The next update, with these entries; it is sent until it is acknowledged.
    pub(crate) fn begin(&mut self, entries: &[u8], now: Instant) -> Vec<u8> {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1).max(1);
        let mut message = serial.to_be_bytes().to_vec();
        message.extend_from_slice(entries);
        self.outgoing = Some(Outgoing {
            message: message.clone(),
            serial,
            again_at: now + UPDATE_RETRY,
        });
        message
    }

    /// The update under way, if it has to be sent again now.
    pub(crate) fn again(&mut self, now: Instant) -> Option<Vec<u8>> {
        let update = self.outgoing.as_mut().filter(|update| now >= update.again_at)?;
        update.again_at = now + UPDATE_RETRY;
        Some(update.message.clone())
    }

    /// When [`again`](Self::again) has something to send.
    pub(crate) fn deadline(&self) -> Instant {
        let outgoing = self.outgoing.as_ref();
        outgoing.map_or(Instant::NEVER, |update| update.again_at)
    }

    /// Takes an acknowledgement; whether it is that of the update under way.
    pub(crate) fn acked(&mut self, serial: u32) -> bool {
        self.outgoing.take_if(|update| update.serial == serial).is_some()
    }

    /// Whether an update of the peer is to be applied, or only acknowledged.
    ///
    /// # Errors
    /// It comes too soon, which is not acknowledged.
    pub(crate) fn judge(&mut self, serial: u32, now: Instant) -> Result<Applies, DropReason> {
        if serial <= self.seen_serial {
            return Ok(Applies::Already);
        }
        if !self.applied.take(UPDATES_PER_SECOND, now) {
            return Err(DropReason::UpdateTooSoon);
        }
        self.seen_serial = serial;
        Ok(Applies::Now)
    }

    /// The number of the newest update of this process of the peer; 0: there was none.
    pub(crate) fn newest(&self) -> u32 {
        self.seen_serial
    }

    /// Takes an inquiry.
    ///
    /// # Errors
    /// It comes too soon.
    pub(crate) fn judge_inquiry(&mut self, now: Instant) -> Result<(), DropReason> {
        match self.inquiries.take(INQUIRIES_PER_SECOND, now) {
            true => Ok(()),
            false => Err(DropReason::InquiryTooSoon),
        }
    }

    /// The peer is another process: it numbers from the start, and may be told only what is new to the old one.
    pub(crate) fn forget(&mut self) {
        (self.seen_serial, self.outgoing) = (0, None);
    }
}
