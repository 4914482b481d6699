//! The plan come alive: one loop that moves virtual time from event to event.

mod hosts;
mod loads;
mod repairs;
mod sites;
mod underlay;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::frame::Address;
use aoe_common::output::Path;
use aoe_common::time::Instant;
use aoe_lab::initiator::Completion;
use aoe_lab::random::{Random, mix};

use super::digest::Digest;
use super::host::{Host, HostId};
use super::lan::{Lan, LanId};
use super::load::Load;
use super::registers::Registers;
use super::site::{Process, Site, SiteId};
use super::wire::{Datagram, Fate, Weather};

/// How long the resolver takes at most, in microseconds: long enough for the peer to call first.
const RESOLVE_MICROS: u64 = 30_000;
/// When a resolver's answer is offered again to a process that does not run.
const STILL_PAUSED: Duration = Duration::from_millis(100);
/// Steps of one run without an end.
const MAX_STEPS: u64 = 3_000_000;
/// Steps at one moment of time: more is a spin.
const MAX_STEPS_AT_ONCE: u64 = 2_000;

/// Decides about datagrams before the weather does: their number since the start, and what they are.
pub type Filter = Box<dyn FnMut(u64, &Datagram) -> Fate>;

/// A running simulation.
pub struct World {
    seed: u64,
    pub(super) now: Instant,
    pub(super) sites: Vec<Site>,
    lans: Vec<Lan>,
    hosts: Vec<Host>,
    weather: Weather,
    /// Until then nothing arrives at the other end of the path.
    path_blocked_until: Instant,
    /// Until when datagrams take a long way, and how much longer it takes.
    detour: (Instant, Duration),
    /// Whether gateways are held to the number of buffers that targets have.
    watch: Watch,
    random: Random,
    queue: BinaryHeap<Reverse<Due>>,
    queued: u64,
    loads: Vec<Load>,
    /// Ended requests that are no load's.
    strays: Vec<(HostId, Completion)>,
    disks: BTreeMap<(HostId, Address), Registers>,
    filter: Option<Filter>,
    record: Option<Vec<Datagram>>,
    repairs: Option<repairs::Repairs>,
    datagrams: u64,
    digest: Digest,
    steps_at_once: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    order: u64,
    what: What,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Frame {
        lan: LanId,
        port: usize,
        bytes: Vec<u8>,
    },
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Resolved {
        site: usize,
        peer: u16,
    },
    /// A host has written what a peer said of its keys.
    Wrote {
        site: usize,
        boots: u64,
        peer: u16,
        serial: u32,
    },
    Resumed {
        site: usize,
        boots: u64,
        /// How long its clock stood still.
        stood: Duration,
    },
}

impl World {
    pub(super) fn new(
        seed: u64,
        sites: Vec<Site>,
        lans: Vec<Lan>,
        hosts: Vec<Host>,
        weather: Weather,
    ) -> Self {
        let mut world = World {
            seed,
            now: Instant::from_micros(1_000_000),
            sites,
            lans,
            hosts,
            weather: Weather::calm(Duration::ZERO),
            path_blocked_until: Instant::default(),
            detour: (Instant::default(), Duration::ZERO),
            watch: Watch::Buffers,
            random: Random::new(mix(seed ^ 0x7717)),
            queue: BinaryHeap::new(),
            queued: 0,
            loads: Vec::new(),
            strays: Vec::new(),
            disks: BTreeMap::new(),
            filter: None,
            record: None,
            repairs: None,
            datagrams: 0,
            digest: Digest::default(),
            steps_at_once: 0,
        };
        world.set_weather(weather);
        for site in 0..world.sites.len() {
            world.start(SiteId(site));
        }
        world
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed it was made of.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number for everything that was sent so far: the same for the same run.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while self.step(until) {
            steps += 1;
            self.require(steps < MAX_STEPS, || "too many steps".to_owned());
        }
    }

    /// Lets time pass until `reached`; returns how long it took.
    ///
    /// # Panics
    /// If that is not so within `limit`.
    pub fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut reached: impl FnMut(&World) -> bool,
    ) -> Duration {
        let (start, until) = (self.now, self.now + limit);
        let mut steps = 0;
        while !reached(self) {
            let ran = self.step(until);
            steps += 1;
            self.require(ran && steps < MAX_STEPS, || {
                format!("not so within {limit:?}: {what}")
            });
        }
        self.now.saturating_since(start)
    }

    /// One moment: everything that is due at the next instant at which anything is. False if that is not before
    /// `until`; then it is `until` now.
    fn step(&mut self, until: Instant) -> bool {
        let mut next = (Instant::NEVER, "nothing");
        let mut consider = |at: Instant, why| {
            if at < next.0 {
                next = (at, why);
            }
        };
        if let Some(Reverse(due)) = self.queue.peek() {
            consider(due.at, "something under way");
        }
        for host in &self.hosts {
            consider(host.deadline(), "a host");
        }
        for process in self.sites.iter().filter_map(|site| site.process.as_ref()) {
            let (at, why) = process.deadline();
            consider(at, why);
        }
        let (at, why) = next;
        if at >= until {
            self.now = until;
            self.steps_at_once = 0;
            return false;
        }
        self.steps_at_once = if at > self.now { 0 } else { self.steps_at_once + 1 };
        self.require(self.steps_at_once < MAX_STEPS_AT_ONCE, || {
            format!("time stands still because of {why}")
        });
        self.now = at.max(self.now);
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= self.now) {
            if let Some(Reverse(due)) = self.queue.pop() {
                self.happen(due.what);
            }
        }
        let now = self.now;
        for host in self.hosts.iter_mut().filter(|host| host.deadline() <= now) {
            host.handle_timeout(now);
        }
        self.follow_targets();
        for site in 0..self.sites.len() {
            let due = |process: &Process| process.deadline().0 <= now;
            if self.sites[site].process.as_ref().is_some_and(due) {
                self.feed(site, |engine, now, out| engine.handle_timeout(now, out));
            }
        }
        self.pump();
        true
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Frame { lan, port, bytes } => self.deliver_frame(lan, port, &bytes),
            What::Datagram { from, to, bytes } => self.deliver_datagram(Datagram { from, to, bytes }),
            What::Resumed { site, boots, stood } => self.resume(site, boots, stood),
            // A process that ended meanwhile wrote nothing.
            What::Wrote { site, boots, .. } if self.sites[site].boots != boots => {}
            What::Wrote { site, .. } if self.is_paused(site) => self.later(STILL_PAUSED, what),
            What::Wrote {
                site, peer, serial, ..
            } => self.wrote(site, PeerId(peer), serial),
            // Nobody takes the answer now.
            What::Resolved { site, .. } if self.is_paused(site) => self.later(STILL_PAUSED, what),
            What::Resolved { site, peer } => {
                let Some(plan) = self.known_peer(site, PeerId(peer)) else {
                    return;
                };
                let names = &self.sites[plan.site.0].name;
                let sockets = (0..).zip(&self.sites[site].sockets);
                let ways = sockets.flat_map(|(socket, own)| {
                    let reached = names.iter().filter(|name| name.is_ipv4() == own.is_ipv4());
                    reached.map(move |remote| Path::new(socket, *remote))
                });
                let ways = ways.collect();
                self.feed(site, |engine, now, out| {
                    engine.set_endpoint(PeerId(peer), ways, now, out);
                });
            }
        }
    }

    fn later(&mut self, after: Duration, what: What) {
        self.queued += 1;
        self.queue.push(Reverse(Due {
            at: self.now + after,
            order: self.queued,
            what,
        }));
    }

    /// Carries on what the parts have to say, until nobody has anything to say at this moment.
    fn pump(&mut self) {
        for host in 0..self.hosts.len() {
            self.pump_load(host);
            self.pump_host(host);
        }
        for site in 0..self.sites.len() {
            self.pump_site(site);
        }
    }

    fn require(&self, condition: bool, complaint: impl FnOnce() -> String) {
        if !condition {
            self.fail(&complaint());
        }
    }

    fn fail(&self, complaint: &str) -> ! {
        panic!(
            "seed {}, at {} us: {complaint}\n{}",
            self.seed,
            self.now.as_micros(),
            self.story()
        )
    }

    /// The last events and the numbers of every site, for failures.
    pub fn story(&self) -> String {
        let mut story = String::new();
        for site in &self.sites {
            story.push_str(&format!("{}:\n", site.plan.name));
            for (at, event) in site.events.iter().rev().take(12).rev() {
                story.push_str(&format!("  {:>12} us  {event}\n", at.as_micros()));
            }
            if let Some(process) = &site.process {
                let numbers = process.engine.counters().iter().filter(|(_, n)| *n > 0);
                let numbers: Vec<_> = numbers.map(|(name, n)| format!("{name}={n}")).collect();
                story.push_str(&format!("  {}\n", numbers.join(" ")));
            }
        }
        let (ended, failed) = self.progress();
        story.push_str(&format!("requests ended {ended}, failed {failed}"));
        story
    }
}

/// What a simulation demands of gateways besides correct data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Never more requests at a target than it has buffers for.
    Buffers,
    /// Nothing: where a target loses or hoards requests, nobody can know how many it has.
    Nothing,
}

/// Whether a cable is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is not.
    Down,
    /// It is.
    Up,
}
