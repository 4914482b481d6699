//! Copies of frames go to who captures, and nobody waits for that.

use std::mem::take;

use aoe_common::tap::{Batch, Wish};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::Driver;

impl Driver {
    pub(super) fn begin_capture(&mut self, id: u64, wish: Wish, to: Sender<Batch>) {
        if self.engine.begin_capture(id, wish) {
            self.captures.push((id, to));
        }
    }

    /// What was not handed over.
    pub(super) fn end_capture(&mut self, id: u64) -> Batch {
        self.captures.retain(|(other, _)| *other != id);
        self.engine.end_capture(id).unwrap_or_default()
    }

    /// Hands over what was copied since the last time, where there is a place for it. Elsewhere it stays in the engine,
    /// which keeps it within bounds and counts what has no room.
    pub(super) fn hand_over(&mut self) {
        let engine = &mut self.engine;
        self.captures.retain(|(id, to)| match to.try_reserve() {
            Ok(place) => {
                let batch = engine.captured(*id).filter(|batch| !batch.is_empty());
                if let Some(batch) = batch {
                    place.send(take(batch));
                }
                true
            }
            Err(TrySendError::Full(())) => true,
            Err(TrySendError::Closed(())) => {
                engine.end_capture(*id);
                false
            }
        });
    }
}
