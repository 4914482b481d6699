//! What handshakes by TLS share, and sessions of certificates that are not accepted any more.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use aoe_keys::SpkiHash;

use super::{Change, Links};
use crate::config::{CertificateFault, PeerId, Revoked, TlsConfig};
use crate::context::Context;
use crate::random::Random;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::closing::Closing;
use crate::tunnel::handshake::tls::{Endpoint, Gate, HalfOpens, Usage};
use crate::tunnel::session::{Proof, Role, Session};

/// What handshakes by TLS share.
pub(super) struct Tls {
    /// What the endpoint is made of, beside what is revoked.
    config: Option<Arc<TlsConfig>>,
    /// `None`: there is no certificate of ours.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) gate: Gate,
    pub(super) half_open: HalfOpens,
}

impl Tls {
    pub(super) fn new(now: Instant, random: &mut Random) -> Tls {
        Tls {
            config: None,
            endpoint: None,
            gate: Gate::new(now, random),
            half_open: HalfOpens::default(),
        }
    }

    /// The gateway has checked that these can be used.
    fn set(&mut self, config: Option<Arc<TlsConfig>>, revoked: &Revoked) {
        let revoked = || {
            revoked
                .certificates
                .iter()
                .copied()
                .map(SpkiHash::from_bytes)
                .collect()
        };
        let endpoint = config.as_deref().map(|config| Endpoint::new(config, revoked()));
        self.endpoint = endpoint.and_then(Result::ok);
        self.config = config;
        self.half_open.clear();
    }

    /// Whether there is a certificate to call with.
    pub(super) fn is_ready(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Handshakes that take too long are over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.half_open.expire(now);
    }

    /// When the next one takes too long.
    pub(super) fn deadline(&self) -> Instant {
        self.half_open.deadline()
    }
}

impl Links {
    /// The same with these certificates, authorities and lists.
    pub(crate) fn with_tls(mut self, config: Option<Arc<TlsConfig>>) -> Links {
        self.tls.set(config, &self.us.revoked);
        self
    }

    /// These certificates, authorities and lists count from now on: sessions that they do not allow end, and handshakes
    /// that were begun with others are begun again.
    pub(crate) fn set_tls(&mut self, config: Option<Arc<TlsConfig>>, cx: &mut Context<'_>) {
        self.tls.set(config, &self.us.revoked);
        let certified = self
            .links
            .iter()
            .filter(|(_, link)| link.identity.trust.certificate_name().is_some());
        let certified: Vec<PeerId> = certified.map(|(peer, _)| peer).collect();
        for peer in certified {
            self.end_untrusted(peer, cx);
            let link = self.links.get(peer);
            if link.is_some_and(|link| link.handshakes.dialing.is_some()) {
                self.dial(peer, 0, cx);
            }
        }
        cx.timers.lower(Timer::Peers, cx.now);
    }

    /// Keys of certificates were revoked, or are not any more.
    pub(super) fn judge_certificates(&mut self, cx: &mut Context<'_>) {
        self.set_tls(self.tls.config.clone(), cx);
    }

    /// Ends sessions of certificates that are not accepted any more.
    fn end_untrusted(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let unix_time = self.wall_seconds(cx.now);
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let endpoint = self.tls.endpoint.as_ref();
        let fault = |session: &Session| judge(session, endpoint, unix_time);
        link.sessions.previous.take_if(|session| fault(session).is_some());
        link.sessions.next.take_if(|next| fault(&next.session).is_some());
        if let Some(fault) = link.sessions.current.as_ref().and_then(fault) {
            self.cut(peer, why_ended(&fault), cx);
        }
    }

    /// Ends sessions of certificates that have expired.
    pub(super) fn end_expired(&mut self, peer: PeerId, cx: &mut Context<'_>) {
        let now = cx.now;
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        let has_expired = |session: &Session| now >= session.trusted_until;
        link.sessions.previous.take_if(|session| has_expired(session));
        link.sessions.next.take_if(|next| has_expired(&next.session));
        if link.sessions.current.as_ref().is_some_and(has_expired) {
            self.cut(peer, why_ended(&CertificateFault::Expired(0)), cx);
        }
    }

    /// The peer is not who it was: it is told, its session ends, and what it has asked for is not wanted any more.
    fn cut(&mut self, peer: PeerId, why: &'static str, cx: &mut Context<'_>) {
        self.close(peer, Closing::Certificate, cx);
        self.lose(peer, why, cx);
        if let Some(link) = self.links.get_mut(peer) {
            link.reassembly.clear();
        }
        self.changes.push_back((peer, Change::Cut));
    }

    /// What the wall clock says, in seconds since 1970.
    pub(super) fn wall_seconds(&self, now: Instant) -> u64 {
        self.wall_micros(now) / 1_000_000
    }
}

/// What is wrong with a session by TLS, by what we believe now.
fn judge(session: &Session, endpoint: Option<&Endpoint>, unix_time: u64) -> Option<CertificateFault> {
    let Proof { chain, .. } = session.proof.as_deref()?;
    let Some(endpoint) = endpoint else {
        return Some(CertificateFault::UnknownIssuer);
    };
    let usage = match session.role {
        Role::Dialer => Usage::Listener,
        Role::Listener => Usage::Dialer,
    };
    let (leaf, rest) = chain.split_first()?;
    endpoint.authority.verify(leaf, rest, usage, unix_time).err()
}

/// Why a session is ended.
fn why_ended(fault: &CertificateFault) -> &'static str {
    match fault {
        CertificateFault::Expired(_) => "the peer's certificate has expired, or one above it",
        CertificateFault::NotYetValid(_) => {
            "the peer's certificate is not valid yet, by our clock as it is now"
        }
        CertificateFault::Revoked => "the peer's certificate is revoked, or one above it",
        CertificateFault::StaleList => "the revocation list of the peer's certificate is stale",
        CertificateFault::NoList => "there is no revocation list any more for the peer's certificate",
        CertificateFault::UnknownIssuer
        | CertificateFault::WrongName { .. }
        | CertificateFault::WrongUsage
        | CertificateFault::Malformed(_)
        | CertificateFault::TooLong => {
            "the peer's certificate is of no authority that this gateway believes now"
        }
    }
}
