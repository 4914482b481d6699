//! What is known of one target, and when it was last heard.
//!
//! Requests go to one MAC. Another one takes its place only after the first was asked [`PATIENCE`] times and answered
//! nothing, no matter who speaks meanwhile: an idle target is silent, and so is one whose segment was away.

use std::time::Duration;

use crate::export::TargetInfo;
use crate::frame::MacAddr;
use crate::throttle::Throttle;
use crate::time::Instant;

/// A target that answers is asked this often.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// A target that does not answer is asked this often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Questions without an answer before a target counts as gone.
const PATIENCE: u8 = 3;
/// Unanswered questions after which a target that never answered is logged.
const NEVER_THERE: u8 = 10;
/// A target is asked this often while somebody else answers for it and it has been silent for [`IDLE`].
const CHALLENGE_EVERY: Duration = Duration::from_millis(500);
/// A target that was heard so lately need not be asked whether it is still there.
const IDLE: Duration = Duration::from_secs(1);

/// What is known of a target.
#[derive(Debug)]
pub(crate) struct Liveness {
    pin: Option<MacAddr>,
    mac: Option<MacAddr>,
    pub(crate) info: TargetInfo,
    pub(crate) life: Life,
    /// When a change of the target was last told of.
    pub(crate) change_told: Throttle,
    /// When a growth of its disk was last told of.
    pub(crate) growth_told: Throttle,
    last_heard: Instant,
    up_since: Instant,
    ask_at: Instant,
    asked_at: Instant,
    unanswered: u8,
}

/// Whether a target answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    Down,
}

/// What a Config response changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Same,
    /// Numbers or string.
    Changed,
    /// It came (back) to life.
    Up,
    /// It is somebody else.
    Imposter,
    /// It is somebody else, and the target itself has been silent: it is asked first.
    Candidate,
}

impl Liveness {
    pub(crate) fn new(pin: Option<MacAddr>, now: Instant) -> Liveness {
        Liveness {
            pin,
            mac: None,
            info: TargetInfo::default(),
            life: Life::Down,
            change_told: Throttle::default(),
            growth_told: Throttle::default(),
            last_heard: now,
            up_since: now,
            ask_at: now,
            asked_at: now,
            unanswered: 0,
        }
    }

    /// The only MAC that is believed, if one is configured.
    pub(crate) fn pin(&self) -> Option<MacAddr> {
        self.pin
    }

    /// Believes only this MAC from now on, or any. False if the target is another one, so that nothing changed.
    pub(crate) fn repin(&mut self, pin: Option<MacAddr>) -> bool {
        let same = pin.is_none() || self.mac.is_none() || self.mac == pin;
        if same {
            self.pin = pin;
        }
        same
    }

    /// How long it has been silent, if it counts as gone.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        match self.life {
            Life::Up => Duration::ZERO,
            Life::Down => now.saturating_since(self.last_heard),
        }
    }

    /// Whether it has answered anything after this moment.
    pub(crate) fn heard_since(&self, moment: Instant) -> bool {
        self.last_heard > moment
    }

    /// How long it has been up, if it is.
    pub(crate) fn up_for(&self, now: Instant) -> Duration {
        now.saturating_since(self.up_since)
    }

    /// Where requests go.
    pub(crate) fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    /// Frames it takes at a time.
    pub(crate) fn window(&self) -> usize {
        usize::from(self.info.buffer_count.max(1))
    }

    /// Whether `mac` may speak for it.
    pub(crate) fn is(&self, mac: MacAddr) -> bool {
        self.mac == Some(mac)
    }

    /// Takes a Config response. After one of an imposter it may have to be asked sooner.
    pub(crate) fn hear(&mut self, mac: MacAddr, info: TargetInfo, now: Instant) -> Heard {
        let believed = match (self.pin, self.mac) {
            (Some(pin), _) => pin == mac,
            (None, Some(known)) => known == mac || self.is_silent(),
            (None, None) => true,
        };
        if !believed {
            if self.pin.is_some() || now.saturating_since(self.last_heard) < IDLE {
                return Heard::Imposter;
            }
            self.ask_at = self.ask_at.min(self.asked_at + CHALLENGE_EVERY);
            return Heard::Candidate;
        }
        self.alive(now);
        let changed = self.info != info || self.mac != Some(mac);
        self.mac = Some(mac);
        self.info = info;
        self.ask_at = now + WATCH_EVERY;
        match std::mem::replace(&mut self.life, Life::Up) {
            Life::Down => {
                self.up_since = now;
                Heard::Up
            }
            Life::Up if changed => Heard::Changed,
            Life::Up => Heard::Same,
        }
    }

    /// Requests go to this MAC from now on, which has shown that it is the same disk.
    pub(crate) fn follow(&mut self, mac: MacAddr) {
        self.mac = Some(mac);
    }

    /// Whether it was asked often enough and did not answer, and so counts as gone.
    fn is_silent(&self) -> bool {
        self.life == Life::Down && self.unanswered >= PATIENCE
    }

    /// The segment is away or back: what was asked before says nothing.
    pub(crate) fn segment_changed(&mut self) {
        self.unanswered = 0;
    }

    /// It answered something.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.last_heard = now;
        self.unanswered = 0;
    }

    /// Counts it as gone; false if it was already.
    pub(crate) fn down(&mut self, now: Instant) -> bool {
        self.ask_at = now + ASK_EVERY;
        std::mem::replace(&mut self.life, Life::Down) == Life::Up
    }

    /// Whether it has just missed so many questions, and never answered one, that somebody should look.
    pub(crate) fn was_never_there(&self) -> bool {
        self.mac.is_none() && self.unanswered == NEVER_THERE
    }

    /// Whether it never answered, and has been asked often enough to say so.
    pub(crate) fn is_missed(&self) -> bool {
        self.mac.is_none() && self.unanswered >= NEVER_THERE
    }

    /// When it should be asked again.
    pub(crate) fn ask_at(&self) -> Instant {
        self.ask_at
    }

    /// Notes that it is being asked; whether it still counts as alive.
    pub(crate) fn asked(&mut self, now: Instant) -> Life {
        if self.life == Life::Up && self.unanswered >= PATIENCE {
            return Life::Down;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.asked_at = now;
        self.ask_at = now + ASK_EVERY;
        Life::Up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2; 6]);
    const OTHER: MacAddr = MacAddr([4; 6]);

    fn info(buffer_count: u16) -> TargetInfo {
        TargetInfo {
            buffer_count,
            ..TargetInfo::default()
        }
    }

    #[test]
    fn a_silent_target_is_down_after_three_questions_and_up_at_its_first_word() {
        let mut now = Instant::default();
        let mut target = Liveness::new(None, now);
        assert_eq!(target.hear(MAC, info(16), now), Heard::Up);
        assert_eq!(target.hear(MAC, info(16), now), Heard::Same);
        assert_eq!(target.hear(MAC, info(8), now), Heard::Changed);
        assert_eq!(target.ask_at(), now + WATCH_EVERY);
        for _ in 0..PATIENCE {
            now = target.ask_at();
            assert_eq!(target.asked(now), Life::Up);
        }
        assert_eq!(target.asked(target.ask_at()), Life::Down);
        assert!(target.down(now) && !target.down(now));
        assert_eq!(target.hear(MAC, info(8), now), Heard::Up);
    }

    /// Asks until the target counts as gone; returns when that is.
    fn ask_in_vain(target: &mut Liveness) -> Instant {
        loop {
            let now = target.ask_at();
            assert!(target.hear(OTHER, info(16), now) != Heard::Up && target.is(MAC));
            if target.asked(now) == Life::Down {
                target.down(now);
                return now;
            }
        }
    }

    #[test]
    fn a_second_station_is_believed_only_when_the_first_was_asked_and_is_silent() {
        let mut now = Instant::default();
        let mut target = Liveness::new(None, now);
        target.hear(MAC, info(16), now);
        assert_eq!(target.hear(OTHER, info(16), now), Heard::Imposter);
        // However long it was idle, it is asked first, and soon.
        now = now + WATCH_EVERY / 2;
        assert_eq!(target.hear(OTHER, info(16), now), Heard::Candidate);
        assert_eq!(target.ask_at(), Instant::default() + CHALLENGE_EVERY);
        assert_eq!(target.asked(now), Life::Up);
        target.hear(MAC, info(16), now);
        assert_eq!(target.hear(OTHER, info(16), now), Heard::Imposter);
        // One that is gone has a successor after some questions.
        now = now + WATCH_EVERY / 2;
        assert_eq!(target.hear(OTHER, info(16), now), Heard::Candidate);
        assert!(ask_in_vain(&mut target) <= now + CHALLENGE_EVERY * (u32::from(PATIENCE) + 1));
        assert_eq!(target.hear(OTHER, info(16), now), Heard::Up);
        assert!(target.is(OTHER));
    }

    #[test]
    fn a_segment_that_returns_brings_nobody_else_before_the_target_was_asked() {
        let now = Instant::default();
        let mut target = Liveness::new(None, now);
        target.hear(MAC, info(16), now);
        ask_in_vain(&mut target);
        target.segment_changed();
        for _ in 0..PATIENCE {
            let now = target.ask_at();
            assert!(target.hear(OTHER, info(16), now) != Heard::Up && target.is(MAC));
            target.asked(now);
        }
        assert_eq!(target.hear(OTHER, info(16), target.ask_at()), Heard::Up);
    }

    #[test]
    fn nobody_is_believed_against_a_pin() {
        let now = Instant::default();
        let mut pinned = Liveness::new(Some(MAC), now);
        assert_eq!(pinned.hear(OTHER, info(16), now), Heard::Imposter);
        assert_eq!(pinned.hear(MAC, info(16), now), Heard::Up);
    }
}
