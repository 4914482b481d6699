//! What a configuration was read from: its texts, kept, and the versions of the files that count as soon as they change.
//!
//! Texts are what people edit, and half an edit must not be applied: they count at a reload. Secrets, certificates and the
//! like are written by programs, in one step, and count by themselves. So a change of one of those is read together with the
//! texts as they were.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aoe_keys::KeyKind;
use aoe_keys::store::Purpose;
use aoe_keys::store::credential::{self, CredentialFault};

use super::fault::Faults;
use super::files::{self, ReadFault};
use super::source::Place;
use crate::clock::unix_time;
use crate::expiring::Ending;

/// What tells one version of a file from another: its device and inode, its size, and when it and its inode were changed,
/// in seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    inode: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// The version of a file as it is now; `None` if there is none that can be looked at.
pub(crate) fn version(path: &Path) -> Option<Version> {
    let found = fs::metadata(path).ok()?;
    Some(Version {
        inode: (found.dev(), found.ino()),
        size: found.size(),
        written: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

/// A file that counts as soon as it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What was there just before it was read; `None`: nothing.
    pub(crate) version: Option<Version>,
}

/// Texts of a configuration by their paths, and the lists of directories of such files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    files: BTreeMap<PathBuf, String>,
    directories: BTreeMap<PathBuf, Vec<PathBuf>>,
}

/// What a configuration was read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The texts.
    pub(crate) texts: Texts,
    /// Files that count as soon as they change, each once.
    pub(crate) watched: Vec<Watched>,
    /// Credentials that could not be looked at, as they are written, and for which something else stands: this is not the
    /// service.
    pub(crate) unseen: Vec<(KeyKind, String)>,
    /// What of it ends by itself.
    pub(crate) endings: Vec<Ending>,
}

/// Reads a configuration, and keeps what it is read from.
#[derive(Debug, Default)]
pub(super) struct Reader<'a> {
    /// Texts to be taken instead of those on disk.
    instead: Option<&'a Texts>,
    purpose: Purpose,
    origin: Origin,
}

impl<'a> Reader<'a> {
    /// Takes texts from here, whatever is on disk now.
    pub(super) fn again(texts: &'a Texts) -> Self {
        Reader {
            instead: Some(texts),
            ..Reader::default()
        }
    }

    /// Only looks, perhaps for another user, and perhaps outside of the service.
    pub(super) fn look() -> Self {
        Reader {
            purpose: Purpose::Look,
            ..Reader::default()
        }
    }

    /// What the configuration is read for.
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The text of a file.
    pub(super) fn text(&mut self, path: &Path) -> Result<String, ReadFault> {
        let text = match self.instead {
            None => files::read_text(path)?,
            Some(texts) => {
                let kept = texts.files.get(path).cloned();
                kept.ok_or_else(|| ReadFault::Io(missing()))?
            }
        };
        self.origin.texts.files.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    /// The configuration files of a directory, see [`files::toml_files`].
    pub(super) fn directory(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let files = match self.instead {
            None => files::toml_files(path)?,
            Some(texts) => texts.directories.get(path).cloned().ok_or_else(missing)?,
        };
        self.origin
            .texts
            .directories
            .insert(path.to_owned(), files.clone());
        Ok(files)
    }

    /// This file is read next, and counts as soon as it changes or appears.
    pub(super) fn watch(&mut self, path: &Path) {
        if !self.origin.watched.iter().any(|known| known.path == path) {
            self.origin.watched.push(Watched {
                path: path.to_owned(),
                version: version(path),
            });
        }
    }

    /// This credential cannot be looked at, and something else stands for it.
    pub(super) fn did_not_see(&mut self, kind: KeyKind, text: &str) {
        self.origin.unseen.push((kind, text.to_owned()));
    }

    /// Something that was read ends by itself. Who looks is warned of it where it is written; who runs with it is warned
    /// by the log when it is time.
    pub(super) fn ends(&mut self, ending: Ending, place: &Place, faults: &mut Faults) {
        let now = i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX);
        // What has ended already is reported by the reader that judges it.
        if self.purpose == Purpose::Look && now < ending.end && ending.nearness(now).is_near() {
            faults.warn(place, ending.told(now), format!("run: {}", ending.cure));
        }
        self.origin.endings.push(ending);
    }

    /// What was read.
    pub(super) fn into_origin(self) -> Origin {
        self.origin
    }
}

/// Where a file is that a configuration in this directory names, by its path or as a credential of this process.
pub(super) fn locate(directory: &Path, text: &str) -> Result<PathBuf, CredentialFault> {
    credential::locate(directory, text, credential::directory().as_deref())
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_is_warned_of_what_ends_soon_and_who_runs_keeps_it() {
        let now = i64::try_from(unix_time().as_secs()).unwrap();
        let ending = |days: i64| Ending {
            end: now + days * 86_400 + 60,
            begin: 0,
            what: "certificate",
            name: "a.crt".to_owned(),
            then: "no session can be made with it",
            cure: "aoe-keys ca renew a".to_owned(),
        };
        for (reader, days, warned) in [
            (Reader::look(), 29, true),
            (Reader::look(), 31, false),
            (Reader::default(), 1, false),
        ] {
            let mut faults = Faults::default();
            let source = faults.add_source(Path::new("gateway.toml"), "certificate = \"a.crt\"\n");
            let place = Place {
                source,
                span: 0..11,
                field: "certificate".to_owned(),
            };
            let mut reader = reader;
            reader.ends(ending(days), &place, &mut faults);
            let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), usize::from(warned), "{told:?}");
            assert!(!faults.is_fatal());
            if warned {
                assert!(
                    told[0].contains("certificate a.crt: it expires in 29 days")
                        && told[0].contains("run: aoe-keys ca renew a"),
                    "{told:?}"
                );
            }
            assert_eq!(reader.into_origin().endings.len(), 1);
        }
    }

    #[test]
    fn texts_are_those_of_then_and_watched_files_those_of_now() {
        let dir = tempfile::tempdir().unwrap();
        let [text, list, secret] = ["a.toml", "d", "x.psk"].map(|name| dir.path().join(name));
        fs::write(&text, "one").unwrap();
        fs::write(&secret, "1").unwrap();
        fs::create_dir(&list).unwrap();
        fs::write(list.join("e.toml"), "").unwrap();
        let mut reader = Reader::default();
        assert_eq!(reader.text(&text).unwrap(), "one");
        assert_eq!(reader.directory(&list).unwrap(), [list.join("e.toml")]);
        for _ in 0..2 {
            reader.watch(&secret);
        }
        let first = reader.into_origin();
        assert_eq!(first.watched.len(), 1);

        fs::write(&text, "two").unwrap();
        fs::remove_file(list.join("e.toml")).unwrap();
        fs::write(&secret, "22").unwrap();
        let mut reader = Reader::again(&first.texts);
        assert_eq!(reader.text(&text).unwrap(), "one");
        assert_eq!(reader.directory(&list).unwrap(), [list.join("e.toml")]);
        reader.watch(&secret);
        assert!(matches!(
            reader.text(&dir.path().join("new")),
            Err(ReadFault::Io(_))
        ));
        let second = reader.into_origin();
        assert_ne!(second.watched, first.watched);
        assert_eq!(second.watched[0].version, version(&secret));
        assert_eq!(version(&dir.path().join("none")), None);
    }
}
