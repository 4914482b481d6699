//! Peers that come, change and go while the gateway runs.

use super::Links;
use crate::config::{PeerConfig, PeerId, TunnelConfig};
use crate::context::Context;

impl Links {
    /// Settings of every tunnel are these from now on.
    pub(crate) fn set_tunnel(&mut self, _tunnel: &TunnelConfig) {}

    /// A new peer.
    pub(crate) fn add(&mut self, _peer: PeerId, _config: PeerConfig, _cx: &mut Context<'_>) {}

    /// A peer is spoken to in another way.
    pub(crate) fn change(&mut self, _peer: PeerId, _config: PeerConfig, _cx: &mut Context<'_>) {}

    /// A peer is none any more.
    pub(crate) fn remove(&mut self, _peer: PeerId, _cx: &mut Context<'_>) {}
}
