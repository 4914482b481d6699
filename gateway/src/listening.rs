//! The UDP sockets of workers: what the log says of them.

use std::io;
use std::net::SocketAddr;

use crate::sys::buffers::Buffers;
use crate::wire::{Offload, UdpWire};

/// What there is to say of a socket that was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    address: Option<SocketAddr>,
    offload: Offload,
    buffers: Buffers,
}

impl Report {
    /// Of this one.
    pub(crate) fn of(wire: &UdpWire) -> Self {
        Report {
            address: wire.local_addr().ok(),
            offload: wire.segmentation_offload(),
            buffers: wire.buffers(),
        }
    }

    /// Says it.
    pub(crate) fn log(self) {
        let Some(address) = self.address else { return };
        let offload = match self.offload {
            Offload::Works => "",
            Offload::Off => ", without segmentation offload",
        };
        tracing::info!("listening on {address}{offload}");
        if self.buffers.fall_short_of(Buffers::DATA_PLANE) {
            tracing::warn!(
                "listening on {address}: {}",
                self.buffers.complaint(Buffers::DATA_PLANE)
            );
        }
    }
}

/// What an operator can do about an address that cannot be used.
pub(crate) fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => " (`ss -ulnp` shows who has it)",
        io::ErrorKind::AddrNotAvailable => {
            " (no interface has this address yet; `ip address` shows those there are)"
        }
        _ => "",
    }
}
