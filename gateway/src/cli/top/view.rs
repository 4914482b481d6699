//! The views that one goes between with the keys 1 to 6.

use super::column::Column;
use super::{exports, imports, initiators, peers};

/// A view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Exports,
    Imports,
    Initiators,
    Peers,
    Alarms,
    Changes,
}

/// All of them, in the order of their keys.
pub(super) const VIEWS: [View; 6] = [
    View::Exports,
    View::Imports,
    View::Initiators,
    View::Peers,
    View::Alarms,
    View::Changes,
];

impl View {
    /// Its title.
    pub(super) fn title(self) -> &'static str {
        match self {
            View::Exports => "exports",
            View::Imports => "imports",
            View::Initiators => "initiators",
            View::Peers => "peers",
            View::Alarms => "alarms",
            View::Changes => "changes",
        }
    }

    /// Which one it is in [`VIEWS`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// So many further on.
    pub(super) fn step(self, by: usize) -> View {
        let all = VIEWS.iter().cycle();
        all.copied().nth(self.index() + by).unwrap_or_default()
    }

    /// Its columns; a view of texts has none.
    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            View::Exports => &exports::COLUMNS,
            View::Imports => &imports::COLUMNS,
            View::Initiators => &initiators::COLUMNS,
            View::Peers => &peers::COLUMNS,
            View::Alarms | View::Changes => &[],
        }
    }

    /// The column that it is sorted by at first.
    pub(super) fn sorted(self) -> usize {
        match self {
            View::Exports => exports::SORTED,
            View::Imports => imports::SORTED,
            View::Initiators => initiators::SORTED,
            View::Peers => peers::SORTED,
            View::Alarms | View::Changes => 0,
        }
    }

    /// Whether it is a list of rows.
    pub(super) fn is_list(self) -> bool {
        !self.columns().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_has_its_place() {
        for (at, view) in VIEWS.into_iter().enumerate() {
            assert_eq!((view.index(), view.step(6)), (at, view));
            assert!(view.columns().len() > view.sorted() || !view.is_list());
        }
        assert_eq!(View::Changes.step(1), View::Exports);
        assert_eq!(View::Exports.step(5), View::Changes);
    }
}
