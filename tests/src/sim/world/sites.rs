//! Gateways of a running simulation: their processes, links, clocks, addresses and numbers.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{Endpoint, PeerConfig, PeerId, SegmentId, diff};
use aoe_common::disk::Disk;
use aoe_common::drop_reason::DropReason;
use aoe_common::engine::Engine;
use aoe_common::event::Event;
use aoe_common::frame::MacAddr;
use aoe_common::segment::SegmentState;
use aoe_common::snapshot::Snapshot;
use aoe_common::steer::{Order, Steered};
use aoe_common::tap::{Batch, Place, Wish};
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use aoe_keys::SecretKey;
use aoe_lab::random::{Random, mix};

use super::super::host::Kind;
use super::super::keys::WRITE_MICROS;
use super::super::lan::{LanId, Port, inspect};
use super::super::plan::{PeerPlan, SitePlan, gateway_mac};
use super::super::site::{BACKLOG, Input, Process, SiteId, Skew};
use super::super::wire::Datagram;

use super::{Link, RESOLVE_MICROS, What, World};

impl World {
    /// Starts a site's process; one that runs is gone without a word.
    pub fn start(&mut self, site: SiteId) {
        let peers = self.peer_configs(site);
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

    /// Changes the plan of a site, and of its process too if it runs, as a reload does.
    ///
    /// # Panics
    /// If only a restart can change that.
    pub fn reload(&mut self, site: SiteId, change: impl FnOnce(&mut SitePlan)) {
        change(&mut self.sites[site.0].plan);
        let peers = self.peer_configs(site);
        let new = self.sites[site.0].config(peers);
        let Some(process) = &mut self.sites[site.0].process else {
            return;
        };
        let new = new.take_ids(&process.config).expect("there are ids left");
        let changes = diff(&process.config, &new).expect("it can change while it runs");
        process.config = new;
        self.feed(site.0, |engine, now, out| engine.apply(changes, now, out));
        self.pump();
    }

    /// What a site's process says about itself.
    pub fn snapshot(&self, site: SiteId) -> Snapshot {
        let process = self.process(site);
        let wall = self.sites[site.0].wall_clock(self.now);
        process.engine.snapshot(process.own(self.now), wall)
    }

    fn peer_configs(&self, site: SiteId) -> Vec<PeerConfig> {
        let peers = self.sites[site.0].plan.peers.iter().map(|peer| {
            let other = &self.sites[peer.site.0];
            let first = SecretKey::from_bytes(other.first).public();
            let trust = self.sites[site.0].trust(peer.site, peer.key.unwrap_or(first));
            peer.config(other.plan.name.clone(), trust)
        });
        peers.collect()
    }

    /// The peer of this number, if it still is one.
    pub(in crate::sim) fn known_peer(&self, site: usize, peer: PeerId) -> Option<&PeerPlan> {
        let process = self.sites[site].process.as_ref()?;
        let name = &process.config.peers.get(peer)?.name;
        let mut peers = self.sites[site].plan.peers.iter();
        peers.find(|known| self.sites[known.site.0].plan.name == *name)
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

    /// What a site's process takes for the time.
    ///
    /// # Panics
    /// If it does not run.
    pub fn clock(&self, site: SiteId) -> Instant {
        let process = self.sites[site.0].process.as_ref();
        process.expect("the site runs").own(self.now)
    }

    /// Ends a site's process as SIGTERM does: it waits for its targets, a second at most, and tells its peers.
    pub fn shut_down(&mut self, site: SiteId) {
        self.feed(site.0, |engine, now, out| engine.begin_shutdown(now, out));
        self.pump();
        let is_drained = |world: &World| {
            let process = world.sites[site.0].process.as_ref();
            process.is_none_or(|process| process.engine.is_drained())
        };
        for _ in 0..1000 {
            if is_drained(self) {
                break;
            }
            self.run_for(Duration::from_millis(1));
        }
        let now = self.now;
        if let Some(process) = &mut self.sites[site.0].process {
            let own = process.own(now);
            process.engine.shutdown(own, &mut process.out);
            process.is_fed = true;
        }
        self.pump();
        self.kill(site);
    }

    /// Stops a site's process for a while, as SIGSTOP does: what comes meanwhile waits in its sockets, and its clock goes
    /// on.
    pub fn pause(&mut self, site: SiteId, time: Duration) {
        self.stop(site, time, Duration::ZERO);
    }

    /// Stops a site's machine for a while, as a hypervisor does: like [`World::pause`], and its clock stands still.
    pub fn freeze(&mut self, site: SiteId, time: Duration) {
        self.stop(site, time, time);
    }

    fn stop(&mut self, site: SiteId, time: Duration, stood: Duration) {
        let boots = self.sites[site.0].boots;
        let Some(process) = &mut self.sites[site.0].process else {
            return;
        };
        if !std::mem::replace(&mut process.is_paused, true) {
            let site = site.0;
            self.later(time, What::Resumed { site, boots, stood });
        }
    }

    pub(super) fn is_paused(&self, site: usize) -> bool {
        let process = self.sites[site].process.as_ref();
        process.is_some_and(|process| process.is_paused)
    }

    pub(super) fn resume(&mut self, site: usize, boots: u64, stood: Duration) {
        if self.sites[site].boots != boots {
            return;
        }
        let Some(process) = &mut self.sites[site].process else {
            return;
        };
        process.is_paused = false;
        process.lose_time(stood);
        for mut input in std::mem::take(&mut process.backlog) {
            // What waited in the network card of a machine that stood still arrives when it goes on.
            if let (Input::Frame(_, _, arrived), false) = (&mut input, stood.is_zero()) {
                *arrived = self.now;
            }
            self.input(site, input);
        }
    }

    pub(super) fn input(&mut self, site: usize, input: Input) {
        let Some(process) = &mut self.sites[site].process else {
            return;
        };
        if process.is_paused {
            if process.backlog.len() < BACKLOG {
                process.backlog.push(input);
            }
            return;
        }
        match input {
            Input::Frame(segment, bytes, arrived) => {
                let captured = process.own(arrived);
                self.feed(site, |engine, now, out| {
                    engine.handle_frame(segment, &bytes, captured, now, out);
                });
            }
            Input::Datagram(path, mut bytes) => self.feed(site, |engine, now, out| {
                engine.handle_datagram(path, &mut bytes, now, out);
            }),
        }
    }

    /// Sets a site's wall clock.
    pub fn set_clock(&mut self, site: SiteId, skew: Skew) {
        self.sites[site.0].skew = skew;
    }

    /// Accepts the disk behind an export of a site, as its operator does.
    pub fn accept_disk(&mut self, site: SiteId, export: &str) {
        self.feed(site.0, |engine, now, out| engine.accept_disk(export, now, out));
        self.pump();
    }

    /// Has a site do what its operator says.
    pub fn steer(&mut self, site: SiteId, order: &Order) -> Option<Steered> {
        let mut steered = None;
        self.feed(site.0, |engine, now, out| steered = engine.steer(order, now, out));
        self.pump();
        steered
    }

    /// Tells a site that has just started which disk is behind an export of it.
    pub fn remember_disk(&mut self, site: SiteId, export: &str, disk: Disk) {
        self.feed(site.0, |engine, _, _| engine.remember_disk(export, disk));
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

    /// Changes the MTU of one segment of a site, and of nothing else on that LAN.
    pub fn set_segment_mtu(&mut self, site: SiteId, segment: SegmentId, mtu: u16) {
        if let SegmentState::Up { mac, .. } = self.sites[site.0].segments[usize::from(segment.0)].1 {
            let state = SegmentState::Up { mac, mtu };
            self.sites[site.0].segments[usize::from(segment.0)].1 = state;
            self.feed(site.0, |engine, now, out| {
                engine.handle_segment(segment, state, now, out);
            });
            self.pump();
        }
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

    /// Captures everything of one initiator at a site, as its capture 1.
    pub fn begin_capture(&mut self, site: SiteId, places: Vec<Place>, initiator: MacAddr) {
        let wish = Wish {
            places,
            initiator: Some(initiator),
            ..Wish::default()
        };
        self.feed(site.0, |engine, _, _| assert!(engine.begin_capture(1, wish)));
    }

    /// What a site's capture 1 has copied since the last time; `None`: there is no such capture.
    pub fn captured(&mut self, site: SiteId) -> Option<Batch> {
        let mut batch = None;
        self.feed(site.0, |engine, _, _| {
            batch = engine.captured(1).map(std::mem::take);
        });
        batch
    }

    /// Ends a site's capture 1.
    pub fn end_capture(&mut self, site: SiteId) {
        self.feed(site.0, |engine, _, _| {
            engine.end_capture(1);
        });
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

    pub(super) fn process(&self, site: SiteId) -> &Process {
        self.sites[site.0]
            .process
            .as_ref()
            .expect("the site's process runs")
    }

    pub(in crate::sim) fn feed(
        &mut self,
        site: usize,
        input: impl FnOnce(&mut Engine, Instant, &mut aoe_common::output::Output),
    ) {
        let wall = self.sites[site].wall_clock(self.now);
        if let Some(process) = &mut self.sites[site].process {
            let own = process.own(self.now);
            process.engine.set_wall_clock(wall, own);
            input(&mut process.engine, own, &mut process.out);
            process.is_fed = true;
        }
    }

    pub(super) fn pump_site(&mut self, site: usize) {
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
            if let Event::EndpointNeeded(peer) = event
                && self
                    .known_peer(site, peer)
                    .is_some_and(|known| known.endpoint == Endpoint::Known)
            {
                let PeerId(peer) = peer;
                let resolving = Duration::from_micros(1 + self.random.below(RESOLVE_MICROS));
                self.later(resolving, What::Resolved { site, peer });
            }
            if let Event::Keys(about) = &event
                && let Some((peer, serial)) = self.keep(site, about)
                && !self.sites[site].plan.keys.disk_is_full
            {
                let writing = Duration::from_micros(1 + self.random.below(WRITE_MICROS));
                let (boots, PeerId(peer)) = (self.sites[site].boots, peer);
                self.later(
                    writing,
                    What::Wrote {
                        site,
                        boots,
                        peer,
                        serial,
                    },
                );
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
            let (lan, state) = self.sites[site].segments[usize::from(segment.0)];
            let own = gateway_mac(SiteId(site), segment);
            let mtu = match state {
                SegmentState::Up { mtu, .. } => mtu,
                SegmentState::Down => self.lans[lan.0].mtu,
            };
            if let Err(fault) = inspect(&bytes, own, mtu) {
                self.fail(&format!(
                    "site {site} sent a frame it must not send: {fault}: {bytes:02x?}"
                ));
            }
            self.emit_frame(lan, Port::Gateway(site, segment.0), &bytes);
        }
    }
}
