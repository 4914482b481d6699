//! The file.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::config::{MOST_KEYS, Told};
use aoe_keys::PublicKey;
use serde::{Deserialize, Serialize};

use super::{Known, MOST_PEERS, Said};

const NAME: &str = "peer-keys.toml";
/// The version of the file. A file of another one is put aside.
const VERSION: u32 = 1;
/// No such file is longer.
const LONGEST: u64 = 16 << 20;
const HEAD: &str = "# What this gateway knows of keys beside its configuration. It writes this file itself: do not edit it.\n";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    switched: Option<Switched>,
    #[serde(default)]
    peer: Vec<Peer>,
    #[serde(default)]
    told: Vec<Kept>,
}

/// Our next key is used.
#[derive(Debug, Serialize, Deserialize)]
struct Switched {
    key: String,
    /// Since when, in Unix time, in milliseconds.
    since_ms: u64,
}

/// What a peer said of its keys.
#[derive(Debug, Serialize, Deserialize)]
struct Peer {
    name: String,
    configured: String,
    keys: Vec<String>,
    in_use: usize,
    since_ms: u64,
}

/// What a peer has kept of ours.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    peer: String,
    key: String,
    since_ms: u64,
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What is in the file; `None`: there is none.
pub(super) fn read(path: &Path) -> Result<Option<Known>, String> {
    let unread = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    let mut text = String::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .map_err(unread)?,
    };
    parse(&text)
        .map(Some)
        .map_err(|why| format!("{} cannot be used: {why}", path.display()))
}

fn parse(text: &str) -> Result<Known, String> {
    let contents: Contents = toml::from_str(text).map_err(|error| error.message().replace('\n', " "))?;
    if contents.version != VERSION {
        return Err(format!(
            "it has version {}, and {VERSION} is known",
            contents.version
        ));
    }
    if contents.peer.len().max(contents.told.len()) > MOST_PEERS {
        return Err(format!("it has more than {MOST_PEERS} peers"));
    }
    let mut known = Known::default();
    for Peer {
        name,
        configured,
        keys,
        in_use,
        since_ms,
    } in contents.peer
    {
        let keys = keys.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
        if !(1..=MOST_KEYS).contains(&keys.len()) || in_use >= keys.len() {
            return Err(format!("{name} has {} keys and uses number {in_use}", keys.len()));
        }
        let said = Said {
            configured: key(&configured)?,
            keys,
            in_use,
            since: Duration::from_millis(since_ms),
        };
        known.said.insert(name, said);
    }
    for Kept {
        peer,
        key: text,
        since_ms,
    } in contents.told
    {
        let told = Told {
            key: key(&text)?,
            since: Duration::from_millis(since_ms),
        };
        known.told.insert(peer, told);
    }
    if let Some(switched) = contents.switched {
        known.switched = Some((key(&switched.key)?, Duration::from_millis(switched.since_ms)));
    }
    Ok(known)
}

fn key(text: &str) -> Result<PublicKey, String> {
    text.parse()
        .map_err(|error: aoe_keys::KeyTextError| error.to_string())
}

/// Everybody may read it: there is no secret in it, and `aoe-keys` looks there.
pub(super) fn write(path: &Path, known: &Known) -> io::Result<()> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let contents = Contents {
        version: VERSION,
        switched: known.switched.map(|(key, at)| Switched {
            key: key.to_string(),
            since_ms: milliseconds(at),
        }),
        peer: known
            .said
            .iter()
            .map(|(name, said)| Peer {
                name: name.clone(),
                configured: said.configured.to_string(),
                keys: said.keys.iter().map(ToString::to_string).collect(),
                in_use: said.in_use,
                since_ms: milliseconds(said.since),
            })
            .collect(),
        told: known
            .told
            .iter()
            .map(|(peer, told)| Kept {
                peer: peer.clone(),
                key: told.key.to_string(),
                since_ms: milliseconds(told.since),
            })
            .collect(),
    };
    let body = toml::to_string(&contents).map_err(io::Error::other)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".peer-keys-")
        .tempfile_in(directory)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(format!("{HEAD}{body}").as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// Moves a file away that cannot be used; what was done, in words.
pub(super) fn put_aside(path: &Path) -> String {
    let aside = path.with_extension("toml.bad");
    match fs::rename(path, &aside) {
        Ok(()) => format!("it is kept as {}", aside.display()),
        Err(error) => format!("it cannot be moved away: {error}"),
    }
}
