//! What must hold in every state, and what must be possible at all.

use stateright::Property;

use crate::settle::settles;
use crate::side::{Session, Side};
use crate::terms::{Role, Who};
use crate::world::{Setting, State, World};

pub(crate) const NO_THIEF: &str = "nobody has a session with one who lacks a key or the psk";
pub(crate) const AGREEMENT: &str = "both ends of a session take it for the same";
pub(crate) const CONFIRMED: &str = "a listener uses a session only if its dialer has it";
pub(crate) const ONCE: &str = "a call leads to one session at most";
pub(crate) const GENERATIONS: &str = "no side goes back to a process that has ended";
pub(crate) const CONVERGES: &str = "if nothing is lost any more, both use one session";
pub(crate) const NO_FRAME_BEFORE: &str = "no frame passes before the keys are post-quantum";

pub(crate) fn all(setting: &Setting) -> Vec<Property<World>> {
    let mut all = vec![
        Property::<World>::always(NO_THIEF, no_thief),
        Property::<World>::always(AGREEMENT, agreement),
        Property::<World>::always(CONFIRMED, confirmed),
        Property::<World>::always(ONCE, once),
        Property::<World>::always(GENERATIONS, |_, state| !state.went_back),
        Property::<World>::always(CONVERGES, settles),
    ];
    if setting.can_agree() {
        all.push(Property::<World>::sometimes(
            "both have one session",
            |_, state| {
                let [a, b] = &state.sides;
                a.current.is_some()
                    && a.current.map(|session| session.keys) == b.current.map(|session| session.keys)
            },
        ));
    } else {
        all.push(Property::<World>::always("there is no session", |_, state| {
            state.sides.iter().all(|side| side.current.is_none())
        }));
    }
    if setting.required {
        all.push(Property::<World>::always(NO_FRAME_BEFORE, |_, state| {
            let is_post_quantum = |keys| {
                Session {
                    keys,
                    role: Role::Dialer,
                    mode: 0,
                    since: 0,
                }
                .is_post_quantum()
            };
            state.frames.iter().all(|keys| is_post_quantum(*keys))
        }));
    }
    if setting.post_quantum {
        all.push(Property::<World>::sometimes(
            "a frame passes under post-quantum keys",
            |_, state| {
                state
                    .sides
                    .iter()
                    .flat_map(|side| side.current)
                    .any(|session| session.is_post_quantum() && state.frames.contains(&session.keys))
            },
        ));
    }
    if setting.restarts != [0, 0] {
        all.push(Property::<World>::sometimes(
            "a restarted process has a session",
            |_, state| {
                let is_new = |side: &Side| !side.boot.is_multiple_of(10) && side.current.is_some();
                state.sides.iter().any(is_new)
            },
        ));
    }
    all
}

fn no_thief(_: &World, state: &State) -> bool {
    let mut sessions = state.sides.iter().flat_map(|side| side.current);
    // With the key and the psk of one side the thief is that side: a setting that gives both is for showing just that.
    sessions.all(|session| !session.keys.by_thief && !session.keys.to.by_thief)
}

fn agreement(_: &World, state: &State) -> bool {
    let [a, b] = &state.sides;
    let of = |side: &Side| {
        [side.current, side.previous, side.next]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    let theirs = of(b);
    of(a).iter().all(|ours| {
        let same = theirs.iter().filter(|other| other.keys == ours.keys);
        same.into_iter()
            .all(|other| (other.mode, other.role) == (ours.mode, ours.role.other()))
    })
}

fn confirmed(_: &World, state: &State) -> bool {
    let in_use = state.sides.iter().flat_map(|side| side.current);
    let as_listener = in_use.filter(|session| session.role == Role::Listener && !session.keys.to.by_thief);
    as_listener
        .into_iter()
        .all(|session| state.completed.contains(&session.keys))
}

fn once(_: &World, state: &State) -> bool {
    let mut calls: Vec<_> = [Who::A, Who::B]
        .into_iter()
        .flat_map(|who| {
            state.sides[who.at()]
                .next
                .into_iter()
                .chain(state.sides[who.at()].current)
        })
        .filter(|session| session.role == Role::Listener)
        .map(|session| session.keys.to)
        .collect();
    let all = calls.len();
    calls.sort();
    calls.dedup();
    calls.len() == all
}
