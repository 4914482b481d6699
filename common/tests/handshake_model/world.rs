//! Two sides, the network between them and a thief: every step that can happen next.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::properties;
use crate::side::{Rules, Side, Terms};
use crate::terms::{Answer, Call, Fresh, Holds, Keys, Message, Mixed, Role, Says, Who};

/// What can happen in a world, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) rules: Rules,
    /// Calls that each side makes at most, in each of its lives.
    pub(crate) calls: [u8; 2],
    pub(crate) restarts: [u8; 2],
    /// How often as much time passes as makes a call no answer to a crossing one.
    pub(crate) ticks: u8,
    /// Whether the call of A counts if both call at once.
    pub(crate) a_counts: bool,
    pub(crate) clock_set_back: bool,
    pub(crate) under_load: bool,
    pub(crate) same_psk: bool,
    /// Modes that each side accepts, a bit each.
    pub(crate) modes: [u8; 2],
    pub(crate) post_quantum: bool,
    pub(crate) required: bool,
    /// Whose static key was stolen.
    pub(crate) stolen_key: Option<Who>,
    pub(crate) stolen_psk: bool,
    /// How many messages the thief makes.
    pub(crate) thief: u8,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            rules: Rules::default(),
            calls: [1, 1],
            restarts: [0, 0],
            ticks: 0,
            a_counts: true,
            clock_set_back: false,
            under_load: false,
            same_psk: true,
            modes: [0b01, 0b11],
            post_quantum: false,
            required: false,
            stolen_key: None,
            stolen_psk: false,
            thief: 0,
        }
    }
}

impl Setting {
    /// Whether the two can have a session at all.
    pub(crate) fn can_agree(&self) -> bool {
        self.same_psk && self.modes[0] & self.modes[1] != 0
    }

    pub(crate) fn terms(&self, who: Who) -> Terms {
        Terms {
            rules: self.rules,
            psk: if self.same_psk { 0 } else { u8::from(who == Who::B) },
            modes: self.modes[who.at()],
            under_load: self.under_load,
            post_quantum: self.post_quantum,
            required: self.required,
        }
    }

    /// A side's process after so many restarts. Boot numbers are random: which is smaller is as the setting says.
    pub(crate) fn process(&self, who: Who, restarts: u8) -> Side {
        let smaller = (who == Who::A) == self.a_counts;
        let boot = if smaller { 10 } else { 20 } + restarts;
        let clock = match (restarts, self.clock_set_back) {
            (0, _) => 100,
            (_, true) => 50,
            (_, false) => 150,
        };
        Side::new(who, boot, clock)
    }

    /// Whether the thief can read and make records of this session: it has a part in it, the static key for that part,
    /// and knows what is mixed in.
    pub(crate) fn thief_has(&self, keys: &Keys) -> bool {
        let caller = keys.to.from;
        let part = keys.to.by_thief && self.stolen_key == Some(caller)
            || keys.by_thief && self.stolen_key == Some(caller.other());
        part && self.stolen_psk && matches!(keys.mixed, Mixed::Configured(_))
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) sides: [Side; 2],
    /// All that was ever sent: any of it may come, any number of times, in any order, or never.
    pub(crate) network: BTreeSet<Message>,
    pub(crate) now: u8,
    pub(crate) calls: [u8; 2],
    pub(crate) restarts: [u8; 2],
    pub(crate) thief: u8,
    /// Sessions that their dialer has had.
    pub(crate) completed: BTreeSet<Keys>,
    /// How many processes of the other side each has known, and whether one came back.
    pub(crate) newest_peer: [u8; 2],
    pub(crate) went_back: bool,
    /// Sessions by which a frame was taken.
    pub(crate) frames: BTreeSet<Keys>,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Dial(Who),
    Deliver(Message),
    /// A message comes with another mode than was sent.
    Alter(Answer),
    Restart(Who),
    Tick,
    /// A session that was not confirmed is forgotten.
    Forget(Who),
    Offer(Who),
    Frame(Who),
    ThiefCalls(Who),
    ThiefAnswers(Call),
    ThiefConfirms(Keys),
}

/// The model.
pub(crate) struct World {
    pub(crate) setting: Setting,
}

impl State {
    pub(crate) fn side(&mut self, who: Who) -> &mut Side {
        &mut self.sides[who.at()]
    }

    /// A message comes to where it belongs; what that side says to it.
    pub(crate) fn deliver(
        &mut self,
        message: &Message,
        altered: Option<u8>,
        setting: &Setting,
    ) -> Option<Message> {
        let now = self.now;
        let (to, said) = match *message {
            Message::Call(call) => {
                let to = call.from.other();
                let terms = setting.terms(to);
                (to, self.side(to).take_call(call, &terms, now))
            }
            Message::Cookie(call) => {
                self.side(call.from).take_cookie(call);
                (call.from, None)
            }
            Message::Answer(answer) => {
                let to = answer.to.from;
                let terms = setting.terms(to);
                let said = self.side(to).take_answer(answer, &terms, altered, now);
                if said.is_some() {
                    self.completed.insert(answer);
                }
                (to, said)
            }
            Message::Record(keys, from, holds) => {
                let caller = keys.to.from;
                let to = if from == Role::Dialer {
                    caller.other()
                } else {
                    caller
                };
                let terms = setting.terms(to);
                let (said, took) = self.side(to).take_record((keys, holds), &terms);
                if took {
                    self.frames.insert(keys);
                }
                (to, said)
            }
        };
        self.note_peer(to);
        said
    }

    /// Whether a side went back to a process that had ended.
    fn note_peer(&mut self, who: Who) {
        let boot = self.sides[who.at()].current.map(|session| session.peer_boot());
        let Some(boot) = boot else { return };
        let newest = &mut self.newest_peer[who.at()];
        self.went_back |= boot < *newest;
        *newest = boot.max(*newest);
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            sides: [Who::A, Who::B].map(|who| self.setting.process(who, 0)),
            network: BTreeSet::new(),
            now: 0,
            calls: [0; 2],
            restarts: [0; 2],
            thief: 0,
            completed: BTreeSet::new(),
            newest_peer: [0; 2],
            went_back: false,
            frames: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let setting = &self.setting;
        for who in [Who::A, Who::B] {
            let side = &state.sides[who.at()];
            if state.calls[who.at()] < setting.calls[who.at()] && side.wants_dial(state.now) {
                steps.push(Step::Dial(who));
            }
            if state.restarts[who.at()] < setting.restarts[who.at()] {
                steps.push(Step::Restart(who));
            }
            if side.next.is_some_and(|next| next.since < state.now) {
                steps.push(Step::Forget(who));
            }
            if let Some(session) = &side.current {
                let offers = setting.post_quantum && session.role == Role::Dialer && side.offered.is_none();
                if offers && side.secrets.len() < 2 {
                    steps.push(Step::Offer(who));
                }
                let may = !setting.required || session.is_post_quantum();
                let frame = Message::Record(session.keys, session.role, Holds::Frame);
                if setting.post_quantum && who == Who::A && may && !state.network.contains(&frame) {
                    steps.push(Step::Frame(who));
                }
            }
        }
        if state.now < setting.ticks {
            steps.push(Step::Tick);
        }
        for message in &state.network {
            steps.push(Step::Deliver(*message));
            if let Message::Answer(answer) = message
                && !setting.rules.mode_is_sealed
            {
                steps.push(Step::Alter(*answer));
            }
        }
        if state.thief < setting.thief {
            self.thief_steps(state, steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let setting = &self.setting;
        let mut state = last.clone();
        let sent = match step {
            Step::Dial(who) => {
                state.calls[who.at()] += 1;
                Some(state.side(who).dial(&setting.terms(who)))
            }
            Step::Deliver(message) => state.deliver(&message, None, setting),
            Step::Alter(answer) => state.deliver(&Message::Answer(answer), Some(0b10), setting),
            Step::Restart(who) => {
                state.restarts[who.at()] += 1;
                state.calls[who.at()] = 0;
                *state.side(who) = setting.process(who, state.restarts[who.at()]);
                state.newest_peer[who.at()] = 0;
                None
            }
            Step::Tick => {
                state.now += 1;
                None
            }
            Step::Forget(who) => {
                state.side(who).next = None;
                None
            }
            Step::Offer(who) => {
                let side = state.side(who);
                let fresh = side.draw();
                let keys = side.current?.keys;
                side.offered = Some((keys, fresh));
                Some(Message::Record(keys, Role::Dialer, Holds::Offer(fresh)))
            }
            Step::Frame(who) => {
                let session = state.side(who).current?;
                Some(Message::Record(session.keys, session.role, Holds::Frame))
            }
            Step::ThiefCalls(as_whom) => {
                state.thief += 1;
                let call = Call {
                    from: as_whom,
                    by_thief: true,
                    ephemeral: Fresh(5, state.thief),
                    boot: 5,
                    stamp: 200 + state.thief,
                    modes: 0b11,
                    kem: None,
                    cookie: true,
                };
                Some(Message::Call(call))
            }
            Step::ThiefAnswers(call) => {
                state.thief += 1;
                let psk = if setting.stolen_psk {
                    setting.terms(call.from).psk
                } else {
                    99
                };
                let answer = Answer {
                    to: call,
                    by_thief: true,
                    ephemeral: Fresh(5, state.thief),
                    boot: 5,
                    says: Says::Agreed(call.modes & call.modes.wrapping_neg()),
                    mixed: Mixed::Configured(psk),
                };
                Some(Message::Answer(answer))
            }
            Step::ThiefConfirms(keys) => {
                let role = if keys.by_thief {
                    Role::Listener
                } else {
                    Role::Dialer
                };
                Some(Message::Record(keys, role, Holds::Ping))
            }
        };
        state.network.extend(sent);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.setting)
    }
}

impl World {
    /// A thief of a static key can call as its owner, and can make a first message to its owner in anybody's name (but
    /// not read the answer). It can answer calls to its owner, which it can read.
    fn thief_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let Some(owner) = self.setting.stolen_key else {
            return;
        };
        steps.push(Step::ThiefCalls(owner));
        steps.push(Step::ThiefCalls(owner.other()));
        for message in &state.network {
            match message {
                Message::Call(call) if call.from == owner.other() && !call.by_thief => {
                    steps.push(Step::ThiefAnswers(*call));
                }
                Message::Answer(keys) if self.setting.thief_has(keys) => {
                    steps.push(Step::ThiefConfirms(*keys))
                }
                _ => {}
            }
        }
    }
}
