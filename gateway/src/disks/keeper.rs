//! Keeps the files of the state directory.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Disks, Found, Note};
use crate::audit::{Audit, Entry};
use crate::driver::{Command, CommandSender};
use crate::logging::id;

/// How often files are looked at, and written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writes down which disks are found, and passes on what the operator accepts.
#[derive(Debug)]
pub struct Keeper {
    disks: Disks,
    exports: Vec<String>,
    found: Found,
    audit: Audit,
    versions: HashMap<String, Option<(u64, i64, i64)>>,
}

impl Keeper {
    /// Keeps the files of these exports. What is in them now has been read.
    pub(crate) fn new(disks: Disks, exports: Vec<String>, found: Found, audit: Audit) -> Keeper {
        let versions = exports
            .iter()
            .map(|export| (export.clone(), disks.version(export)));
        Keeper {
            versions: versions.collect(),
            disks,
            exports,
            found,
            audit,
        }
    }

    /// Runs for as long as it is polled. `exports` says when there are others. Files are touched on a thread of their own:
    /// a disk may be slow.
    pub async fn run(
        mut self,
        commands: Vec<CommandSender>,
        mut exports: UnboundedReceiver<Vec<String>>,
    ) -> Infallible {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Some(others) = exports.recv() => {
                    self.keep(others);
                    continue;
                }
            }
            let look = tokio::task::spawn_blocking(move || {
                let accepted = self.look();
                (self, accepted)
            });
            let Ok((this, accepted)) = look.await else {
                return std::future::pending().await;
            };
            self = this;
            for export in accepted {
                tracing::info!(
                    id = id::DISK_ACCEPTED,
                    export,
                    "export {export}: the operator accepts its disk"
                );
                self.audit.record(Entry::DiskAccepted {
                    export: export.clone(),
                });
                for worker in &commands {
                    worker.send(Command::AcceptDisk {
                        export: export.clone(),
                    });
                }
            }
        }
    }

    /// Keeps the files of these exports from now on. What is in the files of those that are new has been read.
    fn keep(&mut self, exports: Vec<String>) {
        for export in &exports {
            if !self.exports.contains(export) {
                self.versions.insert(export.clone(), self.disks.version(export));
            }
        }
        self.exports = exports;
    }

    /// Looks once; returns the exports whose disk was accepted.
    fn look(&mut self) -> Vec<String> {
        let mut found = self.found.take();
        let mut accepted = Vec::new();
        for export in &self.exports {
            let version = self.disks.version(export);
            if self.versions.get(export).is_some_and(|known| *known != version) {
                self.versions.insert(export.clone(), version);
                match self.disks.read(export) {
                    Ok(Some(Note::AcceptNext)) => {
                        // What was found before says nothing about the one that is meant.
                        found.remove(export);
                        accepted.push(export.clone());
                    }
                    Ok(_) => {}
                    Err(error) => tracing::error!(id = id::DISK_FILE, "{error}"),
                }
            }
        }
        for (export, disk) in found {
            match self.disks.write(&export, &Note::Disk(disk)) {
                Ok(()) => {
                    let version = self.disks.version(&export);
                    self.versions.insert(export, version);
                }
                Err(error) => tracing::warn!(
                    id = id::DISK_NOT_REMEMBERED,
                    export,
                    "export {export}: its disk is not remembered over a restart: {}: {error}",
                    self.disks.path(&export).display()
                ),
            }
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, disk};
    use super::*;

    #[test]
    fn an_acceptance_is_seen_once_and_what_was_found_before_does_not_replace_it() {
        let (_root, disks) = directory();
        let found = Found::default();
        let mut keeper = Keeper::new(
            disks.clone(),
            vec!["a".to_owned()],
            found.clone(),
            Audit::default(),
        );
        found.add("a".to_owned(), disk("x"));
        assert!(keeper.look().is_empty());
        assert_eq!(disks.read("a").unwrap(), Some(Note::Disk(disk("x"))));
        disks.write("a", &Note::AcceptNext).unwrap();
        found.add("a".to_owned(), disk("x"));
        assert_eq!(keeper.look(), ["a"]);
        assert_eq!(disks.read("a").unwrap(), Some(Note::AcceptNext));
        assert!(keeper.look().is_empty());
        found.add("a".to_owned(), disk("y"));
        assert!(keeper.look().is_empty());
        assert_eq!(disks.read("a").unwrap(), Some(Note::Disk(disk("y"))));
    }

    #[test]
    fn the_files_of_an_export_are_kept_while_it_is_there() {
        let (_root, disks) = directory();
        let mut keeper = Keeper::new(
            disks.clone(),
            vec!["a".to_owned()],
            Found::default(),
            Audit::default(),
        );
        disks.write("b", &Note::AcceptNext).unwrap();
        assert!(keeper.look().is_empty());
        keeper.keep(vec!["b".to_owned()]);
        assert!(keeper.look().is_empty(), "it was read when the export appeared");
        for export in ["a", "b"] {
            disks.write(export, &Note::AcceptNext).unwrap();
        }
        assert_eq!(keeper.look(), ["b"]);
    }
}
