//! How long a datagram the path carries: found by probes (RFC 8899), which are never data, and given up when long
//! records stop arriving.
//!
//! Kernel and ICMP are not asked: what an authenticated pong confirms is true, whatever a router says.

use std::time::Duration;

use super::gaps::patience;
use super::round_trip::RoundTrip;
use crate::config::PathMtu as Setting;
use crate::time::Instant;

/// Every IPv6 path carries this (RFC 8200 section 5); IPv4 paths that carry tunnels do as well.
pub(crate) const BASE: u16 = 1280;
/// MTUs that paths have: PPPoE, WireGuard, GRE and VXLAN over 1500; FDDI; clouds; jumbo frames less a tunnel's header.
const CANDIDATES: [u16; 19] = [
    BASE, 1340, 1380, 1400, 1412, 1420, 1432, 1440, 1452, 1460, 1480, 1492, 1500, 4000, 4352, 8896, 8950,
    9000, 9216,
];
/// Tried first: what most paths have.
const LIKELY: [u16; 2] = [1500, 9000];
/// Probes of one size without a pong before it counts as too long: loss alone does that once in 8000 searches at 5 %.
const TRIES: usize = 3;
/// How long after the search ended the path is tried for more.
const SEARCH_EVERY: Duration = Duration::from_secs(600);
/// What a probe's pong may take besides the round trip.
const SLACK: Duration = Duration::from_millis(10);
/// A size that was confirmed is not doubted again this soon: loss alone takes long records too.
const TRUST: Duration = Duration::from_millis(100);
/// Changes are told of at most this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The path MTU towards one peer.
#[derive(Debug)]
pub(crate) struct PathMtu {
    setting: Setting,
    /// Confirmed, as an index of [`CANDIDATES`].
    low: usize,
    /// The smallest that was found too long.
    high: usize,
    probing: Option<Probing>,
    search_at: Instant,
    doubted: bool,
    confirmed_at: Instant,
    told: u16,
    told_at: Option<Instant>,
    why: &'static str,
}

#[derive(Debug)]
struct Probing {
    purpose: Purpose,
    size: usize,
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
pub(crate) enum Verdict {
    /// Longer datagrams may go.
    Raised,
    /// Nothing.
    Same,
}

impl PathMtu {
    pub(crate) fn new(setting: Setting, now: Instant) -> PathMtu {
        PathMtu {
            setting,
            low: 0,
            high: CANDIDATES.len(),
            probing: None,
            search_at: now,
            doubted: false,
            confirmed_at: now,
            told: 0,
            told_at: None,
            why: "",
        }
    }

    /// The MTU in force: the longest IP packet that is sent, probes aside.
    pub(crate) fn get(&self) -> u16 {
        match self.setting {
            Setting::Fixed(mtu) => mtu,
            Setting::Auto => size(self.low),
        }
    }

    /// The path is another one, or the peer: begin at the smallest.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.low, self.high, self.probing, self.doubted) = (0, CANDIDATES.len(), None, false);
        self.search_at = now;
    }

    /// A long record did not arrive.
    pub(crate) fn doubt(&mut self, now: Instant) {
        let confirming = matches!(&self.probing, Some(probing) if probing.purpose == Purpose::Confirm);
        self.doubted |= self.low > 0 && !confirming && self.confirmed_at + TRUST <= now;
    }

    /// This machine does not send IP packets of `mtu` bytes.
    pub(crate) fn refused(&mut self, mtu: u16, now: Instant) -> Refused {
        if self.setting != Setting::Auto || mtu <= BASE {
            return Refused::Fixed;
        }
        let was = self.get();
        let failed = CANDIDATES.partition_point(|candidate| *candidate < mtu);
        self.high = self.high.min(failed.max(1));
        self.probing.take_if(|probing| probing.size >= failed);
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
            self.high = self.high.min(probing.size);
            if probing.purpose == Purpose::Confirm {
                self.fall_back("longer packets do not arrive any more", now);
            }
        }
        let wait = patience(round_trip) + SLACK;
        if std::mem::take(&mut self.doubted) {
            self.probing = Some(Probing::new(Purpose::Confirm, self.low, now));
        }
        if self.probing.is_none() {
            match self.next_candidate() {
                Some(size) => self.probing = Some(Probing::new(Purpose::Raise, size, now)),
                None => {
                    self.search_at = now + SEARCH_EVERY;
                    self.high = CANDIDATES.len();
                }
            }
        }
        let probing = self.probing.as_mut()?;
        probing.again_at = now + wait;
        Some(size(probing.size))
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
    pub(crate) fn answered(&mut self, ping: u64, now: Instant) -> Verdict {
        let of_probe = |probing: &mut Probing| probing.pings.contains(&Some(ping));
        let Some(probing) = self.probing.take_if(of_probe) else {
            return Verdict::Same;
        };
        self.confirmed_at = now;
        if probing.purpose == Purpose::Confirm {
            return Verdict::Same;
        }
        self.low = probing.size;
        self.search_at = now;
        self.why = "probes of that size are answered";
        Verdict::Raised
    }

    /// When [`probe`](Self::probe) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        match (&self.probing, self.setting) {
            (_, Setting::Fixed(_)) => Instant::NEVER,
            _ if self.doubted => Instant::default(),
            (Some(probing), _) => probing.again_at,
            (None, _) => self.search_at,
        }
    }

    /// The MTU in force and why, if that is news; not while the search goes on, and not too often.
    pub(crate) fn news(&mut self, now: Instant) -> Option<(u16, &'static str)> {
        let settled = self.probing.is_none() && self.search_at > now;
        let quiet = self.told_at.is_none_or(|told| told + TELL_EVERY <= now);
        if self.setting != Setting::Auto || self.get() == self.told || !settled || !quiet {
            return None;
        }
        if self.low == 0 && self.told == 0 {
            self.why = "no longer probe is answered";
        }
        (self.told, self.told_at) = (self.get(), Some(now));
        Some((self.told, self.why))
    }

    fn fall_back(&mut self, why: &'static str, now: Instant) {
        (self.low, self.why, self.search_at) = (0, why, now);
        self.probing = None;
        self.doubted = false;
    }

    fn next_candidate(&self) -> Option<usize> {
        let open = self.low + 1..self.high;
        let likely = LIKELY
            .iter()
            .filter_map(|mtu| CANDIDATES.iter().position(|candidate| candidate == mtu));
        likely
            .into_iter()
            .find(|size| open.contains(size))
            .or_else(|| (!open.is_empty()).then(|| open.start + open.len() / 2))
    }
}

impl Probing {
    fn new(purpose: Purpose, size: usize, now: Instant) -> Probing {
        Probing {
            purpose,
            size,
            pings: [None; TRIES],
            tries: 0,
            again_at: now,
        }
    }
}

fn size(index: usize) -> u16 {
    CANDIDATES.get(index).copied().unwrap_or(BASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path and what is known of it.
    struct Path {
        carries: u16,
        found: PathMtu,
        now: Instant,
        pings: u64,
        sent: Vec<u16>,
    }

    impl Path {
        fn new(carries: u16) -> Path {
            let now = Instant::from_micros(5_000_000);
            Path {
                carries,
                found: PathMtu::new(Setting::Auto, now),
                now,
                pings: 0,
                sent: Vec::new(),
            }
        }

        fn run_for(&mut self, time: Duration) {
            let end = self.now + time;
            while self.found.deadline() <= end {
                self.now = self.now.max(self.found.deadline());
                let Some(mtu) = self.found.probe(None, self.now) else {
                    continue;
                };
                self.sent.push(mtu);
                self.found.probed(self.pings);
                if mtu <= self.carries {
                    self.found.answered(self.pings, self.now);
                }
                self.pings += 1;
            }
            self.now = end;
        }
    }

    #[test]
    fn every_path_is_found_within_a_few_seconds() {
        for carries in (1280..=9216).step_by(4) {
            let mut path = Path::new(carries);
            path.run_for(Duration::from_secs(5));
            let best = CANDIDATES.iter().rfind(|mtu| **mtu <= carries);
            assert_eq!(Some(&path.found.get()), best, "{carries}: {:?}", path.sent);
            assert!(path.sent.len() <= 20, "{carries}: {:?}", path.sent);
        }
    }

    #[test]
    fn more_is_tried_after_ten_minutes_only() {
        let mut path = Path::new(1500);
        path.run_for(Duration::from_secs(5));
        let sent = path.sent.len();
        path.carries = 9000;
        path.run_for(Duration::from_secs(590));
        assert_eq!((path.found.get(), path.sent.len()), (1500, sent));
        path.run_for(Duration::from_secs(10));
        assert_eq!(path.found.get(), 9000);
    }

    #[test]
    fn a_path_that_shrinks_is_noticed_and_searched_again() {
        let mut path = Path::new(9000);
        path.run_for(Duration::from_secs(5));
        assert_eq!(
            path.found.news(path.now),
            Some((9000, "probes of that size are answered"))
        );
        assert_eq!(path.found.news(path.now), None);
        // Loss alone changes nothing.
        path.found.doubt(path.now);
        path.run_for(Duration::from_secs(1));
        assert_eq!(path.found.get(), 9000);
        path.carries = 1400;
        path.found.doubt(path.now);
        path.run_for(Duration::from_millis(400));
        assert!(path.found.get() <= 1400);
        path.run_for(Duration::from_secs(10));
        assert_eq!(path.found.get(), 1400);
        assert!(path.found.news(path.now).is_some());
    }

    #[test]
    fn what_the_device_refuses_is_not_tried_again_and_lowers_at_once() {
        let mut path = Path::new(9216);
        path.run_for(Duration::from_secs(5));
        assert_eq!(path.found.get(), 9216);
        assert_eq!(path.found.refused(9216, path.now), Refused::Lowered);
        assert_eq!(path.found.get(), BASE);
        path.carries = 9000;
        path.sent.clear();
        path.run_for(Duration::from_secs(5));
        assert!(path.found.get() == 9000 && !path.sent.contains(&9216));
        assert_eq!(
            path.found.refused(9100, path.now),
            Refused::Probe,
            "more than we use"
        );
        assert_eq!(path.found.refused(1000, path.now), Refused::Fixed);
        assert_eq!(path.found.refused(5000, path.now), Refused::Lowered);
        path.carries = 1500;
        path.run_for(Duration::from_secs(5));
        assert_eq!(path.found.get(), 1500);
    }

    #[test]
    fn a_fixed_mtu_is_what_it_is() {
        let now = Instant::default();
        let mut found = PathMtu::new(Setting::Fixed(1400), now);
        assert_eq!((found.get(), found.deadline()), (1400, Instant::NEVER));
        assert!(found.refused(1400, now) == Refused::Fixed && found.news(now).is_none());
        assert_eq!(found.get(), 1400);
    }
}
