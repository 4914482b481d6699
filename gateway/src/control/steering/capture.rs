//! `capture`: copies of frames.

use crate::control::captures::lines::Wanted;
use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Outcome};

impl Running {
    /// Prepares a capture; it begins when its caller has the answer.
    pub(in crate::control) fn capture(&self, wanted: &Wanted, by: By) -> Answer {
        if !by.is_owner() {
            return Answer::refused(
                "a capture shows what is on disks: only the user that the gateway runs as may, and root",
            );
        }
        match self.followers().captures.prepare(wanted, by, &self.loaded().core) {
            Ok(begun) => Answer {
                outcome: Outcome::Changed,
                capture: Some(begun),
                ..Answer::default()
            },
            Err(reason) => Answer::refused(reason),
        }
    }
}
