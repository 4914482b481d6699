//! The gateway next to the target: an initiator in its own right.
//!
//! Requests are judged, put in order, given a tag of our own and sent to the target, never more at a time than it has
//! buffers for; the rest waits. Replies are matched by that tag and go back with the initiator's own. Targets are
//! watched by ourselves, and peers are told.
//!
//! - `request`: a request from an edge: judged, collapsed, put in order, accepted
//! - `service`: requests to the target and again to the target
//! - `answer`: what the target says, and what the edge is told
//! - `patience`: how long anything may take
//! - `pause`: an operator keeps requests from a target for a while
//! - `stages`: the one door by which requests go from one stage to the next
//! - `lockout`: masks and reservations that would shut us out
//! - `ending`: the last second of a process
//! - `change`: exports, peers and rights that come, change and go
//! - `calendar`: permissions that end at a date
//! - `flush`: requests that nobody may wait for any more
//! - `discovery`: whether targets live; `identity`: whether they are who they were; `conflict`: what happens if not
//! - `gate`: which of those goes next where some are limited; `limiting`: limits that an operator sets
//! - `refusals`: what is logged of what peers do not get
//! - `tapping`: what those see who capture
//! - `standing`, `stats`, `look`: how exports are, what they had done, and both as rows
//!
//! What they work with: `target` and `export`, and `withdrawals`, what peers have to know of exports that they have lost; `table`, the requests, with `pending`, `copies`, `parts`, `overlap`, `chains`
//! and `list`; `tags`, by which answers find them; `echo`, whether these fit; `flow`, the initiators, with `turns` and `limits`; `ways`,
//! by which writes come, with a `guard` for each; `span`, `rto`, `liveness`, `recognition`.

mod answer;
mod calendar;
mod chains;
mod change;
mod conflict;
mod copies;
mod discovery;
mod echo;
mod ending;
mod export;
pub(crate) mod flow;
mod flush;
mod gate;
pub(crate) mod guard;
mod identity;
pub(crate) mod ids;
mod limiting;
pub(crate) mod limits;
mod list;
mod liveness;
mod lockout;
mod look;
mod overlap;
mod parts;
mod patience;
mod pause;
pub(crate) mod pending;
mod recognition;
mod refusals;
mod request;
mod rto;
mod service;
pub(crate) mod span;
#[cfg(test)]
mod stage;
pub(crate) mod stages;
mod standing;
mod stats;
pub(crate) mod table;
pub(crate) mod tags;
mod tapping;
pub(crate) mod target;
mod turns;
mod ways;
mod withdrawals;

use std::time::Duration;

use crate::config::{ExportConfig, ExportId, PeerId, SegmentId};
use crate::context::Context;
use crate::frame::MacAddr;
use crate::frame::aoe::Pdu;
use crate::segment::SegmentState;
use crate::table::Table;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;
use crate::tunnel::update::{Entry, Rest, Scope};
use calendar::Calendar;
use export::Export;
use flow::Flows;
use ids::{SlotId, TargetId};
use limits::Limits;
use table::PendingTable;
use tags::Tags;
use target::Target;
use ways::Ways;
use withdrawals::Withdrawals;

/// Entries of one update stay below this many bytes, if they can.
const UPDATE_LEN: usize = 4096;

/// Between two looks for what peers have to be told: each goes through all exports and whom they are for, and what targets
/// say about themselves may be new with every frame.
const NEWS_EVERY: Duration = Duration::from_millis(5);

/// All exports.
#[derive(Debug)]
pub(crate) struct Exit {
    exports: Table<ExportId, Export>,
    /// Exports that were removed: until every peer knows and nothing of them is at a target.
    leaving: Table<ExportId, Export>,
    withdrawals: Withdrawals,
    calendar: Calendar,
    targets: Table<TargetId, Target>,
    flows: Flows,
    limits: Limits,
    ways: Ways,
    pending: PendingTable,
    tags: Tags,
    /// A request older than this is not sent to a target.
    max_age: Duration,
    order: OrderGuard,
    /// Whether some peer has to be told something.
    news: bool,
    /// Peers that have to be told how many exports they may use, be it none.
    uninformed: Vec<PeerId>,
    /// Not before this.
    news_at: Instant,
    /// Whether nothing is sent any more.
    is_ending: bool,
    sweep_at: Instant,
    /// The slot where it goes on.
    sweep_from: usize,
    /// When the first pause ends.
    pauses_end: Instant,
    /// Memory of `release`.
    freed: Vec<SlotId>,
}

/// Whether late writes are kept from the targets. Always, but for the test of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OrderGuard {
    On,
    #[cfg(feature = "fuzzing")]
    Off,
}

/// A response captured on a segment.
#[derive(Clone, Copy)]
pub(crate) struct Response<'a> {
    pub(crate) segment: SegmentId,
    pub(crate) source: MacAddr,
    pub(crate) pdu: Pdu<'a>,
}

impl Exit {
    /// For these peers; a factor for hashes and the seed of the tags are drawn at random. `unix_time` is what the wall clock
    /// says at `now`.
    pub(crate) fn new(
        configs: Table<ExportId, ExportConfig>,
        max_age: Duration,
        peers: &[PeerId],
        (factor, tags): (u64, [u8; 32]),
        (now, unix_time): (Instant, Duration),
    ) -> Exit {
        let calendar = Calendar::new(unix_time, now);
        let unix = calendar.unix(now);
        let mut exit = Exit {
            exports: Table::default(),
            leaving: Table::default(),
            withdrawals: Withdrawals::default(),
            calendar,
            targets: Table::default(),
            flows: Flows::default(),
            limits: Limits::default(),
            ways: Ways::default(),
            pending: PendingTable::new(factor, peers),
            tags: Tags::new(tags),
            max_age,
            order: OrderGuard::On,
            news: false,
            uninformed: Vec::new(),
            news_at: now,
            is_ending: false,
            sweep_at: Instant::NEVER,
            sweep_from: 0,
            pauses_end: Instant::NEVER,
            freed: Vec::new(),
        };
        for (id, config) in configs {
            let target = exit.target_for(&config, now);
            exit.set_limits(id, &config, now);
            exit.exports
                .insert(id, Export::new(id, config, target, now, unix));
        }
        exit.mark_limited();
        exit
    }

    /// Lets late writes pass: with this a test shows that it would notice.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn disable_order_guard(&mut self) {
        self.order = OrderGuard::Off;
    }

    /// How many requests it keeps.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn requests(&self) -> usize {
        self.pending.len()
    }

    /// This peer has a new session, or asks to be told everything again.
    pub(crate) fn inform(&mut self, peer: PeerId) {
        for export in self.exports.values_mut() {
            export.changed_for(peer);
        }
        self.withdrawals.repeat(peer);
        if !self.uninformed.contains(&peer) {
            self.uninformed.push(peer);
        }
        self.news = true;
    }

    /// Tells peers what changed; one update per peer is under way at a time.
    pub(crate) fn send_news(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        if !self.news {
            return cx.timers.set(Timer::News, Instant::NEVER);
        }
        if cx.now < self.news_at {
            return cx.timers.lower(Timer::News, self.news_at);
        }
        self.news = false;
        self.news_at = cx.now + NEWS_EVERY;
        cx.timers.set(Timer::News, Instant::NEVER);
        let mut peers: Vec<PeerId> = self.exports.values().flat_map(Export::uninformed).collect();
        peers.extend(&self.uninformed);
        peers.extend(self.withdrawals.uninformed());
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            // A peer that is away, or has not acknowledged the last update asks again through `inform` or
            // its acknowledgement.
            if links.takes_update(peer, cx.now) {
                self.uninformed.retain(|other| *other != peer);
                let entries = self.entries(peer, cx);
                links.send_update(peer, &entries, cx);
            }
        }
    }

    /// A peer acknowledged its update: perhaps more is to be told.
    pub(crate) fn update_acked(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        self.withdrawals.acknowledged(peer, cx.now);
        self.tidy(cx);
        self.news = true;
    }

    /// The path to a peer carries updates now.
    pub(crate) fn path_opened(&mut self) {
        self.news = true;
    }

    fn entries(&mut self, peer: PeerId, cx: &Context<'_>) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut rest = if self.is_ending {
            Rest::Ending
        } else {
            Rest::Nothing
        };
        // First what is withdrawn: what comes may have the name of what goes.
        while entries.len() < UPDATE_LEN
            && let Some((export, why)) = self.withdrawals.news(peer)
        {
            Entry::Withdrawn(export, why).emit(&mut entries);
        }
        if self.withdrawals.uninformed().any(|other| other == peer) {
            self.news = true;
            rest = Rest::Follows;
        }
        for export in self.exports.values_mut() {
            if entries.len() >= UPDATE_LEN {
                self.news = true;
                rest = Rest::Follows;
                break;
            }
            let Some(target) = self.targets.get(export.target) else {
                continue;
            };
            let segment = match self.is_ending {
                true => SegmentState::Down,
                false => cx.segment(target.segment),
            };
            if let Some(state) = export.news(peer, target, segment) {
                state.emit(&mut entries);
            }
        }
        let offered = self
            .exports
            .values()
            .filter(|export| export.rights(peer).is_some());
        let exports = u16::try_from(offered.count()).unwrap_or(u16::MAX);
        let mut update = Vec::with_capacity(entries.len() + 3);
        Scope { rest, exports }.emit(&mut update);
        update.append(&mut entries);
        update
    }

    fn target(&self, id: TargetId) -> Option<&Target> {
        self.targets.get(id)
    }

    fn target_mut(&mut self, id: TargetId) -> Option<&mut Target> {
        self.targets.get_mut(id)
    }

    /// Something about this target changed that peers are told.
    fn changed(&mut self, target: TargetId, cx: &Context<'_>) {
        for export in self.exports.values_mut().filter(|export| export.target == target) {
            export.changed();
        }
        self.note_standing(target, cx);
        self.news = true;
    }
}
