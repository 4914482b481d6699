//! One document of the documents of several workers.

use super::{Alarm, Directions, Snapshot};

impl Snapshot {
    /// Adds what another worker of the same gateway says.
    ///
    /// Exports, imports and initiators belong to one worker each; a peer has a session with each worker and so a row of
    /// each. Segments are the same ones, counters are added.
    pub fn merge(&mut self, other: Snapshot) {
        for theirs in other.alarms {
            let same =
                |ours: &&mut Alarm| ours.about == theirs.about && ours.standing.why == theirs.standing.why;
            match self.alarms.iter_mut().find(same) {
                Some(ours) => ours.standing.since = ours.standing.since.min(theirs.standing.since),
                None => self.alarms.push(theirs),
            }
        }
        self.alarms
            .sort_by(|one, other| other.standing.since.total_cmp(&one.standing.since));
        self.keys.merge(other.keys);
        self.sockets.extend(other.sockets);
        self.peers.extend(other.peers);
        self.imports.extend(other.imports);
        self.exports.extend(other.exports);
        self.initiators.extend(other.initiators);
        self.changes.extend(other.changes);
        self.expiring.extend(other.expiring);
        for theirs in other.segments {
            match self.segments.iter_mut().find(|ours| ours.name == theirs.name) {
                Some(ours) => {
                    ours.frames.add(theirs.frames);
                    ours.bytes.add(theirs.bytes);
                }
                None => self.segments.push(theirs),
            }
        }
        for (name, n) in other.counters {
            let sum = self.counters.entry(name).or_default();
            *sum = sum.saturating_add(n);
        }
    }
}

impl Directions {
    fn add(&mut self, other: Directions) {
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
    }
}
