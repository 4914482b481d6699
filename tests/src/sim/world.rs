//! The plan come alive: one loop that moves virtual time from event to event.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{Endpoint, PeerId, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::engine::Engine;
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, MacAddr, SECTOR_LEN};
use aoe_common::output::Path;
use aoe_common::segment::SegmentState;
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use aoe_lab::initiator::driver::Driver;
use aoe_lab::random::{Random, mix};
use aoe_lab::target::{Answering, Target};

use super::craft::Seen;
use super::digest::Digest;
use super::host::{Host, HostId, Kind};
use super::lan::{LAN_DELAY, Lan, LanId, Port, inspect};
use super::load::Load;
use super::plan::{DISK_SECTORS, gateway_mac};
use super::registers::Registers;
use super::site::{Process, Site, SiteId, Skew};
use super::wire::{Datagram, Fate, Weather, weathered};

/// How long the resolver takes.
const RESOLVE: Duration = Duration::from_millis(1);
/// Steps of one run without an end.
const MAX_STEPS: u64 = 3_000_000;
/// Steps at one moment of time: more is a spin.
const MAX_STEPS_AT_ONCE: u64 = 2_000;

/// Decides about datagrams before the weather does: their number since the start, and what they are.
pub type Filter = Box<dyn FnMut(u64, &Datagram) -> Fate>;

/// A running simulation.
pub struct World {
    seed: u64,
    now: Instant,
    sites: Vec<Site>,
    lans: Vec<Lan>,
    hosts: Vec<Host>,
    weather: Weather,
    random: Random,
    queue: BinaryHeap<Reverse<Due>>,
    queued: u64,
    loads: Vec<Load>,
    disks: BTreeMap<(HostId, Address), Registers>,
    filter: Option<Filter>,
    record: Option<Vec<Datagram>>,
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
            random: Random::new(mix(seed ^ 0x7717)),
            queue: BinaryHeap::new(),
            queued: 0,
            loads: Vec::new(),
            disks: BTreeMap::new(),
            filter: None,
            record: None,
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

    // ---- time ----

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

    // ---- gateways ----

    /// Starts a site's process; one that runs is gone without a word.
    pub fn start(&mut self, site: SiteId) {
        let peers = self.sites[site.0].plan.peers.iter().map(|peer| {
            let other = &self.sites[peer.site.0].plan;
            peer.config(other.name.clone(), other.secret)
        });
        let peers = peers.collect();
        let boots = self.sites[site.0].boots;
        let mut entropy = [0; 32];
        let mut random = Random::new(mix(self.seed) ^ (site.0 as u64) << 32 ^ boots << 40);
        let (words, _) = entropy.as_chunks_mut::<8>();
        for word in words.iter_mut() {
            *word = random.next_u64().to_le_bytes();
        }
        self.sites[site.0].boot(peers, entropy, self.now);
        for segment in 0..self.sites[site.0].segments.len() {
            self.set_link(site, SegmentId(segment as u16), Link::Up);
        }
        self.pump();
    }

    /// Ends a site's process without a word.
    pub fn kill(&mut self, site: SiteId) {
        self.sites[site.0].process = None;
    }

    /// Ends a site's process and starts another.
    pub fn restart(&mut self, site: SiteId) {
        self.kill(site);
        self.start(site);
    }

    /// Ends a site's process as SIGTERM does: it tells its peers.
    pub fn shut_down(&mut self, site: SiteId) {
        let now = self.now;
        if let Some(process) = &mut self.sites[site.0].process {
            let own = process.own(now);
            process.engine.shutdown(own, &mut process.out);
            process.is_fed = true;
        }
        self.pump();
        self.kill(site);
    }

    /// Sets a site's wall clock; it counts from the next start.
    pub fn set_clock(&mut self, site: SiteId, skew: Skew) {
        self.sites[site.0].skew = skew;
    }

    /// Takes the cable out of a site's segment, or puts it back.
    pub fn set_link(&mut self, site: SiteId, segment: SegmentId, link: Link) {
        let (lan, _) = self.sites[site.0].segments[usize::from(segment.0)];
        let state = match link {
            Link::Down => SegmentState::Down,
            Link::Up => SegmentState::Up {
                mac: gateway_mac(site, segment),
                mtu: self.lans[lan.0].mtu,
            },
        };
        self.sites[site.0].segments[usize::from(segment.0)].1 = state;
        self.feed(site.0, |engine, now, out| {
            engine.handle_segment(segment, state, now, out);
        });
        self.pump();
    }

    /// Changes the MTU of a LAN for all that are on it.
    pub fn set_lan_mtu(&mut self, lan: LanId, mtu: u16) {
        self.lans[lan.0].mtu = mtu;
        for host in self.hosts.iter_mut().filter(|host| host.lan == lan) {
            match &mut host.kind {
                Kind::Initiator(driver) => driver.set_link(host.mac, mtu.into()),
                Kind::Target(target) => target.set_link(host.mac, mtu.into()),
                Kind::Station(_) => {}
            }
        }
        for port in self.lans[lan.0].ports.clone() {
            if let Port::Gateway(site, segment) = port {
                let segment = SegmentId(segment);
                let (_, state) = self.sites[site].segments[usize::from(segment.0)];
                if state != SegmentState::Down {
                    self.set_link(SiteId(site), segment, Link::Up);
                }
            }
        }
    }

    /// Moves a site's first socket to another address, as a NAT does; its name keeps the old one.
    pub fn rebind(&mut self, site: SiteId, address: SocketAddr) {
        self.sites[site.0].sockets[0] = address;
    }

    /// Makes a site's name resolve to another address.
    pub fn rename(&mut self, site: SiteId, address: SocketAddr) {
        self.sites[site.0].name = vec![address];
    }

    /// Where a site's first socket is.
    pub fn socket(&self, site: SiteId) -> SocketAddr {
        self.sites[site.0].sockets[0]
    }

    /// The running engine of a site.
    ///
    /// # Panics
    /// If there is none.
    pub fn engine(&self, site: SiteId) -> &Engine {
        &self.process(site).engine
    }

    /// Whether a site's process runs.
    pub fn runs(&self, site: SiteId) -> bool {
        self.sites[site.0].process.is_some()
    }

    /// A number of a running site.
    pub fn count(&self, site: SiteId, count: Count) -> u64 {
        self.engine(site).counters().count(count)
    }

    /// How often a running site let something go for this reason.
    pub fn dropped(&self, site: SiteId, reason: DropReason) -> u64 {
        self.engine(site).counters().dropped(reason)
    }

    /// Everything a site has told its operator, over all its processes.
    pub fn events(&self, site: SiteId) -> impl Iterator<Item = &Event> {
        self.sites[site.0].events.iter().map(|(_, event)| event)
    }

    /// How many of a site's events are like this.
    pub fn events_like(&self, site: SiteId, like: impl Fn(&Event) -> bool) -> usize {
        self.events(site).filter(|event| like(event)).count()
    }

    /// Hands a site a plaintext as if `peer` had sealed it.
    pub fn lie(&mut self, site: SiteId, peer: SiteId, payload: &[u8]) {
        let peer = self.sites[site.0].plan.peer_id(peer);
        self.feed(site.0, |engine, now, out| {
            engine.handle_authentic_payload(peer, payload, now, out);
        });
        self.pump();
    }

    // ---- the wire ----

    /// Changes the weather.
    ///
    /// # Panics
    /// If it lets datagrams be overtaken by more than correct data allows: see [`sim`](super).
    pub fn set_weather(&mut self, weather: Weather) {
        assert!(
            weather.jitter <= weather.delay * 6,
            "without the order guard, overtaking beyond six times the delay makes stale writes"
        );
        self.weather = weather;
    }

    /// Decides about every datagram from now on.
    pub fn set_filter(&mut self, filter: impl FnMut(u64, &Datagram) -> Fate + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// Lets every datagram pass again.
    pub fn clear_filter(&mut self) {
        self.filter = None;
    }

    /// Remembers every datagram sent from now on.
    pub fn start_recording(&mut self) {
        self.record = Some(Vec::new());
    }

    /// What was sent since [`World::start_recording`].
    pub fn recorded(&mut self) -> Vec<Datagram> {
        self.record.take().unwrap_or_default()
    }

    /// Datagrams sent by gateways since the start.
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// Delivers a datagram at once, past the weather.
    pub fn inject(&mut self, datagram: Datagram) {
        self.deliver_datagram(datagram);
        self.pump();
    }

    // ---- hosts ----

    /// An initiator.
    ///
    /// # Panics
    /// If the host is none.
    pub fn driver(&self, host: HostId) -> &Driver {
        match &self.hosts[host.0].kind {
            Kind::Initiator(driver) => driver,
            _ => panic!("{host:?} is no initiator"),
        }
    }

    /// Lets an initiator do something.
    ///
    /// # Panics
    /// If the host is none.
    pub fn drive<T>(
        &mut self,
        host: HostId,
        act: impl FnOnce(&mut Driver, Instant, &mut aoe_lab::frames::Frames) -> T,
    ) -> T {
        let Host { kind, out, .. } = &mut self.hosts[host.0];
        let Kind::Initiator(driver) = kind else {
            panic!("{host:?} is no initiator")
        };
        let result = act(driver, self.now, out);
        self.pump();
        result
    }

    /// A target.
    ///
    /// # Panics
    /// If the host is none.
    pub fn target(&self, host: HostId) -> &Target {
        match &self.hosts[host.0].kind {
            Kind::Target(target) => target,
            _ => panic!("{host:?} is no target"),
        }
    }

    /// A target, to be changed.
    ///
    /// # Panics
    /// If the host is none.
    pub fn target_mut(&mut self, host: HostId) -> &mut Target {
        match &mut self.hosts[host.0].kind {
            Kind::Target(target) => target,
            _ => panic!("{host:?} is no target"),
        }
    }

    /// Makes a target hang, or brings it back.
    pub fn set_answering(&mut self, host: HostId, answering: Answering) {
        self.hosts[host.0].hangs = answering == Answering::Never;
        self.hosts[host.0].at_target.clear();
        self.target_mut(host).set_answering(answering);
    }

    /// Lets a target announce itself, as one that starts.
    pub fn announce(&mut self, host: HostId) {
        let Host { kind, out, .. } = &mut self.hosts[host.0];
        if let Kind::Target(target) = kind {
            target.advertise(out);
        }
        self.pump();
    }

    /// Gives a target another MAC, as a replaced network card does.
    pub fn set_mac(&mut self, host: HostId, mac: MacAddr) {
        let lan = self.hosts[host.0].lan;
        self.hosts[host.0].mac = mac;
        let mtu = self.lans[lan.0].mtu;
        self.target_mut(host).set_link(mac, mtu.into());
    }

    /// A host's MAC.
    pub fn mac(&self, host: HostId) -> MacAddr {
        self.hosts[host.0].mac
    }

    /// Sends any bytes from a host's port.
    pub fn send_frame(&mut self, host: HostId, bytes: &[u8]) {
        let lan = self.hosts[host.0].lan;
        self.emit_frame(lan, Port::Host(host.0), bytes);
    }

    /// What a station heard since the last call.
    ///
    /// # Panics
    /// If the host is no station, or has heard what is not AoE.
    pub fn take_heard(&mut self, host: HostId) -> Vec<Seen> {
        let heard = self.take_heard_raw(host);
        heard.iter().map(|bytes| Seen::parse(bytes)).collect()
    }

    /// The frames a station heard since the last call.
    ///
    /// # Panics
    /// If the host is no station.
    pub fn take_heard_raw(&mut self, host: HostId) -> Vec<Vec<u8>> {
        let Kind::Station(heard) = &mut self.hosts[host.0].kind else {
            panic!("{host:?} is no station")
        };
        std::mem::take(heard)
    }

    /// Discovers, identifies and opens a device as a mount does; returns how long it took.
    pub fn open(&mut self, host: HostId, address: Address) -> Duration {
        let start = self.now;
        for _ in 0..120 {
            if self.driver(host).disk(address).is_some() {
                self.drive(host, |driver, _, out| driver.open(address, out));
                return self.now.saturating_since(start);
            }
            self.drive(host, |driver, _, out| driver.query(address, out));
            self.run_for(Duration::from_millis(500));
        }
        self.fail(&format!("{address} is not found"))
    }

    // ---- loads ----

    /// Starts a load; its initiator has opened the device.
    pub fn start_load(&mut self, load: Load) {
        let seed = mix(self.seed ^ mix(self.loads.len() as u64 + 1));
        self.disk(load.disk);
        self.loads.push(load.seeded(seed));
        self.pump();
    }

    /// Whether all loads have ended.
    pub fn loads_done(&self) -> bool {
        self.loads.iter().all(Load::is_done)
    }

    /// Requests ended and failed, of all loads.
    pub fn progress(&self) -> (u64, u64) {
        self.loads
            .iter()
            .map(Load::progress)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Runs until all loads have ended, then compares every byte of every disk with the model; returns how long
    /// the loads took.
    pub fn finish_loads(&mut self, limit: Duration) -> Duration {
        let took = self.run_until("all requests have ended", limit, World::loads_done);
        self.run_for(Duration::from_secs(1));
        self.verify_disks();
        took
    }

    /// Compares every byte of every disk with the model.
    pub fn verify_disks(&mut self) {
        let mut disks = std::mem::take(&mut self.disks);
        for ((host, address), disk) in &mut disks {
            let mut bytes = Vec::new();
            let blade = self.target(*host).blade(*address).expect("the blade of a load");
            blade
                .backing()
                .read(0, disk.len() * SECTOR_LEN, &mut bytes)
                .expect("memory can be read");
            if let Err(complaint) = disk.judge(0, &bytes, self.now, self.now) {
                self.fail(&format!("in the end, on {address} of {host:?}: {complaint}"));
            }
        }
        self.disks = disks;
    }

    // ---- inside ----

    fn process(&self, site: SiteId) -> &Process {
        self.sites[site.0]
            .process
            .as_ref()
            .expect("the site's process runs")
    }

    fn disk(&mut self, disk: (HostId, Address)) -> &mut Registers {
        let number = (disk.0.0 as u64) << 32 | u64::from(disk.1.shelf) << 8 | u64::from(disk.1.slot);
        self.disks
            .entry(disk)
            .or_insert_with(|| Registers::new(number, DISK_SECTORS))
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
            What::Resolved { site, peer } => {
                let plan = &self.sites[site].plan.peers[usize::from(peer)];
                let names = &self.sites[plan.site.0].name;
                let mut sockets = (0..).zip(&self.sites[site].sockets);
                let found = sockets.find_map(|(socket, own)| {
                    let remote = names.iter().find(|name| name.is_ipv4() == own.is_ipv4())?;
                    Some(Path {
                        socket,
                        remote: *remote,
                    })
                });
                if let Some(path) = found {
                    self.feed(site, |engine, now, out| {
                        engine.set_endpoint(PeerId(peer), path, now, out);
                    });
                }
            }
        }
    }

    fn feed(
        &mut self,
        site: usize,
        input: impl FnOnce(&mut Engine, Instant, &mut aoe_common::output::Output),
    ) {
        if let Some(process) = &mut self.sites[site].process {
            let own = process.own(self.now);
            input(&mut process.engine, own, &mut process.out);
            process.is_fed = true;
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

    fn deliver_frame(&mut self, lan: LanId, sender: usize, bytes: &[u8]) {
        let ports = &self.lans[lan.0].ports;
        let destination = MacAddr(bytes.first_chunk().copied().unwrap_or_default());
        let mac_of = |port: &Port| match port {
            Port::Gateway(site, segment) => gateway_mac(SiteId(*site), SegmentId(*segment)),
            Port::Host(host) => self.hosts[*host].mac,
        };
        // A switch floods what it does not know.
        let known = ports.iter().any(|port| mac_of(port) == destination);
        let takes =
            |(index, port): &(usize, &Port)| *index != sender && (!known || mac_of(port) == destination);
        let receivers: Vec<Port> = ports
            .iter()
            .enumerate()
            .filter(takes)
            .map(|(_, port)| *port)
            .collect();
        let from_gateway = matches!(ports.get(sender), Some(Port::Gateway(..)));
        for receiver in receivers {
            match receiver {
                Port::Gateway(site, segment) => {
                    let (_, state) = self.sites[site].segments[usize::from(segment)];
                    if state != SegmentState::Down {
                        self.feed(site, |engine, now, out| {
                            engine.handle_frame(SegmentId(segment), bytes, now, out);
                        });
                    }
                }
                Port::Host(host) => {
                    if from_gateway {
                        self.watch_target(host, bytes);
                    }
                    self.hosts[host].handle_frame(bytes, self.now);
                }
            }
        }
    }

    /// A gateway must never have more requests at a target than the target has buffers for.
    fn watch_target(&mut self, host: usize, bytes: &[u8]) {
        let Kind::Target(target) = &self.hosts[host].kind else {
            return;
        };
        let seen = Seen::parse(bytes);
        if seen.header.flags.is_response() || seen.header.command != AoeCommand::Ata {
            return;
        }
        let Some(blade) = target.blade(seen.header.address) else {
            return;
        };
        let room = usize::from(blade.buffer_count().max(1));
        let there = self.hosts[host].note_request(&seen);
        self.require(there <= room, || {
            format!(
                "{there} requests at {}, which has room for {room}",
                seen.header.address
            )
        });
    }

    fn deliver_datagram(&mut self, datagram: Datagram) {
        let Datagram { from, to, mut bytes } = datagram;
        for site in 0..self.sites.len() {
            let socket = self.sites[site].sockets.iter().position(|own| *own == to);
            if let Some(socket) = socket {
                let path = Path {
                    socket: socket as u8,
                    remote: from,
                };
                self.feed(site, |engine, now, out| {
                    engine.handle_datagram(path, &mut bytes, now, out);
                });
                return;
            }
        }
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

    fn pump_load(&mut self, host: usize) {
        let Host {
            kind: Kind::Initiator(driver),
            out,
            ..
        } = &mut self.hosts[host]
        else {
            return;
        };
        let mut fault = None;
        loop {
            let completion = driver.poll_completion();
            if let Some(completion) = &completion {
                for load in self.loads.iter_mut().filter(|load| load.host.0 == host) {
                    let Some(disk) = self.disks.get_mut(&load.disk) else {
                        continue;
                    };
                    if let Err(complaint) = load.take(completion, disk) {
                        fault = Some(complaint);
                    }
                }
            }
            let mut submitted = 0;
            for load in self.loads.iter_mut().filter(|load| load.host.0 == host) {
                let Some(disk) = self.disks.get_mut(&load.disk) else {
                    continue;
                };
                submitted += load.submit(driver, disk, self.now, out);
            }
            if completion.is_none() && submitted == 0 {
                break;
            }
        }
        if let Some(fault) = fault {
            self.fail(&fault);
        }
    }

    fn pump_host(&mut self, host: usize) {
        if self.hosts[host].out.is_empty() {
            return;
        }
        let frames: Vec<Vec<u8>> = self.hosts[host].out.iter().map(<[u8]>::to_vec).collect();
        self.hosts[host].out.clear();
        let lan = self.hosts[host].lan;
        for bytes in frames {
            if matches!(self.hosts[host].kind, Kind::Target(_)) {
                let seen = Seen::parse(&bytes);
                if seen.header.command == AoeCommand::Ata {
                    self.hosts[host].note_answer(&seen);
                }
            }
            self.emit_frame(lan, Port::Host(host), &bytes);
        }
    }

    fn pump_site(&mut self, site: usize) {
        let now = self.now;
        let Some(process) = self.sites[site].process.as_mut().filter(|process| process.is_fed) else {
            return;
        };
        process.is_fed = false;
        let own = process.own(now);
        process.engine.flush(own, &mut process.out);
        let trains: Vec<_> = process
            .out
            .trains
            .iter()
            .flat_map(|train| {
                train
                    .datagrams()
                    .map(move |datagram| (train.path, datagram.to_vec()))
            })
            .collect();
        let frames: Vec<_> = process
            .out
            .frames
            .iter()
            .map(|(segment, frame)| (segment, frame.to_vec()))
            .collect();
        process.out.clear();
        let mut events = Vec::new();
        while let Some(event) = process.engine.poll_event() {
            events.push(event);
        }
        for event in events {
            if let Event::EndpointNeeded(PeerId(peer)) = event {
                if self.sites[site].plan.peers[usize::from(peer)].endpoint == Endpoint::Known {
                    self.later(RESOLVE, What::Resolved { site, peer });
                }
            }
            self.sites[site].events.push((now, event));
        }
        for (path, bytes) in trains {
            let from = self.sites[site].sockets[usize::from(path.socket)];
            self.emit_datagram(
                site,
                Datagram {
                    from,
                    to: path.remote,
                    bytes,
                },
            );
        }
        for (segment, bytes) in frames {
            let (lan, _) = self.sites[site].segments[usize::from(segment.0)];
            let own = gateway_mac(SiteId(site), segment);
            if let Err(fault) = inspect(&bytes, own, self.lans[lan.0].mtu) {
                self.fail(&format!(
                    "site {site} sent a frame it must not send: {fault}: {bytes:02x?}"
                ));
            }
            self.emit_frame(lan, Port::Gateway(site, segment.0), &bytes);
        }
    }

    fn emit_frame(&mut self, lan: LanId, sender: Port, bytes: &[u8]) {
        self.digest.number(self.now.as_micros() << 8 | lan.0 as u64);
        self.digest.bytes(bytes);
        if bytes.len() > usize::from(self.lans[lan.0].mtu) + 14 {
            return;
        }
        let port = self.lans[lan.0].ports.iter().position(|port| *port == sender);
        let what = What::Frame {
            lan,
            port: port.unwrap_or(usize::MAX),
            bytes: bytes.to_vec(),
        };
        self.later(LAN_DELAY, what);
    }

    fn emit_datagram(&mut self, site: usize, datagram: Datagram) {
        self.digest.number(self.now.as_micros() << 8 | 0x80 | site as u64);
        self.digest.bytes(&datagram.bytes);
        let to = &datagram.to;
        let configured = self.sites[site].plan.peers.iter().filter(|peer| {
            let other = &self.sites[peer.site.0];
            other.sockets.contains(to) || other.name.contains(to)
        });
        let limit = configured.map(|peer| peer.path_mtu).max().unwrap_or(u16::MAX);
        self.require(datagram.ip_len() <= usize::from(limit), || {
            format!(
                "site {site} sent {} bytes into a path of {limit}",
                datagram.ip_len()
            )
        });
        let number = self.datagrams;
        self.datagrams += 1;
        if let Some(record) = &mut self.record {
            record.push(datagram.clone());
        }
        if let Some(filter) = &mut self.filter
            && filter(number, &datagram) == Fate::Lose
        {
            return;
        }
        for (after, Datagram { from, to, bytes }) in weathered(datagram, &self.weather, &mut self.random) {
            self.later(after, What::Datagram { from, to, bytes });
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

/// Whether a cable is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is not.
    Down,
    /// It is.
    Up,
}
