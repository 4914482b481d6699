//! What travels, as symbols. A value that holds a `Fresh` number cannot be guessed; a sealed one cannot be changed.

/// A side, or which side's key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Who {
    A,
    B,
}

impl Who {
    pub(crate) fn other(self) -> Who {
        match self {
            Who::A => Who::B,
            Who::B => Who::A,
        }
    }

    pub(crate) fn at(self) -> usize {
        self as usize
    }
}

/// A random number: who drew it, by its boot number, and how many it had drawn then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fresh(pub(crate) u8, pub(crate) u8);

/// In messages that make no keys.
pub(crate) const NO_NUMBER: Fresh = Fresh(0, 0);

/// A secret that two processes made together by ML-KEM: the numbers that the two drew for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Kem {
    pub(crate) offer: Fresh,
    pub(crate) answer: Fresh,
}

/// The pre-shared key that is mixed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mixed {
    /// The configured one; a number tells one from another.
    Configured(u8),
    /// One made from the configured one and a secret by ML-KEM.
    PostQuantum(u8, Kem),
}

/// A first message. Sealed for the holder of the other side's static key, by the holder of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Call {
    /// Whose static key made it.
    pub(crate) from: Who,
    /// Whether the thief made it, and so knows its ephemeral key.
    pub(crate) by_thief: bool,
    pub(crate) ephemeral: Fresh,
    pub(crate) boot: u8,
    pub(crate) stamp: u8,
    /// Accepted modes, a bit each.
    pub(crate) modes: u8,
    /// The secret by ML-KEM that it wants mixed in.
    pub(crate) kem: Option<Kem>,
    /// The cookie in its mac2.
    pub(crate) cookie: bool,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Says {
    /// This mode, a bit.
    Agreed(u8),
    NoAgreement,
    /// The stamp is not greater than this one.
    OldStamp(u8),
    /// The secret that the call names is not known here.
    UnknownSecret,
}

/// An answer to a call: sealed with all that the two know, and with what is mixed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Answer {
    pub(crate) to: Call,
    pub(crate) by_thief: bool,
    pub(crate) ephemeral: Fresh,
    pub(crate) boot: u8,
    pub(crate) says: Says,
    pub(crate) mixed: Mixed,
}

/// The keys of a session: the whole conversation that made them.
pub(crate) type Keys = Answer;

/// Which end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    Dialer,
    Listener,
}

impl Role {
    pub(crate) fn other(self) -> Role {
        match self {
            Role::Dialer => Role::Listener,
            Role::Listener => Role::Dialer,
        }
    }
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holds {
    /// Nothing that changes anything but what its coming does.
    Ping,
    /// A frame.
    Frame,
    /// An encapsulation key.
    Offer(Fresh),
    /// What was encapsulated for it.
    Encapsulated(Kem),
}

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Call(Call),
    /// A cookie, which only who made the call can read.
    Cookie(Call),
    Answer(Answer),
    /// A record of a session, from this end of it.
    Record(Keys, Role, Holds),
}
