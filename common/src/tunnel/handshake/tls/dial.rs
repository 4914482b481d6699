//! The side that calls. It alone has a timer: each of its datagrams is answered by what the listener owes.
//!
//! ```text
//! dialer                                         listener
//!   ── hello ──▶                                           keeps nothing
//!   ◀── cookie ──
//!   ── up: ClientHello ──▶                                 a half-open handshake
//!   ◀── down: ServerHello … Finished ──
//!   ── up: Certificate … Finished, offer ──▶
//!   ◀── down: choice ──                                    a session, confirmed by its first record
//! ```

use std::time::Duration;

use super::connection::{Broken, Connection};
use super::datagrams::{Call, Cookie, Down, Nonce, Part, Up};
use super::endpoint::Endpoint;
use super::messages::{CHOICE_LEN, Choice, Offer, Ours, agreed, chosen, offer};
use super::refusal::{Refusal, refusal};
use super::verifier::{Judged, Verdict};
use crate::config::{CertificateName, Cipher, Protection};
use crate::output::Path;
use crate::time::Instant;
use crate::tunnel::session::{Agreed, Proof, Role};

/// Time to the first repetition of a hello: the path is not known yet.
const FIRST_WAIT: Duration = Duration::from_millis(300);
/// Least and most time to a repetition.
const LEAST_WAIT: Duration = Duration::from_millis(100);
const MOST_WAIT: Duration = Duration::from_secs(1);
/// Cookies that are tried: only the listener's own leads on, and others can be made by who sees the call.
const MOST_COOKIES: u8 = 4;

/// A handshake we started.
pub(crate) struct Dial {
    call: Call,
    wanted: CertificateName,
    offer: Offer,
    is_offered: bool,
    /// What there is once a cookie came: where it came from, and what is under way there.
    started: Option<Started>,
    cookies: u8,
    /// When the last datagram went out that is repeated at `again_at`.
    sent_at: Instant,
    wait: Duration,
    again_at: Instant,
}

struct Started {
    path: Path,
    cookie: Cookie,
    connection: Connection,
    verdict: Verdict,
}

/// What comes of a datagram of the listener.
pub(crate) enum Heard {
    /// Nothing yet.
    More,
    /// Keys.
    Agreed(Box<Agreed>),
    /// Nothing.
    Refused(Refusal),
}

impl Dial {
    /// Starts a call of the peer whose certificate has the name `wanted`; the first datagram is [`hello`](Self::hello).
    pub(crate) fn new(
        wanted: &CertificateName,
        ours: &Ours<'_>,
        (index, nonce): (u32, Nonce),
        now: Instant,
    ) -> Dial {
        Dial {
            call: Call { index, nonce },
            wanted: wanted.clone(),
            offer: offer(ours, index),
            is_offered: false,
            started: None,
            cookies: 0,
            sent_at: now,
            wait: FIRST_WAIT,
            again_at: now + FIRST_WAIT,
        }
    }

    /// Our index of the session to be.
    pub(crate) fn local_index(&self) -> u32 {
        self.call.index
    }

    /// The first datagram.
    pub(crate) fn hello(&self) -> Vec<u8> {
        self.call.hello()
    }

    /// When [`repeat`](Self::repeat) is due.
    pub(crate) fn again_at(&self) -> Instant {
        self.again_at
    }

    /// Whether the listener has answered the hello.
    pub(crate) fn has_cookie(&self) -> bool {
        self.started.is_some()
    }

    /// A cookie came by this path. False: it is none of this call, or there were enough. What to send is said by
    /// [`next`](Self::next).
    pub(crate) fn accept_cookie(
        &mut self,
        (call, cookie): (Call, Cookie),
        path: Path,
        endpoint: &Endpoint,
        (now, unix_time): (Instant, u64),
    ) -> bool {
        if call != self.call || self.cookies >= MOST_COOKIES {
            return false;
        }
        self.cookies += 1;
        match &mut self.started {
            Some(started) if started.path.same_way(path) && started.connection.received() == 0 => {
                started.cookie = cookie;
                started.connection.rewind();
            }
            Some(_) => return false,
            None => {
                let Some((tls, verdict)) = endpoint.client(self.wanted.clone(), unix_time) else {
                    return false;
                };
                let mut connection = Connection::new(tls, CHOICE_LEN);
                if connection.write().is_err() {
                    return false;
                }
                self.started = Some(Started {
                    path,
                    cookie,
                    connection,
                    verdict,
                });
            }
        }
        let round_trip = now.saturating_since(self.sent_at);
        self.wait = (round_trip * 2).clamp(LEAST_WAIT, MOST_WAIT);
        self.sent(now);
        true
    }

    /// Takes a datagram of the listener. What to send is said by [`next`](Self::next).
    pub(crate) fn hear(
        &mut self,
        down: &Down<'_>,
        endpoint: &Endpoint,
        (protection, ciphers): (&[Protection], &[Cipher]),
        now: Instant,
    ) -> Heard {
        let Some(started) = self.started.as_mut().filter(|_| down.call == self.call) else {
            return Heard::More;
        };
        let before = started.connection.received();
        let mut taken = started.connection.take(&down.part);
        if taken.is_ok() && !self.is_offered && started.connection.is_established() {
            self.is_offered = true;
            taken = started.connection.send(&self.offer);
        }
        if let Err(broken) = taken {
            return Heard::Refused(refusal(broken, &started.verdict));
        }
        if let Some(heard) = started.finish(&self.offer, endpoint, (protection, ciphers)) {
            return heard;
        }
        if started.connection.received() > before {
            self.sent(now);
        }
        Heard::More
    }

    /// Something is missing: what the listener did not acknowledge is sent again, and it is asked to do the same.
    pub(crate) fn repeat(&mut self, now: Instant) {
        self.wait = (self.wait * 2).min(MOST_WAIT);
        self.sent(now);
        if let Some(started) = &mut self.started {
            started.connection.rewind();
        }
    }

    fn sent(&mut self, now: Instant) {
        self.sent_at = now;
        self.again_at = now + self.wait;
    }

    /// Where it goes on.
    pub(crate) fn path(&self) -> Option<Path> {
        self.started.as_ref().map(|started| started.path)
    }

    /// What to send. `again`: something is missing, and at least that is said.
    pub(crate) fn next(&mut self, again: bool) -> Vec<Vec<u8>> {
        let Some(started) = &mut self.started else {
            return Vec::new();
        };
        let (call, cookie) = (self.call, started.cookie);
        let mut datagrams = Vec::new();
        let emit = |part: Part<'_>, again| {
            let up = Up {
                call,
                cookie,
                again,
                part,
            };
            up.emit()
        };
        while let Some(part) = started.connection.next() {
            datagrams.push(emit(part, again && datagrams.is_empty()));
        }
        if again && datagrams.is_empty() {
            datagrams.push(emit(started.connection.nothing(), true));
        }
        datagrams
    }
}

impl Started {
    /// The end, if the listener has chosen.
    fn finish(
        &mut self,
        offer: &Offer,
        endpoint: &Endpoint,
        (protection, ciphers): (&[Protection], &[Cipher]),
    ) -> Option<Heard> {
        let choice: Choice = self.connection.message()?.try_into().ok()?;
        let terms = match chosen(&choice, (protection, ciphers)) {
            Ok(terms) => terms,
            Err(failure) => return Some(Heard::Refused(Refusal::Failure(failure))),
        };
        let Some(Judged::Good(verified)) = self.verdict.get() else {
            return Some(Heard::Refused(refusal(Broken::Surplus, &self.verdict)));
        };
        let proof = Proof {
            chain: self.connection.peer_chain(),
            until: verified.until,
        };
        let made = agreed(
            &self.connection,
            Role::Dialer,
            endpoint.fingerprint(),
            (offer, &choice),
            terms,
            proof,
        );
        Some(match made {
            Some(agreed) => Heard::Agreed(Box::new(agreed)),
            None => Heard::Refused(refusal(Broken::Surplus, &self.verdict)),
        })
    }
}
