//! What one gateway does with calls, answers and records. Each rule has its place in `tunnel::links`.

use crate::terms::{Answer, Call, Fresh, Holds, Kem, Keys, Message, Mixed, NO_NUMBER, Role, Says, Who};

/// The rules that can be left out, to see what each of them prevents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// A listener uses a session only after a record of it came.
    pub(crate) confirmation: bool,
    /// A call with an old stamp is not answered.
    pub(crate) stamps: bool,
    /// Of two calls at once that of one side counts.
    pub(crate) precedence: bool,
    /// An answered call of another process than the one that is known now is forgotten.
    pub(crate) generations: bool,
    /// The chosen mode is sealed.
    pub(crate) mode_is_sealed: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            confirmation: true,
            stamps: true,
            precedence: true,
            generations: true,
            mode_is_sealed: true,
        }
    }
}

/// What a side is configured with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) rules: Rules,
    /// Its pre-shared key.
    pub(crate) psk: u8,
    /// Accepted modes, a bit each.
    pub(crate) modes: u8,
    pub(crate) under_load: bool,
    pub(crate) post_quantum: bool,
    /// Whether frames need a post-quantum session.
    pub(crate) required: bool,
}

/// One set of keys, as one side has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) keys: Keys,
    pub(crate) role: Role,
    /// What this side takes for the mode.
    pub(crate) mode: u8,
    /// When it began: in steps of `REDIAL_AFTER`.
    pub(crate) since: u8,
}

impl Session {
    /// The other process.
    pub(crate) fn peer_boot(&self) -> u8 {
        match self.role {
            Role::Dialer => self.keys.boot,
            Role::Listener => self.keys.to.boot,
        }
    }

    pub(crate) fn is_post_quantum(&self) -> bool {
        matches!(self.keys.mixed, Mixed::PostQuantum(..))
    }
}

/// One gateway, as far as the other one is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Side {
    pub(crate) who: Who,
    /// Random numbers that it has drawn.
    pub(crate) drawn: u8,
    pub(crate) boot: u8,
    /// Its clock, in stamps.
    pub(crate) clock: u8,
    pub(crate) dialing: Option<Call>,
    pub(crate) newest_dial: u8,
    pub(crate) newest_call: u8,
    pub(crate) has_cookie: bool,
    pub(crate) current: Option<Session>,
    pub(crate) previous: Option<Session>,
    pub(crate) next: Option<Session>,
    pub(crate) peer_boot: Option<u8>,
    /// Secrets by ML-KEM, the newest last.
    pub(crate) secrets: Vec<Kem>,
    /// The encapsulation key that is under way, and in which session.
    pub(crate) offered: Option<(Keys, Fresh)>,
    /// Whether the peer said that it does not know our secret: the next call is made without.
    pub(crate) forgotten: bool,
}

impl Side {
    /// A process that has just started.
    pub(crate) fn new(who: Who, boot: u8, clock: u8) -> Side {
        Side {
            who,
            drawn: 0,
            boot,
            clock,
            dialing: None,
            newest_dial: 0,
            newest_call: 0,
            has_cookie: false,
            current: None,
            previous: None,
            next: None,
            peer_boot: None,
            secrets: Vec::new(),
            offered: None,
            forgotten: false,
        }
    }

    /// A random number: no two are equal, of all processes.
    pub(crate) fn draw(&mut self) -> Fresh {
        self.drawn += 1;
        Fresh(self.boot, self.drawn)
    }

    /// Calls.
    pub(crate) fn dial(&mut self, terms: &Terms) -> Message {
        self.newest_dial = self.clock.max(self.newest_dial + 1);
        let call = Call {
            from: self.who,
            by_thief: false,
            ephemeral: self.draw(),
            boot: self.boot,
            stamp: self.newest_dial,
            modes: terms.modes,
            kem: self.secrets.last().copied().filter(|_| !self.forgotten),
            cookie: self.has_cookie,
        };
        self.dialing = Some(call);
        Message::Call(call)
    }

    /// Whether it may call now: it has no session, or one that is due.
    pub(crate) fn wants_dial(&self, now: u8) -> bool {
        self.current.as_ref().is_none_or(|current| {
            let for_post_quantum =
                current.role == Role::Dialer && !current.is_post_quantum() && !self.secrets.is_empty();
            now > current.since || for_post_quantum
        })
    }

    /// Takes a call; what it says to it.
    pub(crate) fn take_call(&mut self, call: Call, terms: &Terms, now: u8) -> Option<Message> {
        if terms.under_load && !call.cookie {
            return Some(Message::Cookie(call));
        }
        let configured = Mixed::Configured(terms.psk);
        let answer = |says, boot, mixed| Answer {
            to: call,
            by_thief: false,
            ephemeral: NO_NUMBER,
            boot,
            says,
            mixed,
        };
        if terms.rules.stamps {
            if call.stamp <= self.newest_call {
                let says = Says::OldStamp(self.newest_call);
                return (call.stamp < self.newest_call).then(|| Message::Answer(answer(says, 0, configured)));
            }
            if self.next.is_some_and(|next| call.stamp <= next.keys.to.stamp) {
                return None;
            }
        }
        let mixed = match call.kem {
            None => configured,
            Some(kem) if self.secrets.contains(&kem) => Mixed::PostQuantum(terms.psk, kem),
            Some(_) => return Some(Message::Answer(answer(Says::UnknownSecret, 0, configured))),
        };
        let common = call.modes & terms.modes;
        if common == 0 {
            return Some(Message::Answer(answer(Says::NoAgreement, self.boot, mixed)));
        }
        let mode = common & common.wrapping_neg();
        let keys = Answer {
            ephemeral: self.draw(),
            ..answer(Says::Agreed(mode), self.boot, mixed)
        };
        let session = Session {
            keys,
            role: Role::Listener,
            mode,
            since: now,
        };
        if terms.rules.confirmation {
            self.next = Some(session);
        } else {
            self.promote(session, terms);
        }
        Some(Message::Answer(keys))
    }

    /// Takes a cookie: the next call has it.
    pub(crate) fn take_cookie(&mut self, call: Call) {
        if self.dialing == Some(call) {
            self.has_cookie = true;
            self.dialing = None;
        }
    }

    /// Takes an answer; `altered` is the mode that it is made to look like on the way. What it sends then.
    pub(crate) fn take_answer(
        &mut self,
        answer: Answer,
        terms: &Terms,
        altered: Option<u8>,
        now: u8,
    ) -> Option<Message> {
        if self.dialing != Some(answer.to) || !self.opens(&answer, terms) {
            return None;
        }
        match answer.says {
            Says::Agreed(mode) => {
                let session = Session {
                    keys: answer,
                    role: Role::Dialer,
                    mode: altered.unwrap_or(mode),
                    since: now,
                };
                self.promote(session, terms);
                Some(Message::Record(answer, Role::Dialer, Holds::Ping))
            }
            Says::OldStamp(newest) => {
                self.newest_dial = self.newest_dial.max(newest);
                self.dialing = None;
                None
            }
            Says::UnknownSecret => {
                self.forgotten = true;
                self.dialing = None;
                None
            }
            Says::NoAgreement => {
                self.dialing = None;
                None
            }
        }
    }

    /// Whether an answer decrypts: the same is mixed in. A refusal may be made without a secret that is not known there.
    fn opens(&self, answer: &Answer, terms: &Terms) -> bool {
        let configured = Mixed::Configured(terms.psk);
        let expected = match answer.to.kem {
            Some(kem) => Mixed::PostQuantum(terms.psk, kem),
            None => configured,
        };
        let refuses = matches!(answer.says, Says::OldStamp(_) | Says::UnknownSecret);
        answer.mixed == expected || refuses && answer.mixed == configured
    }

    /// Takes a record of the other end of a session; what it sends then, and whether it took a frame.
    pub(crate) fn take_record(
        &mut self,
        (keys, holds): (Keys, Holds),
        terms: &Terms,
    ) -> (Option<Message>, bool) {
        if self.next.is_some_and(|next| next.keys == keys) {
            self.newest_call = self.newest_call.max(keys.to.stamp);
            if !self.keeps_current(terms)
                && let Some(next) = self.next.take()
            {
                self.promote(next, terms);
            }
        }
        let all = [self.current, self.previous, self.next];
        let Some(session) = all.into_iter().flatten().find(|session| session.keys == keys) else {
            return (None, false);
        };
        match holds {
            Holds::Ping => (None, false),
            Holds::Frame => (None, !terms.required || session.is_post_quantum()),
            // The window lets a record in once.
            Holds::Offer(offer)
                if session.role == Role::Listener
                    && terms.post_quantum
                    && self.secrets.iter().all(|kem| kem.offer != offer) =>
            {
                let answer = self.draw();
                let kem = Kem { offer, answer };
                self.keep(kem);
                (
                    Some(Message::Record(keys, Role::Listener, Holds::Encapsulated(kem))),
                    false,
                )
            }
            Holds::Encapsulated(kem) if self.offered == Some((keys, kem.offer)) => {
                self.offered = None;
                self.forgotten = false;
                self.keep(kem);
                (None, false)
            }
            Holds::Offer(_) | Holds::Encapsulated(_) => (None, false),
        }
    }

    /// At most two: the one that the peer may still call by, and the newest.
    fn keep(&mut self, kem: Kem) {
        self.secrets.push(kem);
        if self.secrets.len() > 2 {
            self.secrets.remove(0);
        }
    }

    /// Whether the call of this side counts if both called at once: the smaller boot number's.
    fn is_ours(&self) -> bool {
        self.peer_boot.is_some_and(|theirs| self.boot < theirs)
    }

    fn keeps_current(&self, terms: &Terms) -> bool {
        let (Some(current), Some(next)) = (&self.current, &self.next) else {
            return false;
        };
        terms.rules.precedence
            && self.is_ours()
            && current.role == Role::Dialer
            && current.peer_boot() == next.peer_boot()
            && next.since <= current.since
    }

    fn promote(&mut self, session: Session, terms: &Terms) {
        let boot = session.peer_boot();
        self.dialing = None;
        let replaced = self.current.replace(session);
        if terms.rules.generations {
            self.next.take_if(|next| next.peer_boot() != boot);
        }
        let known = self.peer_boot.replace(boot);
        self.previous = match replaced {
            Some(replaced) if known == Some(boot) => Some(replaced),
            _ if known == Some(boot) => self.previous,
            _ => None,
        };
        if known != Some(boot) {
            self.secrets.clear();
        }
    }
}
