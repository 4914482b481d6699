//! How long a target works on a request, and in which order.

use std::time::Duration;

use aoe_common::time::Instant;

use crate::random::Random;

/// In which order a target works on what it has queued.
#[derive(Clone, Debug)]
pub enum Service {
    /// One request after the other, as vblade.
    InOrder,
    /// Several at once, each as long as chance has it, so that even overlapping ones pass each other, as in ggaoed.
    AnyOrder(Random),
}

/// Requests that take much longer than the others: a disk that spins up, a sector that is read again and again.
#[derive(Clone, Debug)]
pub struct Tail {
    /// The share of requests, 0 to 1.
    pub share: f64,
    /// How much longer they take at least.
    pub least: Duration,
    /// How much longer they take at most.
    pub most: Duration,
    /// Which ones, and how long.
    pub random: Random,
}

/// How a target treats Config queries and IDENTIFY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Questions {
    /// They wait in line with reads and writes, as in vblade.
    #[default]
    Wait,
    /// They need no disk and are answered at once, as in ggaoed.
    AtOnce,
}

/// How many times its usual time a request takes at most when there is no order.
const SPREAD: u32 = 40;

/// When requests are done.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) usual: Duration,
    pub(super) service: Service,
    pub(super) tail: Option<Tail>,
    pub(super) questions: Questions,
    /// Until then nothing is worked on.
    pub(super) stalled_until: Instant,
}

impl Default for Pace {
    /// Everything is done at once.
    fn default() -> Self {
        Pace {
            usual: Duration::ZERO,
            service: Service::InOrder,
            tail: None,
            questions: Questions::default(),
            stalled_until: Instant::default(),
        }
    }
}

impl Pace {
    /// Whether a request that comes now takes no time.
    pub(super) fn is_instant(&self, now: Instant) -> bool {
        self.usual.is_zero() && self.tail.is_none() && self.stalled_until <= now
    }

    /// When a request is done that comes now; the one before it is done at `last`.
    pub(super) fn done(&mut self, now: Instant, last: Option<Instant>) -> Instant {
        let now = now.max(self.stalled_until);
        let extra = self.tail.as_mut().map_or(Duration::ZERO, Tail::extra);
        match &mut self.service {
            Service::InOrder => last.unwrap_or(now).max(now) + self.usual + extra,
            Service::AnyOrder(random) => {
                let times = 1 + u32::try_from(random.below(u64::from(SPREAD))).unwrap_or(0);
                now + self.usual * times + extra
            }
        }
    }
}

impl Tail {
    fn extra(&mut self) -> Duration {
        if !self.random.happens(self.share) {
            return Duration::ZERO;
        }
        let width = self.most.saturating_sub(self.least).as_micros();
        let width = u64::try_from(width).unwrap_or(u64::MAX);
        self.least + Duration::from_micros(self.random.below(width))
    }
}
