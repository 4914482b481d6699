//! How an import is, and why, in the words of the log.

use super::import::Import;
use super::report;
use crate::config::OnConflict;
use crate::context::Context;
use crate::event::{Event, ImportFault};
use crate::snapshot::State;
use crate::time::Instant;
use crate::tunnel::links::Links;

impl Import {
    /// Notes how it is now, with this fault.
    pub(super) fn note_standing(&mut self, fault: &Option<ImportFault>, links: &Links, cx: &Context<'_>) {
        let (is, why) = self.how(fault, links, cx);
        if matches!(is, State::Up | State::Degraded) {
            self.missed_at = cx.now;
        }
        self.standing.note(is, why, cx.now);
    }

    /// When it is missed, if that is yet to come.
    pub(super) fn standing_deadline(&self, now: Instant) -> Instant {
        match self.standing.state() {
            State::Starting if now < self.missed_at => self.missed_at,
            _ => Instant::NEVER,
        }
    }

    fn how(&self, fault: &Option<ImportFault>, links: &Links, cx: &Context<'_>) -> (State, String) {
        let words = |event: Event| {
            let line = event.to_string();
            let prefix = format!("import {}: ", self.config.address);
            line.strip_prefix(&prefix).unwrap_or(&line).to_owned()
        };
        let foreign = report::foreign(self).map(words);
        if let Some(fault) = fault {
            let is = match fault.may_be_early() && cx.now < self.missed_at {
                true => State::Starting,
                false => State::Down,
            };
            return (is, fault.words(&links.name(self.config.peer)));
        }
        if let Some(paused) = report::paused(self, links) {
            return (State::Paused, words(paused));
        }
        if self.announced.is_none() {
            return match foreign {
                Some(foreign) if self.config.on_conflict == OnConflict::Stop => (State::Down, foreign),
                _ => (
                    State::Starting,
                    "our segment is asked whether the address is free".to_owned(),
                ),
            };
        }
        let state = cx.segment(self.config.segment);
        let flaw = report::writes_refused(self, links).map(words);
        let flaw = flaw
            .or(foreign)
            .or_else(|| report::short_frames(self, state, links).map(words));
        match flaw {
            Some(flaw) => (State::Degraded, flaw),
            None => (State::Up, String::new()),
        }
    }
}
