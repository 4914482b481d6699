//! Things by id. An id is not a place: it stays with its thing while others come and go, and means nothing else afterwards.

/// A number that names one kind of thing.
pub trait Id: Copy + Ord {
    /// The id of this number.
    fn of(number: u16) -> Self;
    /// Its number.
    fn number(self) -> u16;
}

macro_rules! ids {
    ($($(#[$doc:meta])+ $vis:vis $name:ident,)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name($vis u16);

        impl $crate::table::Id for $name {
            fn of(number: u16) -> Self {
                $name(number)
            }

            fn number(self) -> u16 {
                self.0
            }
        }
    )+};
}
pub(crate) use ids;

/// Where the index has no thing.
const NOWHERE: u16 = u16::MAX;

/// Things, each with an id of its own, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<I, T> {
    /// In the order of their numbers.
    entries: Vec<(I, T)>,
    /// For each number up to the greatest that was ever used: where its thing is in `entries`.
    index: Vec<u16>,
}

impl<I, T> Default for Table<I, T> {
    fn default() -> Self {
        Table {
            entries: Vec::new(),
            index: Vec::new(),
        }
    }
}

impl<I: Id, T> Table<I, T> {
    /// How many ids there are. None is given twice.
    pub const MOST: usize = NOWHERE as usize;

    /// The thing of this id.
    pub fn get(&self, id: I) -> Option<&T> {
        self.entries.get(self.place(id)?).map(|(_, thing)| thing)
    }

    /// The thing of this id.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        let place = self.place(id)?;
        self.entries.get_mut(place).map(|(_, thing)| thing)
    }

    /// Adds a thing under the next id that was never used. `None`: all were.
    pub fn push(&mut self, thing: T) -> Option<I> {
        let id = self.next()?;
        self.insert(id, thing);
        Some(id)
    }

    /// The next id that was never used.
    pub fn next(&self) -> Option<I> {
        u16::try_from(self.index.len())
            .ok()
            .filter(|number| *number != NOWHERE)
            .map(I::of)
    }

    /// Puts a thing under its id; what was there before.
    pub fn insert(&mut self, id: I, thing: T) -> Option<T> {
        if let Some(known) = self.get_mut(id) {
            return Some(std::mem::replace(known, thing));
        }
        let number = usize::from(id.number());
        if self.index.len() <= number {
            self.index.resize(number + 1, NOWHERE);
        }
        let place = self.entries.partition_point(|(known, _)| *known < id);
        self.entries.insert(place, (id, thing));
        self.renumber(place);
        None
    }

    /// Takes a thing away. Its id is not used again.
    pub fn remove(&mut self, id: I) -> Option<T> {
        let place = self.place(id)?;
        let (_, thing) = self.entries.remove(place);
        if let Some(known) = self.index.get_mut(usize::from(id.number())) {
            *known = NOWHERE;
        }
        self.renumber(place);
        Some(thing)
    }

    /// Ids up to this one are used, whether their things are still there or not.
    pub fn use_up_to(&mut self, next: Option<I>) {
        let used = next.map_or(Self::MOST, |next| usize::from(next.number()));
        if self.index.len() < used {
            self.index.resize(used, NOWHERE);
        }
    }

    /// All things.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        self.entries.iter().map(|(id, thing)| (*id, thing))
    }

    /// All things.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (I, &mut T)> {
        self.entries.iter_mut().map(|(id, thing)| (*id, thing))
    }

    /// All things, without their ids.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.entries.iter().map(|(_, thing)| thing)
    }

    /// All things, without their ids.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, thing)| thing)
    }

    /// The id at this place, counted from the first one there is. For loops in which things are changed.
    pub fn id_at(&self, place: usize) -> Option<I> {
        self.entries.get(place).map(|(id, _)| *id)
    }

    /// All ids.
    pub fn ids(&self) -> impl Iterator<Item = I> {
        self.entries.iter().map(|(id, _)| *id)
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Something else under the same ids.
    pub fn map<U>(&self, mut make: impl FnMut(I, &T) -> U) -> Table<I, U> {
        Table {
            entries: self.iter().map(|(id, thing)| (id, make(id, thing))).collect(),
            index: self.index.clone(),
        }
    }

    fn place(&self, id: I) -> Option<usize> {
        let place = *self.index.get(usize::from(id.number()))?;
        (place != NOWHERE).then(|| usize::from(place))
    }

    /// Notes where everything from this place on is.
    fn renumber(&mut self, from: usize) {
        for (place, (id, _)) in self.entries.iter().enumerate().skip(from) {
            if let Some(known) = self.index.get_mut(usize::from(id.number())) {
                *known = u16::try_from(place).unwrap_or(NOWHERE);
            }
        }
    }
}

impl<I: Id, T> FromIterator<T> for Table<I, T> {
    /// Numbers things from zero on. More than [`MOST`](Table::MOST) are left out.
    fn from_iter<A: IntoIterator<Item = T>>(things: A) -> Self {
        (0..NOWHERE).map(I::of).zip(things).collect()
    }
}

impl<I: Id, T> FromIterator<(I, T)> for Table<I, T> {
    fn from_iter<A: IntoIterator<Item = (I, T)>>(things: A) -> Self {
        let mut table = Table::default();
        for (id, thing) in things {
            table.insert(id, thing);
        }
        table
    }
}

impl<I: Id, T> From<Vec<T>> for Table<I, T> {
    fn from(things: Vec<T>) -> Self {
        things.into_iter().collect()
    }
}

impl<I, T> IntoIterator for Table<I, T> {
    type Item = (I, T);
    type IntoIter = std::vec::IntoIter<(I, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::config::ExportId;

    type Things = Table<ExportId, u32>;

    #[test]
    fn an_id_stays_with_its_thing_and_is_not_used_again() {
        let mut table: Things = vec![10, 11, 12].into();
        assert_eq!(table.remove(ExportId(1)), Some(11));
        assert_eq!(table.get(ExportId(2)), Some(&12));
        assert_eq!(table.get(ExportId(1)), None);
        assert_eq!(table.remove(ExportId(2)), Some(12));
        assert_eq!(table.push(13), Some(ExportId(3)));
        let mut next = Things::from(vec![10]);
        next.use_up_to(table.next());
        assert_eq!(next.push(14), Some(ExportId(4)));
    }

    #[test]
    fn there_are_only_so_many_ids() {
        let mut table: Things = vec![0; Things::MOST].into();
        assert_eq!((table.len(), table.push(1)), (65_535, None));
        table.remove(ExportId(7));
        assert_eq!(table.push(1), None);
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..3, 0u16..20, any::<u32>()), 0..200)) {
            let (mut table, mut model) = (Things::default(), BTreeMap::new());
            for (step, number, thing) in steps {
                let id = ExportId(number);
                match step {
                    0 => prop_assert_eq!(table.insert(id, thing), model.insert(id, thing)),
                    1 => prop_assert_eq!(table.remove(id), model.remove(&id)),
                    _ => prop_assert_eq!(table.get(id), model.get(&id)),
                }
                let all: Vec<_> = table.iter().map(|(id, thing)| (id, *thing)).collect();
                prop_assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
