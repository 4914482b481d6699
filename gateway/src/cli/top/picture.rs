//! Everything that can be shown of one moment. It does not change when the next document comes.

use std::rc::Rc;

use super::between::{Between, Past};
use super::history::History;
use super::row::Row;
use super::view::{VIEWS, View};
use super::{exports, imports, initiators, peers};
use crate::cli::document::Document;

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) between: Between,
    /// Parts of the document that were not understood.
    pub(super) unread: usize,
    /// Rows of [`VIEWS`] that are lists.
    lists: [Vec<Row>; VIEWS.len()],
}

impl Picture {
    /// The rows of a view, as they came.
    pub(super) fn rows(&self, view: View) -> &[Row] {
        self.lists.get(view.index()).map_or(&[], Vec::as_slice)
    }

    /// A row.
    pub(super) fn row(&self, view: View, id: &str) -> Option<&Row> {
        self.rows(view).iter().find(|row| row.id == id)
    }

    /// How many rows a view has.
    pub(super) fn count(&self, view: View) -> usize {
        match view {
            View::Alarms => self.between.now.alarms.len(),
            View::Changes => self.between.now.changes.len(),
            _ => self.rows(view).len(),
        }
    }
}

/// Makes pictures of documents.
#[derive(Debug, Default)]
pub(super) struct Painter {
    past: Past,
    histories: [History; VIEWS.len()],
}

impl Painter {
    /// The picture of a document; `None` if it is the one that there is a picture of already.
    pub(super) fn paint(&mut self, document: Document) -> Option<Picture> {
        if !self.past.note(Rc::new(document.snapshot)) {
            return None;
        }
        let between = self.past.between()?;
        let users = initiators::rows(&between);
        let peers = peers::rows(&between, &users);
        let mut lists = [
            exports::rows(&between),
            imports::rows(&between),
            users,
            peers,
            Vec::new(),
            Vec::new(),
        ];
        for (rows, history) in lists.iter_mut().zip(&mut self.histories) {
            history.note(rows.iter().map(|row| (row.id.as_str(), row.rate)));
            for row in rows {
                row.rates = history.of(&row.id);
            }
        }
        Some(Picture {
            between,
            unread: document.unread,
            lists,
        })
    }

    /// There is no document.
    pub(super) fn silence(&mut self) {
        for history in &mut self.histories {
            history.silence();
        }
    }
}
