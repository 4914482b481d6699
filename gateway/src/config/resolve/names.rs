//! Names and things that may exist once.

use std::collections::BTreeMap;

use crate::config::fault::{Faults, Kind};
use crate::config::source::{Located, Place};
use crate::config::suggest::nearest;
use crate::config::value::quote;

/// The names of all things of one sort, and their numbers.
#[derive(Debug)]
pub(super) struct Names<'a> {
    /// What a thing of this sort is: `peer` or `segment`.
    sort: &'static str,
    /// `None` if the file that declares them could not be read: then no name can be called unknown.
    numbers: Option<BTreeMap<&'a str, u16>>,
}

impl<'a> Names<'a> {
    /// Takes the names of all things in their order and reports those that appear twice.
    pub(super) fn declare(
        sort: &'static str,
        names: Option<impl IntoIterator<Item = &'a Option<Located<String>>>>,
        faults: &mut Faults,
    ) -> Self {
        let numbers = names.map(|names| {
            let mut once = Once::default();
            let mut numbers = BTreeMap::new();
            for (number, name) in (0..=u16::MAX).zip(names) {
                let Some(name) = name else { continue };
                if once.claim(name.value.as_str(), &name.place, faults, |name| {
                    (
                        format!("{} is already the name of a {sort}", quote(name)),
                        format!("give each {sort} its own name"),
                    )
                }) {
                    numbers.insert(name.value.as_str(), number);
                }
            }
            numbers
        });
        Names { sort, numbers }
    }

    /// The number of the thing a reference means; reports a name nobody has.
    pub(super) fn find(&self, wanted: &Option<Located<String>>, faults: &mut Faults) -> Option<u16> {
        let (wanted, numbers) = (wanted.as_ref()?, self.numbers.as_ref()?);
        if let Some(number) = numbers.get(wanted.value.as_str()) {
            return Some(*number);
        }
        let sort = self.sort;
        let instead = match nearest(&wanted.value, numbers.keys().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None if numbers.is_empty() => format!("declare it as [[{sort}]] in the gateway file"),
            None => format!(
                "declare it as [[{sort}]], or write one of {}",
                list(numbers.keys())
            ),
        };
        let found = format!("no {sort} is called {}", quote(&wanted.value));
        faults.fault(Kind::UnknownName, &wanted.place, found, instead);
        None
    }
}

/// Keys that may be claimed once.
#[derive(Debug)]
pub(super) struct Once<K> {
    claimed: BTreeMap<K, Place>,
}

impl<K> Default for Once<K> {
    fn default() -> Self {
        Once {
            claimed: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Once<K> {
    /// Claims a key; if it is claimed already, reports what `twice` says and where the first one is.
    pub(super) fn claim(
        &mut self,
        key: K,
        place: &Place,
        faults: &mut Faults,
        twice: impl FnOnce(&K) -> (String, String),
    ) -> bool {
        if let Some(first) = self.claimed.get(&key) {
            let (found, instead) = twice(&key);
            let first = faults.whereabouts(first, place);
            faults.fault(Kind::Duplicate, place, format!("{found} ({first})"), instead);
            return false;
        }
        self.claimed.insert(key, place.clone());
        true
    }

    /// Where a key was claimed.
    pub(super) fn holder(&self, key: &K) -> Option<&Place> {
        self.claimed.get(key)
    }
}

fn list<'a>(names: impl Iterator<Item = &'a &'a str>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = names.take(SHOWN + 1).map(|name| format!("\"{name}\"")).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push(String::from("…"));
    }
    names.join(", ")
}
