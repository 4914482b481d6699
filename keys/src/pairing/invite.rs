//! `invite`: what one gateway offers to another, sealed, in one file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{self, Disk};
use super::journal::{self, Act, Journal, Step};
use super::letter::{Invitation, MOST_OFFERS, Offered, Writer, hex};
use super::record::{Record, State};
use super::refusal::{Kind, Refusal, Result};
use super::seal::{Lock, Paper, seal};
use super::site::{Held, Site};
use super::texts;
use super::words::{Offer, endpoint, name, shown};
use crate::{Psk, PublicKey};

/// Whom to invite to what.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The name of the other gateway.
    pub name: &'a str,
    /// What it may use.
    pub offers: &'a [Offer],
    /// Where the targets of new exports are; none: the only segment.
    pub segment: Option<&'a str>,
    /// Where the other gateway can call us.
    pub endpoint: Option<&'a str>,
    /// How long it may be accepted.
    pub lifetime: Duration,
    /// The file for the other site.
    pub out: &'a Path,
}

/// An invitation that was made.
#[derive(Debug)]
pub struct Invited {
    /// Its number.
    pub id: String,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// Our key, for comparing.
    pub key: PublicKey,
    /// Export files that were made.
    pub made: Vec<PathBuf>,
    /// Invitations for the same gateway that are void now.
    pub withdrawn: Vec<String>,
    /// Whether an interrupted run had made it, and this one has only finished it.
    pub finished: bool,
}

/// Writes an invitation. `lock` says for whom to seal it, and is asked only if all else is right.
///
/// # Errors
/// If something is wrong; nothing has changed then.
pub fn invite(
    disk: &Disk,
    directory: &Path,
    now: u64,
    guest: &Guest<'_>,
    lock: impl FnOnce() -> Result<Lock>,
) -> Result<Invited> {
    name("a gateway", guest.name)?;
    guest.endpoint.map_or(Ok(()), endpoint)?;
    let held = Held::take(directory)?;
    let out = absolute(guest.out)?;
    let recovered = held.recover(disk)?;
    let site = Site::read(held)?;
    site.sweep(disk)?;
    let records = site.records();
    if let Some(done) = recovered
        && done.act == Act::Invite
        && done.peer == guest.name
        && done.files.contains(&out)
    {
        return Ok(Invited {
            expires: records.find(&done.id).map_or(0, |record| record.expires),
            id: done.id,
            key: site.key,
            made: Vec::new(),
            withdrawn: Vec::new(),
            finished: true,
        });
    }
    site.refuse_known(guest.name, None)?;
    let exports = exports(&site, guest)?;
    refuse_existing(&out)?;
    let lock = lock()?;

    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|error| Refusal::from(crate::GenerateError::from(error)))?;
    let (id, psk, identity) = (hex(&number), Psk::generate()?, age::x25519::Identity::generate());
    let expires = now.saturating_add(guest.lifetime.as_secs());
    let offers = guest.offers.iter().map(|offer| Offered {
        export: offer.export.clone(),
        access: offer.access,
    });
    let offers: Vec<_> = offers.collect();
    let letter = Invitation::new(
        id.clone(),
        (now, expires),
        Writer {
            name: site.name.clone(),
            key: site.key.to_string(),
            endpoint: guest.endpoint.map(ToOwned::to_owned),
            workers: site.workers,
        },
        guest.name.to_owned(),
        offers.clone(),
        &psk,
        identity.to_public().to_string(),
    );
    let sealed = seal(Paper::Invitation, &id, &letter.to_text(), &lock)?;

    let withdrawn = records.open_for(guest.name);
    let record = Record::open(guest.name, (now, expires), &psk, &identity, offers);
    let mut steps = vec![records.add(&id, &record)?];
    for earlier in &withdrawn {
        steps.extend(records.end(earlier, State::Withdrawn, now)?);
    }
    let owner = disk::owner_of(&site.held.path);
    let made: Vec<PathBuf> = exports.iter().map(|(path, _)| path.clone()).collect();
    steps.extend(
        exports
            .into_iter()
            .map(|(path, text)| Step::new(path, text, 0o644, owner)),
    );
    steps.extend(records.forget(now, &id));
    steps.push(Step::new(out, sealed, 0o600, None));
    site.make_directories(disk)?;
    let journal = Journal {
        act: Act::Invite,
        id: id.clone(),
        peer: guest.name.to_owned(),
        steps,
    };
    journal::commit(disk, &site.held.invitations(), &journal)?;
    Ok(Invited {
        id,
        expires,
        key: site.key,
        made,
        withdrawn,
        finished: false,
    })
}

/// The export files to be made, after making sure that those that are there are what is offered.
fn exports(site: &Site, guest: &Guest<'_>) -> Result<Vec<(PathBuf, String)>> {
    let Some(directory) = &site.exports_directory else {
        return Err(Refusal::config(format!(
            "{} has no `exports` in [gateway]; add: exports = \"exports.d\"",
            site.config().display()
        )));
    };
    if guest.offers.is_empty() || guest.offers.len() > MOST_OFFERS {
        return Err(Refusal::usage(format!(
            "offer 1 to {MOST_OFFERS} exports, each with --offer"
        )));
    }
    let mut made = Vec::new();
    for (at, offer) in guest.offers.iter().enumerate() {
        if guest
            .offers
            .iter()
            .take(at)
            .any(|other| other.export == offer.export)
        {
            return Err(Refusal::usage(format!("{} is offered twice", offer.export)));
        }
        if let Some(there) = site.exports.iter().find(|export| export.name == offer.export) {
            if offer.target.is_some() && offer.target != there.target {
                let target = there.target.map(|target| target.to_string()).unwrap_or_default();
                return Err(Refusal::config(format!(
                    "the export {} is {target}, as {} says, and not what is offered; offer {0}:{} to offer that, or take another name",
                    there.name,
                    there.file.display(),
                    offer.access
                )));
            }
            if there.allowed.iter().any(|peer| peer == guest.name) {
                return Err(Refusal::config(format!(
                    "{} has an [[allow]] for {} already: remove it, and pairing will write it",
                    there.file.display(),
                    guest.name
                )));
            }
            continue;
        }
        let Some(target) = offer.target else {
            let all: Vec<_> = site.exports.iter().map(|export| export.name.as_str()).collect();
            return Err(Refusal::usage(format!(
                "there is no export called {} ({}); to make it, say where its target is: {0}=e7.3:{}",
                offer.export,
                if all.is_empty() {
                    "there is none".to_owned()
                } else {
                    format!("there is {}", all.join(", "))
                },
                offer.access
            )));
        };
        let segment = site.segment(guest.segment)?;
        let same = |segment: &str| {
            site.exports
                .iter()
                .find(|export| export.segment == segment && export.target == Some(target))
        };
        if let Some(same) = same(&segment) {
            return Err(Refusal::config(format!(
                "{target} is the target of the export {} already: offer {0}:{}",
                same.name, offer.access
            )));
        }
        if !site.is_free(&segment, target) {
            return Err(Refusal::config(format!(
                "{target} is an import of ours on {segment}, not a target"
            )));
        }
        let path = directory.join(format!("{}.toml", offer.export));
        refuse_existing(&path)?;
        made.push((path, texts::export(&offer.export, &segment, target)));
    }
    Ok(made)
}

/// The whole path of a file to be written, whose directory must be there.
pub(super) fn absolute(out: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(out)
        .ok()
        .filter(|path| path.to_str().is_some() && path.file_name().is_some());
    let path = path.ok_or_else(|| Refusal::usage("--out is no path of a file"))?;
    match path.parent().is_some_and(Path::is_dir) {
        true => Ok(path),
        false => Err(Refusal::new(
            Kind::Exists,
            format!("the directory of {} is not there", shown(&path.to_string_lossy())),
        )),
    }
}

pub(super) fn refuse_existing(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(disk::there_already(path)),
        Err(_) => Ok(()),
    }
}
