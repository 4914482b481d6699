//! Everything there is to say about a key file, without changing it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{StoreError, Visibility, contents, guard, open};
use crate::{AnyKey, KeyKind};

/// What was found in and around a key file.
#[derive(Debug)]
pub struct Inspection {
    /// What it claims to hold, even if the key itself is damaged.
    pub kind: Option<KeyKind>,
    /// The key, if it is whole.
    pub key: Option<AnyKey>,
    /// The permission bits of the file, if it could be opened.
    pub mode: Option<u32>,
    /// Everything that is wrong with it. Empty means fit for use.
    pub faults: Vec<StoreError>,
}

/// Looks at a file and reports all of its faults at once. Never writes.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    let (file, found) = match open(path) {
        Ok(opened) => opened,
        Err(fault) => {
            return Inspection {
                kind: None,
                key: None,
                mode: None,
                faults: vec![fault],
            };
        }
    };
    let (kind, key) = read(file, path);
    // What cannot be told apart is held to the demands on a secret.
    let visibility = kind.map_or(Visibility::Secret, guard::visibility_of);
    let mut faults = guard::faults(path, &found, visibility);
    let key = key.map_err(|fault| faults.push(fault)).ok();
    Inspection {
        kind,
        key,
        mode: Some(guard::permission_bits(found.mode())),
        faults,
    }
}

fn read(file: std::fs::File, path: &Path) -> (Option<KeyKind>, Result<AnyKey, StoreError>) {
    let bytes = match contents::read_all(file, path) {
        Ok(bytes) => bytes,
        Err(fault) => return (None, Err(fault)),
    };
    let (line, text) = match contents::only_key(&bytes, path) {
        Ok(found) => found,
        Err(fault) => return (None, Err(fault)),
    };
    let key = text.parse().map_err(|source| StoreError::KeyText {
        path: path.to_owned(),
        line,
        source,
    });
    (KeyKind::claimed_by(text), key)
}
