//! What becomes of keys, in words.

use std::fmt;
use std::time::Duration;

use super::KeyEvent;
use crate::config::{Switch, Until};

/// Names of peers in one line.
const NAMED: usize = 5;

/// A moment of Unix time, as a date.
fn date(moment: Duration) -> Until {
    Until(moment.as_secs())
}

fn names(names: &[String]) -> String {
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

impl fmt::Display for KeyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyEvent::Announced { key, switch } => {
                write!(
                    f,
                    "our next key is {}: peers are told; it is used ",
                    key.fingerprint()
                )?;
                match switch {
                    Switch::All => f.write_str("once all of them have it"),
                    Switch::At(at) => write!(f, "from {} on", date(*at)),
                }
            }
            KeyEvent::Told { peer, key, left, .. } => {
                write!(f, "{peer} has our key {}; ", key.fingerprint())?;
                match left {
                    0 => f.write_str("all peers have it"),
                    1 => f.write_str("one peer does not have it"),
                    _ => write!(f, "{left} peers do not have it"),
                }
            }
            KeyEvent::Switched {
                key,
                was,
                drop_at,
                without,
                ..
            } => {
                write!(f, "peers are called by our key {} from now on", key.fingerprint())?;
                if !without.is_empty() {
                    write!(
                        f,
                        ", but {} by an older one, for they have no newer",
                        names(without)
                    )?;
                }
                match (was, drop_at) {
                    (Some(was), Some(at)) => {
                        write!(f, "; {} is accepted until {}", was.fingerprint(), date(*at))
                    }
                    (Some(was), None) => write!(f, "; {} is still accepted", was.fingerprint()),
                    (None, _) => Ok(()),
                }
            }
            KeyEvent::DropsSoon {
                key,
                drop_at,
                without,
            } => write!(
                f,
                "our key {} is accepted until {}, and {} knew no newer one when it was heard last; see why it is away, or \
                 give it our new key by hand",
                key.fingerprint(),
                date(*drop_at),
                names(without)
            ),
            KeyEvent::Dropped { key, without } => {
                write!(f, "our key {} is not accepted any more", key.fingerprint())?;
                match without.is_empty() {
                    true => Ok(()),
                    false => write!(
                        f,
                        ", and {} knew no newer one when it was heard last; give it our new key by hand",
                        names(without)
                    ),
                }
            }
            KeyEvent::Learnt { keys, .. } => write!(f, "a peer says that it has {} keys", keys.len()),
            KeyEvent::PeerChanged { peer, key, others } => {
                write!(f, "{peer} uses the key {}", key.fingerprint())?;
                for other in others {
                    write!(f, ", and may use {}", other.fingerprint())?;
                }
                Ok(())
            }
            KeyEvent::Refused { peer, why } => write!(
                f,
                "the keys that {peer} says it has are not accepted: {}; the ones known before stay",
                why.words()
            ),
            KeyEvent::RefusedThere { peer, why } => {
                write!(
                    f,
                    "{peer} does not accept what we say of our keys: {}",
                    why.words()
                )
            }
            KeyEvent::PeerRevoked { peer, key, others } => {
                write!(f, "the key {} of {peer} is revoked", key.fingerprint())?;
                match others {
                    true => f.write_str("; it has another one"),
                    false => f.write_str("; it can do nothing here until it has another one"),
                }
            }
            KeyEvent::OwnRevoked { key } => {
                write!(
                    f,
                    "our own key {} is revoked, and is not used any more",
                    key.fingerprint()
                )
            }
        }
    }
}
