//! `accept` of a reply: the gateway that was invited becomes a peer, and may use what it was offered.

use std::path::PathBuf;

use super::clock::{SKEW, moment};
use super::disk::{self, Disk};
use super::invite::refuse_existing;
use super::journal::{self, Act, Journal, Recovered, Step};
use super::letter::{Offered, Reply};
use super::record::{Record, State};
use super::refusal::{Refusal, Result};
use super::seal::{Key, MOST_WORK, Sealed};
use super::site::{self, Site};
use super::texts;
use crate::{PublicKey, store};

/// A pair that is complete.
#[derive(Debug)]
pub struct Completed {
    /// The number of the invitation.
    pub id: String,
    /// The gateway that was invited.
    pub peer: String,
    /// Its key.
    pub key: Option<PublicKey>,
    /// Our key, for comparing.
    pub own: PublicKey,
    /// What it may use now.
    pub allowed: Vec<Offered>,
    /// How many data planes the two have, if they differ: then there will be no session.
    pub workers: Option<(u16, u16)>,
    /// Whether an interrupted run had done it, and this one has only finished it.
    pub finished: bool,
}

/// Accepts a reply to an invitation of ours.
pub(super) fn complete(
    disk: &Disk,
    site: Site,
    recovered: Option<Recovered>,
    now: u64,
    sealed: &Sealed<'_>,
) -> Result<Completed> {
    let records = site.records();
    let Some(record) = records.find(sealed.id) else {
        return Err(Refusal::letter(format!(
            "this is a reply to invitation {}, and no such invitation was made here; accept it where it was made",
            sealed.id
        )));
    };
    if let Some(done) = recovered
        && done.act == Act::Complete
        && done.id == sealed.id
    {
        return Ok(Completed {
            key: site
                .peers
                .iter()
                .find(|peer| peer.name == done.peer)
                .and_then(|peer| peer.key),
            id: done.id,
            peer: done.peer,
            own: site.key,
            allowed: record.offers.clone(),
            workers: None,
            finished: true,
        });
    }
    judge_record(record, sealed.id, now)?;
    let (psk, identity) = record.secrets()?;
    let reply = Reply::read(&sealed.open(&Key::Identities(vec![identity]), MOST_WORK)?)?;
    if !reply.is_proven(&psk) || reply.invitation != sealed.id || reply.to != site.name {
        return Err(Refusal::letter(format!(
            "this reply was not made with invitation {}, or was altered on its way; accept that invitation at {} and take the reply \
             that this writes",
            sealed.id, record.peer
        )));
    }
    if reply.from.name != record.peer {
        return Err(Refusal::letter(format!(
            "invitation {} was for {}, and {} has answered",
            sealed.id, record.peer, reply.from.name
        )));
    }
    if reply.made > now.saturating_add(SKEW) || reply.made.saturating_add(SKEW) < record.made {
        return Err(Refusal::letter(format!(
            "this reply was made on {}, the invitation on {}, and here it is {}: one of the clocks is wrong; set it right \
             (`timedatectl`)",
            moment(reply.made),
            moment(record.made),
            moment(now)
        )));
    }
    let theirs = reply.key()?;
    if theirs == site.key {
        return Err(Refusal::letter(
            "this reply has the key of this very gateway: each gateway needs one of its own",
        ));
    }
    site.refuse_known(&record.peer, Some(theirs))?;

    let name = format!("{}.psk", record.peer);
    let psk_file = site.peers_directory.join(&name);
    let peer_file = site.peers_directory.join(format!("{}.toml", record.peer));
    for path in [&psk_file, &peer_file] {
        refuse_existing(path)?;
    }
    let owner = disk::owner_of(&site.held.path);
    let endpoint = reply.from.endpoint.as_deref();
    let peer = texts::peer(sealed.id, &theirs, endpoint, &name, "", &[]);
    // Only a peer can be allowed something, so the peer comes first.
    let mut steps = vec![
        Step::new(
            psk_file,
            store::psk_file_text(&psk).to_string(),
            0o600,
            site.secrets_of,
        ),
        Step::new(peer_file, peer, 0o644, owner),
    ];
    for (path, before, after) in permissions(&site, record)? {
        steps.push(Step::replace(path, after, 0o644, owner, &before));
    }
    steps.extend(records.end(sealed.id, State::Used, now)?);
    steps.extend(records.forget(now, sealed.id));
    site.make_directories(disk)?;
    let journal = Journal {
        act: Act::Complete,
        id: sealed.id.to_owned(),
        peer: record.peer.clone(),
        steps,
    };
    journal::commit(disk, &site.held.invitations(), &journal)?;
    Ok(Completed {
        id: sealed.id.to_owned(),
        peer: record.peer.clone(),
        key: Some(theirs),
        own: site.key,
        allowed: record.offers.clone(),
        workers: (reply.from.workers != site.workers).then_some((site.workers, reply.from.workers)),
        finished: false,
    })
}

/// Whether an invitation still waits for its reply.
fn judge_record(record: &Record, id: &str, now: u64) -> Result<()> {
    let peer = &record.peer;
    let since = moment(record.since);
    let why = match record.state {
        State::Used => format!("invitation {id} was answered already, on {since}, and can be used once"),
        State::Withdrawn => {
            format!(
                "invitation {id} is void since {since}, when {peer} was invited again: accept the later one there"
            )
        }
        State::Accepted => format!("this reply was written here: take it to {peer}, and accept it there"),
        State::Open if now.saturating_add(SKEW) < record.made => format!(
            "the invitation was made on {}, and here it is {}: this clock was set back; set it right (`timedatectl`)",
            moment(record.made),
            moment(now)
        ),
        State::Open if record.expires <= now => format!(
            "invitation {id} ended on {}, and here it is {}; invite {peer} again",
            moment(record.expires),
            moment(now)
        ),
        State::Open => return Ok(()),
    };
    Err(Refusal::letter(why))
}

/// The export files that change: path, text before and after.
fn permissions(site: &Site, record: &Record) -> Result<Vec<(PathBuf, String, String)>> {
    let mut changes = Vec::new();
    for offered in &record.offers {
        let Some(export) = site.exports.iter().find(|export| export.name == offered.export) else {
            return Err(Refusal::config(format!(
                "the export {} that was offered is not there any more; write its file again, or invite {} again",
                offered.export, record.peer
            )));
        };
        if export.allowed.contains(&record.peer) {
            return Err(Refusal::config(format!(
                "{} has an [[allow]] for {} already: remove it, and pairing will write the one that was offered",
                export.file.display(),
                record.peer
            )));
        }
        let after = texts::allow(&export.text, &record.peer, offered.access);
        // A file that writes its permissions another way cannot be added to.
        let right = site::export(&export.file, &after);
        if right.is_err() || right.is_ok_and(|right| right.allowed.last() != Some(&record.peer)) {
            return Err(Refusal::config(format!(
                "an [[allow]] cannot be added at the end of {}: write its permissions as [[allow]], and accept again",
                export.file.display()
            )));
        }
        changes.push((export.file.clone(), export.text.clone(), after));
    }
    Ok(changes)
}
