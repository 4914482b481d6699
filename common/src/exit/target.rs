//! One target as all its exports share it: whether it lives, what it has in its buffers, whose turn is next.

use super::echo::Echo;
use super::ids::TargetId;
use super::list::List;
use super::liveness::{Life, Liveness};
use super::recognition::{Answer, Recognition};
use super::rto::Rto;
use super::turns::Turns;
use crate::config::{ExportConfig, SegmentId, TargetOrder};
use crate::disk::Disk;
use crate::frame::Address;
use crate::time::Instant;

/// A target with at least this many buffers has one of them left for what is not counted: Config queries, ours and those of
/// whoever looks around on its segment. Where they find all of them full, they or a request are lost.
const FEW: usize = 8;

/// One target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) segment: SegmentId,
    pub(crate) address: Address,
    /// Targets at one address of one segment put their requests into one order: of the first of them.
    pub(crate) lane: TargetId,
    /// Exports that it has.
    pub(crate) exports: usize,
    /// Requests for it that are kept, here and there.
    pub(crate) requests: u32,
    pub(crate) liveness: Liveness,
    pub(crate) recognition: Recognition,
    /// In which order it works.
    pub(crate) order: TargetOrder,
    /// What its answers repeat of the requests.
    pub(crate) echo: Echo,
    /// Whether writes are refused where an export says so.
    pub(crate) conflict: bool,
    /// Its buffers that are in use: by the requests in `sent`, and by a question of our own.
    occupied: usize,
    /// Requests that are there; the one sent longest ago first.
    pub(crate) sent: List,
    pub(crate) rto: Rto,
    /// When it answered a request last, and when the newest copy that it answered was sent.
    pub(crate) answered_at: Instant,
    pub(crate) answered_sent: Instant,
    /// Nothing is sent again before this.
    pub(crate) patience: Instant,
    /// When the first of `sent` has to be looked at, or earlier.
    pub(crate) due: Instant,
    /// Who waits.
    pub(crate) turns: Turns,
    /// Whether some of those that use it are limited.
    pub(crate) is_limited: bool,
}

impl Target {
    pub(crate) fn new(config: &ExportConfig, lane: TargetId, now: Instant) -> Target {
        Target {
            segment: config.segment,
            address: config.target,
            lane,
            exports: 0,
            requests: 0,
            liveness: Liveness::new(config.target_mac, now),
            recognition: Recognition::new(now),
            order: config.safety.order,
            echo: Echo::default(),
            conflict: false,
            occupied: 0,
            sent: List::default(),
            rto: Rto::new(config.safety.target_retry),
            answered_at: now,
            answered_sent: now,
            patience: now,
            due: Instant::NEVER,
            turns: Turns::default(),
            is_limited: false,
        }
    }

    /// Whether an export is of this target.
    pub(crate) fn is_of(&self, config: &ExportConfig) -> bool {
        self.is_at(config) && self.liveness.pin() == config.target_mac
    }

    /// Whether an export is of a target at this address.
    pub(crate) fn is_at(&self, config: &ExportConfig) -> bool {
        (self.segment, self.address) == (config.segment, config.target)
    }

    /// Whether requests go to it now.
    pub(crate) fn is_up(&self) -> bool {
        self.liveness.life == Life::Up
    }

    /// Whether it takes one more request now. The next buffer is for a question of our own if one is due.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let recognised = self.recognition.is_settled() && !self.recognition.wants_answer(now);
        self.is_up() && recognised && self.has_buffer()
    }

    /// Whether one of its buffers is free for a request.
    pub(crate) fn has_buffer(&self) -> bool {
        let window = self.liveness.window();
        self.occupied < if window < FEW { window } else { window - 1 }
    }

    /// A request is there.
    pub(super) fn occupy(&mut self) {
        self.occupied += 1;
    }

    /// A request is not there any more.
    pub(super) fn free(&mut self) {
        debug_assert!(self.occupied > 0, "a buffer is given back that was not taken");
        self.occupied = self.occupied.saturating_sub(1);
    }

    /// It is being asked who it is, which takes a buffer.
    pub(super) fn asked_identity(&mut self, now: Instant) {
        self.recognition.asked(now, self.rto.wait());
        self.occupy();
    }

    /// It said who it is, if it did.
    pub(super) fn told_identity(&mut self, disk: Option<Disk>, now: Instant) -> Answer {
        let answer = self.recognition.answered(disk, now);
        if answer != Answer::Unasked {
            self.free();
        }
        answer
    }

    /// Gives a question up that was not answered in time.
    pub(super) fn give_up_question(&mut self, now: Instant) {
        if self.recognition.gave_up(now) {
            self.free();
        }
    }

    /// It has gone, and its buffers with it.
    pub(super) fn forget_question(&mut self) {
        if self.recognition.forget_question() {
            self.free();
        }
    }

    /// When it has to be asked who it is, or that given up. A question that waits for a buffer has no time of its own:
    /// it is asked when a buffer is free.
    pub(crate) fn recognition_at(&self) -> Instant {
        if self.is_up() && (self.recognition.is_asked() || self.has_buffer()) {
            self.recognition.deadline()
        } else {
            Instant::NEVER
        }
    }

    /// When a request may have to be sent again.
    pub(crate) fn deadline(&self) -> Instant {
        if self.sent.is_empty() || !self.is_up() {
            Instant::NEVER
        } else {
            self.due
        }
    }
}
