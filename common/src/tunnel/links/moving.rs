//! A peer that moves: its records come from another address, and it is asked there whether it is there (RFC 9000 §8.2).
//!
//! ```text
//!   the peer, at its new address                 we
//!        ── a new record ──▶
//!        ◀── challenge: the MAC of that address ──     44 bytes; all else still goes to the old address
//!        ── response, from the new address ──▶         all goes to the new address
//! ```
//! Anybody on the path can send a fresh record on from an address of its own, or of a victim. It gets one challenge for
//! it, which is shorter than three times any record. No state is kept of an address, so no flood of them hides the right
//! one; each further record is asked again.

use aws_lc_rs::hmac;

use super::Links;
use crate::config::PeerId;
use crate::context::Context;
use crate::event::Event;
use crate::output::Path;
use crate::telemetry::Count;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::gaps::patience;
use crate::tunnel::macs;
use crate::tunnel::message::{Kind, emit_chunk_head};
use crate::tunnel::record::HEADER_LEN;

/// What a challenge asks for.
pub(super) const TOKEN_LEN: usize = 8;

impl Links {
    /// The newest record of a peer came from an address that is not (yet) its own: asks it there, unless it was asked
    /// just now.
    pub(super) fn challenge(&mut self, peer: PeerId, path: Path, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let again_after = patience(link.path.clock.round_trip());
        let asked = |(asked, at)| asked == path && cx.now.saturating_since(at) < again_after;
        if link.path.challenged.is_some_and(asked) {
            return;
        }
        // A record between those of a train would have one of their counters.
        link.flush(cx);
        let Some(session) = link
            .sessions
            .current
            .as_mut()
            .filter(|session| session.is_usable(cx.now))
        else {
            return;
        };
        let mut record = vec![0; HEADER_LEN];
        #[allow(clippy::cast_possible_truncation, reason = "8")]
        emit_chunk_head(Kind::PathChallenge, TOKEN_LEN as u16, &mut record);
        record.extend_from_slice(&token(&self.path_secret, session.local_index, path));
        match session.seal(&mut record, 0) {
            Ok(_) => {
                link.path.challenged = Some((path, cx.now));
                link.path.counts.sealed(1, record.len() as u64);
                cx.telemetry.count(Count::RecordsSealed);
                cx.telemetry.count(Count::PathChallenges);
                // Not kept: sent again it would go to the old address, and tell there what only the new one may know.
                cx.out.trains.push_datagram(path, &record);
            }
            Err(reason) => cx.telemetry.drop(reason),
        }
    }

    /// A response came: the peer moves if it answers for the address that its record came from.
    pub(super) fn handle_path_response(&mut self, peer: PeerId, response: &[u8], cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let (Some(path), Some(session)) = (link.path.elsewhere, &link.sessions.current) else {
            return;
        };
        if response == token(&self.path_secret, session.local_index, path) {
            link.path.elsewhere = None;
            link.move_to(path, cx);
            cx.timers.lower(Timer::Peers, cx.now);
        }
    }

    /// A pinned peer is spoken to at its configured address only. True if this datagram is not from there.
    pub(super) fn is_elsewhere(&mut self, peer: PeerId, path: Path, cx: &mut Context<'_>) -> bool {
        let Some(link) = self.links.get_mut(peer) else {
            return false;
        };
        let elsewhere = link.path.forbids(path);
        if elsewhere {
            let event = || Event::PeerElsewhere { peer: link.name() };
            cx.telemetry.happened(cx.now, 1, About::Elsewhere(peer), event);
        }
        elsewhere
    }
}

/// What the peer has to return from `path`. Another one for each address and session, so that who was at an address
/// once cannot answer for it later.
fn token(secret: &hmac::Key, session: u32, path: Path) -> [u8; TOKEN_LEN] {
    let mut context = hmac::Context::with_key(secret);
    context.update(&session.to_be_bytes());
    context.update(&[path.socket]);
    macs::update_with_address(&mut context, path.remote);
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}
