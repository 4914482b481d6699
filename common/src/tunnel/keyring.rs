//! Our own static keys in a running gateway: which are accepted, which one is used, and when that changes.
//!
//! ```text
//!   announced            every peer has it, or the date        drop_after        
//!      │  next: accepted       │  next: used for calls              │
//!      ├───────────────────────┼────────────────────────────────────┼──────▶
//!      │  current: used        │  current: accepted                 │ none any more
//! ```
//! A key that is accepted may be called by peers. What happens by the wall clock happens once: a clock that is set back
//! does not bring a key back.

use std::time::Duration;

use aoe_keys::{PublicKey, SecretKey};

use crate::config::{NextKey, OwnKeys, Revoked, Switch};

/// Before a key is dropped, it is said so early which peers know no newer one.
const WARN_BEFORE: [Duration; 2] = [Duration::from_secs(86_400), Duration::from_secs(3600)];

/// What a key is, by the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Next,
    Current,
    Old,
}

/// A key of ours.
#[derive(Debug)]
pub(crate) struct Held {
    secret: SecretKey,
    pub(crate) public: PublicKey,
    pub(crate) stage: Stage,
    /// When it is not accepted any more, in Unix time.
    pub(crate) drop_at: Option<Duration>,
    pub(crate) is_dropped: bool,
    pub(crate) is_revoked: bool,
    /// How many of [`WARN_BEFORE`] were said.
    warned: usize,
}

/// Our own keys.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    /// The newest first.
    held: Vec<Held>,
    switch: Option<Switch>,
    /// When the next key began to be used, in Unix time.
    switched: Option<Duration>,
    drop_after: Option<Duration>,
}

/// Something that becomes of a key because time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The next key is used from now on.
    Switched {
        key: PublicKey,
        was: Option<PublicKey>,
        drop_at: Option<Duration>,
    },
    /// A key is dropped at this moment of Unix time.
    DropsSoon(PublicKey, Duration),
    /// A key is not accepted any more.
    Dropped(PublicKey),
}

impl Held {
    /// Whether it is accepted.
    pub(crate) fn is_live(&self) -> bool {
        !self.is_dropped && !self.is_revoked
    }
}

impl Keyring {
    pub(crate) fn new(keys: OwnKeys, revoked: &Revoked) -> Keyring {
        let mut ring = Keyring::default();
        ring.set(keys, revoked);
        ring
    }

    /// The configuration says that these are our keys.
    pub(crate) fn set(&mut self, keys: OwnKeys, revoked: &Revoked) {
        let OwnKeys { current, next, old } = keys;
        let held = |secret: SecretKey, stage, drop_at| {
            let public = secret.public();
            Held {
                secret,
                public,
                stage,
                drop_at,
                is_dropped: false,
                is_revoked: revoked.has_key(&public),
                warned: 0,
            }
        };
        let (mut switch, mut switched, mut drop_after) = (None, None, None);
        let next = next.map(|next| {
            let NextKey { secret, .. } = next;
            (switch, switched, drop_after) = (Some(next.switch), next.switched, next.drop_after);
            held(secret, Stage::Next, None)
        });
        // What was done stays done, though the files do not say it.
        let stays = next.as_ref().is_some_and(|next| self.next() == Some(next.public));
        if stays && switched.is_none() {
            switched = self.switched;
        }
        let current = current.map(|secret| held(secret, Stage::Current, None));
        let old = old
            .into_iter()
            .map(|old| held(old.secret, Stage::Old, old.drop_at));
        let mut all: Vec<Held> = next.into_iter().chain(current).chain(old).collect();
        if let Some(at) = switched {
            replace(&mut all, at, drop_after);
        }
        for key in &mut all {
            let before = self.held.iter().find(|before| before.public == key.public);
            // Another date is another decision.
            if let Some(before) = before.filter(|before| before.drop_at == key.drop_at) {
                (key.is_dropped, key.warned) = (before.is_dropped, before.warned);
            }
        }
        (self.held, self.switch, self.switched, self.drop_after) = (all, switch, switched, drop_after);
    }

    /// These are not trusted any more.
    pub(crate) fn set_revoked(&mut self, revoked: &Revoked) {
        for key in &mut self.held {
            key.is_revoked = revoked.has_key(&key.public);
        }
    }

    /// All of them, the newest first.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Those that are accepted, the newest first.
    pub(crate) fn live(&self) -> impl Iterator<Item = PublicKey> {
        self.held.iter().filter(|key| key.is_live()).map(|key| key.public)
    }

    /// Whether this one is accepted.
    pub(crate) fn is_live(&self, key: &PublicKey) -> bool {
        self.live().any(|live| live == *key)
    }

    /// The secret of a key that is accepted.
    pub(crate) fn secret(&self, key: &PublicKey) -> Option<&SecretKey> {
        let found = self
            .held
            .iter()
            .find(|held| held.public == *key && held.is_live());
        found.map(|held| &held.secret)
    }

    /// The next key, whether it is used or not.
    pub(crate) fn next(&self) -> Option<PublicKey> {
        let next = self.held.iter().find(|key| key.stage == Stage::Next);
        next.map(|next| next.public)
    }

    /// The key that takes the place of the one in use, as long as it has not.
    pub(crate) fn waiting(&self) -> Option<PublicKey> {
        self.next().filter(|_| self.switched.is_none())
    }

    /// When the next key is used, if there is one.
    pub(crate) fn switch(&self) -> Option<Switch> {
        self.switch
    }

    /// When the next key began to be used, in Unix time.
    pub(crate) fn switched(&self) -> Option<Duration> {
        self.switched
    }

    /// The key that peers are called by, if they have it.
    pub(crate) fn in_use(&self) -> Option<PublicKey> {
        let live = self.held.iter().filter(|key| key.is_live());
        let in_turn = |key: &&Held| key.stage != Stage::Next || self.switched.is_some();
        let used = live.clone().find(in_turn);
        // Better a key too early than none.
        used.or_else(|| live.clone().next()).map(|key| key.public)
    }

    /// The keys in the order in which a peer is called by them that has kept `told` and those that are older; `None`: that
    /// is not known.
    pub(crate) fn in_call_order(&self, told: Option<PublicKey>) -> Vec<PublicKey> {
        let used = self.in_use();
        let others = self.live().filter(|key| Some(*key) != used);
        let waiting = self.waiting();
        let mut order: Vec<PublicKey> = used.into_iter().chain(others).collect();
        // Stable: among those that it has, and those that it has not, the order stays.
        order.sort_by_key(|key| {
            (
                !self.is_known(*key, told),
                Some(*key) == waiting && Some(*key) != used,
            )
        });
        order
    }

    /// Whether a peer has this key that has kept `told` and those that are older. What is not known is taken for yes.
    pub(crate) fn is_known(&self, key: PublicKey, told: Option<PublicKey>) -> bool {
        let place = |key: PublicKey| self.held.iter().position(|held| held.public == key);
        match told.and_then(place) {
            Some(told) => place(key).is_some_and(|place| place >= told),
            None => told.is_none(),
        }
    }

    /// Whether a peer knows a key of ours that is newer than this one, as far as is known.
    pub(crate) fn knows_newer(&self, key: PublicKey, told: Option<PublicKey>) -> bool {
        let newer = self.held.iter().take_while(|held| held.public != key);
        let mut live = newer.filter(|held| held.is_live());
        told.is_some() && live.any(|held| self.is_known(held.public, told))
    }

    /// What is due at this moment of Unix time. `all_have`: every peer has the next key.
    pub(crate) fn turn(&mut self, wall: Duration, all_have: bool) -> Option<Turn> {
        let is_time = match self.switch {
            Some(Switch::All) => all_have,
            Some(Switch::At(at)) => wall >= at,
            None => false,
        };
        let next = self
            .held
            .iter()
            .find(|key| key.stage == Stage::Next && key.is_live());
        if let Some(key) = next.map(|next| next.public)
            && self.switched.is_none()
            && is_time
        {
            let was = self.in_use().filter(|was| *was != key);
            self.switched = Some(wall);
            let drop_at = replace(&mut self.held, wall, self.drop_after);
            return Some(Turn::Switched { key, was, drop_at });
        }
        let used = self.in_use();
        for key in &mut self.held {
            let Some(drop_at) = key.drop_at.filter(|_| key.is_live() && Some(key.public) != used) else {
                continue;
            };
            if wall >= drop_at {
                key.is_dropped = true;
                return Some(Turn::Dropped(key.public));
            }
            let due = |before: &&Duration| wall >= drop_at.saturating_sub(**before);
            let due = WARN_BEFORE.iter().take_while(due).count();
            if due > key.warned {
                key.warned = due;
                return Some(Turn::DropsSoon(key.public, drop_at));
            }
        }
        None
    }

    /// The next moment of Unix time at which [`turn`](Self::turn) may have something to say.
    pub(crate) fn look_at(&self) -> Option<Duration> {
        let switch = match self.switch {
            Some(Switch::At(at)) if self.switched.is_none() => Some(at),
            _ => None,
        };
        let used = self.in_use();
        let drops = self.held.iter().filter_map(|key| {
            let drop_at = key
                .drop_at
                .filter(|_| key.is_live() && Some(key.public) != used)?;
            let before = WARN_BEFORE.get(key.warned).copied().unwrap_or_default();
            Some(drop_at.saturating_sub(before))
        });
        switch.into_iter().chain(drops).min()
    }
}

/// The next key is used since this moment: the one before it is dropped so much later. When.
fn replace(held: &mut [Held], switched: Duration, drop_after: Option<Duration>) -> Option<Duration> {
    let drop_at = drop_after.map(|after| switched.saturating_add(after));
    let current = held.iter_mut().find(|key| key.stage == Stage::Current);
    if let Some(current) = current {
        current.drop_at = drop_at;
    }
    drop_at
}

#[cfg(test)]
mod tests;
