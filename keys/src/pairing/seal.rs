//! Sealing by age: to a passphrase or to a recipient, in armor, with a line in front that says what it is.
//!
//! ```text
//! # aoe-gateway invitation 3f9a0c5d1e2b4a68
//! -----BEGIN AGE ENCRYPTED FILE-----
//! …
//! ```
//! The line is for people and for finding the right record; what is sealed says it again, and only that is believed.

use std::io::{BufReader, Read, Write};
use std::iter;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use super::letter::is_id;
use super::refusal::{Kind, Refusal, Result};

/// Longest file that is read, in bytes: an invitation with 64 exports has less than a fifth.
pub const LARGEST: usize = 64 << 10;
/// Work of scrypt when sealing: 2^17 blocks, 128 MiB and about half a second.
const WORK: u8 = 17;
/// Most work that is done for a file of somebody else: what the tool `age` asks for, 256 MiB and a second.
pub const MOST_WORK: u8 = 18;
/// Least characters of a passphrase: the sealed file may be tried without end by who has it.
const SHORTEST: usize = 12;

const PREFIX: &str = "# aoe-gateway ";

/// What a sealed file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// What `invite` writes.
    Invitation,
    /// What `accept` answers.
    Reply,
}

impl Paper {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reply => "reply",
        }
    }
}

/// For whom something is sealed.
pub enum Lock {
    /// For who knows it.
    Passphrase(SecretString),
    /// For who has the identity.
    Recipient(Box<age::x25519::Recipient>),
}

/// What opens it.
pub enum Key {
    /// The passphrase.
    Passphrase(SecretString),
    /// One of these identities.
    Identities(Vec<age::x25519::Identity>),
}

impl Lock {
    /// A passphrase that is long enough.
    ///
    /// # Errors
    /// If it is too short.
    pub fn passphrase(text: &str) -> Result<Self> {
        if text.chars().count() < SHORTEST {
            return Err(Refusal::usage(format!(
                "the passphrase has less than {SHORTEST} characters; who gets hold of the file may try as many as he likes, \
                 so take a longer one, such as six words"
            )));
        }
        Ok(Self::Passphrase(SecretString::from(text.to_owned())))
    }

    /// A recipient as `age-keygen` prints it: `age1…`.
    ///
    /// # Errors
    /// If it is none.
    pub fn recipient(text: &str) -> Result<Self> {
        let parsed = text.trim().parse();
        parsed.map(|recipient| Self::Recipient(Box::new(recipient))).map_err(|_| {
            Refusal::usage("--recipient is not an age recipient; write what `age-keygen` prints at the other site: age1…")
        })
    }
}

impl Key {
    /// The identities in the text of a file that `age-keygen` made.
    ///
    /// # Errors
    /// If there is none.
    pub fn identities(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed: std::result::Result<Vec<_>, _> = keys.take(64).map(str::parse).collect();
        match parsed {
            Ok(found) if !found.is_empty() => Ok(Self::Identities(found)),
            _ => Err(Refusal::new(
                Kind::Letter,
                "the file of --identity holds no age identity; name what `age-keygen -o FILE` wrote",
            )),
        }
    }
}

/// Seals a text.
///
/// # Errors
/// If the system gives no randomness.
pub fn seal(paper: Paper, id: &str, text: &[u8], lock: &Lock) -> Result<String> {
    seal_with_work(paper, id, text, lock, WORK)
}

/// As [`seal`], for tests that cannot wait.
///
/// # Errors
/// As [`seal`].
pub fn seal_with_work(paper: Paper, id: &str, text: &[u8], lock: &Lock, work: u8) -> Result<String> {
    let failed = |error: String| Refusal::new(Kind::System, format!("sealing failed: {error}"));
    let encryptor = match lock {
        Lock::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
            recipient.set_work_factor(work.clamp(1, MOST_WORK));
            Encryptor::with_recipients(iter::once(&recipient as _))
        }
        Lock::Recipient(recipient) => Encryptor::with_recipients(iter::once(recipient.as_ref() as _)),
    };
    let mut sealed = format!("{PREFIX}{} {id}\n", paper.word()).into_bytes();
    let write = || -> std::io::Result<()> {
        let armor = ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?;
        let mut writer = encryptor.map_err(std::io::Error::other)?.wrap_output(armor)?;
        writer.write_all(text)?;
        writer.finish()?.finish().map(drop)
    };
    write().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(sealed).map_err(|error| failed(error.to_string()))
}

/// A sealed file that was looked at from outside.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// What it says it is.
    pub paper: Paper,
    /// The number of the invitation.
    pub id: &'a str,
    armored: &'a str,
}

impl<'a> Sealed<'a> {
    /// Looks at a file.
    ///
    /// # Errors
    /// If it is neither an invitation nor a reply.
    pub fn look(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > LARGEST {
            return Err(Refusal::letter(format!(
                "it has more than {LARGEST} bytes, so it is neither invitation nor reply"
            )));
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let (line, armored) = text.trim_start().split_once('\n').unwrap_or((text, ""));
        let words = line
            .trim_end()
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once(' '));
        let paper = match words {
            Some(("invitation", _)) => Paper::Invitation,
            Some(("reply", _)) => Paper::Reply,
            _ => {
                return Err(Refusal::letter(
                    "it is neither an invitation nor a reply: the first line is not `# aoe-gateway invitation …`; give the file \
                     as `aoe-keys` wrote it",
                ));
            }
        };
        match words {
            Some((_, id)) if is_id(id) => Ok(Sealed { paper, id, armored }),
            _ => Err(altered(paper)),
        }
    }

    /// Whether a passphrase opens it, or an identity.
    ///
    /// # Errors
    /// If it is altered or cut off.
    pub fn is_for_passphrase(&self) -> Result<bool> {
        Ok(self.decryptor()?.is_scrypt())
    }

    /// Opens it. No more than `most_work` is done for a passphrase: 2 to the power of it, times a kilobyte.
    ///
    /// # Errors
    /// If it is altered, cut off, or sealed otherwise.
    pub fn open(&self, key: &Key, most_work: u8) -> Result<Zeroizing<Vec<u8>>> {
        let decryptor = self.decryptor()?;
        let reader = match key {
            Key::Passphrase(passphrase) => {
                let mut identity = age::scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(most_work);
                decryptor.decrypt(iter::once(&identity as _))
            }
            Key::Identities(all) => decryptor.decrypt(all.iter().map(|identity| identity as _)),
        };
        let reader = reader.map_err(|error| self.why(&error, key))?;
        let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        match reader.take(most).read_to_end(&mut text) {
            Ok(_) => Ok(text),
            Err(_) => Err(altered(self.paper)),
        }
    }

    fn decryptor(&self) -> Result<Decryptor<ArmoredReader<BufReader<&'a [u8]>>>> {
        if !self.armored.trim_start().starts_with("-----BEGIN AGE") {
            return Err(altered(self.paper));
        }
        Decryptor::new_buffered(ArmoredReader::new(self.armored.trim_start().as_bytes()))
            .map_err(|_| altered(self.paper))
    }

    fn why(&self, error: &DecryptError, key: &Key) -> Refusal {
        let what = self.paper.word();
        let words = match (error, key) {
            (DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed, Key::Passphrase(_)) => {
                format!(
                    "the passphrase does not open this {what}: it is another one, or the file was altered on its way"
                )
            }
            (DecryptError::ExcessiveWork { required, .. }, _) => format!(
                "opening this {what} would take 2^{required} steps of scrypt, and at most 2^{MOST_WORK} are done; `aoe-keys invite` \
                 asks for 2^{WORK}"
            ),
            (DecryptError::NoMatchingKeys, Key::Passphrase(_)) => {
                format!(
                    "this {what} is sealed to a recipient, not to a passphrase: give the age identity with --identity"
                )
            }
            (DecryptError::NoMatchingKeys, Key::Identities(_)) => {
                format!("this {what} is not sealed to this identity")
            }
            _ => return altered(self.paper),
        };
        Refusal::letter(words)
    }
}

fn altered(paper: Paper) -> Refusal {
    Refusal::letter(format!(
        "this {} was altered on its way, or is cut off: copy the file again, whole",
        paper.word()
    ))
}
