//! How imports and their initiators are at one moment.

use super::Edge;
use crate::config::{ImportId, SegmentId};
use crate::snapshot::{Import, Initiator};
use crate::standing::Moment;
use crate::table::Table;
use crate::tunnel::links::Links;

impl Edge {
    /// What an import is called.
    pub(crate) fn name(&self, id: ImportId) -> String {
        self.imports
            .get(id)
            .map(|import| import.config.address.to_string())
            .unwrap_or_default()
    }

    /// A row for each import, and one for each initiator.
    pub(crate) fn rows(
        &self,
        _names: &Table<SegmentId, String>,
        _links: &Links,
        _moment: &Moment,
    ) -> (Vec<Import>, Vec<Initiator>) {
        (Vec::new(), Vec::new())
    }
}
