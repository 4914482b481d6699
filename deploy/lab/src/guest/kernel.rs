//! A Linux kernel that is not installed: a Debian package, unpacked into a directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::gateway::Binaries;

/// Environment variable naming the directory of an unpacked kernel package.
const DIRECTORY: &str = "AOE_GUEST_KERNEL";

/// What the guest may need; whatever the kernel has built in is no module.
const MODULES: [&str; 15] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "crc16",
    "crc32c_generic",
    "libcrc32c",
    "mbcache",
    "jbd2",
    "ext4",
    "aoe",
];

/// An unpacked kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    image: PathBuf,
    modules: Vec<PathBuf>,
    builtin: PathBuf,
}

impl Kernel {
    /// Looks in the directory named by `AOE_GUEST_KERNEL`, or else where `.ci/checks tools` puts it: beside the
    /// directory of the programs.
    ///
    /// # Errors
    /// When there is none; the message says how to get it.
    pub fn find(binaries: &Binaries) -> Result<Self> {
        let dir = match std::env::var_os(DIRECTORY) {
            Some(dir) => PathBuf::from(dir),
            None => binaries.dir().with_file_name("guest-kernel"),
        };
        Self::unpacked(&dir).with_context(|| {
            format!(
                "{} holds no Linux kernel with the AoE driver. `.ci/checks tools` puts one there by apt-get; \
                 {DIRECTORY} may name the directory of another unpacked Debian kernel package",
                dir.display()
            )
        })
    }

    /// What is in the directory of an unpacked package: `boot/vmlinuz-*`, `lib/modules/RELEASE`.
    ///
    /// # Errors
    /// When the kernel, or a module that is not built in, is missing.
    pub fn unpacked(dir: &Path) -> Result<Self> {
        let image = only_entry(&dir.join("boot"), "vmlinuz-")?;
        // Since Debian 13 the package has it below /usr.
        let roots = [dir.join("lib/modules"), dir.join("usr/lib/modules")];
        let root = roots.iter().find(|root| root.is_dir()).unwrap_or(&roots[0]);
        let release = only_entry(root, "")?;
        let builtin = release.join("modules.builtin");
        let built_in =
            fs::read_to_string(&builtin).with_context(|| format!("reading {}", builtin.display()))?;
        let built_in: Vec<&str> = built_in.lines().filter_map(module_name).collect();
        let mut files = BTreeMap::new();
        find_modules(&release.join("kernel"), &mut files)?;
        let mut modules = Vec::new();
        for name in MODULES {
            if let Some(path) = files.remove(name) {
                modules.push(path);
            } else {
                ensure!(
                    built_in.contains(&name),
                    "module {name} is missing in {}",
                    release.display()
                );
            }
        }
        Ok(Kernel {
            image,
            modules,
            builtin,
        })
    }

    /// The kernel itself.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// Files of the modules a guest needs.
    pub fn modules(&self) -> &[PathBuf] {
        &self.modules
    }

    /// The list of what the kernel has built in.
    pub fn builtin(&self) -> &Path {
        &self.builtin
    }
}

/// "kernel/fs/ext4/ext4.ko" and "ext4.ko.xz" are `ext4`.
fn module_name(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    file.split_once(".ko").map(|(name, _)| name)
}

fn only_entry(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    ensure!(
        found.len() == 1,
        "{} holds {} entries {prefix}*, not one",
        dir.display(),
        found.len()
    );
    found.pop().context("nothing found")
}

fn find_modules(dir: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_modules(&path, found)?;
        } else if let Some(name) = path.to_str().and_then(module_name) {
            found.insert(name.replace('-', "_"), path.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An unpacked package of empty files, with `ext4` built in, `aoe` packed, and `missing` left out.
    fn package(missing: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let release = dir.path().join("lib/modules/6.1.0-1-test");
        let drivers = release.join("kernel/drivers/deep/down");
        fs::create_dir_all(&drivers).unwrap();
        fs::create_dir_all(dir.path().join("boot")).unwrap();
        fs::write(dir.path().join("boot/vmlinuz-6.1.0-1-test"), "").unwrap();
        fs::write(dir.path().join("boot/config-6.1.0-1-test"), "").unwrap();
        fs::write(release.join("modules.builtin"), "kernel/fs/ext4/ext4.ko\n").unwrap();
        for name in MODULES.iter().filter(|name| !["ext4", missing].contains(name)) {
            let end = if *name == "aoe" { "ko.xz" } else { "ko" };
            fs::write(drivers.join(format!("{name}.{end}")), "").unwrap();
        }
        dir
    }

    #[test]
    fn modules_are_found_wherever_they_are_and_built_in_ones_are_not_looked_for() {
        let dir = package("none");
        let kernel = Kernel::unpacked(dir.path()).unwrap();
        assert!(kernel.image().ends_with("boot/vmlinuz-6.1.0-1-test"));
        assert_eq!(kernel.modules().len(), MODULES.len() - 1);
        assert!(kernel.modules().last().unwrap().ends_with("deep/down/aoe.ko.xz"));
    }

    #[test]
    fn a_kernel_without_the_driver_is_none() {
        let dir = package("aoe");
        let error = Kernel::unpacked(dir.path()).unwrap_err().to_string();
        assert!(error.contains("module aoe is missing"), "{error}");
        let error = Kernel::unpacked(&dir.path().join("nowhere"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
