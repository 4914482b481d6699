//! Exports, and peers that use them, that come, change and go while the gateway runs.

use std::time::Duration;

use super::Exit;
use crate::config::{ExportConfig, ExportId, PeerId};
use crate::context::Context;
use crate::tunnel::links::Links;

impl Exit {
    /// A request that is older is not sent to a target from now on.
    pub(crate) fn set_max_age(&mut self, max_age: Duration) {
        self.max_age = max_age;
    }

    /// There is one more peer, which needs its share of the room.
    pub(crate) fn admit(&mut self, _peer: PeerId) {}

    /// A peer is none any more.
    pub(crate) fn dismiss(&mut self, _peer: PeerId, _cx: &mut Context<'_>) {}

    /// A new export.
    pub(crate) fn add(&mut self, _id: ExportId, _config: ExportConfig, _cx: &mut Context<'_>) {}

    /// An export has another target, other rights, other limits.
    pub(crate) fn change(
        &mut self,
        _id: ExportId,
        _config: ExportConfig,
        _links: &mut Links,
        _cx: &mut Context<'_>,
    ) {
    }

    /// An export is none any more.
    pub(crate) fn remove(&mut self, _id: ExportId, _cx: &mut Context<'_>) {}
}
