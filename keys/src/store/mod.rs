//! Key files: one key each, written by visibility, replaced atomically, refused when others could read them. Files of
//! certificates and of their keys are read here too, in PEM, with the same demands.
//!
//! A file of this crate's keys is text: blank lines, comments that begin with `#`, and exactly one key text on a line of its own.
//!
//! Nothing here repairs a file that is too open. It is refused, and the error carries the command that mends
//! it, because a secret others could read may have to be replaced, and only a person can decide that.

mod contents;
pub mod credential;
mod error;
mod guard;
mod inspect;
mod shell;
mod write;
mod x509;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

pub use contents::MAX_FILE_LEN;
pub use error::StoreError;
pub use guard::Purpose;
pub use inspect::{Content, Inspection, inspect};
pub use x509::{
    look_at_certificate_key, look_at_certificates, look_at_crls, read_certificate_key, read_certificates,
    read_crls,
};

use crate::{AnyKey, KeyTextError, Psk, PublicKey, SecretKey};

/// Who may read a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody may read it, only the owner may change it.
    Public,
    /// Only the owner may read or change it.
    Secret,
}

impl Visibility {
    /// The permission bits such a file is made with, whatever the umask.
    pub const fn mode(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Secret => 0o600,
        }
    }
}

/// What to do when the file to be written is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse: a key is hard to get back.
    Keep,
    /// Put the new key in its place, in one step.
    Replace,
}

/// Reads a secret key from a file that only we and root can read.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, others could read it or swap it, or it holds no secret key.
pub fn read_secret(path: impl AsRef<Path>) -> Result<SecretKey, StoreError> {
    read(path.as_ref(), Visibility::Secret, Purpose::Use)
}

/// Reads a pre-shared key from a file that only we and root can read.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, others could read it or swap it, or it holds no pre-shared key.
pub fn read_psk(path: impl AsRef<Path>) -> Result<Psk, StoreError> {
    read(path.as_ref(), Visibility::Secret, Purpose::Use)
}

/// Reads a secret key as [`read_secret`] does, only to see whether it is one.
///
/// # Errors
/// As [`read_secret`], but see [`Purpose::Look`].
pub fn look_at_secret(path: impl AsRef<Path>) -> Result<SecretKey, StoreError> {
    read(path.as_ref(), Visibility::Secret, Purpose::Look)
}

/// Reads a pre-shared key as [`read_psk`] does, only to see whether it is one.
///
/// # Errors
/// As [`read_psk`], but see [`Purpose::Look`].
pub fn look_at_psk(path: impl AsRef<Path>) -> Result<Psk, StoreError> {
    read(path.as_ref(), Visibility::Secret, Purpose::Look)
}

/// Reads a public key. Any mode will do: it is no secret, and [`inspect()`] tells when others could change it.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, or it holds no public key.
pub fn read_public(path: impl AsRef<Path>) -> Result<PublicKey, StoreError> {
    read(path.as_ref(), Visibility::Public, Purpose::Use)
}

/// Reads whatever key a file holds, with the demands on the file that this kind of key makes.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, holds no key, or holds a secret others could read.
pub fn read_any(path: impl AsRef<Path>) -> Result<AnyKey, StoreError> {
    let path = path.as_ref();
    let (file, found) = open(path)?;
    let key: AnyKey = contents::read_key(file, path)?;
    match guard::visibility_of(key.kind()) {
        Visibility::Public => Ok(key),
        Visibility::Secret => {
            first(guard::faults(path, &found, Visibility::Secret, Purpose::Use)).map(|()| key)
        }
    }
}

/// Reads a key from anything that yields the text of a key file; `name` stands for the path in errors.
///
/// # Errors
/// [`StoreError`]: reading failed, or there is no such key.
pub fn read_from<K: FromStr<Err = KeyTextError>>(
    from: impl Read,
    name: impl AsRef<Path>,
) -> Result<K, StoreError> {
    contents::read_key(from, name.as_ref())
}

/// Checks that a file is fit for a secret, without opening it: a regular file of ours or root's, closed to
/// others, in a directory where others cannot swap it.
///
/// # Errors
/// [`StoreError`] with the first fault found.
pub fn check_mode(path: impl AsRef<Path>) -> Result<(), StoreError> {
    let path = path.as_ref();
    let found = std::fs::metadata(path).map_err(|source| StoreError::open(path, source))?;
    guard::regular(path, &found)?;
    first(guard::faults(path, &found, Visibility::Secret, Purpose::Use))
}

/// Checks that a directory is fit for secrets: nobody else may put files of his own there.
///
/// # Errors
/// [`StoreError::WideDirectory`].
pub fn check_directory(path: impl AsRef<Path>) -> Result<(), StoreError> {
    let path = path.as_ref();
    guard::directory_fault(path, path).map_or(Ok(()), Err)
}

/// Writes a secret key, mode 0600.
///
/// # Errors
/// [`StoreError`]: the file exists and is to be kept, its directory is open to others, or writing failed.
/// Whatever was there before is then still there.
pub fn write_secret(path: impl AsRef<Path>, key: &SecretKey, existing: Existing) -> Result<(), StoreError> {
    write::replace(
        path.as_ref(),
        &secret_file_text(key),
        Visibility::Secret,
        existing,
    )
}

/// Writes a pre-shared key, mode 0600.
///
/// # Errors
/// As [`write_secret`].
pub fn write_psk(path: impl AsRef<Path>, key: &Psk, existing: Existing) -> Result<(), StoreError> {
    write::replace(path.as_ref(), &psk_file_text(key), Visibility::Secret, existing)
}

/// Writes a public key, mode 0644, as the bare key text on one line.
///
/// # Errors
/// [`StoreError`]: the file exists and is to be kept, or writing failed.
pub fn write_public(path: impl AsRef<Path>, key: &PublicKey, existing: Existing) -> Result<(), StoreError> {
    write::replace(path.as_ref(), &format!("{key}\n"), Visibility::Public, existing)
}

/// Writes any text in one step, with the mode of its visibility.
///
/// # Errors
/// As [`write_secret`].
pub fn write_text(
    path: impl AsRef<Path>,
    text: &str,
    visibility: Visibility,
    existing: Existing,
) -> Result<(), StoreError> {
    write::replace(path.as_ref(), text, visibility, existing)
}

/// What a secret key's file holds: a comment and the key text.
pub fn secret_file_text(key: &SecretKey) -> Zeroizing<String> {
    contents::compose(
        "# aoe-gateway secret key: whoever can read it can pose as this gateway",
        &key.to_text(),
    )
}

/// What a pre-shared key's file holds: a comment and the key text.
pub fn psk_file_text(key: &Psk) -> Zeroizing<String> {
    contents::compose(
        "# aoe-gateway pre-shared key: the same on both gateways of one pair",
        &key.to_text(),
    )
}

/// A path as one word of a command line that a person can paste into a shell.
pub fn shell_word(path: impl AsRef<Path>) -> String {
    shell::quoted(path.as_ref())
}

fn read<K: FromStr<Err = KeyTextError>>(
    path: &Path,
    visibility: Visibility,
    purpose: Purpose,
) -> Result<K, StoreError> {
    let (file, found) = open(path)?;
    if visibility == Visibility::Secret {
        first(guard::faults(path, &found, visibility, purpose))?;
    }
    contents::read_key(file, path)
}

/// Opens a regular file and looks at what was opened, not at what the path may name a moment later.
/// Symbolic links are followed. Non-blocking, so that a FIFO is refused instead of waited for.
fn open(path: &Path) -> Result<(File, std::fs::Metadata), StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|source| StoreError::open(path, source))?;
    let found = file.metadata().map_err(|source| StoreError::open(path, source))?;
    guard::regular(path, &found)?;
    Ok((file, found))
}

fn first(faults: Vec<StoreError>) -> Result<(), StoreError> {
    faults.into_iter().next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
