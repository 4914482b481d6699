//! Who may use an export, until when, and by which rules if they are more than "all of it".

use std::collections::BTreeSet;
use std::time::Duration;

use super::is_at_work;
use crate::config::{Access, Allow, ConfigString, Limited, PeerId};
use crate::exit::export::Export;
use crate::exit::flow::{Flow, FlowKey};
use crate::snapshot::{self, Grant};
use crate::standing::Moment;
use crate::tunnel::links::Links;

/// Runs of sectors, and commands, of one rule that are named; more are counted.
const NAMED: usize = 4;
/// What stands for the access of a peer of which every permission has ended.
const ENDED: &str = "ended";

/// A row for each peer that may use an export, and for each that might until its permission ended.
///
/// `unix`: what the wall clock says, in seconds since 1970.
pub(super) fn grants(
    export: &Export,
    flows: &[(&FlowKey, &Flow)],
    links: &Links,
    (moment, unix): (&Moment, u64),
    limit: impl Fn(Limited) -> Option<snapshot::Limit>,
) -> Vec<Grant> {
    let at_work = flows.iter().filter(|(_, flow)| is_at_work(flow, moment));
    let at_work: BTreeSet<_> = at_work.map(|(key, _)| (key.peer, key.initiator)).collect();
    let in_use = |peer: PeerId| at_work.iter().filter(|(of, _)| *of == peer).count();
    let mut allow: Vec<&Allow> = export.allow.iter().collect();
    allow.sort_by_key(|rule| rule.peer);
    let grant = |theirs: &[&Allow]| {
        let peer = theirs.first()?.peer;
        let (access, until, rules) = match export.rights(peer) {
            Some(rights) => {
                let in_force = || theirs.iter().copied().filter(|rule| rule.is_in_force(unix));
                let first_end = in_force().filter_map(|rule| rule.until).min();
                (rights.access().to_string(), first_end, rules(in_force()))
            }
            None if theirs.iter().any(|rule| rule.is_in_force(unix)) => return None,
            None => {
                let last_end = theirs.iter().filter_map(|rule| rule.until).max();
                (ENDED.to_owned(), last_end, Vec::new())
            }
        };
        Some(Grant {
            peer: links.name(peer),
            access,
            until: until.map(|until| Duration::from_secs(until.0).as_secs_f64()),
            rules,
            in_use: in_use(peer) as u64,
            limit: limit(Limited::Grant(export.id, peer)),
        })
    };
    let theirs = allow.chunk_by(|one, next| one.peer == next.peer);
    theirs.filter_map(grant).collect()
}

/// What each rule allows; nothing if there is one only, of which access and end say all.
fn rules<'a>(rules: impl Iterator<Item = &'a Allow> + Clone) -> Vec<String> {
    let mut all = rules.clone();
    match (all.next(), all.next()) {
        (Some(only), None) if is_plain(only) => Vec::new(),
        _ => rules.map(in_short).collect(),
    }
}

/// Whether it is for the whole disk, and for nothing else.
fn is_plain(rule: &Allow) -> bool {
    rule.lba.is_none()
        && rule.commands.is_empty()
        && rule.config_string == ConfigString::Read
        && !rule.reserve.is_allowed()
        && !rule.mac_mask.is_allowed()
}

/// `rw sectors 0-1023, smart-read-data, 2 initiators, until 2027-01-31T00:00:00Z`.
fn in_short(rule: &Allow) -> String {
    let access = match rule.access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
    };
    let mut words = vec![match &rule.lba {
        None => access.to_owned(),
        Some(runs) => format!("{access} sectors {}", first_of(runs.iter(), runs.len(), " ")),
    }];
    if !rule.commands.is_empty() {
        let commands = rule.commands.iter();
        words.push(first_of(commands, rule.commands.iter().count(), ", "));
    }
    for (allowed, what) in [
        (rule.config_string == ConfigString::Set, "sets the config string"),
        (rule.reserve.is_allowed(), "reserves"),
        (rule.mac_mask.is_allowed(), "edits the MAC mask list"),
    ] {
        if allowed {
            words.push(what.to_owned());
        }
    }
    match rule.initiators.as_deref() {
        None => {}
        Some([one]) => words.push(format!("initiator {one} only")),
        Some(listed) => words.push(format!("{} initiators only", listed.len())),
    }
    if let Some(until) = rule.until {
        words.push(format!("until {until}"));
    }
    words.join(", ")
}

/// The first few, and how many more there are.
fn first_of(items: impl Iterator<Item = impl ToString>, count: usize, between: &str) -> String {
    let mut named: Vec<String> = items.take(NAMED).map(|item| item.to_string()).collect();
    if let Some(more) = count.checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Commands, ExtraCommand, LbaRange, Permit, Until};
    use crate::frame::MacAddr;

    #[test]
    fn a_rule_is_short_however_long_its_lists_are() {
        let plain = Allow::new(PeerId(0), Access::ReadOnly);
        assert_eq!(rules([&plain].into_iter()), [""; 0], "its access says all");
        let runs = (0..16).map(|n| LbaRange::new(LbaRange::LAST - 2 * n - 1, LbaRange::LAST - 2 * n - 1));
        let longest = Allow {
            lba: Some(runs.flatten().collect()),
            commands: ExtraCommand::ALL.iter().copied().collect(),
            config_string: ConfigString::Set,
            reserve: Permit::Allowed,
            mac_mask: Permit::Allowed,
            initiators: Some(vec![MacAddr([2; 6]); 64]),
            until: Some(Until(1_801_353_600)),
            ..plain.clone()
        };
        let said = in_short(&longest);
        assert!(said.len() < 400, "{said}");
        assert!(said.contains(" and 12 more, smart-read-data, "), "{said}");
        assert!(
            said.ends_with(", and 9 more, sets the config string, reserves, edits the MAC mask list, 64 initiators only, until 2027-01-31T00:00:00Z"),
            "{said}"
        );
        let part = Allow {
            lba: LbaRange::new(0, 1023).map(|run| vec![run]),
            initiators: Some(vec![MacAddr([2; 6])]),
            ..Allow::new(PeerId(0), Access::ReadWrite)
        };
        let smart = Allow {
            commands: Commands::default().with(ExtraCommand::SmartReadData),
            ..plain
        };
        assert_eq!(
            rules([&smart, &part].into_iter()),
            [
                "ro, smart-read-data",
                "rw sectors 0-1023, initiator 02:02:02:02:02:02 only"
            ]
        );
    }
}
