//! How an engine is at one moment.

use std::time::Duration;

use super::Engine;
use crate::config::SegmentId;
use crate::event::Event;
use crate::segment::SegmentState;
use crate::snapshot::{self, Alarm, Segment, Snapshot, State, VERSION};
use crate::standing::{Moment, Standing};
use crate::time::Instant;
use crate::trouble::About;

/// Whether something does not work while it lasts, or something works less well than it could.
fn severity(about: About) -> State {
    match about {
        About::Session(_) | About::Path(_) | About::Quantum(_) | About::Target(_) | About::Import(_) => {
            State::Down
        }
        About::Strangers
        | About::Paused(_)
        | About::PausedImport(_)
        | About::ClockOf(_)
        | About::OurClock(_)
        | About::Elsewhere(_)
        | About::Conflict(_)
        | About::Imposter(_)
        | About::KeysOf(_)
        | About::OurKeys(_)
        | About::Missed(_)
        | About::Writes(_)
        | About::RefusedHere(..)
        | About::RefusedThere(..)
        | About::Sending(_)
        | About::Receiving
        | About::Standstill
        | About::Frames(_)
        | About::Foreign(_) => State::Degraded,
    }
}

impl Engine {
    /// How everything is at this moment, by this wall clock (time since 1970). The gateway adds what only it knows: its
    /// process, its devices.
    pub fn snapshot(&self, now: Instant, unix_time: Duration) -> Snapshot {
        let moment = Moment { now, wall: unix_time };
        let core = &self.core;
        let (mut imports, mut initiators) = core.edge.rows(&self.names, &core.links, &moment);
        let (mut exports, behind) = core.exit.rows(&self.names, &core.links, &moment);
        let mut peers = core.links.rows(&moment);
        for (id, limit) in core.exit.limits_of_peers() {
            let name = core.links.name(id);
            if let Some(row) = peers.iter_mut().find(|row| row.name == name) {
                row.limit = Some(limit);
            }
        }
        initiators.extend(behind);
        imports.iter_mut().for_each(|row| row.worker = self.worker);
        exports.iter_mut().for_each(|row| row.worker = self.worker);
        peers.iter_mut().for_each(|row| row.worker = self.worker);
        let counters = self.telemetry.counters().iter();
        Snapshot {
            version: VERSION,
            alarms: self.alarms(&moment),
            keys: core.links.key_rows(),
            segments: self.segment_rows(&moment),
            peers,
            imports,
            exports,
            initiators,
            counters: counters.map(|(name, n)| (name.to_owned(), n)).collect(),
            ..Snapshot::default()
        }
    }

    fn alarms(&self, moment: &Moment) -> Vec<Alarm> {
        let alarm = |(about, event, since): (About, &Event, Instant)| Alarm {
            about: self.name_of(about),
            standing: snapshot::Standing {
                state: severity(about),
                why: event.to_string(),
                since: moment.unix(since),
            },
        };
        let mut alarms: Vec<Alarm> = self.telemetry.troubles().map(alarm).collect();
        alarms.sort_by(|one, other| other.standing.since.total_cmp(&one.standing.since));
        alarms
    }

    /// What a trouble is about, for people.
    fn name_of(&self, about: About) -> String {
        let core = &self.core;
        let peer = |id| format!("peer {}", core.links.name(id));
        let export = |id| format!("export {}", core.exit.name(id));
        let import = |id| format!("import {}", core.edge.name(id));
        match about {
            About::Strangers => "strangers".to_owned(),
            About::Session(id)
            | About::ClockOf(id)
            | About::OurClock(id)
            | About::Elsewhere(id)
            | About::Path(id)
            | About::KeysOf(id)
            | About::OurKeys(id)
            | About::Quantum(id)
            | About::Missed(id)
            | About::RefusedThere(id, _)
            | About::Sending(Some(id)) => peer(id),
            About::Target(id) | About::Paused(id) | About::Conflict(id) | About::Imposter(id) => export(id),
            About::Import(id)
            | About::PausedImport(id)
            | About::Writes(id)
            | About::RefusedHere(id, _)
            | About::Frames(id)
            | About::Foreign(id) => import(id),
            About::Sending(None) | About::Receiving => "network".to_owned(),
            About::Standstill => "gateway".to_owned(),
        }
    }

    fn segment_rows(&self, moment: &Moment) -> Vec<Segment> {
        let row = |(id, standing): (SegmentId, &Standing)| {
            let (mac, mtu) = match self.segments.get(id).copied().unwrap_or_default() {
                SegmentState::Down => (String::new(), 0),
                SegmentState::Up { mac, mtu } => (mac.to_string(), mtu),
            };
            Segment {
                name: self.names.get(id).cloned().unwrap_or_default(),
                standing: standing.row(moment),
                mac,
                mtu,
                ..Segment::default()
            }
        };
        self.standings.iter().map(row).collect()
    }
}
