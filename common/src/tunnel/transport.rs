//! The ways to agree on keys, by name: which handshake a session came from.

/// How two sides agree on the keys of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By their static keys, and a pre-shared key if they have one.
    Noise,
    /// By certificates: TLS 1.3.
    Tls,
}

impl Transport {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Noise => "noise",
            Transport::Tls => "tls",
        }
    }
}

/// How the keys of a TLS handshake were exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// X25519 and ML-KEM-768 together: nobody who keeps what was said reads it with a quantum computer later.
    X25519MlKem768,
    /// X25519 alone.
    X25519,
}

impl Group {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::X25519MlKem768 => "x25519mlkem768",
            Group::X25519 => "x25519",
        }
    }
}
