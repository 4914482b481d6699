//! Why a session is ended: what a Close says.

/// Why the sender of a Close ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It ends. No byte: a gateway that knows no reasons knows this one.
    Ending,
    /// The receiver is no peer of it any more.
    Removed,
    /// The session's protection mode is not accepted any more.
    Protection,
    /// The sender's operator wants none.
    Operator,
    /// A key that the session was made with is not accepted any more.
    Key,
    /// The receiver's certificate is not accepted any more.
    Certificate,
    /// The session's keys are not what the sender, or the receiver, wants against a quantum computer.
    PostQuantum,
    /// A reason that this version does not know.
    Unknown,
}

impl Closing {
    /// The bytes of the message.
    pub(crate) fn code(self) -> &'static [u8] {
        match self {
            Closing::Ending | Closing::Unknown => &[],
            Closing::Removed => &[1],
            Closing::Protection => &[2],
            Closing::Operator => &[3],
            Closing::Key => &[4],
            Closing::Certificate => &[5],
            Closing::PostQuantum => &[6],
        }
    }

    /// What these bytes say.
    pub(crate) fn parse(message: &[u8]) -> Closing {
        match message {
            [] => Closing::Ending,
            [1] => Closing::Removed,
            [2] => Closing::Protection,
            [3] => Closing::Operator,
            [4] => Closing::Key,
            [5] => Closing::Certificate,
            [6] => Closing::PostQuantum,
            _ => Closing::Unknown,
        }
    }

    /// Why the session is lost, in the receiver's log.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Closing::Ending => "the peer was shut down",
            Closing::Removed => {
                "the peer's configuration was changed, and this gateway is no peer of it any more"
            }
            Closing::Protection => {
                "the peer's configuration was changed, and it does not accept the session's protection mode any more"
            }
            Closing::Operator => {
                "the peer's operator took this gateway down there, until it is taken up again with, on the peer: aoe-gateway \
                 peer up"
            }
            Closing::Key => {
                "a key that it was made with is not accepted by the peer any more: it was revoked there, or another one took its \
                 place"
            }
            Closing::Certificate => {
                "the peer does not accept the certificate of this gateway any more: it has expired, is revoked, or the peer \
                 believes another authority"
            }
            Closing::PostQuantum => {
                "the peer's `post_quantum` was changed, and the keys of this session are not what it, or this gateway, asks \
                 for; compare `post_quantum` of the peer on both"
            }
            Closing::Unknown => "the peer ended it, for a reason this version does not know",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_what_is_not_known_ends_the_session_as_well() {
        for why in [
            Closing::Ending,
            Closing::Removed,
            Closing::Protection,
            Closing::Operator,
            Closing::Key,
            Closing::Certificate,
            Closing::PostQuantum,
        ] {
            assert_eq!(Closing::parse(why.code()), why);
        }
        for bytes in [&[99][..], &[0], &[1, 1]] {
            assert_eq!(Closing::parse(bytes), Closing::Unknown);
        }
    }
}
