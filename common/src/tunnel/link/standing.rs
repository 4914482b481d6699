//! How a peer and the path to it are, for people: state, why, since when.

use std::borrow::Cow;
use std::time::Duration;

use super::Link;
use crate::config::Endpoint;
use crate::context::Context;
use crate::event::Event;
use crate::notes::What;
use crate::snapshot::{self, State};
use crate::standing::{Moment, Standing};
use crate::telemetry::Telemetry;
use crate::time::Instant;
use crate::trouble::{About, STALE};
use crate::tunnel::quantum::Quantum;
use crate::tunnel::timing::CALL_WITHIN;

/// A peer whose records come from another address answers there within this time, or is not there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Time in which keys become post-quantum, or it is said that they do not.
const QUANTUM_WITHIN: Duration = Duration::from_secs(8);
const WITHHELD: &str = "the session's keys are not post-quantum yet, and no frame passes by others";

/// How a peer is.
#[derive(Debug)]
pub(crate) struct Presence {
    standing: Standing,
    /// Why there is no session, and when that was last seen.
    cause: Option<(Event, Instant)>,
    path_standing: Standing,
}

impl Presence {
    /// It was not heard yet.
    pub(crate) fn new(now: Instant) -> Presence {
        Presence {
            standing: Standing::new(now),
            cause: None,
            path_standing: Standing::new(now),
        }
    }

    /// There is a session.
    pub(crate) fn up(&mut self, now: Instant) {
        self.cause = None;
        self.standing.note(State::Up, "", now);
    }

    /// There is a session, and no frame passes by it yet.
    pub(crate) fn withheld(&mut self, now: Instant) {
        self.standing.note(State::Starting, WITHHELD, now);
    }

    /// There is no session yet: what was in its way is not any more.
    pub(crate) fn again(&mut self, state: State, now: Instant) {
        self.cause = None;
        self.standing.note(state, "", now);
    }

    /// There is no session, because of this: a general cause does not hide a specific one.
    pub(crate) fn down(&mut self, event: &Event, now: Instant) {
        if let Some((known, seen)) = &mut self.cause {
            if known == event {
                *seen = now;
                return;
            }
            if known.outranks(event, now.saturating_since(*seen) >= STALE) {
                return;
            }
        }
        self.standing.note(State::Down, event.to_string(), now);
        self.cause = Some((event.clone(), now));
    }
}

impl Link {
    /// Something is wrong with the peer: it is logged, and, without a session, it is why there is none.
    pub(crate) fn in_trouble(&mut self, event: Event, cx: &mut Context<'_>) {
        if self.sessions.current.is_none() {
            self.presence.down(&event, cx.now);
        }
        cx.telemetry
            .raise(cx.now, About::Session(self.identity.id), event);
    }

    /// There are new keys, or they are judged otherwise. `before`: what those before rested on.
    pub(crate) fn note_quantum(&mut self, before: Option<Quantum>, cx: &mut Context<'_>) {
        let Some(session) = &self.sessions.current else {
            return;
        };
        let (carries, is) = (session.carries_storage, session.assurance.kind);
        let about = About::Quantum(self.identity.id);
        if carries {
            self.presence.up(cx.now);
            cx.telemetry.over(cx.now, about);
        } else {
            self.presence.withheld(cx.now);
            let event = Event::NotPostQuantum { peer: self.name() };
            cx.telemetry.raise_after(QUANTUM_WITHIN, cx.now, about, event);
        }
        if before == Some(Quantum::None) && is != Quantum::None {
            cx.telemetry.event(Event::PostQuantumKeys { peer: self.name() });
            let keys = What::SessionKeys {
                peer: self.known(),
                post_quantum: is.name(),
            };
            cx.telemetry.notes.session(cx.now, keys);
        }
    }

    /// There is no session: asks for the peer's addresses, or notes that it has to call.
    pub(crate) fn await_session(&self, now: Instant, telemetry: &mut Telemetry) {
        if self.is_taken_down {
            return;
        }
        match self.path.endpoint {
            Endpoint::Known => telemetry.event(Event::EndpointNeeded(self.identity.id)),
            Endpoint::Unknown => {
                let nobody = Event::NobodyCalls { peer: self.name() };
                telemetry.raise_after(CALL_WITHIN, now, About::Session(self.identity.id), nobody);
            }
        }
    }
    /// How the peer is. One that has not called yet is down after [`CALL_WITHIN`].
    pub(crate) fn standing(&self, moment: &Moment) -> snapshot::Standing {
        let mut row = self.presence.standing.row(moment);
        let missed_since = row.since + CALL_WITHIN.as_secs_f64();
        let awaited = row.state == State::Starting && self.path.endpoint == Endpoint::Unknown;
        if awaited && missed_since <= moment.unix(moment.now) {
            let peer = self.name();
            row.state = State::Down;
            row.why = Event::NobodyCalls { peer }.to_string();
            row.since = missed_since;
        }
        row
    }

    /// How the path is.
    pub(crate) fn path_standing(&self, moment: &Moment) -> snapshot::Standing {
        self.presence.path_standing.row(moment)
    }

    /// Notes how the path is, if that is new.
    pub(crate) fn note_path(&mut self, now: Instant) {
        let (state, why) = self.judge_path(now);
        self.presence.path_standing.note(state, why, now);
    }

    fn judge_path(&self, now: Instant) -> (State, Cow<'static, str>) {
        if self.sessions.current.is_none() {
            return (State::Starting, "there is no session".into());
        }
        let Some(path) = self.path.address else {
            return (State::Down, "no address of the peer is known".into());
        };
        if let Some(least) = self.path.mtu.too_small() {
            let why = format!(
                "packets of {least} bytes, which `path_mtu` needs, do not arrive, and shorter ones do"
            );
            return (State::Down, why.into());
        }
        if !self.path.mtu.is_proven() {
            return (
                State::Starting,
                "no packet of the size that is needed has been confirmed yet".into(),
            );
        }
        let asked_elsewhere = self
            .path
            .challenged
            .is_some_and(|(asked, at)| !asked.same_way(path) && now.saturating_since(at) < ANSWERS_WITHIN);
        if asked_elsewhere {
            let why = "the peer's records come from another address, and it has not answered from there yet";
            return (State::Degraded, why.into());
        }
        match self.path.mtu.lowered() {
            Some((was, why)) => {
                let mtu = self.path.mtu.get();
                (
                    State::Degraded,
                    format!("path MTU is {mtu} and was {was}: {why}").into(),
                )
            }
            None => (State::Up, "".into()),
        }
    }
}
