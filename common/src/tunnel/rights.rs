//! A peer's rights on an export, as an update carries them.
//!
//! ```text
//!  initiators  u8, 6 bytes each: whom any rule names
//!  and with flag 128, behind them:
//!  rules       u8, 1 to 8, then each:  grants u8 | commands u32 | runs u8, each: first u48 | last u48
//!  for whom    a byte for each initiator: which rules are for it, bit 0 the first
//!  grants      1 read and write   2 set the config string   4 Reserve/Release   8 MAC mask list
//!              16 for any initiator, listed or not   32 in these runs of sectors only
//!  commands    a bit for each command that is granted by name
//! ```
//!
//! Without flag 128 there is one rule, of which the flags 2, 4 and 8 say all.

use super::message::take;
use crate::config::{Access, Commands, ConfigString, LbaRange, MOST_RANGES, MOST_RULES, Permit};
use crate::export::Rights;
use crate::frame::MacAddr;
use crate::policy::Rule;

pub(super) const READ_WRITE: u8 = 2;
pub(super) const MAY_SET: u8 = 4;
pub(super) const LISTED_ONLY: u8 = 8;
pub(super) const RULES: u8 = 128;
/// All flags of an entry that are about rights.
pub(super) const FLAGS: u8 = READ_WRITE | MAY_SET | LISTED_ONLY | RULES;

const WRITES: u8 = 1;
const SETS: u8 = 2;
const RESERVES: u8 = 4;
const MASKS: u8 = 8;
const FOR_ANY: u8 = 16;
const IN_RUNS: u8 = 32;

/// The flags of the entry.
pub(super) fn flags(rights: &Rights) -> u8 {
    let flag = |condition, flag| if condition { flag } else { 0 };
    let [rule] = rights.rules() else { return RULES };
    if !is_plain(rule) {
        return RULES;
    }
    flag(rule.access == Access::ReadWrite, READ_WRITE)
        | flag(rule.config_string == ConfigString::Set, MAY_SET)
        | flag(rule.initiators.is_some(), LISTED_ONLY)
}

/// Whether the flags say all of it.
fn is_plain(rule: &Rule) -> bool {
    let Rule {
        access: _,
        config_string: _,
        initiators: _,
        lba,
        commands,
        reserve,
        mac_mask,
    } = rule;
    lba.is_none() && commands.is_empty() && !reserve.is_allowed() && !mac_mask.is_allowed()
}

/// Appends what stands at the end of the entry.
pub(super) fn emit(rights: &Rights, out: &mut Vec<u8>) {
    let named = rights.named();
    let count = u8::try_from(named.len()).unwrap_or(u8::MAX);
    let named = named.get(..count.into()).unwrap_or_default();
    out.push(count);
    out.extend(named.iter().flat_map(|mac| mac.0));
    if flags(rights) & RULES == 0 {
        return;
    }
    let rules = rights.rules();
    out.push(u8::try_from(rules.len()).unwrap_or_default());
    for rule in rules {
        emit_rule(rule, out);
    }
    for mac in named {
        let theirs = |rule: &Rule| {
            rule.initiators
                .as_ref()
                .is_some_and(|listed| listed.contains(mac))
        };
        let which = rules.iter().enumerate().filter(|(_, rule)| theirs(rule));
        out.push(which.fold(0, |bits, (at, _)| bits | 1 << at));
    }
}

fn emit_rule(rule: &Rule, out: &mut Vec<u8>) {
    let flag = |condition, flag| if condition { flag } else { 0 };
    out.push(
        flag(rule.access == Access::ReadWrite, WRITES)
            | flag(rule.config_string == ConfigString::Set, SETS)
            | flag(rule.reserve.is_allowed(), RESERVES)
            | flag(rule.mac_mask.is_allowed(), MASKS)
            | flag(rule.initiators.is_none(), FOR_ANY)
            | flag(rule.lba.is_some(), IN_RUNS),
    );
    out.extend_from_slice(&rule.commands.bits().to_be_bytes());
    let runs = rule.lba.as_deref().unwrap_or_default();
    out.push(u8::try_from(runs.len()).unwrap_or_default());
    for run in runs {
        for sector in [run.first(), run.last()] {
            let [_, _, bytes @ ..] = sector.to_be_bytes();
            out.extend_from_slice(&bytes);
        }
    }
}

/// What stands at the end of an entry with these flags.
pub(super) fn parse(flags: u8, rest: &mut &[u8]) -> Option<Rights> {
    let [count] = take(rest)?;
    let named = (0..count)
        .map(|_| take(rest).map(MacAddr))
        .collect::<Option<Vec<_>>>()?;
    let set = |flag| flags & flag != 0;
    if !set(RULES) {
        let rule = Rule {
            config_string: config_string(set(MAY_SET)),
            initiators: set(LISTED_ONLY).then_some(named),
            ..Rule::new(access(set(READ_WRITE)))
        };
        return Some(Rights::new([rule]));
    }
    let [rules] = take(rest)?;
    if flags & FLAGS != RULES || !(1..=MOST_RULES).contains(&rules.into()) {
        return None;
    }
    let mut rules = (0..rules).map(|_| parse_rule(rest)).collect::<Option<Vec<_>>>()?;
    for mac in named {
        let [which] = take(rest)?;
        for (at, rule) in rules.iter_mut().enumerate() {
            if which & (1 << at) != 0 {
                rule.initiators.as_mut()?.push(mac);
            }
        }
        if which == 0 || which.checked_shr(u32::try_from(rules.len()).ok()?).unwrap_or(0) != 0 {
            return None;
        }
    }
    Some(Rights::new(rules))
}

fn parse_rule(rest: &mut &[u8]) -> Option<Rule> {
    let [grants] = take(rest)?;
    if grants & !(WRITES | SETS | RESERVES | MASKS | FOR_ANY | IN_RUNS) != 0 {
        return None;
    }
    let set = |flag| grants & flag != 0;
    let commands = Commands::from_bits(u32::from_be_bytes(take(rest)?))?;
    let [runs] = take(rest)?;
    if usize::from(runs) > MOST_RANGES || (runs > 0) != set(IN_RUNS) {
        return None;
    }
    let runs = (0..runs).map(|_| {
        let (first, last) = (sector(take(rest)?), sector(take(rest)?));
        LbaRange::new(first, last)
    });
    let runs = runs.collect::<Option<Vec<_>>>()?;
    let permit = |flag| {
        if set(flag) {
            Permit::Allowed
        } else {
            Permit::Refused
        }
    };
    Some(Rule {
        access: access(set(WRITES)),
        config_string: config_string(set(SETS)),
        initiators: (!set(FOR_ANY)).then(Vec::new),
        lba: set(IN_RUNS).then_some(runs),
        commands,
        reserve: permit(RESERVES),
        mac_mask: permit(MASKS),
    })
}

fn sector(bytes: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = bytes;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

fn access(writes: bool) -> Access {
    if writes {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    }
}

fn config_string(sets: bool) -> ConfigString {
    if sets {
        ConfigString::Set
    } else {
        ConfigString::Read
    }
}
