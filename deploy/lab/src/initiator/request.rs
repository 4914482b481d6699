//! What one asks of a disk, and what comes of it.

use aoe_common::frame::Address;
use aoe_common::time::Instant;
use thiserror::Error;

/// Names a request among all of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring the 512 bytes of IDENTIFY DEVICE.
    Identify,
    /// Read `sectors` sectors from `lba` on into `buffer`, which is resized.
    Read {
        /// First sector.
        lba: u64,
        /// Number of sectors.
        sectors: u32,
        /// Memory to use again.
        buffer: Vec<u8>,
    },
    /// Write `data`, whole sectors, from `lba` on.
    Write {
        /// First sector.
        lba: u64,
        /// The sectors.
        data: Vec<u8>,
    },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which request.
    pub id: RequestId,
    /// The disk it went to.
    pub address: Address,
    /// First sector; 0 for IDENTIFY.
    pub lba: u64,
    /// What was read, or the data that was written, given back.
    pub data: Vec<u8>,
    /// Whether it worked; if it did not, `data` may be partly filled.
    pub outcome: Result<(), DiskError>,
    /// When it was submitted.
    pub submitted: Instant,
    /// When it ended.
    pub finished: Instant,
}

/// Why a request failed. The Linux initiator reports all of these as EIO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DiskError {
    /// The target answered with an error status.
    #[error("the target refused: status {status:#04x}, error {error:#04x}")]
    Status {
        /// ATA status register.
        status: u8,
        /// ATA error register.
        error: u8,
    },
    /// A read was answered by less data than asked for.
    #[error("the answer to a read was too short")]
    ShortRead,
    /// No answer for more than 180 seconds.
    #[error("the device is down")]
    DeviceDown,
    /// Nobody has answered for that address, or not yet to IDENTIFY.
    #[error("there is no such device")]
    NoDevice,
    /// The request reaches beyond the last sector, is empty, or its data is not whole sectors.
    #[error("no such sectors")]
    NoSuchSectors,
    /// No answer in the time the caller wanted to wait; the driver itself goes on waiting.
    #[error("no answer in time")]
    NoAnswer,
}
