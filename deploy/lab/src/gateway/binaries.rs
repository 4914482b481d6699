//! Where the real programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Environment variable naming the directory of the programs.
const DIRECTORY: &str = "AOE_BIN_DIR";

/// The directory with `aoe-gateway` and `aoe-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Looks in the directory named by `AOE_BIN_DIR`, or else where this program itself is (for a test program: where
    /// cargo puts the others).
    ///
    /// # Errors
    /// When one is missing; the message says how to build them.
    pub fn find() -> Result<Self> {
        let dir = match std::env::var_os(DIRECTORY) {
            Some(dir) => PathBuf::from(dir),
            None => {
                let own = std::env::current_exe().context("looking for this program itself")?;
                let dir = own.parent().unwrap_or(Path::new(".")).to_owned();
                if dir.ends_with("deps") {
                    dir.parent().unwrap_or(&dir).to_owned()
                } else {
                    dir
                }
            }
        };
        let found = Binaries { dir };
        for program in [found.gateway(), found.path("aoe-keys")] {
            if !program.is_file() {
                bail!(
                    "{} is missing: build it (cargo build --workspace --bins), or name the directory in {DIRECTORY}",
                    program.display()
                );
            }
        }
        Ok(found)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The gateway.
    pub fn gateway(&self) -> PathBuf {
        self.path("aoe-gateway")
    }

    /// Runs `aoe-keys` in a directory and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn keys(&self, dir: &Path, args: &[&str]) -> Result<String> {
        let output = Command::new(self.path("aoe-keys"))
            .args(args)
            .current_dir(dir)
            .output();
        let output = output.with_context(|| format!("starting aoe-keys {}", args.join(" ")))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "aoe-keys {} failed: {complaint}",
            args.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }
}
