//! How long a datagram the path carries: found by probes (RFC 8899), which are never data, and given up when long
//! records stop arriving.
//!
//! Kernel and ICMP are not asked: what an authenticated pong confirms is true, whatever a router says. Until one has
//! confirmed any size, nothing but the smallest is used, and the peer's imports and exports are not.

mod sizes;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::sizes::LEAST;
use self::sizes::candidates;
use super::gaps::patience;
use super::round_trip::RoundTrip;
use crate::config::PathMtu as Setting;
use crate::time::Instant;

/// Probes of one size without a pong before it counts as too long: loss alone does that once in 8000 searches at 5 %.
const TRIES: usize = 3;
/// How long after the search ended the path is tried for more.
const SEARCH_EVERY: Duration = Duration::from_secs(600);
/// The same if not even the smallest passes.
const SEARCH_AGAIN: Duration = Duration::from_secs(5);
/// How long a probe's pong may take as long as the round trip is not known.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What a probe's pong may take besides the round trip.
const SLACK: Duration = Duration::from_millis(10);
/// A size that was confirmed is not doubted again this soon: loss alone takes long records too.
const TRUST: Duration = Duration::from_millis(100);
/// Changes are logged at most this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The path MTU towards one peer.
#[derive(Debug)]
pub(crate) struct PathMtu {
    setting: Setting,
    standing: Standing,
    /// The longest that was confirmed since the search began; zero if none was.
    low: u16,
    /// The longest that was confirmed on this path.
    proven: u16,
    /// What the search before found.
    settled: u16,
    /// The shortest that was found too long.
    high: u16,
    probing: Option<Probing>,
    search_at: Instant,
    /// Whether a ping that is no probe was answered since the search began: then silence is about length.
    is_answered: bool,
    doubted: bool,
    confirmed_at: Instant,
    told: u16,
    told_at: Option<Instant>,
    /// Why it was lowered last.
    lowered: &'static str,
}

/// What the path is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody knows yet.
    Unproven,
    /// A size was confirmed.
    Proven,
    /// Short records are answered, and none of the smallest size.
    TooSmall,
}

#[derive(Debug)]
struct Probing {
    purpose: Purpose,
    size: u16,
    /// The pings sent.
    pings: [Option<u64>; TRIES],
    tries: usize,
    again_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Is more possible?
    Raise,
    /// Is what we use still possible?
    Confirm,
}

/// What a datagram was that the local device refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A probe: nothing is lost.
    Probe,
    /// A record, and from now on they are shorter; what was lost is repaired.
    Lowered,
    /// A record of before they became shorter; what was lost is repaired.
    Late,
    /// A record, and there is nothing to be done about it: the MTU is configured, or as small as it can be.
    Fixed,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Longer datagrams may go.
    Raised,
    /// Nothing.
    Same,
}

impl PathMtu {
    pub(crate) fn new(setting: Setting, now: Instant) -> PathMtu {
        PathMtu {
            setting,
            standing: Standing::Unproven,
            low: 0,
            proven: 0,
            settled: 0,
            high: u16::MAX,
            probing: None,
            search_at: now,
            is_answered: false,
            doubted: false,
            confirmed_at: now,
            told: 0,
            told_at: None,
            lowered: "",
        }
    }

    /// The MTU in force: the longest IP packet that is sent, probes aside.
    pub(crate) fn get(&self) -> u16 {
        match self.setting {
            Setting::Fixed(mtu) => mtu,
            Setting::Auto => self.low.max(LEAST),
        }
    }

    /// Whether the path was found to carry what we need.
    pub(crate) fn is_proven(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// Where [`get`](Self::get) is from.
    pub(crate) fn source(&self) -> &'static str {
        let is_searching = self.low == 0 || self.probing.is_some();
        match self.setting {
            Setting::Fixed(_) if self.low == 0 => "fixed, not confirmed",
            Setting::Fixed(_) => "fixed",
            Setting::Auto if is_searching => "searching",
            Setting::Auto => "probed",
        }
    }

    /// What the path carried before, if that was more than it carries now, and why it is less.
    pub(crate) fn lowered(&self) -> Option<(u16, &'static str)> {
        (self.low < self.proven).then_some((self.proven, self.lowered))
    }

    /// A peer that was not there, or is another process: nothing is known of the path to it.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.standing = Standing::Unproven;
        self.moved(now);
    }

    /// The path is another one. What it is good for shows; until then it is good for as much as the one before.
    pub(crate) fn moved(&mut self, now: Instant) {
        (self.high, self.proven, self.settled) = (u16::MAX, 0, 0);
        self.fall_back("the path is another one", now);
    }

    /// Another setting holds from now on. What the path is good for is tried again; until then it is good for as much as
    /// before.
    pub(crate) fn set(&mut self, setting: Setting, now: Instant) {
        if self.setting != setting {
            self.setting = setting;
            (self.high, self.proven, self.settled) = (u16::MAX, 0, 0);
            self.fall_back("`path_mtu` was changed", now);
        }
    }

    /// A long record did not arrive.
    pub(crate) fn doubt(&mut self, now: Instant) {
        let confirming = matches!(&self.probing, Some(probing) if probing.purpose == Purpose::Confirm);
        self.doubted |= self.low > 0 && !confirming && self.confirmed_at + TRUST <= now;
    }

    /// This machine does not send IP packets of `mtu` bytes.
    pub(crate) fn refused(&mut self, mtu: u16, now: Instant) -> Refused {
        if self.setting != Setting::Auto || mtu <= LEAST {
            return Refused::Fixed;
        }
        let was = self.get();
        self.high = self.high.min(mtu);
        self.probing.take_if(|probing| probing.size >= mtu);
        if self.low >= self.high {
            self.fall_back("the local device does not take longer packets", now);
            return Refused::Lowered;
        }
        if mtu > was { Refused::Probe } else { Refused::Late }
    }

    /// The size of the probe to send now, if one is due; it is told to [`probed`](Self::probed). May lower the MTU.
    pub(crate) fn probe(&mut self, round_trip: Option<&RoundTrip>, now: Instant) -> Option<u16> {
        if self.deadline() > now {
            return None;
        }
        if let Some(probing) = self.probing.take_if(|probing| probing.tries == TRIES) {
            // What is configured is tried once more.
            if probing.purpose == Purpose::Raise || self.setting == Setting::Auto {
                self.high = self.high.min(probing.size);
            }
            if probing.purpose == Purpose::Confirm {
                self.fall_back("longer packets do not arrive any more", now);
            }
        }
        if std::mem::take(&mut self.doubted) {
            self.probing = Some(Probing::new(Purpose::Confirm, self.low, now));
        }
        if self.probing.is_none() {
            match sizes::next(candidates(&self.setting), self.low, self.high) {
                Some(size) => self.probing = Some(Probing::new(Purpose::Raise, size, now)),
                None => self.settle(now),
            }
        }
        let probing = self.probing.as_mut()?;
        probing.again_at = now + round_trip.map_or(FIRST_WAIT, |_| patience(round_trip) + SLACK);
        Some(probing.size)
    }

    /// A probe went out as this ping.
    pub(crate) fn probed(&mut self, ping: u64) {
        if let Some(probing) = &mut self.probing {
            if let Some(slot) = probing.pings.get_mut(probing.tries) {
                *slot = Some(ping);
            }
            probing.tries += 1;
        }
    }

    /// A pong came, perhaps to a probe.
    pub(crate) fn answered(&mut self, ping: u64, now: Instant) -> Effect {
        let of_probe = |probing: &mut Probing| probing.pings.contains(&Some(ping));
        let Some(probing) = self.probing.take_if(of_probe) else {
            self.is_answered = true;
            if let Some(probing) = self.probing.as_mut().filter(|probing| probing.tries == 1)
                && self.standing == Standing::Unproven
            {
                // Now it is known how long an answer takes.
                probing.again_at = probing.again_at.min(now + SLACK);
            }
            return Effect::Same;
        };
        self.confirmed_at = now;
        if probing.purpose == Purpose::Confirm {
            return Effect::Same;
        }
        (self.low, self.standing, self.search_at) = (probing.size, Standing::Proven, now);
        self.proven = self.proven.max(self.low);
        Effect::Raised
    }

    /// When [`probe`](Self::probe) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        match &self.probing {
            _ if self.doubted => Instant::default(),
            Some(probing) => probing.again_at,
            None => self.search_at,
        }
    }

    /// The MTU in force and why, if that is news; not while the search goes on, and not too often.
    pub(crate) fn news(&mut self, now: Instant) -> Option<(u16, &'static str)> {
        let settled = self.low > 0 && self.probing.is_none() && self.search_at > now;
        let quiet = self.told_at.is_none_or(|told| told + TELL_EVERY <= now);
        if self.low == self.told || !settled || !quiet {
            return None;
        }
        let why = if self.low < self.told && self.told < u16::MAX {
            self.lowered
        } else {
            "probes of that size are answered"
        };
        let is_expected = self.told == 0 && self.setting != Setting::Auto;
        (self.told, self.told_at) = (self.low, Some(now));
        (!is_expected).then_some((self.told, why))
    }

    /// The smallest size that we need, if packets of that size do not arrive and shorter ones do.
    pub(crate) fn too_small(&self) -> Option<u16> {
        let least = candidates(&self.setting).first().copied();
        least.filter(|_| self.standing == Standing::TooSmall)
    }

    /// Nothing is left to try.
    fn settle(&mut self, now: Instant) {
        self.high = u16::MAX;
        if self.low > 0 {
            if self.settled == self.low {
                // It was so ten minutes ago: that is how this path is.
                self.proven = self.low;
            }
            self.settled = self.low;
            self.search_at = now + SEARCH_EVERY;
            return;
        }
        self.search_at = now + SEARCH_AGAIN;
        if std::mem::take(&mut self.is_answered) {
            (self.standing, self.told) = (Standing::TooSmall, u16::MAX);
        }
    }

    fn fall_back(&mut self, why: &'static str, now: Instant) {
        (self.low, self.lowered, self.search_at) = (0, why, now);
        (self.probing, self.doubted, self.is_answered) = (None, false, false);
    }
}

impl Probing {
    fn new(purpose: Purpose, size: u16, now: Instant) -> Probing {
        Probing {
            purpose,
            size,
            pings: [None; TRIES],
            tries: 0,
            again_at: now,
        }
    }
}
