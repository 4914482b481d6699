//! The UDP sockets of workers: what the log and snapshots say of them.

use std::io;
use std::net::SocketAddr;

use aoe_common::snapshot::{Granted, Socket};

use crate::logging::id;
use crate::sys::buffers::{self, Buffers};
use crate::wire::{Offload, UdpWire};

/// What there is to say of a socket that was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    address: Option<SocketAddr>,
    receive_offload: Offload,
    offload: Offload,
    dropped: u32,
    buffers: Buffers,
    asked: Buffers,
}

impl Report {
    /// Of this one.
    pub(crate) fn of(wire: &UdpWire) -> Self {
        Report {
            address: wire.local_addr().ok(),
            receive_offload: wire.receive_offload(),
            offload: wire.segmentation_offload(),
            // It is one.
            dropped: buffers::dropped(wire).unwrap_or_default(),
            buffers: wire.buffers(),
            asked: wire.asked_buffers(),
        }
    }

    /// The same as data.
    pub(crate) fn row(self, worker: u8) -> Socket {
        let granted = |asked: usize, granted: usize| Granted {
            asked: asked as u64,
            granted: granted as u64,
        };
        Socket {
            address: self
                .address
                .map(|address| address.to_string())
                .unwrap_or_default(),
            worker,
            receive_buffer: granted(self.asked.recv, self.buffers.recv),
            send_buffer: granted(self.asked.send, self.buffers.send),
            receive_offload: self.receive_offload == Offload::Works,
            send_offload: self.offload == Offload::Works,
            dropped: self.dropped.into(),
        }
    }

    /// Says it.
    pub(crate) fn log(self) {
        let Some(address) = self.address else { return };
        let offload = match self.offload {
            Offload::Works => "",
            Offload::Off => ", without segmentation offload",
        };
        tracing::info!(id = id::LISTENING, "listening on {address}{offload}");
        if self.buffers.fall_short_of(self.asked) {
            tracing::warn!(
                id = id::BUFFERS_SMALL,
                "listening on {address}: {}",
                self.buffers.complaint(self.asked)
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
