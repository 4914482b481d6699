//! What a peer may do by one list of rules and not by another: exactly, by initiator, command and sector.

use std::collections::BTreeSet;

use crate::config::{Allow, ExtraCommand, LbaRange};
use crate::frame::MacAddr;
use crate::policy::{May, Reach, Rights};

/// Something that somebody may do by one of two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Whether it is gained; else it is lost.
    pub gained: bool,
    /// Who.
    pub who: Who,
    /// What.
    pub right: Right,
}

/// Whom a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Every initiator behind the peer.
    Everybody,
    /// Every initiator that neither list names.
    Others,
    /// This one.
    Initiator(MacAddr),
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Know that there is an export, ask what it is, and whether it is awake.
    Use,
    /// Read these sectors.
    Read(LbaRange),
    /// Write these sectors.
    Write(LbaRange),
    /// This command.
    Command(ExtraCommand),
    /// Set the config string.
    SetConfigString,
    /// Reserve and release the target.
    Reserve,
    /// Edit the MAC mask list.
    MacMask,
}

/// What differs between two lists for one peer, at these times, in seconds since 1970. Losses come first.
pub fn difference(old: (&[Allow], u64), new: (&[Allow], u64)) -> Vec<Difference> {
    let [old, new] = [old, new].map(|(allow, at)| Rights::of(allow, at));
    let named = |rights: &Option<Rights>| rights.as_ref().map(Rights::named).unwrap_or_default();
    let named: BTreeSet<MacAddr> = named(&old).into_iter().chain(named(&new)).collect();
    let of_others = changes(others(&old), others(&new));
    let mut all: Vec<Difference> = Vec::new();
    let mut same_for_all = true;
    let mut of_named = Vec::new();
    for mac in named {
        let may = |rights: &Option<Rights>| rights.as_ref().and_then(|rights| rights.may(mac)).cloned();
        let theirs = changes(may(&old), may(&new));
        same_for_all &= theirs == of_others;
        of_named.push((mac, theirs));
    }
    let mut say = |who, changes: Vec<(bool, Right)>| {
        all.extend(
            changes
                .into_iter()
                .map(|(gained, right)| Difference { gained, who, right }),
        );
    };
    if same_for_all {
        say(Who::Everybody, of_others);
    } else {
        say(Who::Others, of_others);
        for (mac, theirs) in of_named {
            say(Who::Initiator(mac), theirs);
        }
    }
    all.sort_unstable();
    all
}

fn others(rights: &Option<Rights>) -> Option<May> {
    rights.as_ref().and_then(Rights::others).cloned()
}

/// What somebody gains and loses.
fn changes(old: Option<May>, new: Option<May>) -> Vec<(bool, Right)> {
    let mut all = Vec::new();
    for (gained, from, to) in [(false, &new, &old), (true, &old, &new)] {
        let (Some(to), nothing) = (to, May::default()) else {
            continue;
        };
        if from.is_none() {
            all.push((gained, Right::Use));
        }
        let from = from.as_ref().unwrap_or(&nothing);
        let May {
            read,
            write,
            commands,
            set_config_string,
            reserve,
            mac_mask,
        } = to;
        let runs = |to: &Reach, from: &Reach| to.without(from);
        all.extend(
            runs(read, &from.read)
                .into_iter()
                .map(|run| (gained, Right::Read(run))),
        );
        all.extend(
            runs(write, &from.write)
                .into_iter()
                .map(|run| (gained, Right::Write(run))),
        );
        let commands = commands.without(from.commands);
        all.extend(commands.iter().map(|command| (gained, Right::Command(command))));
        for (has, had, right) in [
            (*set_config_string, from.set_config_string, Right::SetConfigString),
            (*reserve, from.reserve, Right::Reserve),
            (*mac_mask, from.mac_mask, Right::MacMask),
        ] {
            if has && !had {
                all.push((gained, right));
            }
        }
    }
    all
}
