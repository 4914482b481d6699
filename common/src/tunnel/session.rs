//! One set of keys with a peer: counters, limits, sealing and opening.
//!
//! A counter belongs to a session object that is never cloned and never persisted; every handshake makes a new
//! one. That is the whole nonce discipline.

use std::time::Duration;

use aoe_keys::PublicKey;
use rustls_pki_types::CertificateDer;

use super::cipher::RecordKey;
use super::gaps::{Arrival, Gaps};
use super::quantum::Assurance;
use super::record::{AUTH_TAG_LEN, HEADER_LEN, RecordHeader};
use super::transport::Transport;
use crate::config::{Cipher, PostQuantum, Protection};
use crate::drop_reason::DropReason;
use crate::time::Instant;

/// Records after which a session should be replaced.
const REKEY_RECORDS: u64 = 1 << 32;
/// Records after which a session refuses.
const REFUSE_RECORDS: u64 = 1 << 33;
/// So much later than its dialer a session's listener replaces it.
const LISTENER_WAITS: Duration = Duration::from_secs(10);
/// How long a session outlives the age at which it should have been replaced.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// Who started the handshake. Not called initiator and responder: an initiator is an AoE end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// We called.
    Dialer,
    /// The peer called.
    Listener,
}

/// The static keys of the two sides that made a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) ours: PublicKey,
    pub(crate) theirs: PublicKey,
}

/// What a handshake agreed on; becomes a [`Session`].
pub(crate) struct Agreed {
    pub(crate) transport: Transport,
    /// The static keys it was made with; `None`: it was made in a way without.
    pub(crate) keys: Option<KeyPair>,
    /// Whether a pre-shared key was mixed in.
    pub(crate) has_psk: bool,
    /// What the keys rest on against a quantum computer.
    pub(crate) assurance: Assurance,
    pub(crate) role: Role,
    pub(crate) local_index: u32,
    pub(crate) remote_index: u32,
    pub(crate) send_key: RecordKey,
    pub(crate) receive_key: RecordKey,
    pub(crate) protection: Protection,
    pub(crate) cipher: Cipher,
    /// A number the peer drew when it started: tells a rekey from a restart.
    pub(crate) peer_boot: u64,
    /// By what the peer has shown who it is; `None`: by its static key.
    pub(crate) proof: Option<Box<Proof>>,
}

/// By what a peer that is known by a certificate has shown who it is.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Its certificates, its own first: they are judged again when we believe other authorities.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Until when they are all good, in seconds since 1970.
    pub(crate) until: u64,
}

/// One set of keys.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) transport: Transport,
    /// The static keys it was made with: it ends when one of them is not accepted any more.
    pub(crate) keys: Option<KeyPair>,
    pub(crate) has_psk: bool,
    /// What the keys rest on against a quantum computer.
    pub(crate) assurance: Assurance,
    /// Whether requests, replies and what belongs to them travel by it.
    pub(crate) carries_storage: bool,
    pub(crate) role: Role,
    pub(crate) local_index: u32,
    pub(crate) protection: Protection,
    pub(crate) cipher: Cipher,
    pub(crate) peer_boot: u64,
    /// By what the peer has shown who it is; `None`: by its static key.
    pub(crate) proof: Option<Box<Proof>>,
    /// When the proof has expired, by the wall clock as it is now.
    pub(crate) trusted_until: Instant,
    /// What has arrived of what the peer sent.
    pub(crate) gaps: Gaps,
    pub(crate) remote_index: u32,
    send_key: RecordKey,
    receive_key: RecordKey,
    next_counter: u64,
    since: Instant,
    /// When this side starts to replace it.
    rekey_at: Instant,
    ends_at: Instant,
}

impl Session {
    /// What was agreed on. `post_quantum`: how we want keys with this peer.
    pub(crate) fn new(
        agreed: Agreed,
        post_quantum: PostQuantum,
        now: Instant,
        rekey_after: Duration,
    ) -> Session {
        Session {
            transport: agreed.transport,
            keys: agreed.keys,
            has_psk: agreed.has_psk,
            assurance: agreed.assurance,
            carries_storage: agreed.assurance.carries_storage(post_quantum),
            role: agreed.role,
            local_index: agreed.local_index,
            protection: agreed.protection,
            cipher: agreed.cipher,
            peer_boot: agreed.peer_boot,
            proof: agreed.proof,
            trusted_until: Instant::NEVER,
            gaps: Gaps::default(),
            remote_index: agreed.remote_index,
            send_key: agreed.send_key,
            receive_key: agreed.receive_key,
            next_counter: 0,
            since: now,
            rekey_at: rekey_at(agreed.role, now, rekey_after),
            ends_at: now + rekey_after + GRACE,
        }
    }

    /// When it began.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Whether the peer has used it.
    pub(crate) fn has_opened(&self) -> bool {
        !self.gaps.is_new()
    }

    /// When this side should start to replace it. The listener waits a little longer, so that normally only the
    /// dialer of a session renews it.
    pub(crate) fn rekey_at(&self) -> Instant {
        self.rekey_at
    }

    /// Another age is configured at which sessions are replaced. This one is replaced earlier if that is lower; it lasts
    /// no longer, and ends no earlier, than was so when it began.
    pub(crate) fn limit_age(&mut self, rekey_after: Duration) {
        self.rekey_at = self.rekey_at.min(rekey_at(self.role, self.since, rekey_after));
    }

    /// It is to be replaced at this moment, or before.
    pub(crate) fn renew_at(&mut self, at: Instant) {
        self.rekey_at = self.rekey_at.min(at);
    }

    /// The wall clock says this, in seconds since 1970: when the proof expires.
    pub(crate) fn note_wall_clock(&mut self, unix_time: Duration, now: Instant) {
        if let Some(proof) = &self.proof {
            self.trusted_until = now + Duration::from_secs(proof.until).saturating_sub(unix_time);
        }
    }

    /// When it refuses.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// The counter of the record that is sealed next.
    pub(crate) fn next_counter(&self) -> u64 {
        self.next_counter
    }

    /// The counter of the last record sealed.
    pub(crate) fn newest_sealed(&self) -> Option<u64> {
        self.next_counter.checked_sub(1)
    }

    /// Whether so many records were sealed that it should be replaced.
    pub(crate) fn is_worn(&self) -> bool {
        self.next_counter >= REKEY_RECORDS
    }

    /// Whether it may seal at `now`.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        now < self.ends_at() && self.next_counter < REFUSE_RECORDS
    }

    /// Seals the record that starts at `start` of `buffer`: [`HEADER_LEN`] bytes to be overwritten, then the
    /// payload up to the end. Appends the authentication tag and returns the record's counter.
    ///
    /// # Errors
    /// Refuses, leaving the payload unsent, when the counters are used up.
    pub(crate) fn seal(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<u64, DropReason> {
        if self.next_counter >= REFUSE_RECORDS {
            return Err(DropReason::SessionExhausted);
        }
        let counter = self.next_counter;
        let header = RecordHeader {
            receiver: self.remote_index,
            counter,
        };
        let record = buffer.get_mut(start..).unwrap_or_default();
        let head = record
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(DropReason::SessionExhausted)?;
        *head = header.emit();
        let tag = self
            .send_key
            .seal(counter, record)
            .map_err(|_| DropReason::SessionExhausted)?;
        buffer.extend_from_slice(&tag);
        self.next_counter += 1;
        Ok(counter)
    }

    /// Opens a record of our own that was sealed by this session, in place.
    pub(crate) fn reopen<'a>(&self, record: &'a mut [u8]) -> Option<&'a [u8]> {
        let header = RecordHeader::parse(*record.first_chunk()?)?;
        if header.receiver != self.remote_index {
            return None;
        }
        self.send_key
            .open(header.counter, record)
            .map(|payload| &*payload)
    }

    /// Opens a record in place: window, then AEAD, then window again and mark.
    pub(crate) fn open<'a>(
        &mut self,
        header: RecordHeader,
        datagram: &'a mut [u8],
        tolerance: Duration,
        now: Instant,
    ) -> Result<(&'a mut [u8], Arrival), DropReason> {
        if now >= self.ends_at() || header.counter >= REFUSE_RECORDS {
            return Err(DropReason::RecordSessionExpired);
        }
        if !self.gaps.would_accept(header.counter) {
            return Err(DropReason::RecordReplayed);
        }
        if datagram.len() < HEADER_LEN + AUTH_TAG_LEN {
            return Err(DropReason::DatagramTooShort);
        }
        let payload = self
            .receive_key
            .open(header.counter, datagram)
            .ok_or(DropReason::RecordForged)?;
        let arrival = self.gaps.arrived(header.counter, tolerance, now);
        let arrival = arrival.ok_or(DropReason::RecordReplayed)?;
        Ok((payload, arrival))
    }
}

fn rekey_at(role: Role, since: Instant, rekey_after: Duration) -> Instant {
    match role {
        Role::Dialer => since + rekey_after,
        Role::Listener => since + rekey_after + LISTENER_WAITS,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Both ends of a session, without a handshake.
    pub(crate) fn pair(now: Instant) -> (Session, Session) {
        let key = |byte| RecordKey::new(Cipher::Aes256Gcm, Protection::Encrypt, &[byte; 32]).unwrap();
        let make = |role, send, receive, local_index, remote_index| {
            let agreed = Agreed {
                transport: Transport::Noise,
                keys: None,
                has_psk: false,
                assurance: Assurance::NONE,
                role,
                local_index,
                remote_index,
                send_key: key(send),
                receive_key: key(receive),
                protection: Protection::Encrypt,
                cipher: Cipher::Aes256Gcm,
                peer_boot: 1,
                proof: None,
            };
            Session::new(agreed, PostQuantum::Prefer, now, Duration::from_secs(120))
        };
        (
            make(Role::Dialer, 1, 2, 10, 20),
            make(Role::Listener, 2, 1, 20, 10),
        )
    }

    fn sealed(session: &mut Session, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![0; HEADER_LEN];
        record.extend_from_slice(payload);
        session.seal(&mut record, 0).unwrap();
        record
    }

    fn open(session: &mut Session, record: &[u8], now: Instant) -> Result<Vec<u8>, DropReason> {
        let mut record = record.to_vec();
        let header = RecordHeader::parse(*record.first_chunk().unwrap()).unwrap();
        session
            .open(header, &mut record, Duration::ZERO, now)
            .map(|(payload, _)| payload.to_vec())
    }

    #[test]
    fn a_million_forged_records_do_not_keep_the_genuine_one_out() {
        let now = Instant::default();
        let (mut dialer, mut listener) = pair(now);
        let genuine = sealed(&mut dialer, b"payload");
        let mut forged = genuine.clone();
        for n in 0..1_000_000u64 {
            let end = forged.len() - 8;
            forged[end..].copy_from_slice(&n.to_be_bytes());
            forged[8..16].copy_from_slice(&(n % 9000).to_be_bytes());
            assert_eq!(open(&mut listener, &forged, now), Err(DropReason::RecordForged));
        }
        assert_eq!(open(&mut listener, &genuine, now).unwrap(), b"payload");
        assert_eq!(
            open(&mut listener, &genuine, now),
            Err(DropReason::RecordReplayed)
        );
    }

    #[test]
    fn counters_cross_32_bits_and_stop_at_the_limit() {
        let now = Instant::default();
        let (mut dialer, mut listener) = pair(now);
        dialer.next_counter = u64::from(u32::MAX);
        assert!(!dialer.is_worn());
        for _ in 0..3 {
            let record = sealed(&mut dialer, b"x");
            assert!(open(&mut listener, &record, now).is_ok());
        }
        assert!(dialer.is_worn() && dialer.is_usable(now));
        dialer.next_counter = REFUSE_RECORDS - 1;
        sealed(&mut dialer, b"the last one");
        assert!(!dialer.is_usable(now));
        assert_eq!(
            dialer.seal(&mut vec![0; HEADER_LEN], 0),
            Err(DropReason::SessionExhausted)
        );
    }

    #[test]
    fn a_session_past_its_end_neither_seals_nor_opens() {
        let start = Instant::default();
        let (mut dialer, mut listener) = pair(start);
        let record = sealed(&mut dialer, b"x");
        let end = start + Duration::from_secs(180);
        assert!(!dialer.is_usable(end));
        assert_eq!(
            open(&mut listener, &record, end),
            Err(DropReason::RecordSessionExpired)
        );
    }

    #[test]
    fn an_overtaken_record_is_not_the_newest() {
        let now = Instant::default();
        let (mut dialer, mut listener) = pair(now);
        let mut early = sealed(&mut dialer, b"early");
        let mut late = sealed(&mut dialer, b"late");
        let mut freshness = |record: &mut Vec<u8>| {
            let header = RecordHeader::parse(*record.first_chunk().unwrap()).unwrap();
            listener.open(header, record, Duration::ZERO, now).unwrap().1
        };
        assert!(freshness(&mut late).is_newest());
        assert!(!freshness(&mut early).is_newest());
    }
}
