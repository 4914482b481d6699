//! `init`: the directory of a new gateway.

use std::path::{Path, PathBuf};

use super::disk::{self, Disk};
use super::journal::{self, Act, Journal, Step};
use super::refusal::{Refusal, Result};
use super::site::{CONFIG, Held, directory_mode};
use super::texts::{self, Plan};
use super::words::name;
use crate::{PublicKey, SecretKey, store};

/// A new gateway.
#[derive(Debug)]
pub struct Made {
    /// Its configuration.
    pub config: PathBuf,
    /// Its secret key.
    pub key_file: PathBuf,
    /// Its public key.
    pub key: PublicKey,
    /// Whether an interrupted run had made it, and this one has only finished it.
    pub finished: bool,
}

/// Makes the directory, with a key and a configuration that has no peer yet. What is there stays as it is.
///
/// # Errors
/// If there is a gateway already, or something cannot be written.
pub fn init(disk: &Disk, directory: &Path, plan: &Plan) -> Result<Made> {
    name("a gateway", &plan.name)?;
    name("a segment", &plan.segment)?;
    if plan.listen.is_empty() {
        return Err(Refusal::usage(
            "say where it listens with --listen, such as 0.0.0.0:34978",
        ));
    }
    let directory = std::path::absolute(directory)
        .map_err(|error| Refusal::usage(format!("there is no such path: {error}")))?;
    disk.make_directory(&directory, 0o700, None)?;
    let held = Held::take(&directory)?;
    let config = directory.join(CONFIG);
    let key_file = directory.join(format!("{}.key", plan.name));
    let recovered = held.recover(disk)?;
    if recovered.is_some_and(|recovered| recovered.act == Act::Init && recovered.files.contains(&key_file)) {
        return Ok(Made {
            key: store::read_secret(&key_file)?.public(),
            config,
            key_file,
            finished: true,
        });
    }
    for file in [&config, &key_file] {
        if std::fs::symlink_metadata(file).is_ok() {
            return Err(disk::there_already(file));
        }
    }
    let owner = disk::owner_of(&directory);
    for inner in ["exports.d", "peers.d"] {
        disk.make_directory(&directory.join(inner), directory_mode(&directory), owner)?;
    }
    held.make_invitations(disk)?;
    let key = SecretKey::generate()?;
    let journal = Journal {
        act: Act::Init,
        id: String::new(),
        peer: String::new(),
        steps: vec![
            Step::new(
                key_file.clone(),
                store::secret_file_text(&key).to_string(),
                0o600,
                owner,
            ),
            Step::new(config.clone(), texts::gateway(plan), 0o644, owner),
        ],
    };
    journal::commit(disk, &held.invitations(), &journal)?;
    Ok(Made {
        config,
        key_file,
        key: key.public(),
        finished: false,
    })
}
