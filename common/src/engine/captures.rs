//! Copies of frames, for those who capture them.

use super::Engine;
use crate::tap::{Batch, Wish};

impl Engine {
    /// Copies what somebody wants, from now on. `id` names the capture, and no other that runs. False: there are as many as
    /// there may be ([`MOST_CAPTURES`](crate::tap::MOST_CAPTURES)).
    pub fn begin_capture(&mut self, id: u64, wish: Wish) -> bool {
        self.tap.get_or_insert_default().begin(id, wish)
    }

    /// What a capture has copied since its batch was taken; take it before it is full.
    pub fn captured(&mut self, id: u64) -> Option<&mut Batch> {
        self.tap.as_mut()?.batch(id)
    }

    /// Ends a capture; what was not taken of it.
    pub fn end_capture(&mut self, id: u64) -> Option<Batch> {
        let rest = self.tap.as_mut()?.end(id);
        self.tap = self.tap.take().filter(|tap| !tap.is_idle());
        rest
    }
}
