//! How far it is, on standard error: a moving line on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// How often a line appears where none can move.
const NOW_AND_THEN: Duration = Duration::from_secs(15);

/// Counts steps of about equal length.
pub(crate) struct Progress {
    started: Instant,
    steps: usize,
    done: usize,
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    /// So many steps are to come.
    pub(crate) fn new(steps: usize) -> Self {
        Progress {
            started: Instant::now(),
            steps,
            done: 0,
            is_terminal: stderr().is_terminal(),
            said: Instant::now(),
        }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        emit(&format!("{}{text}\n", self.clear()));
    }

    /// The next step begins.
    pub(crate) fn step(&mut self, what: &str) {
        let left = self.steps.saturating_sub(self.done);
        let each = self
            .started
            .elapsed()
            .checked_div(u32::try_from(self.done).unwrap_or(u32::MAX));
        let seconds = each.map(|each| each.as_secs_f64() * left as f64);
        let left = seconds.map_or(String::new(), |seconds| format!(", about {seconds:.0} s left"));
        self.done += 1;
        let text = format!("  {}/{}  {what}{left}", self.done, self.steps);
        if self.is_terminal {
            emit(&format!("{}{text}", self.clear()));
        } else if self.said.elapsed() >= NOW_AND_THEN {
            self.said = Instant::now();
            emit(&format!("{text}\n"));
        }
    }

    /// Nothing is to come.
    pub(crate) fn end(&self) {
        emit(self.clear());
    }

    fn clear(&self) -> &'static str {
        if self.is_terminal { "\r\x1b[2K" } else { "" }
    }
}

fn emit(text: &str) {
    let mut out = stderr().lock();
    // A closed standard error is no reason to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
