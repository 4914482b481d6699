//! Rules that never apply: legal, and probably not what was meant.

use aoe_common::acl::difference;
use aoe_common::config::{Allow, ExportConfig, PeerId};

use crate::config::export_file::{AllowEntry, ExportFile};
use crate::config::fault::Faults;
use crate::config::source::Located;

/// Warns of permissions that have ended at this time (in seconds since 1970), of such as others make needless, and of
/// dangerous commands for those who may only read. The exports are those of the files, in their order.
pub(super) fn warn(files: &[ExportFile], exports: &[ExportConfig], unix_time: u64, faults: &mut Faults) {
    for (file, export) in files.iter().zip(exports) {
        let rules: Vec<(&AllowEntry, &Allow)> = file.allow.iter().zip(&export.allow).collect();
        let mut peers: Vec<PeerId> = export.allow.iter().map(|allow| allow.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            let theirs = rules.iter().copied().filter(|(_, allow)| allow.peer == peer);
            shadows(&theirs.collect::<Vec<_>>(), unix_time, faults);
        }
        for (entry, allow) in rules {
            ended(entry, unix_time, faults);
            runs_within_others(entry, faults);
            danger(entry, allow, faults);
        }
    }
}

fn ended(entry: &AllowEntry, unix_time: u64, faults: &mut Faults) {
    if let Some(until) = &entry.until
        && until.value.0 <= unix_time
    {
        let found = format!("this permission ended at {}", until.value);
        faults.warn(&until.place, found, "write a later time, or remove the [[allow]]");
    }
}

/// The last of those that others make needless is the one that is reported.
fn shadows(rules: &[(&AllowEntry, &Allow)], unix_time: u64, faults: &mut Faults) {
    let mut kept: Vec<(&AllowEntry, &Allow)> = rules.to_vec();
    for at in (0..rules.len()).rev() {
        let Some((entry, allow)) = rules.get(at).copied() else {
            continue;
        };
        if !allow.is_in_force(unix_time) {
            continue;
        }
        let others: Vec<&Allow> = kept
            .iter()
            .filter(|(_, other)| !std::ptr::eq(*other, allow))
            .map(|(_, other)| *other)
            .collect();
        if !adds_nothing(allow, &others, unix_time) {
            continue;
        }
        kept.retain(|(_, other)| !std::ptr::eq(*other, allow));
        let alone = kept
            .iter()
            .find(|(_, other)| adds_nothing(allow, &[*other], unix_time));
        let found = match alone {
            Some((other, _)) => format!(
                "this never decides: {} allows all of it",
                faults.whereabouts(&other.place, &entry.place)
            ),
            None => {
                String::from("this never decides: the other [[allow]] for this peer allow all of it together")
            }
        };
        faults.warn(
            &entry.place,
            found,
            "remove it, or let it allow something that the others do not",
        );
    }
}

/// Whether a rule allows nothing that these others do not, now and at each time at which one of them ends.
fn adds_nothing(rule: &Allow, others: &[&Allow], unix_time: u64) -> bool {
    let ends = others.iter().filter_map(|other| other.until).map(|until| until.0);
    let times = std::iter::once(unix_time).chain(ends.filter(|end| *end > unix_time));
    let without: Vec<Allow> = others.iter().map(|other| (*other).clone()).collect();
    let with: Vec<Allow> = without.iter().cloned().chain([rule.clone()]).collect();
    !others.is_empty()
        && times
            .into_iter()
            .all(|at| difference((&without, at), (&with, at)).is_empty())
}

/// Runs of sectors that lie within another one of the same list.
fn runs_within_others(entry: &AllowEntry, faults: &mut Faults) {
    let runs = entry.lba.as_deref().unwrap_or_default();
    for (at, run) in runs.iter().enumerate() {
        let is_around = |(other_at, other): &(usize, &Located<_>)| {
            let (run, other): (aoe_common::config::LbaRange, aoe_common::config::LbaRange) =
                (run.value, other.value);
            let around = other.first() <= run.first() && run.last() <= other.last();
            around && *other_at != at && (other != run || *other_at < at)
        };
        if let Some((_, other)) = runs.iter().enumerate().find(is_around) {
            let found = format!("the sectors {} are among {} already", run.value, other.value);
            faults.warn(&run.place, found, "remove one of the two");
        }
    }
}

fn danger(entry: &AllowEntry, allow: &Allow, faults: &mut Faults) {
    if allow.access != aoe_common::config::Access::ReadOnly {
        return;
    }
    let list = entry.commands.as_deref().unwrap_or_default();
    for command in list.iter().filter(|command| command.value.changes()) {
        let found = format!(
            "access is \"read-only\", and \"{}\" changes the disk all the same",
            command.value
        );
        faults.warn(
            &command.place,
            found,
            "remove the command, or write access = \"read-write\"",
        );
    }
}
