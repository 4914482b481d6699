//! Pairing: two gateways become peers by one file each way.
//!
//! ```text
//!   B, which has the disk                        A, which will use it
//!   invite ── invitation (sealed) ─────────────▶ accept: peer, psk, imports
//!   accept: peer, psk, permissions ◀── reply ──── (sealed to B alone)
//! ```
//!
//! | room | what lives there |
//! |---|---|
//! | [`init()`], [`invite()`], [`accept()`] | the three things people do |
//! | `letter` | what an invitation and a reply say |
//! | `seal` | how they are sealed, and what can be wrong with a sealed file |
//! | `record` | what each side remembers of an invitation, so that it works once |
//! | `journal`, `disk` | several files change as one, whatever happens in between |
//! | `site` | what the directory of a gateway says already |
//! | `texts`, `words` | the files that are written, and the words in them |
//!
//! Nothing here asks a person or prints; `now` is given.

mod accept;
mod clock;
mod complete;
mod disk;
mod init;
mod invite;
mod journal;
mod letter;
mod record;
mod refusal;
mod seal;
mod site;
mod texts;
mod words;

use std::path::Path;

pub use self::accept::{Accepted, Choice};
pub use self::clock::{lifetime, moment, now};
pub use self::complete::Completed;
pub use self::disk::Disk;
pub use self::init::{Made, init};
pub use self::invite::{Guest, Invited, invite};
pub use self::letter::{Invitation, Offered, Reply, Writer};
pub use self::refusal::{Kind, Refusal, Result};
pub use self::seal::{Key, LARGEST, Lock, MOST_WORK, Paper, Sealed, seal, seal_with_work};
pub use self::texts::{Attachment, Imported, Plan};
pub use self::words::{Access, Offer, Slot};

/// What `accept` has done.
#[derive(Debug)]
pub enum Done {
    /// An invitation was accepted.
    Accepted(Accepted),
    /// A reply was.
    Completed(Completed),
}

/// Accepts a sealed file: an invitation of another gateway, or the reply to one of ours. `key` gives what opens it, and is
/// told whether that is a passphrase; a reply opens without.
///
/// # Errors
/// With the reason, if the file is not good, or the configuration does not allow it; nothing has changed then.
pub fn accept(
    disk: &Disk,
    directory: &Path,
    now: u64,
    file: &[u8],
    choice: &Choice<'_>,
    key: impl FnOnce(bool) -> Result<Key>,
) -> Result<Done> {
    let sealed = Sealed::look(file)?;
    let held = site::Held::take(directory)?;
    let recovered = held.recover(disk)?;
    let site = site::Site::read(held)?;
    site.sweep(disk)?;
    match sealed.paper {
        Paper::Invitation => {
            accept::accept(disk, site, recovered, now, &sealed, choice, key).map(Done::Accepted)
        }
        Paper::Reply => complete::complete(disk, site, recovered, now, &sealed).map(Done::Completed),
    }
}

#[cfg(test)]
mod tests;
