//! What a peer may do with an export: its rules as they are written, and what they come to for each initiator.
//!
//! What one rule allows is allowed, whatever others say: there is no rule that forbids. So for each initiator the rules
//! that are for it are added up once, when the rights change, and a request is judged by one look-up of its initiator
//! and one of its first sector.

use std::collections::{BTreeMap, BTreeSet};

use super::reach::Reach;
use crate::config::{Access, Allow, Commands, ConfigString, LbaRange, MOST_RULES, Permit};
use crate::frame::MacAddr;

/// A peer's rights on an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    rules: Vec<Rule>,
    /// Those that a rule names, ascending by address, and what it may do.
    listed: Vec<(u64, usize)>,
    /// What initiators may do that no rule names; `None`: they do not learn that there is an export.
    others: Option<usize>,
    all: Vec<May>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) access: Access,
    pub(crate) config_string: ConfigString,
    /// For whom, ascending; `None`: any initiator behind the peer.
    pub(crate) initiators: Option<Vec<MacAddr>>,
    /// Where; `None`: everywhere.
    pub(crate) lba: Option<Vec<LbaRange>>,
    pub(crate) commands: Commands,
    pub(crate) reserve: Permit,
    pub(crate) mac_mask: Permit,
}

/// What an initiator may do, by all rules for it together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct May {
    pub(crate) read: Reach,
    pub(crate) write: Reach,
    pub(crate) commands: Commands,
    pub(crate) set_config_string: bool,
    pub(crate) reserve: bool,
    pub(crate) mac_mask: bool,
}

impl Rights {
    /// By these rules, of which the first [`MOST_RULES`] count.
    pub(crate) fn new(rules: impl IntoIterator<Item = Rule>) -> Rights {
        let mut rules: Vec<Rule> = rules.into_iter().take(MOST_RULES).collect();
        // One list travels as it is written, several as one.
        let several = rules.len() > 1;
        rules.iter_mut().for_each(|rule| rule.tidy(several));
        let open = mask(&rules, |rule| rule.initiators.is_none());
        let mut masks: BTreeMap<u64, u8> = BTreeMap::new();
        for mac in rules.iter().filter_map(|rule| rule.initiators.as_ref()).flatten() {
            masks
                .entry(number(*mac))
                .or_insert_with(|| mask(&rules, |rule| rule.covers(*mac)));
        }
        let (mut known, mut all) = (Vec::new(), Vec::new());
        let mut place_of = |mask: u8| {
            known.iter().position(|known| *known == mask).unwrap_or_else(|| {
                known.push(mask);
                all.push(May::by(chosen(&rules, mask)));
                all.len() - 1
            })
        };
        let others = (open != 0).then(|| place_of(open));
        let listed = masks
            .into_iter()
            .map(|(mac, mask)| (mac, place_of(mask)))
            .collect();
        Rights {
            rules,
            listed,
            others,
            all,
        }
    }

    /// The rules for a peer that are in force at this time, in seconds since 1970; `None` if there are none.
    pub(crate) fn of<'a>(allow: impl IntoIterator<Item = &'a Allow>, unix_time: u64) -> Option<Rights> {
        let in_force = allow.into_iter().filter(|allow| allow.is_in_force(unix_time));
        let rights = Rights::new(in_force.map(Rule::from));
        (!rights.rules.is_empty()).then_some(rights)
    }

    /// What an initiator may do; `None`: it does not learn that there is an export.
    #[inline]
    pub(crate) fn may(&self, initiator: MacAddr) -> Option<&May> {
        let place = match self.listed.as_slice() {
            [] => self.others,
            listed => match listed.binary_search_by_key(&number(initiator), |(mac, _)| *mac) {
                Ok(at) => listed.get(at).map(|(_, place)| *place),
                Err(_) => self.others,
            },
        };
        self.all.get(place?)
    }

    /// What initiators may do that no rule names.
    pub(crate) fn others(&self) -> Option<&May> {
        self.all.get(self.others?)
    }

    /// Its rules, in the order in which they are written.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Who may use the export, if these are all.
    pub(crate) fn listed(&self) -> Option<Vec<MacAddr>> {
        match self.others {
            Some(_) => None,
            None => Some(self.named()),
        }
    }

    /// Whom any rule names, each once.
    pub(crate) fn named(&self) -> Vec<MacAddr> {
        match self.rules.as_slice() {
            [rule] => rule.initiators.clone().unwrap_or_default(),
            _ => self.listed.iter().map(|(number, _)| mac(*number)).collect(),
        }
    }

    /// Whether anybody may write anywhere.
    pub(crate) fn access(&self) -> Access {
        let access = self.rules.iter().map(|rule| rule.access).max();
        access.unwrap_or(Access::ReadOnly)
    }
}

impl Rule {
    /// A rule for all, everywhere.
    pub(crate) fn new(access: Access) -> Rule {
        Rule {
            access,
            config_string: ConfigString::Read,
            initiators: None,
            lba: None,
            commands: Commands::default(),
            reserve: Permit::Refused,
            mac_mask: Permit::Refused,
        }
    }

    /// Whether it is for this initiator.
    pub(crate) fn covers(&self, initiator: MacAddr) -> bool {
        let listed = self.initiators.as_ref();
        listed.is_none_or(|listed| listed.contains(&initiator))
    }

    /// Names nobody twice.
    fn tidy(&mut self, sorted: bool) {
        let Some(initiators) = &mut self.initiators else {
            return;
        };
        if sorted {
            initiators.sort_unstable();
        }
        let mut seen = BTreeSet::new();
        initiators.retain(|mac| seen.insert(*mac));
    }
}

impl From<&Allow> for Rule {
    fn from(allow: &Allow) -> Self {
        Rule {
            access: allow.access,
            config_string: allow.config_string,
            initiators: allow.initiators.clone(),
            lba: allow.lba.clone(),
            commands: allow.commands,
            reserve: allow.reserve,
            mac_mask: allow.mac_mask,
        }
    }
}

impl May {
    /// By all of these rules together.
    fn by<'a>(rules: impl Iterator<Item = &'a Rule> + Clone) -> May {
        let reach = |access: Access| {
            let rules = rules.clone().filter(|rule| rule.access >= access);
            Reach::of(rules.map(|rule| rule.lba.as_deref()))
        };
        let any = |grants: fn(&Rule) -> bool| rules.clone().any(grants);
        May {
            read: reach(Access::ReadOnly),
            write: reach(Access::ReadWrite),
            commands: rules
                .clone()
                .fold(Commands::default(), |all, rule| all.and(rule.commands)),
            set_config_string: any(|rule| rule.config_string == ConfigString::Set),
            reserve: any(|rule| rule.reserve.is_allowed()),
            mac_mask: any(|rule| rule.mac_mask.is_allowed()),
        }
    }
}

/// A bit for each rule that is chosen.
fn mask(rules: &[Rule], choose: impl Fn(&Rule) -> bool) -> u8 {
    let chosen = rules.iter().enumerate().filter(|(_, rule)| choose(rule));
    chosen.fold(0, |mask, (at, _)| mask | 1 << at)
}

fn chosen(rules: &[Rule], mask: u8) -> impl Iterator<Item = &Rule> + Clone {
    let all = rules.iter().enumerate();
    all.filter(move |(at, _)| mask & (1 << at) != 0)
        .map(|(_, rule)| rule)
}

/// An address as a number: faster to compare.
fn number(mac: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

fn mac(number: u64) -> MacAddr {
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    MacAddr([a, b, c, d, e, f])
}
