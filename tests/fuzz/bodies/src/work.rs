//! What an input may cost the gateway that is handed it.
//!
//! Each input may cost a little, and something for its length, whether the work is done at once or later: what it does
//! not use of the latter is saved for what it leaves waiting (requests that are sent to a target when one answers, or that
//! end). A turn of the clock may cost a bounded amount. So nothing that a peer or a stranger says, however it is put
//! together, costs more than in proportion, and none of it piles up.

use aoe_common::engine::Engine;

use crate::world::Emitted;

/// What something costs, or may.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// By the engine's own counters: whatever it takes in, sends, discards or gives up is one.
    steps: usize,
    /// In frames and datagrams.
    bytes: usize,
    events: usize,
}

impl Cost {
    /// For any input: records' own headers, an acknowledgement, an answer of a handshake, what is said at the begin of a
    /// session (our keys, and an encapsulation key of 1184 bytes), and what else a datagram is an occasion for.
    const OF_INPUT: Cost = Cost {
        steps: 16,
        bytes: 2048,
        events: 8,
    };

    /// For what is due at a time: pings, probes of a path, reports, questions to targets, a window of requests sent again,
    /// what was said at the begin of each of three sessions again, and the end of 64 unfinished messages, of each of two
    /// peers.
    const OF_TURN: Cost = Cost {
        steps: 160,
        bytes: 4096 + 6 * 1536,
        events: 8,
    };

    /// For so many bytes of input. A message has 4 bytes of header and is one step, or three if it is answered, and then
    /// it has 8 bytes more; the dearest are pings, of which 12 bytes make 20 of a pong.
    fn of_bytes(len: usize) -> Cost {
        Cost {
            steps: len / 4,
            bytes: 2 * len,
            events: 0,
        }
    }
}

/// What one gateway may still spend.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    saved: Cost,
    /// All steps, as they were last counted.
    steps: u64,
    /// Requests at the exit, as they were last counted.
    requests: usize,
}

impl Budget {
    /// The engine was handed so many bytes, or none but the time, and this came of it.
    ///
    /// # Panics
    /// If that is too much.
    pub(crate) fn spend(&mut self, len: usize, engine: &Engine, events: usize, emitted: &Emitted) {
        let steps = engine.counters().iter().map(|(_, number)| number).sum();
        let frames = emitted.frames.iter().map(|(_, frame)| frame);
        let out = frames.chain(&emitted.datagrams).chain(&emitted.friendly);
        let cost = Cost {
            steps: usize::try_from(steps - self.steps).unwrap(),
            bytes: out.map(Vec::len).sum(),
            events,
        };
        self.steps = steps;
        let lent = if len > 0 { Cost::OF_INPUT } else { Cost::OF_TURN };
        let paid = Cost::of_bytes(len);
        let spend = |what, saved: &mut usize, paid, lent: usize, cost: usize| {
            *saved += paid;
            let rest = saved.checked_sub(cost.saturating_sub(lent));
            *saved = rest.unwrap_or_else(|| {
                panic!("{cost} {what} for {len} bytes, with {lent} for that and {saved} saved to spend")
            });
        };
        let saved = &mut self.saved;
        spend("steps", &mut saved.steps, paid.steps, lent.steps, cost.steps);
        spend("bytes", &mut saved.bytes, paid.bytes, lent.bytes, cost.bytes);
        spend("events", &mut saved.events, paid.events, lent.events, cost.events);
        // A request takes at least a header of 4 bytes, 22 of its own and a PDU of 18; its last part may come alone.
        let requests = engine.requests_at_exit();
        let most = self.requests + if len > 0 { 1 + len / 44 } else { 0 };
        assert!(
            requests <= most,
            "{requests} requests wait, after {} and {len} bytes",
            self.requests
        );
        self.requests = requests;
    }
}
