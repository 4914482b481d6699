//! Limits that an operator sets and clears while the gateway runs.

use super::Exit;
use crate::config::{LimitChange, Limited};
use crate::context::Context;
use crate::steer::{LimitOf, Steered};
use crate::tunnel::links::Links;

/// Most limits that operators may have set of one kind of thing: each costs memory until the process ends.
const MOST_LIVE: usize = 1024;

impl Exit {
    /// Changes a limit. `None`: what it is about is none of this worker's.
    pub(crate) fn set_limit(
        &mut self,
        whom: Limited,
        change: LimitChange,
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        if !self.has(whom) {
            return None;
        }
        let was = self.limits.in_force(whom);
        let limit = was.changed(change);
        let refused = |reason: String| {
            Some(Steered {
                refused: reason,
                limits: self.limit_of(whom, links),
                ..Steered::default()
            })
        };
        if let Err(fault) = limit.check() {
            return refused(fault.to_string());
        }
        if self.limits.live(whom).is_none() && self.limits.all_live().count() >= MOST_LIVE {
            return refused(format!(
                "{MOST_LIVE} limits are set already; clear some, or write them into the files"
            ));
        }
        self.let_go(cx.now);
        self.limits.set_live(whom, Some(limit), cx.now);
        Some(self.limited_otherwise(whom, (was, limit), links, cx))
    }

    /// What the configuration says counts again.
    pub(crate) fn clear_limit(
        &mut self,
        whom: Limited,
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Option<Steered> {
        if !self.has(whom) {
            return None;
        }
        let was = self.limits.in_force(whom);
        self.let_go(cx.now);
        self.limits.set_live(whom, None, cx.now);
        let is = self.limits.in_force(whom);
        Some(self.limited_otherwise(whom, (was, is), links, cx))
    }

    /// All limits in force.
    pub(crate) fn look_at_limits(&self, links: &Links) -> Steered {
        let waiting = self.waiting_for_limits();
        let row = |whom| {
            Some(LimitOf {
                limit: self.limit_row(whom, &waiting)?,
                ..self.named(whom, links)
            })
        };
        Steered {
            limits: self.limits.all().filter_map(row).collect(),
            ..Steered::default()
        }
    }

    fn limited_otherwise(
        &mut self,
        whom: Limited,
        (was, is): (crate::config::Limit, crate::config::Limit),
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Steered {
        self.limits_changed(cx);
        Steered {
            changed: was != is,
            limit_was: was.to_string(),
            limits: self.limit_of(whom, links),
            ..Steered::default()
        }
    }

    /// Whether this worker serves what a limit is about.
    fn has(&self, whom: Limited) -> bool {
        match whom {
            Limited::Export(export) => self.exports.get(export).is_some(),
            Limited::Peer(peer) => self.limits.peers().any(|known| known == peer),
            Limited::Grant(export, peer) | Limited::Initiator(export, peer, _) => self
                .exports
                .get(export)
                .is_some_and(|export| export.rights(peer).is_some()),
        }
    }

    /// The one limit, if there is one.
    fn limit_of(&self, whom: Limited, links: &Links) -> Vec<LimitOf> {
        let waiting = self.waiting_for_limits();
        let row = self.limit_row(whom, &waiting);
        let row = row.map(|limit| LimitOf {
            limit,
            ..self.named(whom, links)
        });
        row.into_iter().collect()
    }

    fn named(&self, whom: Limited, links: &Links) -> LimitOf {
        let (export, peer, initiator) = match whom {
            Limited::Export(export) => (Some(export), None, None),
            Limited::Peer(peer) => (None, Some(peer), None),
            Limited::Grant(export, peer) => (Some(export), Some(peer), None),
            Limited::Initiator(export, peer, initiator) => (Some(export), Some(peer), Some(initiator)),
        };
        LimitOf {
            export: export.map(|id| self.name(id)).unwrap_or_default(),
            peer: peer.map(|id| links.name(id)).unwrap_or_default(),
            initiator: initiator.map(|mac| mac.to_string()).unwrap_or_default(),
            ..LimitOf::default()
        }
    }
}
