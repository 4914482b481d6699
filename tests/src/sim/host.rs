//! What sits on a LAN besides gateways.

use aoe_common::frame::{Address, MacAddr};
use aoe_common::time::Instant;
use aoe_lab::frames::{Frames, Padding};
use aoe_lab::initiator::driver::Driver;
use aoe_lab::target::Target;

use super::craft::Seen;
use super::lan::LanId;

/// Names a host of a [`Plan`](super::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub usize);

#[derive(Debug)]
pub(super) struct Host {
    pub(super) lan: LanId,
    pub(super) mac: MacAddr,
    /// The address of an initiator's second card.
    pub(super) second: Option<MacAddr>,
    /// Whether the last ATA request left by that.
    second_was_last: bool,
    pub(super) kind: Kind,
    pub(super) out: Frames,
    /// ATA requests that a target has not answered, per blade.
    pub(super) at_target: Vec<(Address, usize)>,
    /// Whether a target drops everything.
    pub(super) hangs: bool,
    /// Until then it does not run; what comes waits in its socket.
    paused_until: Instant,
    backlog: Vec<Vec<u8>>,
}

/// Frames that wait in the socket of a paused host; more are lost.
const BACKLOG: usize = 256;

#[derive(Debug)]
pub(super) enum Kind {
    Initiator(Box<Driver>),
    Target(Box<Target>),
    /// Sends what a test says and remembers what it hears.
    Station(Vec<Vec<u8>>),
}

impl Host {
    pub(super) fn new(lan: LanId, mac: MacAddr, kind: Kind) -> Self {
        let padding = match kind {
            // Linux hands 32 and 36 byte frames to virtual devices; targets pad.
            Kind::Initiator(_) => Padding::None,
            Kind::Target(_) | Kind::Station(_) => Padding::Minimum,
        };
        Host {
            lan,
            mac,
            second: None,
            second_was_last: false,
            kind,
            out: Frames::new(padding),
            at_target: Vec::new(),
            hangs: false,
            paused_until: Instant::default(),
            backlog: Vec::new(),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let own = match &self.kind {
            _ if !self.backlog.is_empty() => self.paused_until,
            Kind::Initiator(driver) => driver.deadline(),
            Kind::Target(target) => target.deadline(),
            Kind::Station(_) => Instant::NEVER,
        };
        own.max(self.paused_until)
    }

    /// Stops it until then.
    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = until;
    }

    /// It is another process: what waited is gone, and it runs.
    pub(super) fn restart(&mut self) {
        self.paused_until = Instant::default();
        self.backlog.clear();
        if let Kind::Target(target) = &mut self.kind {
            target.restart();
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for bytes in std::mem::take(&mut self.backlog) {
            self.handle_frame(&bytes, now);
        }
        match &mut self.kind {
            Kind::Initiator(driver) => driver.handle_timeout(now, &mut self.out),
            Kind::Target(target) => target.handle_timeout(now, &mut self.out),
            Kind::Station(_) => {}
        }
    }

    pub(super) fn handle_frame(&mut self, bytes: &[u8], now: Instant) {
        let mut at_first_card;
        let mut bytes = bytes;
        if let (Some(second), Some((destination, rest))) = (self.second, bytes.split_first_chunk::<6>())
            && *destination == second.0
        {
            at_first_card = self.mac.0.to_vec();
            at_first_card.extend_from_slice(rest);
            bytes = &at_first_card;
        }
        if now < self.paused_until {
            if self.backlog.len() < BACKLOG {
                self.backlog.push(bytes.to_vec());
            }
            return;
        }
        match &mut self.kind {
            Kind::Initiator(driver) => driver.handle_frame(bytes, now, &mut self.out),
            Kind::Target(target) => {
                target.begin_batch();
                target.handle_frame(bytes, now, &mut self.out);
            }
            Kind::Station(heard) => heard.push(bytes.to_vec()),
        }
    }

    /// Takes the next card for an ATA request, if there are two.
    pub(super) fn rotate_cards(&mut self, frame: &mut [u8]) {
        let (Some(second), Some(source)) = (self.second, frame.get_mut(6..12)) else {
            return;
        };
        self.second_was_last = !self.second_was_last;
        if self.second_was_last {
            source.copy_from_slice(&second.0);
        }
    }

    /// Whether one of its cards has this address.
    pub(super) fn has_mac(&self, mac: MacAddr) -> bool {
        self.mac == mac || self.second == Some(mac)
    }

    /// Counts an ATA request at a target: how many its blade has now.
    pub(super) fn note_request(&mut self, seen: &Seen) -> usize {
        if self.hangs {
            return 0;
        }
        let address = seen.header.address;
        let at = match self.at_target.iter().position(|(blade, _)| *blade == address) {
            Some(at) => at,
            None => {
                self.at_target.push((address, 0));
                self.at_target.len() - 1
            }
        };
        self.at_target[at].1 += 1;
        self.at_target[at].1
    }

    pub(super) fn note_answer(&mut self, seen: &Seen) {
        let address = seen.header.address;
        if let Some((_, count)) = self.at_target.iter_mut().find(|(blade, _)| *blade == address) {
            *count = count.saturating_sub(1);
        }
    }
}
