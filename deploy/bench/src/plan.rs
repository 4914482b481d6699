//! What is run.

use aoe_common::frame::SECTOR_LEN;
use aoe_lab::frames::sectors_per_frame;
use aoe_lab::impairment::Impairment;
use aoe_lab::workload::{Mix, Order, Workload};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A workload of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// Sequential reads, 16 frames in flight
    #[value(name = "seq-read-16")]
    #[serde(rename = "seq-read-16")]
    SeqRead16,
    /// Sequential reads, 64 frames in flight
    #[value(name = "seq-read-64")]
    #[serde(rename = "seq-read-64")]
    SeqRead64,
    /// Sequential writes, 16 frames in flight
    #[value(name = "seq-write-16")]
    #[serde(rename = "seq-write-16")]
    SeqWrite16,
    /// Sequential writes, 64 frames in flight
    #[value(name = "seq-write-64")]
    #[serde(rename = "seq-write-64")]
    SeqWrite64,
    /// Random reads of 4 KiB, one at a time
    #[value(name = "rand-read-1")]
    #[serde(rename = "rand-read-1")]
    RandRead1,
    /// Random reads of 4 KiB, 32 at a time
    #[value(name = "rand-read-32")]
    #[serde(rename = "rand-read-32")]
    RandRead32,
    /// Random 4 KiB, 70 % reads, 32 at a time
    #[value(name = "mixed-32")]
    #[serde(rename = "mixed-32")]
    Mixed32,
    /// Random reads of one frame, one at a time: the latency of a single frame
    #[value(name = "frame-1")]
    #[serde(rename = "frame-1")]
    Frame1,
    /// Sequential reads, 64 frames in flight, by an initiator that has just begun; of our own peers only
    #[value(name = "cold-read-64")]
    #[serde(rename = "cold-read-64")]
    ColdRead64,
    /// Sequential reads of 16 KiB, 16 at a time: as many frames as the window lets through
    BulkRead,
    /// Sequential writes of 16 KiB, 16 at a time
    BulkWrite,
    /// Sequential reads from two disks at once, 64 frames in flight each; of `workers` only
    #[value(name = "both-read-64")]
    #[serde(rename = "both-read-64")]
    BothRead64,
    /// Sequential writes to two disks at once, 64 frames in flight each; of `workers` only
    #[value(name = "both-write-64")]
    #[serde(rename = "both-write-64")]
    BothWrite64,
}

/// What a load is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Measure {
    /// Millions of bytes a second.
    #[serde(rename = "MB/s")]
    Rate,
    /// Requests a second.
    #[serde(rename = "IOPS")]
    Requests,
    /// Median latency in microseconds: less is better.
    #[serde(rename = "p50 us")]
    Latency,
}

/// The loads of the speed bench.
pub(crate) const SPEED: [Load; 8] = [
    Load::SeqRead16,
    Load::SeqRead64,
    Load::SeqWrite16,
    Load::SeqWrite64,
    Load::RandRead1,
    Load::RandRead32,
    Load::Mixed32,
    Load::Frame1,
];

/// The loads of the loss bench.
pub(crate) const LOSS: [Load; 6] = [
    Load::SeqRead16,
    Load::SeqRead64,
    Load::ColdRead64,
    Load::BulkRead,
    Load::BulkWrite,
    Load::RandRead32,
];

/// The loads of the bench of workers: one disk, and two.
pub(crate) const WORKERS: [Load; 4] = [
    Load::SeqRead64,
    Load::SeqWrite64,
    Load::BothRead64,
    Load::BothWrite64,
];

/// Sectors of 4 KiB.
const SMALL: u32 = 8;
/// Sectors of 16 KiB.
const BULK: u32 = 32;

impl Load {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Its name above a column.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Load::SeqRead16 => "seq read, 16",
            Load::SeqRead64 => "seq read, 64",
            Load::SeqWrite16 => "seq write, 16",
            Load::SeqWrite64 => "seq write, 64",
            Load::RandRead1 => "4 KiB read, 1",
            Load::RandRead32 => "4 KiB read, 32",
            Load::Mixed32 => "4 KiB 70/30, 32",
            Load::Frame1 => "frame read, 1",
            Load::ColdRead64 => "seq read, 64, cold",
            Load::BulkRead => "seq read, 16 x 16 KiB",
            Load::BulkWrite => "seq write, 16 x 16 KiB",
            Load::BothRead64 => "2 disks read, 64",
            Load::BothWrite64 => "2 disks write, 64",
        }
    }

    /// What it is judged by.
    pub(crate) fn measure(self) -> Measure {
        match self {
            Load::SeqRead16 | Load::SeqRead64 | Load::SeqWrite16 | Load::SeqWrite64 => Measure::Rate,
            Load::BulkRead | Load::BulkWrite | Load::BothRead64 | Load::BothWrite64 => Measure::Rate,
            Load::ColdRead64 => Measure::Rate,
            Load::RandRead32 | Load::Mixed32 => Measure::Requests,
            Load::RandRead1 | Load::Frame1 => Measure::Latency,
        }
    }

    /// Whether its initiator has just begun: it knows neither round trip nor window.
    pub(crate) fn is_cold(self) -> bool {
        self == Load::ColdRead64
    }

    /// How many disks it works at once.
    pub(crate) fn disks(self) -> u8 {
        match self {
            Load::BothRead64 | Load::BothWrite64 => 2,
            _ => 1,
        }
    }

    /// The requests to each disk, on a segment with this MTU; sequential ones are one frame each, so that their depth counts frames.
    pub(crate) fn workload(self, segment_mtu: u32) -> Workload {
        let frame = u32::from(sectors_per_frame(segment_mtu).max(1));
        let (order, mix, block_sectors, depth) = match self {
            Load::SeqRead16 => (Order::Sequential, Mix::Read, frame, 16),
            Load::SeqRead64 | Load::ColdRead64 | Load::BothRead64 => {
                (Order::Sequential, Mix::Read, frame, 64)
            }
            Load::SeqWrite16 => (Order::Sequential, Mix::Write, frame, 16),
            Load::SeqWrite64 | Load::BothWrite64 => (Order::Sequential, Mix::Write, frame, 64),
            Load::RandRead1 => (Order::Random, Mix::Read, SMALL, 1),
            Load::RandRead32 => (Order::Random, Mix::Read, SMALL, 32),
            Load::Mixed32 => (Order::Random, Mix::ReadPercent(70), SMALL, 32),
            Load::Frame1 => (Order::Random, Mix::Read, frame, 1),
            Load::BulkRead => (Order::Sequential, Mix::Read, BULK, 16),
            Load::BulkWrite => (Order::Sequential, Mix::Write, BULK, 16),
        };
        Workload {
            order,
            mix,
            block_sectors,
            depth,
            ..Workload::default()
        }
    }
}

/// Where the loads run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// MTU of both segments (IP-style).
    pub(crate) segment_mtu: u32,
    /// MTU between the gateways.
    pub(crate) underlay_mtu: u32,
    /// What a relay between the gateways does to datagrams, in the form of `--impair`; none: a cable.
    pub(crate) impairment: Option<String>,
    /// Frames the target says it can queue.
    pub(crate) buffer_count: u16,
    /// Disks of the target, each with an initiator of its own: 1 or 2.
    pub(crate) disks: u8,
}

impl Setting {
    /// The impairment, if there is one.
    pub(crate) fn path(&self) -> Option<Impairment> {
        self.impairment.as_ref()?.parse().ok()
    }
}

/// Sectors of each disk: 64 MiB, more than the processor's caches hold.
pub(crate) const SECTORS: usize = (64 << 20) / SECTOR_LEN;
