//! Static keys of sites that change, and what a host keeps of them: the state directory of a gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use aoe_common::config::{KeyTrust, NextKey, OldKey, OwnKeys, PeerId, Revoked, Switch, Told};
use aoe_common::event::KeyEvent;
use aoe_common::snapshot::Keys;
use aoe_keys::{PublicKey, SecretKey};

use super::site::{Site, SiteId};
use super::world::World;

/// How long a host takes at most to write what a peer says of its keys, in microseconds.
pub(super) const WRITE_MICROS: u64 = 20_000;

/// Keys of a site besides its [`secret`](super::plan::SitePlan::secret).
#[derive(Clone, Debug, Default)]
pub struct KeyPlan {
    /// The one that takes its place, when, and how long the one before is accepted then.
    pub next: Option<([u8; 32], Switch, Duration)>,
    /// Those before it, and when they are dropped, in Unix time.
    pub old: Vec<([u8; 32], Duration)>,
    /// What it does not trust.
    pub revoked: Revoked,
    /// Whether it knows nothing of keys that change, as older versions do.
    pub is_old_version: bool,
    /// Whether its host does not come to write anything.
    pub disk_is_full: bool,
}

/// What a host has written.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// What peers said of their keys, by the number of their site.
    keys: BTreeMap<usize, (Vec<PublicKey>, usize)>,
    /// What peers have of ours.
    told: BTreeMap<usize, Told>,
    /// Our next key, and since when it is used.
    switched: Option<(PublicKey, Duration)>,
}

fn public(secret: [u8; 32]) -> PublicKey {
    SecretKey::from_bytes(secret).public()
}

impl Site {
    /// Our own keys, as files and state say them.
    pub(super) fn own_keys(&self) -> OwnKeys {
        let plan = &self.plan.keys;
        let next = plan.next.map(|(secret, switch, drop_after)| {
            let kept = self.kept.switched.filter(|(key, _)| *key == public(secret));
            NextKey {
                secret: SecretKey::from_bytes(secret),
                switch,
                switched: kept.map(|(_, at)| at),
                drop_after: Some(drop_after),
            }
        });
        let old = plan.old.iter().map(|(secret, drop_at)| OldKey {
            secret: SecretKey::from_bytes(*secret),
            drop_at: Some(*drop_at),
        });
        OwnKeys {
            current: Some(SecretKey::from_bytes(self.plan.secret)),
            next,
            old: old.collect(),
        }
    }

    /// What is trusted of a peer whose file here has this key.
    pub(super) fn trust(&self, peer: SiteId, configured: PublicKey) -> KeyTrust {
        let told = self.kept.told.get(&peer.0).copied();
        let mut trust = KeyTrust {
            told,
            ..KeyTrust::of(configured)
        };
        if let Some((keys, in_use)) = self.kept.keys.get(&peer.0) {
            trust.configured = vec![configured];
            (trust.keys, trust.in_use) = (keys.clone(), *in_use);
        }
        trust
    }
}

impl World {
    /// What a host keeps of an event about keys, and whether a peer waits for that.
    pub(super) fn keep(&mut self, site: usize, event: &KeyEvent) -> Option<(PeerId, u32)> {
        match event {
            KeyEvent::Learnt { peer, serial, .. } => return Some((*peer, *serial)),
            KeyEvent::Told { peer, key, since, .. } => {
                if let Some(other) = self.sites.iter().position(|other| other.plan.name == *peer) {
                    let told = Told {
                        key: *key,
                        since: *since,
                    };
                    self.sites[site].kept.told.insert(other, told);
                }
            }
            KeyEvent::Switched { key, at, .. } => self.sites[site].kept.switched = Some((*key, *at)),
            _ => {}
        }
        None
    }

    /// A host has written what a peer said under this number, and says so.
    pub(super) fn wrote(&mut self, site: usize, peer: PeerId, serial: u32) {
        let Some(other) = self.known_peer(site, peer).map(|known| known.site) else {
            return;
        };
        let said = self.sites[site]
            .events
            .iter()
            .rev()
            .find_map(|(_, event)| match event {
                aoe_common::event::Event::Keys(KeyEvent::Learnt {
                    peer: of,
                    serial: number,
                    keys,
                    in_use,
                }) if (*of, *number) == (peer, serial) => Some((keys.clone(), *in_use)),
                _ => None,
            });
        if let Some(said) = said {
            self.sites[site].kept.keys.insert(other.0, said);
            self.feed(site, |engine, now, out| engine.keys_kept(peer, serial, now, out));
        }
    }

    /// A site's state directory is lost.
    pub fn lose_state(&mut self, site: SiteId) {
        self.sites[site.0].kept = Kept::default();
    }

    /// A site gets a next key, as by `aoe-keys rotate`. It has to be another one each time.
    pub fn rotate(&mut self, site: SiteId, number: u8, switch: Switch, drop_after: Duration) {
        self.reload(site, |plan| {
            let mut secret = plan.secret;
            secret[31] = secret[31].wrapping_add(number);
            plan.keys.next = Some((secret, switch, drop_after));
        });
    }

    /// The next key of a site becomes its key, as by `aoe-keys rotate --finish`; the one before is dropped at its time.
    ///
    /// # Panics
    /// If there is none, or it is not in use.
    pub fn finish_rotation(&mut self, site: SiteId) {
        let (_, at) = self.sites[site.0].kept.switched.expect("the next key is in use");
        self.reload(site, |plan| {
            let (next, _, drop_after) = plan.keys.next.take().expect("there is a next key");
            plan.keys.old.insert(0, (plan.secret, at + drop_after));
            plan.keys.old.truncate(2);
            plan.secret = next;
        });
    }

    /// A site does not trust this any more, as by `aoe-keys revoke`.
    pub fn revoke(&mut self, site: SiteId, key: PublicKey) {
        self.reload(site, |plan| {
            plan.keys.revoked.keys.insert(key);
        });
    }

    /// A site does not trust the key of this fingerprint any more, which another one has or had.
    pub fn revoke_print(&mut self, site: SiteId, of: SiteId, print: &str) {
        let plan = &self.sites[of.0].plan;
        let next = plan.keys.next.iter().map(|(secret, ..)| *secret);
        let old = plan.keys.old.iter().map(|(secret, _)| *secret);
        let all: Vec<_> = next.chain([plan.secret]).chain(old).map(public).collect();
        let found = all.into_iter().find(|key| key.fingerprint().to_string() == print);
        if let Some(key) = found {
            self.revoke(site, key);
        }
    }

    /// What a site says of its keys.
    pub fn keys(&self, site: SiteId) -> Keys {
        self.snapshot(site).keys
    }

    /// What a site's wall clock shows, in Unix time.
    pub fn wall_clock(&self, site: SiteId) -> Duration {
        self.sites[site.0].wall_clock(self.now)
    }

    /// The key in a site's key file.
    pub fn key_of(&self, site: SiteId) -> PublicKey {
        public(self.sites[site.0].plan.secret)
    }

    /// The keys of the session that a site has with another: its own, and the other's, as fingerprints.
    pub fn session_keys(&self, site: SiteId, peer: SiteId) -> Option<(String, String)> {
        let name = &self.sites[peer.0].plan.name;
        let rows = self.snapshot(site).peers;
        let session = rows.into_iter().find(|row| row.name == *name)?.session?;
        Some((session.our_key, session.peer_key))
    }
}
