//! A model of the Linux AoE initiator (drivers/block/aoe, v85) without sockets: frames and time in, frames and
//! completions out.
//!
//! It reproduces what gateways have to live with: the window, the round trip estimator that begins at 16.5 s, the
//! timer that looks ten times a second, a new tag for every copy, what the driver does not check, and that a path which
//! leaves a frame waiting for ten seconds is avoided. Left out are the probes of such a path: here an answer, however
//! late, redeems it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use aoe_common::frame::{
    Address, AoeCommand, Ata, Flags, Frame, Header, MacAddr, Pdu, Query, QueryCommand, QueryHeader, Tag,
};
use aoe_common::time::Instant;

use crate::frames::{Frames, sectors_per_frame};

use super::counters::DriverCounters;
use super::device::{Context, Device, Openness};
use super::disk::DiskFacts;
use super::request::{Action, Completion, RequestId};

pub use super::habit::Habit;

/// The shelf the driver ignores with a warning.
const IGNORED_SHELF: u16 = 0xfff;

/// A config response, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who it is about.
    pub address: Address,
    /// Who sent it.
    pub mac: MacAddr,
    /// Frames it can queue.
    pub buffer_count: u16,
    /// Sectors per frame it takes, as it says.
    pub sectors: u8,
    /// Its config string.
    pub string: Vec<u8>,
    /// The tag: 0 if nobody asked, or if the driver asked.
    pub tag: Tag,
}

/// One host's AoE initiator on one segment.
#[derive(Debug)]
pub struct Driver {
    mac: MacAddr,
    mtu: u32,
    habit: Habit,
    devices: BTreeMap<Address, Device>,
    next_id: u64,
    counters: DriverCounters,
    completions: VecDeque<Completion>,
    found: Vec<Found>,
}

impl Driver {
    /// A driver on a device with this address and MTU (IP-style).
    pub fn new(mac: MacAddr, mtu: u32) -> Self {
        Driver {
            mac,
            mtu,
            habit: Habit::default(),
            devices: BTreeMap::new(),
            next_id: 0,
            counters: DriverCounters::default(),
            completions: VecDeque::new(),
            found: Vec::new(),
        }
    }

    /// Makes it another initiator than Linux's; for devices found from now on.
    pub fn set_habit(&mut self, habit: Habit) {
        self.habit = habit;
    }

    /// Lets a device's estimator take in `samples` round trips of `rtt`, as if it had been used for a while: a new one
    /// waits seconds before it repeats anything.
    pub fn settle(&mut self, address: Address, rtt: Duration, samples: u32) {
        if let Some(device) = self.devices.get_mut(&address) {
            device.settle(rtt, samples);
        }
    }

    /// Tells it about its network device; the MTU counts from the next config response on.
    pub fn set_link(&mut self, mac: MacAddr, mtu: u32) {
        self.mac = mac;
        self.mtu = mtu;
    }

    /// Broadcasts a Config query for `address`, which may be [`Address::BROADCAST`].
    pub fn query(&self, address: Address, out: &mut Frames) {
        let header = Header {
            version: 1,
            flags: Flags::REQUEST,
            error: 0,
            address,
            command: AoeCommand::Query,
            tag: Tag(0),
        };
        let query = QueryHeader {
            buffer_count: 0,
            firmware: 0,
            sectors: 0,
            version: 0,
            command: QueryCommand::Read,
        };
        out.push_query((MacAddr::BROADCAST, self.mac), &header, &query, &[]);
    }

    /// Opens a device, if it was found: queries it, and from now on config responses do not make it identify again.
    pub fn open(&mut self, address: Address, out: &mut Frames) {
        self.query(address, out);
        self.set_openness(address, Openness::Open);
    }

    /// Closes a device.
    pub fn close(&mut self, address: Address) {
        self.set_openness(address, Openness::Closed);
    }

    /// Submits a request; its end is a [`Completion`], perhaps at once.
    pub fn submit(&mut self, address: Address, action: Action, now: Instant, out: &mut Frames) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.with_device(address, now, out, |device, cx| device.submit(id, action, cx));
        id
    }

    /// Takes one frame from the segment (`aoenet_rcv`).
    pub fn handle_frame(&mut self, bytes: &[u8], now: Instant, out: &mut Frames) {
        if self.understand(bytes, now, out).is_none() {
            self.counters.ignored += 1;
        }
    }

    /// Runs the timer. Call it when [`Driver::deadline`] has come, after everything that arrived before `now`: the
    /// kernel takes frames in as they arrive, and so has seen every answer that came in time.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Frames) {
        let due = self.devices.iter().filter(|(_, device)| device.deadline() <= now);
        let due: Vec<Address> = due.map(|(address, _)| *address).collect();
        for address in due {
            self.with_device(address, now, out, Device::on_tick);
        }
    }

    /// When [`Driver::handle_timeout`] wants to be called; [`Instant::NEVER`] while nothing is in flight.
    pub fn deadline(&self) -> Instant {
        let deadlines = self.devices.values().map(Device::deadline);
        deadlines.min().unwrap_or(Instant::NEVER)
    }

    /// The next request that has ended.
    pub fn poll_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// All config responses since the last call.
    pub fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// What is known of a device: `None` until IDENTIFY was answered, and when it is down.
    pub fn disk(&self, address: Address) -> Option<&DiskFacts> {
        self.devices.get(&address)?.disk()
    }

    /// Sectors per frame the device is used with.
    pub fn sectors_per_frame(&self, address: Address) -> Option<u8> {
        self.devices.get(&address).map(Device::sectors_per_frame)
    }

    /// The device's retransmission timeout.
    pub fn retransmit_timeout(&self, address: Address) -> Option<Duration> {
        self.devices.get(&address).map(Device::timeout)
    }

    /// Frames that may be in flight to the device now, and those that are.
    pub fn window(&self, address: Address) -> Option<(u32, u32)> {
        self.devices.get(&address).map(Device::window)
    }

    /// What it has done.
    pub fn counters(&self) -> DriverCounters {
        self.counters
    }

    fn understand(&mut self, bytes: &[u8], now: Instant, out: &mut Frames) -> Option<()> {
        let frame = Frame::parse(bytes).ok()?;
        let pdu = Pdu::parse(frame.payload()).ok()?;
        let header = pdu.header();
        // Bit 31 of a tag marks the requests of userland tools.
        if !header.flags.is_response() || header.tag.0 >> 31 != 0 {
            return None;
        }
        if header.flags.is_error() {
            self.counters.error_responses += 1;
            return Some(());
        }
        let is_named = header.address.shelf != u16::MAX && header.address.slot != u8::MAX;
        match header.command {
            AoeCommand::Query if is_named && header.address.shelf != IGNORED_SHELF => {
                let query = Query::parse(pdu.argument()).ok()?;
                self.found.push(Found {
                    address: header.address,
                    mac: frame.source(),
                    buffer_count: query.buffer_count(),
                    sectors: query.sectors(),
                    string: query.string().to_vec(),
                    tag: header.tag,
                });
                let sectors = query.sectors().min(sectors_per_frame(self.mtu));
                let (mac, count) = (frame.source(), query.buffer_count());
                self.with_device(header.address, now, out, |device, cx| {
                    device.on_query_response(mac, count, sectors, cx);
                });
                Some(())
            }
            AoeCommand::Ata => {
                let ata = Ata::parse(pdu.argument()).ok()?;
                if !self.devices.contains_key(&header.address) {
                    return None;
                }
                self.with_device(header.address, now, out, |device, cx| {
                    device.on_ata_response(header.tag, &ata, cx)
                });
                Some(())
            }
            _ => None,
        }
    }

    fn set_openness(&mut self, address: Address, openness: Openness) {
        if let Some(device) = self.devices.get_mut(&address) {
            device.set_openness(openness);
        }
    }

    fn with_device(
        &mut self,
        address: Address,
        now: Instant,
        out: &mut Frames,
        act: impl FnOnce(&mut Device, &mut Context<'_>),
    ) {
        let device = self
            .devices
            .entry(address)
            .or_insert_with(|| Device::new(address, self.habit, now));
        device.wind(now);
        let mut cx = Context {
            mac: self.mac,
            now,
            out,
            counters: &mut self.counters,
            completions: &mut self.completions,
        };
        act(device, &mut cx);
    }
}

#[cfg(test)]
mod tests;
