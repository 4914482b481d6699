//! `accept` of an invitation: what it offers becomes imports, and a reply.

use std::path::{Path, PathBuf};

use super::clock::{SKEW, moment};
use super::disk::{self, Disk};
use super::invite::{absolute, refuse_existing};
use super::journal::{self, Act, Journal, Recovered, Step};
use super::letter::{Invitation, Reply, Writer};
use super::record::{Record, State};
use super::refusal::{Refusal, Result};
use super::seal::{Key, Lock, MOST_WORK, Paper, Sealed, seal};
use super::site::Site;
use super::texts::{self, Imported};
use super::words::{Slot, endpoint};
use crate::{PublicKey, store};

/// How to accept an invitation.
#[derive(Debug, Default)]
pub struct Choice<'a> {
    /// Where initiators will see the disks; none: the only segment.
    pub segment: Option<&'a str>,
    /// At which address which export is seen; those that are not named get a free one.
    pub slots: &'a [(Option<String>, Slot)],
    /// Where the other gateway can call us.
    pub endpoint: Option<&'a str>,
    /// The file for the other site.
    pub out: Option<&'a Path>,
}

/// An invitation that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Its number.
    pub id: String,
    /// The gateway that had invited.
    pub peer: String,
    /// Its key.
    pub key: Option<PublicKey>,
    /// Our key, for comparing.
    pub own: PublicKey,
    /// Where initiators see the disks.
    pub segment: String,
    /// The disks.
    pub imports: Vec<Imported>,
    /// The file for the other site.
    pub reply: PathBuf,
    /// How many data planes the two have, if they differ: then there will be no session.
    pub workers: Option<(u16, u16)>,
    /// Whether an interrupted run had done it, and this one has only finished it.
    pub finished: bool,
}

/// Accepts what `sealed` offers.
pub(super) fn accept(
    disk: &Disk,
    site: Site,
    recovered: Option<Recovered>,
    now: u64,
    sealed: &Sealed<'_>,
    choice: &Choice<'_>,
    key: impl FnOnce(bool) -> Result<Key>,
) -> Result<Accepted> {
    let records = site.records();
    if let Some(done) = recovered
        && done.act == Act::Accept
        && done.id == sealed.id
    {
        return Ok(finished(&site, done));
    }
    if let Some(record) = records.find(sealed.id) {
        return Err(seen(record, sealed.id));
    }
    let key = key(sealed.is_for_passphrase()?)?;
    let letter = Invitation::read(&sealed.open(&key, MOST_WORK)?)?;
    judge(&letter, &site, sealed.id, now)?;
    let theirs = letter.key()?;
    site.refuse_known(&letter.from.name, Some(theirs))?;
    if letter.from.endpoint.is_none() && choice.endpoint.is_none() {
        return Err(Refusal::usage(format!(
            "{} gave no endpoint, so it will not be called: say with --endpoint where it can call this gateway",
            letter.from.name
        )));
    }
    choice.endpoint.map_or(Ok(()), endpoint)?;
    let segment = site.segment(choice.segment)?;
    let imports = imports(&letter, &site, &segment, choice.slots)?;
    let reply = choice.out.ok_or_else(|| {
        Refusal::usage("this is an invitation: say with --out where to write the reply for the other site")
    })?;
    let reply = absolute(reply)?;
    let psk = letter.psk()?;
    let name = format!("{}.psk", letter.from.name);
    let psk_file = site.peers_directory.join(&name);
    let peer_file = site.peers_directory.join(format!("{}.toml", letter.from.name));
    for path in [&psk_file, &peer_file, &reply] {
        refuse_existing(path)?;
    }
    let answer = Reply::new(
        letter.id.clone(),
        now,
        Writer {
            name: site.name.clone(),
            key: site.key.to_string(),
            endpoint: choice.endpoint.map(ToOwned::to_owned),
            workers: site.workers,
        },
        letter.from.name.clone(),
        &psk,
    );
    let lock = Lock::recipient(&letter.reply_to)?;
    let answer = seal(Paper::Reply, sealed.id, &answer.to_text(), &lock)?;
    let peer = texts::peer(
        sealed.id,
        &theirs,
        letter.from.endpoint.as_deref(),
        &name,
        &segment,
        &imports,
    );
    let record = Record::accepted(
        &letter.from.name,
        (letter.made, letter.expires),
        now,
        reply.to_string_lossy().into_owned(),
    );
    let owner = disk::owner_of(&site.held.path);
    let mut steps = vec![
        Step::new(
            psk_file,
            store::psk_file_text(&psk).to_string(),
            0o600,
            site.secrets_of,
        ),
        Step::new(peer_file, peer, 0o644, owner),
        records.add(sealed.id, &record)?,
    ];
    steps.extend(records.forget(now, sealed.id));
    steps.push(Step::new(reply.clone(), answer, 0o600, None));
    site.make_directories(disk)?;
    let journal = Journal {
        act: Act::Accept,
        id: sealed.id.to_owned(),
        peer: letter.from.name.clone(),
        steps,
    };
    journal::commit(disk, &site.held.invitations(), &journal)?;
    Ok(Accepted {
        id: letter.id.clone(),
        peer: letter.from.name.clone(),
        key: Some(theirs),
        own: site.key,
        segment,
        imports,
        reply,
        workers: (letter.from.workers != site.workers).then_some((site.workers, letter.from.workers)),
        finished: false,
    })
}

/// An invitation that is known here is not accepted.
fn seen(record: &Record, id: &str) -> Refusal {
    let peer = &record.peer;
    let since = moment(record.since);
    match record.state {
        State::Accepted => {
            let reply = record.reply.as_deref().unwrap_or_default();
            Refusal::letter(format!(
                "invitation {id} was accepted here already, on {since}, and can be used once; the reply for {peer} is {reply}. If \
                 that is lost, remove the peer {peer} here and have it invite again"
            ))
        }
        State::Open | State::Used | State::Withdrawn => Refusal::letter(format!(
            "invitation {id} was made here, for {peer}: take the file there, and accept it there"
        )),
    }
}

/// Whether what is sealed is for us and for now.
fn judge(letter: &Invitation, site: &Site, id: &str, now: u64) -> Result<()> {
    let here = moment(now);
    if letter.id != id {
        return Err(Refusal::letter(
            "this invitation was altered on its way: its first line is that of another one",
        ));
    }
    if letter.to != site.name {
        return Err(Refusal::letter(format!(
            "this invitation is for a gateway called {}, and this one is called {}; if that is the one it is meant for, have it \
             invited by that name",
            letter.to, site.name
        )));
    }
    if letter.key()? == site.key {
        return Err(Refusal::letter(
            "this invitation is from this very gateway: take the file to the other site, and accept it there",
        ));
    }
    if letter.made > now.saturating_add(SKEW) {
        return Err(Refusal::letter(format!(
            "this invitation was made on {}, and here it is {here}: one of the two clocks is wrong; set it right (`timedatectl`)",
            moment(letter.made)
        )));
    }
    if letter.expires <= now {
        return Err(Refusal::letter(format!(
            "this invitation ended on {}, and here it is {here}; have {} invite again, or set this clock right",
            moment(letter.expires),
            letter.from.name
        )));
    }
    Ok(())
}

/// Where each export is seen.
fn imports(
    letter: &Invitation,
    site: &Site,
    segment: &str,
    slots: &[(Option<String>, Slot)],
) -> Result<Vec<Imported>> {
    let mut given = Vec::new();
    for (export, slot) in slots {
        let offered = letter.offers.iter().map(|offered| &offered.export);
        let all: Vec<_> = offered.map(String::as_str).collect();
        let export = match (export, all.as_slice()) {
            (None, [only]) => (*only).to_owned(),
            (None, _) => {
                return Err(Refusal::usage(format!(
                    "several exports are offered ({}): say which one is {slot}, as in --as {}={slot}",
                    all.join(", "),
                    all.first().copied().unwrap_or_default()
                )));
            }
            (Some(export), all) if all.contains(&export.as_str()) => export.clone(),
            (Some(export), all) => {
                return Err(Refusal::usage(format!(
                    "no export {export} is offered; there is {}",
                    all.join(", ")
                )));
            }
        };
        if given.iter().any(|(other, at)| *other == export || at == slot) {
            return Err(Refusal::usage(format!("--as names {export} or {slot} twice")));
        }
        if !site.is_free(segment, *slot) {
            return Err(Refusal::config(format!(
                "{slot} is used on {segment} already; choose another address, or leave --as out"
            )));
        }
        given.push((export, *slot));
    }
    // What the Linux driver can name in any of its modes; a shelf of its own for each peer reads best.
    let mut free = (100..1000_u16)
        .flat_map(|shelf| (0..16_u8).map(move |slot| Slot { shelf, slot }))
        .filter(|slot| site.is_free(segment, *slot) && given.iter().all(|(_, at)| at != slot))
        .collect::<Vec<_>>()
        .into_iter();
    let mut imports = Vec::new();
    for offered in &letter.offers {
        let named = given.iter().find(|(export, _)| *export == offered.export);
        let slot = match named {
            Some((_, slot)) => Some(*slot),
            None => free.next(),
        };
        imports.push(Imported {
            export: offered.export.clone(),
            access: offered.access,
            slot: slot.ok_or_else(|| {
                Refusal::config("no address from e100.0 to e999.15 is free; choose one with --as")
            })?,
        });
    }
    Ok(imports)
}

/// What an interrupted run had done.
fn finished(site: &Site, done: Recovered) -> Accepted {
    Accepted {
        key: site
            .peers
            .iter()
            .find(|peer| peer.name == done.peer)
            .and_then(|peer| peer.key),
        id: done.id,
        peer: done.peer,
        own: site.key,
        segment: String::new(),
        imports: Vec::new(),
        reply: done.files.last().cloned().unwrap_or_default(),
        workers: None,
        finished: true,
    }
}
