//! The one message each way within TLS: what the dialer offers, what the listener chooses.
//!
//! ```text
//! offer   version | boot (8) | modes (2) | ciphers (2) | workers (2) | dialer's index (4) | zeros (5)
//! choice  version | status | mode | cipher | boot (8) | listener's index (4)
//! ```
//! Codes and statuses are those of Noise's payloads. There is no stamp: no part of a TLS handshake can be played again.

use super::super::noise::codes::{
    STATUS_AGREED, STATUS_NO_CIPHER, STATUS_NO_PROTECTION, STATUS_NO_VERSION, STATUS_OTHER_WORKERS,
    cipher_code, decode_cipher, decode_protection, padded, protection_code, refusal_text, worker_codes,
};
use super::connection::Connection;
use crate::config::{Cipher, Protection};
use crate::tunnel::cipher::RecordKey;
use crate::tunnel::handshake::Failure;
use crate::tunnel::quantum::Assurance;
use crate::tunnel::session::{Agreed, Proof, Role};
use crate::tunnel::transport::Transport;
use crate::worker::Worker;

const VERSION: u8 = 1;
/// The names in the caller's certificate are those of no peer.
const STATUS_STRANGER: u8 = 32;
pub(super) const OFFER_LEN: usize = 24;
pub(super) const CHOICE_LEN: usize = 16;

/// What a dialer offers.
pub(super) type Offer = [u8; OFFER_LEN];
/// What a listener chooses.
pub(super) type Choice = [u8; CHOICE_LEN];

/// What one side brings to a handshake by TLS.
#[derive(Clone, Copy)]
pub(crate) struct Ours<'a> {
    /// What we are to this peer: drawn when we began to know it.
    pub(crate) boot: u64,
    /// Accepted modes, in order of preference.
    pub(crate) protection: &'a [Protection],
    /// Ciphers we offer, best first.
    pub(crate) ciphers: &'a [Cipher],
    /// Which worker of how many.
    pub(crate) worker: Worker,
}

pub(super) fn offer(ours: &Ours<'_>, index: u32) -> Offer {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&ours.boot.to_be_bytes());
    bytes.extend(padded(ours.protection.iter().map(|mode| protection_code(*mode))));
    bytes.extend(padded(ours.ciphers.iter().map(|cipher| cipher_code(*cipher))));
    bytes.extend(worker_codes(ours.worker));
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.resize(OFFER_LEN, 0);
    bytes.try_into().unwrap_or_default()
}

/// Chooses of an offer. Without an agreement the choice says so.
pub(super) fn choose(
    offer: &Offer,
    ours: &Ours<'_>,
    index: u32,
) -> (Choice, Result<(Protection, Cipher), Failure>) {
    let found = agreement(offer, ours);
    let head = match found {
        Ok((mode, cipher)) => [STATUS_AGREED, protection_code(mode), cipher_code(cipher)],
        Err(status) => [status, 0, 0],
    };
    let choice = emit(head, ours.boot, index);
    (
        choice,
        found.map_err(|status| Failure::NoAgreement(refusal_text(status))),
    )
}

/// The choice for somebody who is no peer of ours.
pub(super) fn for_stranger() -> Choice {
    emit([STATUS_STRANGER, 0, 0], 0, 0)
}

fn emit([status, mode, cipher]: [u8; 3], boot: u64, index: u32) -> Choice {
    let mut bytes = vec![VERSION, status, mode, cipher];
    bytes.extend_from_slice(&boot.to_be_bytes());
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.try_into().unwrap_or_default()
}

fn agreement(offer: &Offer, ours: &Ours<'_>) -> Result<(Protection, Cipher), u8> {
    let [version, ..] = *offer;
    let offered = |at: usize| offer.get(at..at + 2).unwrap_or_default();
    let mode = ours
        .protection
        .iter()
        .find(|mode| offered(9).contains(&protection_code(**mode)));
    let cipher = ours
        .ciphers
        .iter()
        .find(|cipher| offered(11).contains(&cipher_code(**cipher)));
    match (version, mode, cipher) {
        (VERSION, ..) if offered(13) != worker_codes(ours.worker) => Err(STATUS_OTHER_WORKERS),
        (VERSION, Some(mode), Some(cipher)) => Ok((*mode, *cipher)),
        (VERSION, None, _) => Err(STATUS_NO_PROTECTION),
        (VERSION, _, None) => Err(STATUS_NO_CIPHER),
        _ => Err(STATUS_NO_VERSION),
    }
}

/// What a choice says, to one who offered these.
pub(super) fn chosen(
    choice: &Choice,
    (protection, ciphers): (&[Protection], &[Cipher]),
) -> Result<(Protection, Cipher), Failure> {
    let [version, status, mode, cipher, ..] = *choice;
    match status {
        STATUS_AGREED => {}
        STATUS_STRANGER => {
            let what = "the peer knows no gateway of the names in our certificate; see `certificate_name` of this gateway \
                        there, and whether `transport` of the peer is \"tls\" there";
            return Err(Failure::NoAgreement(what));
        }
        status => return Err(Failure::NoAgreement(refusal_text(status))),
    }
    let mode = decode_protection(mode).filter(|mode| protection.contains(mode));
    let cipher = decode_cipher(cipher).filter(|cipher| ciphers.contains(cipher));
    match (version, mode, cipher) {
        (VERSION, Some(mode), Some(cipher)) => Ok((mode, cipher)),
        _ => Err(Failure::NoAgreement("the peer chose what we did not offer")),
    }
}

/// The keys that come of both messages and the connection they went through.
pub(super) fn agreed(
    connection: &Connection,
    role: Role,
    own_fingerprint: &[u8; 32],
    (offer, choice): (&Offer, &Choice),
    (protection, cipher): (Protection, Cipher),
    proof: Proof,
) -> Option<Agreed> {
    let theirs = connection.peer_fingerprint()?;
    let (dialer, listener) = match role {
        Role::Dialer => (own_fingerprint, &theirs),
        Role::Listener => (&theirs, own_fingerprint),
    };
    // The exporter knows all up to the listener's Finished: the dialer's certificate comes later.
    let context = [&dialer[..], listener, offer, choice].concat();
    let exported = connection.export(&context)?;
    let (send, receive) = match role {
        Role::Dialer => (&exported.to_listener, &exported.to_dialer),
        Role::Listener => (&exported.to_dialer, &exported.to_listener),
    };
    let (dialer_index, listener_index) = (u32_at(offer, 15), u32_at(choice, 12));
    let ((local_index, remote_index), peer_boot) = match role {
        Role::Dialer => ((dialer_index, listener_index), u64_at(choice, 4)),
        Role::Listener => ((listener_index, dialer_index), u64_at(offer, 1)),
    };
    Some(Agreed {
        transport: Transport::Tls,
        keys: None,
        has_psk: false,
        assurance: Assurance::of_group(connection.group()),
        role,
        local_index,
        remote_index,
        send_key: RecordKey::new(cipher, protection, send)?,
        receive_key: RecordKey::new(cipher, protection, receive)?,
        protection,
        cipher,
        peer_boot,
        proof: Some(Box::new(proof)),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let chunk = bytes.get(at..).and_then(|rest| rest.first_chunk());
    chunk.map_or(0, |chunk| u64::from_be_bytes(*chunk))
}
