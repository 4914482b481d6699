//! The gateway next to the initiator: a target in its own right.
//!
//! Config queries for live imports are answered here, from what the exit told; ATA requests are numbered and
//! carried to the exit; replies are addressed to the initiator that asked. What may not pass is refused at once.
//!
//! - `request`: a request to the exit; `reply`: what comes back
//! - `answer`: what the edge says by itself
//! - `presenting`: when it says that an import is there; `inquiry`: what peers are asked for that
//! - `change`: imports that come, change and go; `look`: how they are, with `stats`
//! - `report`: what is logged of that; `standing`: what `status` says of it
//! - `refusals`: what is logged of requests that it refused, and told to the exit
//! - `tapping`: what those see who capture
//!
//! What they work with: `import`, with its `initiators` and a `ledger` for each; `key`, what a request asked; `presence`,
//! who else is at its address.

mod answer;
mod change;
mod import;
mod initiators;
mod inquire;
mod inquiry;
mod key;
mod ledger;
mod look;
mod pause;
mod presence;
mod presenting;
mod refusals;
mod reply;
mod report;
mod request;
mod standing;
mod stats;
mod tapping;

use std::time::Duration;

use crate::config::{ImportConfig, ImportId, SegmentId};
use crate::frame::{Address, MacAddr, Pdu};
use crate::table::Table;
use crate::time::Instant;
use import::Import;
use inquiry::Inquiry;
use refusals::Refusals;

/// All imports.
#[derive(Debug)]
pub(crate) struct Edge {
    imports: Table<ImportId, Import>,
    /// Segment and address of every import, sorted: who presents what.
    presented: Vec<(SegmentId, Address, ImportId)>,
    /// A request that is older when it gets here is not carried on.
    max_age: Duration,
    refusals: Refusals,
    /// Workers that share the imports of the gateway.
    workers: u8,
}

/// A request captured on a segment.
#[derive(Clone, Copy)]
pub(crate) struct Captured<'a> {
    pub(crate) segment: SegmentId,
    /// When it came to this machine.
    pub(crate) at: Instant,
    pub(crate) initiator: MacAddr,
    /// Us, or all.
    pub(crate) destination: MacAddr,
    pub(crate) pdu: Pdu<'a>,
}

impl Edge {
    pub(crate) fn new(
        imports: Table<ImportId, ImportConfig>,
        max_age: Duration,
        workers: u8,
        now: Instant,
    ) -> Edge {
        let new =
            |config: &ImportConfig| Import::new(config.clone(), max_age, Inquiry::from_the_start(), now);
        let place = |(import, config): (ImportId, &ImportConfig)| (config.segment, config.address, import);
        let mut presented: Vec<_> = imports.iter().map(place).collect();
        presented.sort_unstable();
        Edge {
            imports: imports.map(|_, config| new(config)),
            presented,
            max_age,
            refusals: Refusals::default(),
            workers,
        }
    }

    /// A request that is older is not carried on.
    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// The import that presents this address here.
    pub(crate) fn find(&self, segment: SegmentId, address: Address) -> Option<ImportId> {
        let order = |(s, a, _): &(SegmentId, Address, ImportId)| (*s, *a).cmp(&(segment, address));
        let at = self.presented.binary_search_by(order).ok()?;
        self.presented.get(at).map(|(_, _, import)| *import)
    }
}
