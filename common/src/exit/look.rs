//! How exports and the initiators behind peers are at one moment.

use super::Exit;
use crate::config::{ExportId, SegmentId};
use crate::snapshot::{Export, Initiator};
use crate::standing::Moment;
use crate::table::Table;
use crate::tunnel::links::Links;

impl Exit {
    /// What an export is called.
    pub(crate) fn name(&self, id: ExportId) -> String {
        self.exports
            .get(id)
            .map(|export| export.name.clone())
            .unwrap_or_default()
    }

    /// A row for each export, and one for each initiator behind a peer.
    pub(crate) fn rows(
        &self,
        _names: &Table<SegmentId, String>,
        _links: &Links,
        _moment: &Moment,
    ) -> (Vec<Export>, Vec<Initiator>) {
        (Vec::new(), Vec::new())
    }
}
