//! What comes of a state if from now on nothing is lost, nothing old comes and everybody keeps to the timers.

use crate::side::Side;
use crate::terms::{Holds, Message, Who};
use crate::world::{Setting, State, World};

/// Rounds of `REDIAL_AFTER` after which both must use one session.
const ROUNDS: u8 = 6;

/// Whether each side can read the other then, and both use one session after the next new keys at the latest; or
/// whether they cannot agree.
pub(crate) fn settles(world: &World, state: &State) -> bool {
    let setting = &world.setting;
    if !setting.can_agree() {
        return true;
    }
    let mut state = state.clone();
    state.network.clear();
    (0..ROUNDS).for_each(|_| round(&mut state, setting));
    let [a, b] = &state.sides;
    if !(reads(a, b) && reads(b, a)) {
        return false;
    }
    if keys(a) != keys(b) {
        both_call(&mut state, setting);
        (0..2).for_each(|_| round(&mut state, setting));
    }
    let [a, b] = &state.sides;
    a.current.is_some() && keys(a) == keys(b)
}

/// Whether a side has a session and the other opens its records.
fn reads(other: &Side, side: &Side) -> bool {
    let all = [other.current, other.previous, other.next];
    let mut all = all.into_iter().flatten();
    keys(side).is_some_and(|keys| all.any(|session| session.keys == keys))
}

/// Both make new keys at the same moment, as they do if neither is the dialer of the session that it uses.
fn both_call(state: &mut State, setting: &Setting) {
    state.now += 1;
    let calls = [Who::A, Who::B].map(|who| state.side(who).dial(&setting.terms(who)));
    let answers = calls.map(|call| state.deliver(&call, None, setting));
    let pings = answers.map(|answer| answer.and_then(|answer| state.deliver(&answer, None, setting)));
    for ping in pings.into_iter().flatten() {
        carry(state, setting, ping);
    }
}

fn keys(side: &Side) -> Option<crate::terms::Keys> {
    side.current.map(|session| session.keys)
}

/// Some seconds: each pings the other by its session; who hears nothing calls again.
fn round(state: &mut State, setting: &Setting) {
    state.now += 1;
    for who in [Who::A, Who::B] {
        let now = state.now;
        state.side(who).next.take_if(|next| next.since + 3 <= now);
    }
    let pings: Vec<(Who, Option<Message>)> = [Who::A, Who::B]
        .map(|who| {
            let session = state.sides[who.at()].current;
            (
                who,
                session.map(|session| Message::Record(session.keys, session.role, Holds::Ping)),
            )
        })
        .into();
    for (who, ping) in pings {
        let heard = ping.is_some_and(|ping| {
            carry(state, setting, ping);
            let [ours, theirs] = [who, who.other()].map(|who| state.sides[who.at()].clone());
            reads(&theirs, &ours)
        });
        if !heard {
            // The first may be answered by a cookie, an old stamp or a secret that is forgotten.
            for _ in 0..3 {
                if !has_another(state, who, ping) {
                    let call = state.side(who).dial(&setting.terms(who));
                    carry(state, setting, call);
                }
            }
        }
    }
}

/// Whether a side has another session by now than the one that it pinged by.
fn has_another(state: &State, who: Who, pinged: Option<Message>) -> bool {
    let pinged = match pinged {
        Some(Message::Record(keys, ..)) => Some(keys),
        _ => None,
    };
    let now = keys(&state.sides[who.at()]);
    now.is_some() && now != pinged
}

/// Carries a message, and what is said to it.
fn carry(state: &mut State, setting: &Setting, message: Message) {
    let mut next = Some(message);
    while let Some(message) = next {
        next = state.deliver(&message, None, setting);
    }
}
