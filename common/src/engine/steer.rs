//! What an operator says, carried out.

use super::Engine;
use crate::output::Output;
use crate::steer::{Order, Steered};
use crate::time::Instant;

impl Engine {
    /// Carries out what an operator says. `None`: the thing is none of this worker's.
    pub fn steer(&mut self, order: &Order, now: Instant, out: &mut Output) -> Option<Steered> {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        let steered = match order {
            Order::AcceptDisk(export) => core.exit.accept_disk_of(*export, &mut core.links, cx)?,
            Order::LookAtDisk(export) => core.exit.look_at_disk(*export)?,
            Order::SetLimit(whom, change) => core.exit.set_limit(*whom, *change, &core.links, cx)?,
            Order::ClearLimit(whom) => core.exit.clear_limit(*whom, &core.links, cx)?,
            Order::LookAtLimits => core.exit.look_at_limits(&core.links),
        };
        core.settle(cx);
        Some(steered)
    }
}
