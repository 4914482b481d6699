//! The tunnel: handshakes, sessions, records, and what travels in them.
//!
//! - [`links`]: all peers; what comes in and goes out
//! - [`link`]: one peer; composes what follows
//! - [`handshake`], [`macs`], [`admission`]: how a session comes to be, and the gate in front of it; [`rates`] and
//!   [`cookie_secrets`] are what the gates of both transports are made of
//! - [`quantum`]: secrets that make keys withstand a quantum computer
//! - [`session`], [`cipher`], [`replay`], [`record`]: one set of keys; [`sessions`]: those of one peer; [`seats`]: whose an
//!   index is; [`closing`]: why one ends
//! - [`keyring`], [`said_keys`]: static keys that change
//! - [`repair`]: what is lost on the way is sent again; [`gaps`], [`report`] at the receiver, [`kept`] at the sender
//! - [`path_mtu`]: how long a datagram the path carries
//! - [`peer_clock`], [`round_trip`]: what a peer's clock says, and how far away it is
//! - [`pack`], [`reassembly`], [`message`], [`update`]: messages in records
//! - [`timing`]: how long what is waited for

pub(crate) mod admission;
pub(crate) mod cipher;
pub(crate) mod closing;
mod cookie_secrets;
pub(crate) mod gaps;
pub(crate) mod handshake;
pub(crate) mod kept;
pub(crate) mod keyring;
pub(crate) mod link;
pub(crate) mod links;
pub(crate) mod macs;
pub(crate) mod message;
pub(crate) mod pack;
pub(crate) mod path_mtu;
pub(crate) mod peer_clock;
pub(crate) mod quantum;
mod rates;
pub(crate) mod reassembly;
pub(crate) mod record;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod report;
mod rights;
pub(crate) mod round_trip;
pub(crate) mod said_keys;
pub(crate) mod seats;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod timing;
pub(crate) mod transport;
pub(crate) mod update;

pub use handshake::tls::TlsFault;
pub(crate) use handshake::tls::judge_own;

#[cfg(test)]
mod vectors;
