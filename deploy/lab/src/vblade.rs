//! The real vblade: one process, one disk, one device.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_common::frame::{Address, SECTOR_LEN};

use crate::netns::{Namespace, Process};

/// How long it may take to open its device.
const PATIENCE: Duration = Duration::from_secs(10);

/// What vblade is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vblade {
    /// Its shelf.slot.
    pub address: Address,
    /// The file or block device it exports.
    pub image: PathBuf,
    /// Further options, such as `-r` or `-b 64`.
    pub options: Vec<String>,
}

impl Vblade {
    /// A vblade without options.
    pub fn new(address: Address, image: &Path) -> Self {
        Vblade {
            address,
            image: image.to_owned(),
            options: Vec::new(),
        }
    }

    /// The installed program.
    ///
    /// # Errors
    /// When there is none; the message says how to get it.
    pub fn program() -> Result<PathBuf> {
        // Where daemons live is not in everybody's PATH.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let daemons = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let found = std::env::split_paths(&path)
            .chain(daemons)
            .map(|dir| dir.join("vblade"))
            .find(|path| path.is_file());
        found.context("there is no vblade here: apt install vblade")
    }

    /// Starts it on a device and waits until it serves. It ends when the device goes down.
    ///
    /// # Errors
    /// When it is not installed, or ends at once; the message carries what it said.
    pub fn start(&self, namespace: &Namespace, device: &str, log: Option<&Path>) -> Result<Process> {
        let mut command = Command::new(Self::program()?);
        command.args(&self.options);
        command.args([self.address.shelf.to_string(), self.address.slot.to_string()]);
        command.arg(device).arg(&self.image);
        let process = namespace.spawn(&format!("vblade {}", self.address), command, log)?;
        process.wait_for_line("sectors", PATIENCE)?;
        Ok(process)
    }
}

/// Makes a file of `sectors` sectors of zeros, or empties an existing one.
///
/// # Errors
/// Those of the file.
pub fn make_image(path: &Path, sectors: u64) -> io::Result<()> {
    File::create(path)?.set_len(sectors * SECTOR_LEN as u64)
}
