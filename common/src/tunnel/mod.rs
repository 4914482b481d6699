//! The tunnel: handshakes, sessions, records, and what travels in them.
//!
//! - [`link`]: everything about one peer; composes the rest
//! - [`handshake`], [`admission`]: how a session comes to be, and the gate in front of it
//! - [`session`], [`cipher`], [`replay`], [`record`]: one set of keys
//! - [`peer_clock`]: how far away a peer is, and what its clock says
//! - [`pack`], [`reassembly`], [`message`], [`update`]: messages in records

pub(crate) mod admission;
pub(crate) mod cipher;
pub(crate) mod handshake;
pub(crate) mod link;
pub(crate) mod links;
pub(crate) mod message;
pub(crate) mod pack;
pub(crate) mod peer_clock;
pub(crate) mod reassembly;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod session;
pub(crate) mod update;

#[cfg(test)]
mod vectors;
