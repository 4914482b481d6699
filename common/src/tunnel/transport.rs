//! The ways to agree on keys, by name: which handshake a session came from.

/// How two sides agree on the keys of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By their static keys, and a pre-shared key if they have one.
    Noise,
}

impl Transport {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Noise => "noise",
        }
    }
}
