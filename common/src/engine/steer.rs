//! What an operator says, carried out.

use super::Engine;
use super::core::Core;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::output::Output;
use crate::steer::{Order, Steered, Thing};
use crate::time::Instant;

impl Engine {
    /// Carries out what an operator says. `None`: the thing is none of this worker's.
    pub fn steer(&mut self, order: &Order, now: Instant, out: &mut Output) -> Option<Steered> {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        let steered = core.steer(order, cx);
        core.settle(cx);
        steered
    }
}

impl Core {
    fn steer(&mut self, order: &Order, cx: &mut Context<'_>) -> Option<Steered> {
        match order {
            Order::Pause { what, how_long, by } => match what {
                Thing::Export(export) => self.exit.pause(*export, *how_long, by, cx),
                Thing::Import(import) => self.edge.pause(*import, *how_long, by, &self.links, cx),
            },
            Order::Resume { what, by } => match what {
                Thing::Export(export) => self.exit.end_pause(*export, Some(by), cx),
                Thing::Import(import) => self.edge.end_pause(*import, Some(by), &self.links, cx),
            },
            Order::Look(Thing::Export(export)) => self.exit.look_at(*export, cx.now),
            Order::Look(Thing::Import(import)) => self.edge.look_at(*import, cx.now),
            Order::TakeDown { peer, by } => self.take_down(*peer, by, cx),
            Order::TakeUp { peer, by } => {
                let changed = self.links.take_up(*peer, by, cx)?;
                Some(Steered {
                    changed,
                    ..Steered::default()
                })
            }
            Order::AcceptDisk(export) => self.exit.accept_disk_of(*export, &mut self.links, cx),
            Order::LookAtDisk(export) => self.exit.look_at_disk(*export),
            Order::SetLimit(whom, change) => self.exit.set_limit(*whom, *change, &self.links, cx),
            Order::ClearLimit(whom) => self.exit.clear_limit(*whom, &self.links, cx),
            Order::LookAtLimits => Some(self.exit.look_at_limits(&self.links)),
        }
    }

    /// Nothing that the peer asked for is sent any more. Both know of each other's exports what they knew.
    fn take_down(&mut self, peer: PeerId, by: &str, cx: &mut Context<'_>) -> Option<Steered> {
        let dropped = self.exit.requests_of(peer);
        let (changed, closed) = self.links.take_down(peer, by, cx)?;
        self.exit.drop_requests_of(peer, DropReason::PeerTakenDown, cx);
        Some(Steered {
            changed,
            closed,
            dropped,
            ..Steered::default()
        })
    }
}
