//! The wire: UDP between gateways.
//!
//! [`UdpWire`] is one listen address; [`RecvMemory`] is what all of them receive into.

mod recv_memory;
mod udp;

pub use recv_memory::{Origin, RecvMemory};
pub use udp::{Offload, SendOutcome, UdpWire};
