//! How imports and their initiators are at one moment.

use std::cmp::Reverse;

use super::Edge;
use super::import::Import;
use super::initiators::{SILENT, Usage};
use crate::config::{ImportId, SegmentId};
use crate::snapshot::{self, Initiator, Side, State};
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

    /// A row for each import, and one for each initiator with a ledger: of each import the busiest first.
    pub(crate) fn rows(
        &self,
        names: &Table<SegmentId, String>,
        links: &Links,
        moment: &Moment,
    ) -> (Vec<snapshot::Import>, Vec<Initiator>) {
        let (mut imports, mut initiators) = (Vec::new(), Vec::new());
        for import in self.imports.values() {
            let row = import.row(names, links, moment);
            let mut usages: Vec<Usage<'_>> = import.initiators.usages(moment.now).collect();
            usages.sort_by_key(|usage| Reverse(usage.carried.requests));
            initiators.extend(usages.into_iter().map(|usage| initiator(&row, usage, moment)));
            imports.push(row);
        }
        (imports, initiators)
    }
}

impl Import {
    fn row(&self, names: &Table<SegmentId, String>, links: &Links, moment: &Moment) -> snapshot::Import {
        let access = self.remote.as_ref().map(|remote| remote.rights.access());
        snapshot::Import {
            address: self.config.address.to_string(),
            segment: names.get(self.config.segment).cloned().unwrap_or_default(),
            peer: links.name(self.config.peer),
            export: self.config.export.clone(),
            standing: self.standing.row(moment),
            paused: self.pauses.row(moment),
            access: access.map(|access| access.to_string()).unwrap_or_default(),
            sectors: self.announced.map_or(0, |announced| announced.header.sectors),
            window: self.config.window,
            traffic: self.stats.carried.traffic(self.initiators.waiting(moment.now)),
            sizes: self.stats.sizes.rows(),
            latency: self.stats.split(),
            refusals: self.stats.refused.rows(moment, |peer| links.name(peer)),
            others: self.initiators.others(),
            worker: 0,
        }
    }
}

fn initiator(import: &snapshot::Import, usage: Usage<'_>, moment: &Moment) -> Initiator {
    let is_silent = moment.now.saturating_since(usage.last_seen) >= SILENT;
    let (why, since) = match is_silent {
        false => ("", usage.first_seen),
        true => (
            "it asked for nothing in the last minute",
            usage.last_seen + SILENT,
        ),
    };
    Initiator {
        mac: usage.mac.to_string(),
        side: Side::Here,
        peer: import.peer.clone(),
        export: import.export.clone(),
        address: import.address.clone(),
        standing: snapshot::Standing {
            state: State::Up,
            why: why.to_owned(),
            since: moment.unix(since),
        },
        last: moment.unix(usage.last_seen),
        traffic: usage.carried.traffic(usage.waiting),
        latency: usage.total.latency(),
        limit: None,
    }
}
