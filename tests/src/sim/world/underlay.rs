//! The wire of a running simulation: weather, filters, recordings.

use std::time::Duration;

use aoe_common::config::PathMtu;
use aoe_common::output::Path;

use super::super::site::Input;
use super::super::wire::{Datagram, Fate, Weather, weathered};

use super::{What, World};

/// Of a datagram so much comes from the seed in any case: type, indices, counter or the beginning of an ephemeral key.
const SEEDED: usize = 16;

impl World {
    /// Changes the weather.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Holds up whatever is sent within `time` until its end.
    pub fn stall_path(&mut self, time: Duration) {
        self.path_blocked_until = self.now + time;
    }

    /// Sends whatever is sent within `time` by a long way, which takes so much longer; what is sent afterwards goes
    /// the usual one, and is there first.
    pub fn detour(&mut self, time: Duration, longer: Duration) {
        self.detour = (self.now + time, longer);
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

    pub(super) fn deliver_datagram(&mut self, datagram: Datagram) {
        if let Some(repairs) = &mut self.repairs {
            repairs.arrived(&datagram, self.now);
        }
        let Datagram { from, to, bytes } = datagram;
        for site in 0..self.sites.len() {
            let socket = self.sites[site].sockets.iter().position(|own| *own == to);
            if let Some(socket) = socket {
                let path = Path::new(socket as u8, from);
                return self.input(site, Input::Datagram(path, bytes));
            }
        }
    }

    pub(super) fn emit_datagram(&mut self, site: usize, datagram: Datagram) {
        self.digest.number(self.now.as_micros() << 8 | 0x80 | site as u64);
        // What is sealed is another thing each time: the secrets of ML-KEM do not come from the seed.
        let head = datagram.bytes.len().min(SEEDED);
        self.digest.number(datagram.bytes.len() as u64);
        self.digest.bytes(&datagram.bytes[..head]);
        let to = &datagram.to;
        let configured = self.sites[site].plan.peers.iter().filter(|peer| {
            let other = &self.sites[peer.site.0];
            other.sockets.contains(to) || other.name.contains(to)
        });
        let limit = configured
            .map(|peer| longest(peer.path_mtu))
            .max()
            .unwrap_or(u16::MAX);
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
            return self.note_lost(&datagram);
        }
        let (until, longer) = self.detour;
        let longer = if self.now < until { longer } else { Duration::ZERO };
        let blocked = self.path_blocked_until.saturating_since(self.now);
        let arrivals = weathered(&datagram, &self.weather, &mut self.random);
        if arrivals.is_empty() {
            self.note_lost(&datagram);
        }
        for (after, Datagram { from, to, bytes }) in arrivals {
            self.later((after + longer).max(blocked), What::Datagram { from, to, bytes });
        }
    }

    fn note_lost(&mut self, datagram: &Datagram) {
        if let Some(repairs) = &mut self.repairs {
            repairs.lost(datagram, self.now);
        }
    }
}

fn longest(configured: PathMtu) -> u16 {
    match configured {
        PathMtu::Auto => u16::MAX,
        PathMtu::Fixed(mtu) => mtu,
    }
}
