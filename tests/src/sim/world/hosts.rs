//! Hosts of a running simulation, and the frames between them and gateways.

use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::frame::{Address, AoeCommand, MacAddr};
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;
use aoe_lab::initiator::driver::Driver;
use aoe_lab::target::{Answering, Target};

use super::super::craft::Seen;
use super::super::host::{Host, HostId, Kind};
use super::super::lan::{LAN_DELAY, LanId, LanWeather, Port};
use super::super::plan::gateway_mac;
use super::super::site::{Input, SiteId};

use super::{Watch, What, World};

impl World {
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

    /// Stops a host for a while: what comes meanwhile waits in its socket.
    pub fn pause_host(&mut self, host: HostId, time: Duration) {
        let until = self.now + time;
        self.hosts[host.0].pause(until);
    }

    /// Starts a host's process anew: what it had queued is gone, what it has stored is not, and it says that it is
    /// there.
    pub fn restart_host(&mut self, host: HostId) {
        self.hosts[host.0].restart();
        self.hosts[host.0].at_target.clear();
        self.announce(host);
    }

    /// Changes how frames fare on a LAN.
    pub fn set_lan_weather(&mut self, lan: LanId, weather: LanWeather) {
        self.lans[lan.0].weather = weather;
    }

    /// Changes what gateways are held to.
    pub fn set_watch(&mut self, watch: Watch) {
        self.watch = watch;
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

    pub(super) fn deliver_frame(&mut self, lan: LanId, sender: usize, bytes: &[u8]) {
        let ports = &self.lans[lan.0].ports;
        let destination = MacAddr(bytes.first_chunk().copied().unwrap_or_default());
        let is_at = |port: &Port| match port {
            Port::Gateway(site, segment) => gateway_mac(SiteId(*site), SegmentId(*segment)) == destination,
            Port::Host(host) => self.hosts[*host].has_mac(destination),
        };
        // A switch floods what it does not know.
        let known = ports.iter().any(is_at);
        let takes = |(index, port): &(usize, &Port)| *index != sender && (!known || is_at(port));
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
                        self.input(site, Input::Frame(SegmentId(segment), bytes.to_vec(), self.now));
                    }
                }
                Port::Host(host) => {
                    if from_gateway {
                        self.watch_target(host, bytes);
                    }
                    self.hosts[host].handle_frame(bytes, self.now);
                    self.follow_targets();
                }
            }
        }
    }

    /// A gateway must never have more requests at a target than the target has buffers for.
    pub(super) fn watch_target(&mut self, host: usize, bytes: &[u8]) {
        if self.watch == Watch::Nothing {
            return;
        }
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

    pub(super) fn pump_host(&mut self, host: usize) {
        if self.hosts[host].out.is_empty() {
            return;
        }
        let frames: Vec<Vec<u8>> = self.hosts[host].out.iter().map(<[u8]>::to_vec).collect();
        self.hosts[host].out.clear();
        let lan = self.hosts[host].lan;
        for mut bytes in frames {
            let is_ata = || Seen::parse(&bytes).header.command == AoeCommand::Ata;
            match self.hosts[host].kind {
                Kind::Target(_) if is_ata() => self.hosts[host].note_answer(&Seen::parse(&bytes)),
                Kind::Initiator(_) if is_ata() => self.hosts[host].rotate_cards(&mut bytes),
                _ => {}
            }
            self.emit_frame(lan, Port::Host(host), &bytes);
        }
    }

    pub(super) fn emit_frame(&mut self, lan: LanId, sender: Port, bytes: &[u8]) {
        self.digest.number(self.now.as_micros() << 8 | lan.0 as u64);
        self.digest.bytes(bytes);
        if bytes.len() > usize::from(self.lans[lan.0].mtu) + 14 {
            return;
        }
        let LanWeather { loss, duplicate } = self.lans[lan.0].weather;
        if loss > 0.0 && self.random.happens(loss) {
            return;
        }
        let is_host = matches!(sender, Port::Host(_));
        let twice = is_host && duplicate > 0.0 && self.random.happens(duplicate);
        let port = self.lans[lan.0].ports.iter().position(|port| *port == sender);
        for copy in 0..=u32::from(twice) {
            let what = What::Frame {
                lan,
                port: port.unwrap_or(usize::MAX),
                bytes: bytes.to_vec(),
            };
            self.later(LAN_DELAY * (1 + copy), what);
        }
    }
}
