//! Keys that change by what gateways tell each other: written down first, and then they count.

use aoe_common::config::{PeerId, Told};
use aoe_common::event::KeyEvent;
use tokio::task::spawn_blocking;

use super::change::Running;
use crate::audit::{Audit, Entry};
use crate::clock::unix_time;
use crate::driver::Command;
use crate::key_memory::Said;
use crate::logging::id;

/// What a data plane says of keys.
#[derive(Debug)]
pub(crate) struct KeyNews {
    /// Which one.
    pub(crate) worker: usize,
    /// What.
    pub(crate) event: KeyEvent,
}

impl Running {
    /// Takes down what concerns a restart, and tells the data plane that asked.
    pub(super) async fn learn(&mut self, news: KeyNews, audit: &Audit) {
        match news.event {
            KeyEvent::Learnt {
                peer,
                serial,
                keys,
                in_use,
            } => {
                let Some((name, said)) = self.said(peer, &keys, in_use) else {
                    return;
                };
                let is_news = self.memory.said(&name).is_none_or(|known| !known.is_same(&said));
                if is_news {
                    self.memory.hear(&name, said.clone());
                    if let Err(why) = self.write_memory().await {
                        tracing::warn!(
                            id = id::KEYS_NOT_KEPT,
                            peer = name,
                            "{name} says that it has other keys; they do not count, for they cannot be kept over a restart: \
                             {why}; name a directory as `state` of [gateway], or write the new key of {name} into the \
                             configuration"
                        );
                        return;
                    }
                    audit.record(Entry::PeerKeys {
                        peer: name,
                        keys: keys.iter().map(|key| key.fingerprint().to_string()).collect(),
                        in_use: keys
                            .get(in_use)
                            .map(|key| key.fingerprint().to_string())
                            .unwrap_or_default(),
                    });
                }
                self.know();
                if let Some(worker) = self.followers().workers.get(news.worker) {
                    worker.send(Command::KeysKept { peer, serial });
                }
            }
            KeyEvent::Told { peer, key, since, .. } => {
                self.memory.tell(&peer, Told { key, since });
                self.remember().await;
            }
            KeyEvent::Switched { key, was, at, .. } => {
                self.memory.switch(key, at);
                self.remember().await;
                self.know();
                audit.record(Entry::KeySwitched {
                    key: key.fingerprint().to_string(),
                    was: was.map(|was| was.fingerprint().to_string()),
                });
            }
            _ => {}
        }
    }

    /// What a peer said; `None`: there is no such peer any more, or nothing it could say.
    fn said(&self, peer: PeerId, keys: &[aoe_keys::PublicKey], in_use: usize) -> Option<(String, Said)> {
        let config = self.loaded().core.peers.get(peer)?;
        let said = Said::of(&config.trust, keys, in_use, unix_time())?;
        Some((config.name.clone(), said))
    }

    /// Writes down what is only good to know: without it peers are told again after a restart.
    async fn remember(&mut self) {
        if self.memory.is_kept()
            && let Err(why) = self.write_memory().await
        {
            tracing::warn!(
                id = id::KEYS_NOT_KEPT,
                "where the replacement of our key stands is not remembered over a restart: {why}"
            );
        }
    }

    /// Writes on a thread of its own: a disk may be slow.
    async fn write_memory(&mut self) -> Result<(), String> {
        let names: Vec<String> = self
            .loaded()
            .core
            .peers
            .values()
            .map(|peer| peer.name.clone())
            .collect();
        let mut memory = self.memory.clone();
        let written = spawn_blocking(move || {
            let outcome = memory.write(|name| names.iter().any(|known| known == name));
            (memory, outcome)
        });
        let (memory, outcome) = written.await.map_err(|error| error.to_string())?;
        self.memory = memory;
        outcome.map_err(|error| error.to_string())
    }
}
