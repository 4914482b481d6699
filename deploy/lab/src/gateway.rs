//! The real gateway processes: keys by `aoe-keys`, files as an operator writes them, `aoe-gateway run`.

mod binaries;
mod config;
mod counted;
mod transport;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_common::snapshot::Snapshot;

use crate::netns::{Namespace, Process};

pub use binaries::Binaries;
pub use config::{
    Access, AllowSection, Attachment, ExportFile, GatewayFile, ImportSection, PeerSection, SegmentSection,
};
pub use counted::Counted;
pub use transport::{Transport, VARIABLE as TRANSPORT_VARIABLE};

/// UDP port of gateways, 0x88A2.
pub const PORT: u16 = 34978;

/// One site's directory: its key, its configuration, and the gateway that runs by them.
#[derive(Clone, Debug)]
pub struct Site {
    dir: PathBuf,
    binaries: Binaries,
    public_key: String,
    log_filter: String,
    /// What `gateway.toml` says; written by [`Site::write`].
    pub config: GatewayFile,
    /// The files in `exports.d`.
    pub exports: Vec<ExportFile>,
}

/// A running gateway; dropping it ends it as `systemctl stop` would.
#[derive(Debug)]
pub struct RunningGateway {
    process: Process,
}

impl Site {
    /// Makes the directory `dir` with a new key in it, and a certificate if the lab's transport is TLS. `name` is the
    /// gateway's name.
    ///
    /// # Errors
    /// When the directory cannot be made or `aoe-keys` fails; the message carries what it said.
    pub fn create(dir: &Path, binaries: &Binaries, name: &str) -> Result<Self> {
        fs::create_dir_all(dir.join("exports.d")).with_context(|| format!("making {}", dir.display()))?;
        let key = format!("{name}.key");
        binaries.keys(dir, &["generate", "--out", &key])?;
        let public_key = binaries.keys(dir, &["public", &key])?.trim().to_owned();
        let config = GatewayFile::new(name, &key);
        let mut site = Site {
            dir: dir.to_owned(),
            binaries: binaries.clone(),
            public_key,
            log_filter: "info".to_owned(),
            config,
            exports: Vec::new(),
        };
        site.speak(Transport::of_environment()?)?;
        Ok(site)
    }

    /// Has it agree on keys with its peers in this way; they have to do the same.
    ///
    /// # Errors
    /// When `aoe-keys` makes no certificate.
    pub fn speak(&mut self, transport: Transport) -> Result<()> {
        if transport == Transport::Tls {
            transport::certify(&self.dir, &self.binaries, &self.config.name)?;
        }
        self.config.transport = transport;
        Ok(())
    }

    /// The gateway's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The text of its public key, as peers write it into their configuration.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its `gateway.toml`.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("gateway.toml")
    }

    /// What it logs: the argument of `--log-level`; "info" at first.
    pub fn set_log_filter(&mut self, filter: &str) {
        filter.clone_into(&mut self.log_filter);
    }

    /// The peer at `name`, to be changed.
    ///
    /// # Errors
    /// When there is none.
    pub fn peer(&mut self, name: &str) -> Result<&mut PeerSection> {
        let ours = self.config.name.clone();
        let found = self.config.peers.iter_mut().find(|peer| peer.name == name);
        found.with_context(|| format!("{ours} knows no peer {name}"))
    }

    /// Makes a pre-shared key and writes it into this site's directory and into `other`'s, under one file name.
    ///
    /// # Errors
    /// When `aoe-keys` fails or the copy does.
    pub fn share_psk(&self, other: &Site, file: &str) -> Result<()> {
        self.make_psk(file)?;
        // A copy keeps the mode, which has to be 0600.
        fs::copy(self.dir.join(file), other.dir.join(file)).with_context(|| format!("copying {file}"))?;
        Ok(())
    }

    /// Makes a pre-shared key in this site's directory only.
    ///
    /// # Errors
    /// When `aoe-keys` fails.
    pub fn make_psk(&self, file: &str) -> Result<()> {
        self.binaries.keys(&self.dir, &["psk", "--out", file]).map(drop)
    }

    /// Writes `gateway.toml` and the export files; export files of earlier writes that are no longer wanted go.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self) -> Result<()> {
        let exports = self.dir.join("exports.d");
        fs::remove_dir_all(&exports).and_then(|()| fs::create_dir(&exports))?;
        fs::write(self.config_path(), self.config.to_toml())?;
        for export in &self.exports {
            fs::write(exports.join(format!("{}.toml", export.name)), export.to_toml())?;
        }
        Ok(())
    }

    /// Runs `aoe-gateway check` on what [`Site::write`] wrote.
    ///
    /// # Errors
    /// When the program cannot be started; what it found is in the output.
    pub fn check(&self) -> Result<Output> {
        let mut command = Command::new(self.binaries.gateway());
        command.arg("check").arg("--config").arg(self.config_path());
        command.output().context("starting aoe-gateway check")
    }

    /// Writes the configuration and lets the running gateway take it over; what it says it changed.
    ///
    /// # Errors
    /// When files cannot be written, or `aoe-gateway reload` fails; the message carries what it said.
    pub fn reload(&self) -> Result<String> {
        self.write()?;
        self.ask(&["reload"])
    }

    /// How the running gateway is: the document of `aoe-gateway status --json`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Snapshot> {
        let document = self.ask(&["status", "--json"])?;
        serde_json::from_str(&document).with_context(|| format!("reading {document}"))
    }

    /// Runs one verb of `aoe-gateway` on this site's configuration; what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, verb: &[&str]) -> Result<String> {
        let mut command = Command::new(self.binaries.gateway());
        command.args(verb).arg("--config").arg(self.config_path());
        let output = command
            .output()
            .with_context(|| format!("starting {command:?}"))?;
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.success(),
            "{command:?} ended with {}: {said}{complained}",
            output.status
        );
        Ok(said.into_owned())
    }

    /// Writes the configuration and starts the gateway in a namespace. Its log goes to `gateway.log` in the directory,
    /// behind that of earlier starts.
    ///
    /// # Errors
    /// When files cannot be written or the program not be started.
    pub fn start(&self, namespace: &Namespace) -> Result<RunningGateway> {
        self.write()?;
        let mut command = Command::new(self.binaries.gateway());
        command.args([
            OsStr::new("--log-level"),
            OsStr::new(&self.log_filter),
            OsStr::new("run"),
        ]);
        command.arg("--config").arg(self.config_path());
        let log = self.dir.join("gateway.log");
        let process = namespace.spawn(&format!("gateway {}", self.name()), command, Some(&log))?;
        Ok(RunningGateway { process })
    }
}

impl RunningGateway {
    /// The process, for signals and log lines.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until there is a session with `peer`.
    ///
    /// # Errors
    /// When there is none after `timeout`; the message carries the last log lines.
    pub fn wait_for_session(&self, peer: &str, timeout: Duration) -> Result<()> {
        self.process
            .wait_for_line(&format!("session with {peer} is up"), timeout)
            .map(drop)
    }

    /// Waits until an import can be used.
    ///
    /// # Errors
    /// As [`RunningGateway::wait_for_session`].
    pub fn wait_for_import(&self, address: Address, timeout: Duration) -> Result<()> {
        self.process
            .wait_for_line(&format!("import {address} is up"), timeout)
            .map(drop)
    }

    /// Stops it by SIGTERM and demands that it ends clean.
    ///
    /// # Errors
    /// When it ends with another code than 0, by a signal, or not in time.
    pub fn stop(&mut self) -> Result<()> {
        let status: ExitStatus = self.process.stop()?;
        ensure!(
            status.success(),
            "the gateway ended with {status}:\n{}",
            self.process.transcript().tail(20)
        );
        Ok(())
    }
}
