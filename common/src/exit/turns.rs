//! Whose request a target gets next: a peer's in turn, and of that peer an initiator's in turn. However many initiators a
//! peer has, the others have their turns as often as it.

use std::collections::VecDeque;

use super::ids::FlowId;
use crate::config::PeerId;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Peers of which somebody waits, each once.
    peers: VecDeque<PeerId>,
    /// Initiators that wait, sorted by peer.
    flows: Vec<(PeerId, VecDeque<FlowId>)>,
}

impl Turns {
    /// An initiator that does not wait yet has its turn after the others of its peer.
    pub(crate) fn push(&mut self, peer: PeerId, flow: FlowId) {
        let at = match self.place(peer) {
            Ok(at) => at,
            Err(at) => {
                self.flows.insert(at, (peer, VecDeque::new()));
                at
            }
        };
        if let Some((_, flows)) = self.flows.get_mut(at) {
            if flows.is_empty() {
                self.peers.push_back(peer);
            }
            flows.push_back(flow);
        }
    }

    /// Whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<(PeerId, FlowId)> {
        let peer = self.peers.pop_front()?;
        let at = self.place(peer).ok()?;
        let (_, flows) = self.flows.get_mut(at)?;
        let flow = flows.pop_front()?;
        if !flows.is_empty() {
            self.peers.push_back(peer);
        }
        Some((peer, flow))
    }

    /// These initiators do not wait any more.
    pub(crate) fn leave(&mut self, leaves: impl Fn(FlowId) -> bool) {
        for (_, flows) in &mut self.flows {
            flows.retain(|flow| !leaves(*flow));
        }
        self.flows.retain(|(_, flows)| !flows.is_empty());
        let flows = &self.flows;
        self.peers
            .retain(|peer| flows.binary_search_by_key(peer, |(peer, _)| *peer).is_ok());
    }

    fn place(&self, peer: PeerId) -> Result<usize, usize> {
        self.flows.binary_search_by_key(&peer, |(peer, _)| *peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_take_turns_and_so_do_the_initiators_of_each() {
        let mut turns = Turns::default();
        for n in 0..8000 {
            turns.push(PeerId(1), FlowId(n));
        }
        for n in 8000..8002 {
            turns.push(PeerId(0), FlowId(n));
        }
        let mut of_the_small_one = Vec::new();
        for _ in 0..10 {
            let (peer, flow) = turns.pop().unwrap();
            if peer == PeerId(0) {
                of_the_small_one.push(flow);
            }
            turns.push(peer, flow);
        }
        let expected: Vec<_> = [8000, 8001, 8000, 8001, 8000].map(FlowId).into();
        assert_eq!(of_the_small_one, expected);
        turns.leave(|flow| flow < FlowId(8000));
        assert_eq!(turns.pop().map(|(peer, _)| peer), Some(PeerId(0)));
        turns.leave(|_| true);
        assert_eq!(turns.pop(), None);
        turns.push(PeerId(1), FlowId(1));
        assert_eq!(turns.pop(), Some((PeerId(1), FlowId(1))));
    }
}
