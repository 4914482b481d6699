//! What a gateway's directory says, as far as pairing needs it. Whether it is right is the question of `aoe-gateway check`.

use std::fs;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use toml::{Table, Value};

use super::disk::{self, Disk, Owner};
use super::journal::{self, Recovered};
use super::record::Records;
use super::refusal::{Kind, Refusal, Result};
use super::words::{Slot, is_name, shown};
use crate::{PublicKey, store};

/// Name of the file.
pub(super) const CONFIG: &str = "gateway.toml";
/// Name of the directory of records, of the journal, and of nothing else.
const INVITATIONS: &str = "invitations";

/// A directory in which nobody else pairs meanwhile.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) path: PathBuf,
    /// Held for as long as this lives.
    _lock: Flock<fs::File>,
}

impl Held {
    /// Takes a directory.
    ///
    /// # Errors
    /// If it is not there, others may write to it, or another `aoe-keys` has it.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let cannot = |why: String| {
            Refusal::new(
                Kind::NoInput,
                format!("cannot use {}: {why}", directory.display()),
            )
        };
        let path = std::path::absolute(directory).map_err(|error| cannot(error.to_string()))?;
        if path.to_str().is_none() {
            return Err(Refusal::usage("the directory has a name that is no text"));
        }
        let found = fs::metadata(&path).map_err(|error| cannot(error.to_string()))?;
        if !found.is_dir() {
            return Err(cannot("it is no directory".to_owned()));
        }
        store::check_directory(&path)?;
        let opened = fs::File::open(&path).map_err(|error| cannot(error.to_string()))?;
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Held { path, _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Refusal::new(
                Kind::Busy,
                format!(
                    "another aoe-keys works in {}: wait until it has ended",
                    path.display()
                ),
            )),
            Err((_, errno)) => Err(cannot(errno.to_string())),
        }
    }

    pub(super) fn invitations(&self) -> PathBuf {
        self.path.join(INVITATIONS)
    }

    /// Finishes what an interrupted run had begun.
    pub(super) fn recover(&self, disk: &Disk) -> Result<Option<Recovered>> {
        let recovered = journal::recover(disk, &self.invitations())?;
        disk.sweep(&self.path)?;
        Ok(recovered)
    }

    /// Makes the directory of records.
    pub(super) fn make_invitations(&self, disk: &Disk) -> Result<()> {
        // What is in it is for `aoe-keys`, not for the gateway.
        disk.make_directory(&self.invitations(), 0o700, None)
    }
}

/// A peer that is there.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) key: Option<PublicKey>,
    pub(super) file: PathBuf,
}

/// An export that is there.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) name: String,
    pub(super) segment: String,
    pub(super) target: Option<Slot>,
    /// Who may use it.
    pub(super) allowed: Vec<String>,
}

/// A gateway.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) held: Held,
    pub(super) name: String,
    pub(super) key: PublicKey,
    /// Whom its secrets belong to, if root pairs for it.
    pub(super) secrets_of: Owner,
    pub(super) workers: u16,
    pub(super) segments: Vec<String>,
    pub(super) peers_directory: PathBuf,
    pub(super) exports_directory: Option<PathBuf>,
    pub(super) peers: Vec<Known>,
    /// Segment and address of what is imported.
    imports: Vec<(String, Slot)>,
    pub(super) exports: Vec<Export>,
}

impl Site {
    /// Reads a directory that is held.
    ///
    /// # Errors
    /// If there is no gateway file in it, or this does not say what pairing needs.
    pub(super) fn read(held: Held) -> Result<Self> {
        let file = held.path.join(CONFIG);
        let Some(text) = disk::read(&file)? else {
            return Err(Refusal::new(
                Kind::NoInput,
                format!(
                    "there is no {}: make one with `aoe-keys init --dir {}`",
                    file.display(),
                    held.path.display()
                ),
            ));
        };
        let table = parse(&file, &text)?;
        let gateway = table.get("gateway").and_then(Value::as_table);
        let of_gateway = |key: &str| {
            gateway
                .and_then(|gateway| gateway.get(key))
                .and_then(Value::as_str)
        };
        let missing = |key: &str, line: &str| {
            Refusal::config(format!(
                "{} has no `{key}` in [gateway]; add: {line}",
                file.display()
            ))
        };
        let name = of_gateway("name").filter(|name| is_name(name));
        let name = name
            .ok_or_else(|| missing("name", "name = \"site-a\""))?
            .to_owned();
        let key_file = of_gateway("key").ok_or_else(|| missing("key", "key = \"site-a.key\""))?;
        let credentials = store::credential::directory();
        let key_file = store::credential::locate(&held.path, key_file, credentials.as_deref())
            .map_err(|fault| Refusal::config(fault.to_string()))?;
        let peers_directory = of_gateway("peers").ok_or_else(|| missing("peers", "peers = \"peers.d\""))?;
        let peers_directory = held.path.join(peers_directory);
        let exports_directory = of_gateway("exports").map(|path| held.path.join(path));
        let workers = gateway
            .and_then(|gateway| gateway.get("workers"))
            .and_then(Value::as_integer);
        let (mut peers, mut imports) = (Vec::new(), Vec::new());
        for peer in tables(&table, "peer") {
            peers.extend(known(peer, None, &file));
        }
        imports.extend(
            tables(&table, "import")
                .iter()
                .filter_map(|import| presented(import)),
        );
        for path in toml_files(&peers_directory) {
            let text = disk::read(&path)?.unwrap_or_default();
            let table = parse(&path, &text)?;
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(peer) = table.get("peer").and_then(Value::as_table) {
                peers.extend(known(peer, stem, &path));
            }
            imports.extend(
                tables(&table, "import")
                    .iter()
                    .filter_map(|import| presented(import)),
            );
        }
        let mut exports = Vec::new();
        for path in exports_directory.iter().flat_map(|path| toml_files(path)) {
            let text = disk::read(&path)?.unwrap_or_default();
            exports.push(export(&path, &text)?);
        }
        let segments = tables(&table, "segment");
        let segments = segments.iter().filter_map(|segment| string(segment, "name"));
        Ok(Site {
            segments: segments.collect(),
            key: store::read_secret(&key_file)?.public(),
            secrets_of: disk::owner_of(&key_file),
            workers: workers.and_then(|workers| workers.try_into().ok()).unwrap_or(1),
            name,
            peers_directory,
            exports_directory,
            peers,
            imports,
            exports,
            held,
        })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.held.path.join(CONFIG)
    }

    pub(super) fn records(&self) -> Records {
        Records::read(&self.held.invitations())
    }

    /// Makes the directories in which something is to be put.
    pub(super) fn make_directories(&self, disk: &Disk) -> Result<()> {
        self.held.make_invitations(disk)?;
        let like = |path: &Path| {
            disk.make_directory(
                path,
                directory_mode(&self.held.path),
                disk::owner_of(&self.held.path),
            )
        };
        like(&self.peers_directory)?;
        self.exports_directory.as_deref().map_or(Ok(()), like)
    }

    /// Removes what an interrupted run has left beside the files of the gateway.
    pub(super) fn sweep(&self, disk: &Disk) -> Result<()> {
        disk.sweep(&self.peers_directory)?;
        self.exports_directory
            .as_deref()
            .map_or(Ok(()), |path| disk.sweep(path))
    }

    /// Refuses a peer that is there already, by its name or its key.
    pub(super) fn refuse_known(&self, name: &str, key: Option<PublicKey>) -> Result<()> {
        if name == self.name {
            return Err(Refusal::letter(format!(
                "both gateways are called {name}: give one of them another name in gateway.toml, and invite again"
            )));
        }
        let same = self
            .peers
            .iter()
            .find(|peer| peer.name == name || (key.is_some() && peer.key == key));
        match same {
            None => Ok(()),
            Some(peer) if peer.name == name => Err(Refusal::exists(format!(
                "there is a peer called {name} already, in {}; to pair it again, remove that first",
                peer.file.display()
            ))),
            Some(peer) => Err(Refusal::exists(format!(
                "the key of {name} is that of the peer {}, in {}",
                peer.name,
                peer.file.display()
            ))),
        }
    }

    /// The segment that is meant.
    pub(super) fn segment(&self, named: Option<&str>) -> Result<String> {
        let all = self.segments.join(", ");
        match (named, self.segments.as_slice()) {
            (Some(named), all) if all.iter().any(|segment| segment == named) => Ok(named.to_owned()),
            (Some(named), _) => Err(Refusal::usage(format!(
                "no segment is called {}; there is {all}",
                shown(named)
            ))),
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err(Refusal::config(format!(
                "{} has no [[segment]]",
                self.config().display()
            ))),
            (None, _) => Err(Refusal::usage(format!(
                "say on which segment with --segment; there are {all}"
            ))),
        }
    }

    /// Whether an address is free on a segment, as far as the configuration tells.
    pub(super) fn is_free(&self, segment: &str, slot: Slot) -> bool {
        let imported = self.imports.iter().any(|(on, at)| on == segment && *at == slot);
        let exported = self
            .exports
            .iter()
            .any(|export| export.segment == segment && export.target == Some(slot));
        !imported && !exported
    }
}

/// A TOML file, as a table.
pub(super) fn parse(file: &Path, text: &str) -> Result<Table> {
    text.parse().map_err(|_| {
        Refusal::config(format!(
            "{} is not TOML; `aoe-gateway check` says where it is wrong",
            file.display()
        ))
    })
}

/// How directories in one are made: readable for those who may read that.
pub(super) fn directory_mode(above: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(above).map_or(0o700, |found| found.permissions().mode() & 0o755 | 0o700)
}

/// The export that a text says.
pub(super) fn export(file: &Path, text: &str) -> Result<Export> {
    let table = parse(file, text)?;
    let allow = tables(&table, "allow");
    Ok(Export {
        file: file.to_owned(),
        text: text.to_owned(),
        name: string(&table, "name").unwrap_or_default(),
        segment: string(&table, "segment").unwrap_or_default(),
        target: string(&table, "target").and_then(|text| text.parse().ok()),
        allowed: allow.iter().filter_map(|allow| string(allow, "peer")).collect(),
    })
}

fn known(peer: &Table, stem: Option<&str>, file: &Path) -> Option<Known> {
    Some(Known {
        name: string(peer, "name").or_else(|| stem.map(ToOwned::to_owned))?,
        key: string(peer, "key").and_then(|key| key.parse().ok()),
        file: file.to_owned(),
    })
}

fn presented(import: &Table) -> Option<(String, Slot)> {
    Some((string(import, "segment")?, string(import, "as")?.parse().ok()?))
}

fn tables<'a>(table: &'a Table, key: &str) -> Vec<&'a Table> {
    let items = table.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_table).collect()
}

fn string(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// The files of a directory that a gateway reads.
fn toml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            bytes.ends_with(b".toml") && !bytes.starts_with(b".")
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}
