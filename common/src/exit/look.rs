//! How exports and the initiators behind peers are at one moment.

mod grants;

use std::cmp::Reverse;

use super::Exit;
use super::export::Export;
use super::flow::{Flow, FlowKey, MOST_ROWS, QUIET};
use super::stages::Stage;
use crate::config::{ExportId, Limited, SegmentId};
use crate::frame::SECTOR_LEN;
use crate::snapshot::{self, Initiator, Side, Split, State};
use crate::standing::Moment;
use crate::table::Table;
use crate::tunnel::links::Links;

/// Requests of one export.
#[derive(Clone, Copy, Default)]
struct Here {
    at_target: u64,
    waiting: u64,
    /// They were answered or given up, and may still be applied.
    draining: u64,
}

impl Exit {
    /// What an export is called.
    pub(crate) fn name(&self, id: ExportId) -> String {
        let export = self.exports.get(id).or_else(|| self.leaving.get(id));
        export.map(|export| export.name.clone()).unwrap_or_default()
    }

    /// A row for each export, and one for each initiator behind a peer: of each export the busiest.
    pub(crate) fn rows(
        &self,
        names: &Table<SegmentId, String>,
        links: &Links,
        moment: &Moment,
    ) -> (Vec<snapshot::Export>, Vec<Initiator>) {
        let here = self.requests_here();
        let waiting = self.waiting_for_limits();
        let limit = |whom| self.limit_row(whom, &waiting);
        let unix = self.calendar.unix(moment.now);
        let mut flows: Vec<(&FlowKey, &Flow)> = self.flows.iter().collect();
        flows.sort_by_key(|(key, flow)| (key.export, Reverse(flow.carried.requests)));
        let (mut exports, mut initiators) = (Vec::new(), Vec::new());
        for export in self.exports.values().chain(self.leaving.values()) {
            let start = flows.partition_point(|(key, _)| key.export < export.id);
            let end = flows.partition_point(|(key, _)| key.export <= export.id);
            let flows = flows.get(start..end).unwrap_or_default();
            let here = here.get(export.id).copied().unwrap_or_default();
            let shown = flows.iter().take(MOST_ROWS);
            initiators.extend(shown.map(|(key, flow)| Initiator {
                limit: limit(Limited::Initiator(key.export, key.peer, key.initiator)),
                ..initiator(export, key, flow, links, moment)
            }));
            exports.push(snapshot::Export {
                limit: limit(Limited::Export(export.id)),
                allow: grants::grants(export, flows, links, (moment, unix), limit),
                others: flows.len().saturating_sub(MOST_ROWS) as u64,
                refusals: export.stats.refused.rows(moment, |peer| links.name(peer)),
                ..self.row(export, here, names, moment)
            });
        }
        (exports, initiators)
    }

    fn row(
        &self,
        export: &Export,
        here: Here,
        names: &Table<SegmentId, String>,
        moment: &Moment,
    ) -> snapshot::Export {
        let stats = &export.stats;
        let mut row = snapshot::Export {
            name: export.name.clone(),
            standing: export.standing.row(moment),
            paused: export.pauses.row(moment),
            at_target: here.at_target,
            waiting: here.waiting,
            traffic: stats.carried.traffic(here.at_target + here.waiting),
            sizes: stats.sizes.rows(),
            latency: Split {
                queue: stats.queue.latency(),
                target: stats.target.latency(),
                ..Split::default()
            },
            ..snapshot::Export::default()
        };
        if row.standing.state == State::Leaving && export.requests > 0 {
            let left = here.at_target + here.waiting + here.draining;
            row.standing.why += &format!("; {left} of its requests may still be at its target");
        }
        if let Some(target) = self.targets.get(export.target) {
            row.segment = names.get(target.segment).cloned().unwrap_or_default();
            row.target = target.address.to_string();
            row.mac = target
                .liveness
                .mac()
                .map(|mac| mac.to_string())
                .unwrap_or_default();
            row.buffers = target.liveness.info.buffer_count;
            if let Some(disk) = target.recognition.disk() {
                row.disk = disk.to_string();
                row.size_bytes = disk.size.saturating_mul(SECTOR_LEN as u64);
            }
        }
        row
    }

    fn requests_here(&self) -> Table<ExportId, Here> {
        let all = self.exports.ids().chain(self.leaving.ids());
        let mut here: Table<ExportId, Here> = all.map(|id| (id, Here::default())).collect();
        for (_, pending) in self.pending.iter() {
            let Some(here) = here.get_mut(pending.export) else {
                continue;
            };
            match pending.stage {
                Stage::AtTarget => here.at_target += 1,
                Stage::Queued | Stage::Held | Stage::Dormant => here.waiting += 1,
                Stage::Draining => here.draining += 1,
            }
        }
        here
    }
}

fn is_at_work(flow: &Flow, moment: &Moment) -> bool {
    flow.requests > 0 || moment.now.saturating_since(flow.last_used) < QUIET
}

fn initiator(export: &Export, key: &FlowKey, flow: &Flow, links: &Links, moment: &Moment) -> Initiator {
    let (why, since) = match is_at_work(flow, moment) {
        true => ("", flow.since),
        false => ("it asked for nothing in the last minute", flow.last_used + QUIET),
    };
    Initiator {
        mac: key.initiator.to_string(),
        side: Side::There,
        peer: links.name(key.peer),
        export: export.name.clone(),
        address: String::new(),
        standing: snapshot::Standing {
            state: State::Up,
            why: why.to_owned(),
            since: moment.unix(since),
        },
        last: moment.unix(flow.last_used),
        traffic: flow.carried.traffic(flow.requests.into()),
        latency: flow.times.as_ref().and_then(|times| times.latency()),
        limit: None,
    }
}

#[cfg(test)]
mod tests;
