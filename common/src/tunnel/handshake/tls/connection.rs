//! One TLS connection over datagrams: the handshake, then one message each way, and nothing else.

use std::io::{Read, Write};

use rustls::{Connection as Tls, Error, NamedGroup, ProtocolVersion};

use super::datagrams::Part;
use super::endpoint::{ALPN, fingerprint};
use super::stream::{Incoming, Outgoing};
use crate::random::Secret;
use crate::tunnel::transport::Group;

/// Bytes in front of each record of TLS: type, version, length.
const RECORD_HEAD: usize = 5;
/// Separates our keys from whatever else is made of such a connection.
const LABEL: &[u8] = b"EXPORTER-aoe-gateway";

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Broken {
    /// What the library says.
    Tls(Error),
    /// A part beyond all that is read, or a message that is none.
    Surplus,
}

/// One TLS connection.
pub(super) struct Connection {
    /// On the heap: memory that is given back is erased.
    tls: Box<Tls>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Length of the one message that the peer sends.
    message_len: usize,
    message: Vec<u8>,
}

/// Two secrets, for the records to the listener and to the dialer.
pub(super) struct Exported {
    pub(super) to_listener: Secret,
    pub(super) to_dialer: Secret,
}

impl Connection {
    /// `message_len`: of the one message that the peer sends.
    pub(super) fn new(tls: impl Into<Tls>, message_len: usize) -> Connection {
        Connection {
            tls: Box::new(tls.into()),
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            message_len,
            message: Vec::new(),
        }
    }

    /// Whether both sides have shown who they are, and our message can go.
    pub(super) fn is_established(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// The peer's message, if all of it has come.
    pub(super) fn message(&self) -> Option<&[u8]> {
        (self.message.len() == self.message_len).then_some(&*self.message)
    }

    /// Takes a part of the peer's bytes, and what they make whole.
    ///
    /// # Errors
    /// The connection is over. What the library wants to tell the peer is on its way out.
    pub(super) fn take(&mut self, part: &Part<'_>) -> Result<(), Broken> {
        self.outgoing.acknowledge(part.received);
        if !self.incoming.take(part) {
            return Err(Broken::Surplus);
        }
        let read = self.read_records();
        let written = self.write();
        read.and(written)
    }

    /// Sends our message.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Broken> {
        self.tls
            .writer()
            .write_all(message)
            .map_err(|_| Broken::Surplus)?;
        self.write()
    }

    /// Takes what the library has for the peer.
    ///
    /// # Errors
    /// It is more than is sent.
    pub(super) fn write(&mut self) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).map_err(|_| Broken::Surplus)?;
        }
        match self.outgoing.push(&bytes) {
            true => Ok(()),
            false => Err(Broken::Surplus),
        }
    }

    /// The next part to send.
    pub(super) fn next(&mut self) -> Option<Part<'_>> {
        self.outgoing.next(self.incoming.received())
    }

    /// A part that only says what has come.
    pub(super) fn nothing(&self) -> Part<'static> {
        self.outgoing.nothing(self.incoming.received())
    }

    /// How many bytes of the peer have come.
    pub(super) fn received(&self) -> u16 {
        self.incoming.received()
    }

    /// The peer has this much of what we sent.
    pub(super) fn acknowledge(&mut self, received: u16) {
        self.outgoing.acknowledge(received);
    }

    /// What the peer did not acknowledge is sent again.
    pub(super) fn rewind(&mut self) {
        self.outgoing.rewind();
    }

    /// One record after the other, so that none is read beside the one that ends the handshake: what comes after it is
    /// the message. Anything else, such as an update of keys or a ticket, brings no byte of it and is refused.
    fn read_records(&mut self) -> Result<(), Broken> {
        while let Some(len) = record_len(self.incoming.unread()) {
            let was_established = self.is_established();
            if was_established && self.message().is_some() {
                return Err(Broken::Surplus);
            }
            let mut record = self.incoming.unread().get(..len).unwrap_or_default();
            while !record.is_empty() {
                let read = self.tls.read_tls(&mut record);
                if !read.is_ok_and(|read| read > 0) {
                    return Err(Broken::Surplus);
                }
            }
            self.incoming.advance(len);
            let state = self.tls.process_new_packets().map_err(Broken::Tls)?;
            let came = state.plaintext_bytes_to_read();
            if was_established && came == 0 || self.message.len() + came > self.message_len {
                return Err(Broken::Surplus);
            }
            let start = self.message.len();
            self.message.resize(start + came, 0);
            let room = self.message.get_mut(start..).unwrap_or_default();
            self.tls.reader().read_exact(room).map_err(|_| Broken::Surplus)?;
        }
        Ok(())
    }

    /// SHA-256 of the peer's certificate, of a connection of the version and protocol that we want.
    pub(super) fn peer_fingerprint(&self) -> Option<[u8; 32]> {
        let is_ours = self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
            && self.tls.alpn_protocol() == Some(ALPN);
        let certificate = self.tls.peer_certificates()?.first()?;
        is_ours.then(|| fingerprint(certificate))
    }

    /// The certificates that the peer sent.
    pub(super) fn peer_chain(&self) -> Vec<rustls_pki_types::CertificateDer<'static>> {
        self.tls
            .peer_certificates()
            .map(<[_]>::to_vec)
            .unwrap_or_default()
    }

    /// How the keys were exchanged.
    pub(super) fn group(&self) -> Option<Group> {
        match self.tls.negotiated_key_exchange_group()?.name() {
            NamedGroup::X25519MLKEM768 => Some(Group::X25519MlKem768),
            NamedGroup::X25519 => Some(Group::X25519),
            _ => None,
        }
    }

    /// The secrets that come of this connection and these bytes.
    pub(super) fn export(&self, context: &[u8]) -> Option<Exported> {
        let export = |direction: u8| {
            let mut secret = Secret::default();
            let context = [context, &[direction]].concat();
            self.tls
                .export_keying_material(secret.as_mut_slice(), LABEL, Some(&context))
                .ok()?;
            Some(secret)
        };
        Some(Exported {
            to_listener: export(1)?,
            to_dialer: export(2)?,
        })
    }
}

/// Length of the record that these bytes begin with, if all of it is there.
fn record_len(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, high, low] = *bytes.first_chunk::<RECORD_HEAD>()?;
    let len = RECORD_HEAD + usize::from(u16::from_be_bytes([high, low]));
    (bytes.len() >= len).then_some(len)
}
