//! Where the real programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Environment variable naming the directory of the programs.
const DIRECTORY: &str = "AOE_BIN_DIR";

/// Builds what is shipped. Together with other packages it would get their features.
const BUILD: &str = if cfg!(debug_assertions) {
    "cargo build -p aoe-gateway -p aoe-keys"
} else {
    "cargo build --release -p aoe-gateway -p aoe-keys"
};

/// The directory with `aoe-gateway` and `aoe-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Looks in the directory named by `AOE_BIN_DIR`, or else where this program itself is (for a test program: where
    /// cargo puts the others). The gateway there has to be the one that is shipped.
    ///
    /// # Errors
    /// When one is missing or another one; the message says how to build them.
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
                    "{} is missing: build it ({BUILD}), or name the directory in {DIRECTORY}",
                    program.display()
                );
            }
        }
        let version = run(&found.gateway(), Path::new("."), &["--version"])?;
        ensure!(
            is_shipped(&version),
            "{} is {}, built together with tests or benches: build what is shipped ({BUILD})",
            found.gateway().display(),
            version.trim()
        );
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
        run(&self.path("aoe-keys"), dir, args)
    }

    fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }
}

/// Whether this is how a gateway names its version that has no features of benches or fuzzing in it.
fn is_shipped(version: &str) -> bool {
    !version.contains('+')
}

/// The standard output of a program, which has to succeed.
fn run(program: &Path, dir: &Path, args: &[&str]) -> Result<String> {
    let what = || {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} {}", args.join(" "))
    };
    let output = Command::new(program).args(args).current_dir(dir).output();
    let output = output.with_context(|| format!("starting {}", what()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {complaint}", what());
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_with_features_of_tests_is_not_the_shipped_one() {
        assert!(is_shipped("aoe-gateway 0.1.0\n"));
        assert!(!is_shipped("aoe-gateway 0.1.0+fuzzing\n"));
        assert!(!is_shipped("aoe-gateway 0.1.0+bench.fuzzing\n"));
    }
}
