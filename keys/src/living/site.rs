//! What the files of a gateway say about keys. Whether they are right otherwise is the question of `aoe-gateway check`.

use std::fs;
use std::path::{Path, PathBuf};

use aoe_keys::PublicKey;
use nix::fcntl::{Flock, FlockArg};
use toml::{Table, Value};

use crate::failure::{Exit, Failure};

/// The name of the gateway file in its directory.
const CONFIG: &str = "gateway.toml";
/// The file of keys that are not trusted any more, if the gateway file names no other.
const REVOKED: &str = "revoked.toml";

/// Which gateway is meant.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The gateway file
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// The directory of the gateway file, gateway.toml
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A gateway.
#[derive(Debug)]
pub(crate) struct Site {
    /// The gateway file.
    pub(crate) config: PathBuf,
    /// Its own name; empty if it has none.
    pub(crate) name: String,
    /// The file of its key, if it has one; `credential:NAME` as it is written.
    pub(crate) key: Option<PathBuf>,
    /// Where it keeps what it learns, if its file says so.
    pub(crate) state: Option<PathBuf>,
    /// The file of keys that are not trusted any more.
    pub(crate) revoked: PathBuf,
    /// Its peers that are known by a key.
    pub(crate) peers: Vec<Peer>,
    directory: PathBuf,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Its key as the configuration names it.
    pub(crate) key: PublicKey,
}

impl Which {
    /// Reads the files.
    ///
    /// # Errors
    /// If there is no gateway file, or it is no TOML.
    pub(crate) fn read(&self) -> Result<Site, Failure> {
        let config = match (&self.config, &self.dir) {
            (Some(file), _) => file.clone(),
            (None, Some(directory)) => directory.join(CONFIG),
            (None, None) => PathBuf::from(CONFIG),
        };
        let config = std::path::absolute(&config).unwrap_or(config);
        let table = read(&config).map_err(|why| {
            let hint = match config.exists() {
                true => "",
                false => "; name it with --config FILE or --dir DIR",
            };
            Failure::refused(
                Exit::NoInput,
                format!("cannot read {}: {why}{hint}", config.display()),
            )
        })?;
        Ok(Site::of(config, &table))
    }
}

impl Site {
    fn of(config: PathBuf, table: &Table) -> Site {
        let directory = config.parent().unwrap_or(Path::new("/")).to_owned();
        let gateway = table.get("gateway").and_then(Value::as_table);
        let written = |key: &str| gateway?.get(key)?.as_str();
        let mut peers: Vec<_> = tables(table, "peer")
            .filter_map(|peer| Peer::of(peer, None))
            .collect();
        for file in written("peers")
            .iter()
            .flat_map(|peers| toml_files(&directory.join(peers)))
        {
            let stem = file.file_stem().and_then(|stem| stem.to_str());
            let table = read(&file).unwrap_or_default();
            let peer = table.get("peer").and_then(Value::as_table);
            peers.extend(peer.and_then(|peer| Peer::of(peer, stem)));
        }
        Site {
            name: written("name").unwrap_or_default().to_owned(),
            key: written("key").map(|key| match key.starts_with("credential:") {
                true => PathBuf::from(key),
                false => directory.join(key),
            }),
            state: written("state").map(|state| directory.join(state)),
            revoked: directory.join(written("revoked").unwrap_or(REVOKED)),
            peers,
            directory,
            config,
        }
    }

    /// Nobody else changes keys of this gateway for as long as what is returned lives.
    ///
    /// # Errors
    /// If another `aoe-keys` does.
    pub(crate) fn hold(&self) -> Result<Flock<fs::File>, Failure> {
        let failed = |exit, why: String| {
            Failure::refused(
                exit,
                format!("cannot work in {}: {why}", self.directory.display()),
            )
        };
        let opened =
            fs::File::open(&self.directory).map_err(|error| failed(Exit::NoInput, error.to_string()))?;
        Flock::lock(opened, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            nix::errno::Errno::EWOULDBLOCK => failed(
                Exit::Busy,
                "another aoe-keys does: wait until it has ended".to_owned(),
            ),
            errno => failed(Exit::Io, errno.to_string()),
        })
    }
}

impl Peer {
    /// `implied` is the name that its file gives it.
    fn of(table: &Table, implied: Option<&str>) -> Option<Peer> {
        let written = |key: &str| table.get(key).and_then(Value::as_str);
        Some(Peer {
            name: written("name").or(implied)?.to_owned(),
            key: written("key")?.parse().ok()?,
        })
    }
}

fn read(file: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    text.parse()
        .map_err(|error: toml::de::Error| format!("this is not TOML: {}", error.message()))
}

fn tables<'t>(table: &'t Table, key: &str) -> impl Iterator<Item = &'t Table> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_table)
}

/// What the gateway reads of such a directory, too.
fn toml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_one = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.ends_with(".toml") && !name.starts_with('.')
    };
    let mut files: Vec<_> = paths.filter(is_one).collect();
    files.sort();
    files
}
