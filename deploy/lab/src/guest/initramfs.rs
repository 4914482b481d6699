//! The guest's file system: this machine's own programs with their libraries, the kernel's modules, and `init.sh`.
//!
//! A tree of links to the real files is packed by busybox (`cpio -L`), so nothing is copied twice.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Kernel;

const INIT: &str = include_str!("init.sh");
/// Where programs are looked for; not everybody has the directories of daemons in the PATH.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// A packed initramfs; its file goes when this is dropped.
#[derive(Debug)]
pub struct Initramfs {
    dir: TempDir,
}

impl Initramfs {
    /// Packs busybox, `programs` (names of installed ones, such as `fio`), `files` (absolute path in the guest, and
    /// contents) and the kernel's modules.
    ///
    /// # Errors
    /// When a program is not installed; the message says how to get it.
    pub fn pack(kernel: &Kernel, programs: &[&str], files: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("aoe-guest-").tempdir()?;
        let tree = dir.path().join("tree");
        for empty in ["dev", "mnt", "proc", "sys", "tmp", "sbin"] {
            fs::create_dir_all(tree.join(empty))?;
        }
        let busybox = installed("busybox")?;
        ensure!(
            libraries(&busybox)?.is_empty(),
            "busybox is not the static one: `.ci/checks tools` installs busybox-static"
        );
        link(&busybox, &tree.join("bin/busybox"))?;
        for program in programs {
            let program = installed(program)?;
            for file in libraries(&program)?.iter().chain([&program]) {
                link(file, &tree.join(file.strip_prefix("/").unwrap_or(file)))?;
            }
        }
        for file in kernel
            .modules()
            .iter()
            .map(PathBuf::as_path)
            .chain([kernel.builtin()])
        {
            let name = file.file_name().context("a module without a name")?;
            link(file, &tree.join("modules").join(name))?;
        }
        for (path, contents) in files {
            fs::write(tree.join(path.trim_start_matches('/')), contents)
                .with_context(|| format!("making {path}"))?;
        }
        let init = tree.join("init");
        fs::write(&init, INIT)?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
        let packed = Initramfs { dir };
        let pack = "busybox find . | busybox cpio -o -L -H newc >../initramfs";
        let output = Command::new("sh")
            .args(["-c", pack])
            .current_dir(&tree)
            .output()?;
        ensure!(
            output.status.success(),
            "packing the initramfs: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(packed)
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("initramfs")
    }
}

fn installed(program: &str) -> Result<PathBuf> {
    let found = DIRECTORIES
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!("{program} is not installed: `.ci/checks tools` installs what the guest needs")
    })
}

/// The shared libraries a program needs, and their loader, as `ldd` finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        !text.contains("not found"),
        "{} lacks libraries:\n{text}",
        program.display()
    );
    // "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x7f5f)", "/lib64/ld-linux-x86-64.so.2 (0x7f5f)".
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(PathBuf::from)
    };
    Ok(text.lines().filter_map(path).collect())
}

/// Lets `at` lead to a file, unless it does already.
fn link(file: &Path, at: &Path) -> Result<()> {
    if at.is_symlink() {
        return Ok(());
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent)?;
    }
    let real = file
        .canonicalize()
        .with_context(|| format!("looking for {}", file.display()))?;
    symlink(real, at).with_context(|| format!("linking {}", at.display()))
}
