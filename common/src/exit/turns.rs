//! Whose request a target gets next: a peer's in turn, of that peer an export's in turn, and of these an initiator's in turn.
//! However many initiators a peer has, the others have their turns as often as it.

use std::collections::VecDeque;

use super::ids::FlowId;
use crate::config::{ExportId, PeerId};

/// How many initiators of one peer on one export are looked at for one whose turn is before that of the others.
const LOOK: usize = 64;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Peers of which somebody waits, each once.
    peers: VecDeque<PeerId>,
    /// What waits of each peer, sorted by peer.
    lines: Vec<Line>,
}

/// Those of one peer.
#[derive(Debug)]
struct Line {
    peer: PeerId,
    /// The exports of the target that they use, or used.
    groups: Vec<Group>,
    /// Whose turn is next.
    next: usize,
}

/// Those that use one export.
#[derive(Debug)]
struct Group {
    export: ExportId,
    flows: VecDeque<FlowId>,
}

/// What is decided about an initiator whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It is served, and leaves the round.
    Take,
    /// It leaves the round without.
    Leave,
    /// Another one of its peer on that export may be served, not this.
    Pass,
    /// None of its peer on that export can be served now.
    Skip,
}

impl Turns {
    /// An initiator that does not wait yet has its turn after the others of its peer.
    pub(crate) fn push(&mut self, peer: PeerId, export: ExportId, flow: FlowId) {
        let at = match self.place(peer) {
            Ok(at) => at,
            Err(at) => {
                let (groups, next) = (Vec::new(), 0);
                self.lines.insert(at, Line { peer, groups, next });
                at
            }
        };
        if let Some(line) = self.lines.get_mut(at) {
            if !line.waits() {
                self.peers.push_back(peer);
            }
            line.push(export, flow);
        }
    }

    /// Whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<(PeerId, FlowId)> {
        self.choose(|_, _, _| Choice::Take)
    }

    /// The first whose turn it is and who is taken.
    pub(crate) fn choose(
        &mut self,
        mut judge: impl FnMut(PeerId, ExportId, FlowId) -> Choice,
    ) -> Option<(PeerId, FlowId)> {
        let mut place = 0;
        while let Some(peer) = self.peers.get(place).copied() {
            let at = self.place(peer).ok();
            let line = at.and_then(|at| self.lines.get_mut(at));
            let chosen = line.map(|line| (line.choose(&mut judge), line.waits()));
            let (flow, waits) = chosen.unwrap_or_default();
            if flow.is_some() || !waits {
                self.peers.remove(place);
            } else {
                place += 1;
            }
            if let Some(flow) = flow {
                if waits {
                    self.peers.push_back(peer);
                }
                return Some((peer, flow));
            }
        }
        None
    }

    /// Whether nobody waits.
    pub(crate) fn are_over(&self) -> bool {
        self.peers.is_empty()
    }

    /// These initiators do not wait any more.
    pub(crate) fn leave(&mut self, leaves: impl Fn(FlowId) -> bool) {
        for group in self.lines.iter_mut().flat_map(|line| &mut line.groups) {
            group.flows.retain(|flow| !leaves(*flow));
        }
        self.lines.retain_mut(|line| {
            line.groups.retain(|group| !group.flows.is_empty());
            line.waits()
        });
        let lines = &self.lines;
        self.peers
            .retain(|peer| lines.binary_search_by_key(peer, |line| line.peer).is_ok());
    }

    fn place(&self, peer: PeerId) -> Result<usize, usize> {
        self.lines.binary_search_by_key(&peer, |line| line.peer)
    }
}

impl Line {
    fn waits(&self) -> bool {
        self.groups.iter().any(|group| !group.flows.is_empty())
    }

    fn push(&mut self, export: ExportId, flow: FlowId) {
        match self.groups.iter_mut().find(|group| group.export == export) {
            Some(group) => group.flows.push_back(flow),
            None => self.groups.push(Group {
                export,
                flows: VecDeque::from([flow]),
            }),
        }
    }

    fn choose(&mut self, judge: &mut impl FnMut(PeerId, ExportId, FlowId) -> Choice) -> Option<FlowId> {
        let groups = self.groups.len();
        for step in 0..groups {
            let at = (self.next + step) % groups;
            let chosen = self
                .groups
                .get_mut(at)
                .and_then(|group| group.choose(self.peer, judge));
            if chosen.is_some() {
                self.next = (at + 1) % groups;
                return chosen;
            }
        }
        None
    }
}

impl Group {
    fn choose(
        &mut self,
        peer: PeerId,
        judge: &mut impl FnMut(PeerId, ExportId, FlowId) -> Choice,
    ) -> Option<FlowId> {
        let mut place = 0;
        while place < LOOK {
            let flow = *self.flows.get(place)?;
            match judge(peer, self.export, flow) {
                Choice::Take => return self.flows.remove(place),
                Choice::Leave => {
                    self.flows.remove(place);
                }
                Choice::Pass => place += 1,
                Choice::Skip => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
