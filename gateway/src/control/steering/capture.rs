//! `capture`: copies of frames.

use crate::control::captures::lines::Wanted;
use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Outcome};

impl Running {
    /// Prepares a capture; it begins when its caller has the answer.
    pub(in crate::control) fn capture(&self, wanted: &Wanted, by: By) -> Answer {
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
