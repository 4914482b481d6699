//! Changes of a running engine.

use super::core::Core;
use crate::config::{
    Change, ExportConfig, ExportId, ImportConfig, ImportId, PeerConfig, PeerId, Step, TunnelConfig,
};
use crate::context::Context;

impl Core {
    /// One change, whole. What depends on something that goes was changed before, what needs something new is changed later.
    pub(super) fn apply(&mut self, change: Change, cx: &mut Context<'_>) {
        match change {
            Change::Revoked(revoked) => self.links.set_revoked(revoked, cx),
            Change::Keys(keys) => self.links.set_keys(keys, cx),
            Change::Tunnel(tunnel) => self.apply_tunnel(&tunnel, cx),
            Change::Tls(tls) => self.links.set_tls(tls, cx),
            Change::Peer(id, step) => self.apply_peer(id, step, cx),
            Change::Export(id, step) => self.apply_export(id, step, cx),
            Change::Import(id, step) => self.apply_import(id, step, cx),
        }
    }

    fn apply_tunnel(&mut self, tunnel: &TunnelConfig, cx: &mut Context<'_>) {
        self.links.set_tunnel(tunnel, cx);
        self.edge.set_max_age(tunnel.max_age);
        self.exit.set_max_age(tunnel.max_age);
    }

    fn apply_peer(&mut self, id: PeerId, step: Step<PeerConfig>, cx: &mut Context<'_>) {
        match step {
            Step::Add(config) => {
                self.exit.admit(id);
                self.exit.limit_peer(id, config.limit, cx);
                self.links.add(id, config, cx);
            }
            Step::Change(config) => {
                self.exit.limit_peer(id, config.limit, cx);
                self.links.change(id, config, cx);
            }
            Step::Remove => {
                self.links.remove(id, cx);
                self.exit.dismiss(id, cx);
            }
        }
    }

    fn apply_export(&mut self, id: ExportId, step: Step<ExportConfig>, cx: &mut Context<'_>) {
        match step {
            Step::Add(config) => self.exit.add(id, config, &self.links, cx),
            Step::Change(config) => self.exit.change(id, config, &mut self.links, cx),
            Step::Remove => self.exit.remove(id, cx),
        }
    }

    fn apply_import(&mut self, id: ImportId, step: Step<ImportConfig>, cx: &mut Context<'_>) {
        match step {
            Step::Add(config) => self.edge.add(id, config, &mut self.links, cx),
            Step::Change(config) => self.edge.change(id, config, &self.links, cx),
            Step::Remove => self.edge.remove(id, &self.links, cx),
        }
    }
}
