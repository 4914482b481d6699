//! An AoE target without sockets: frames and time in, frames out.
//!
//! It follows vblade where initiators can tell (see `aoe.c` and `ata.c` there), with the differences a careful target
//! would show: exact lengths, zero padding, no write by broadcast, an explicit limit of frames it queues.
//!
//! [`server::TargetServer`] runs it on a device; a simulation calls it directly.

mod backing;
mod blade;
mod pace;
pub mod server;
mod smart;

use std::collections::VecDeque;
use std::time::Duration;

use aoe_common::frame::{Address, AoeCommand, Ata, AtaOpcode, Frame, MacAddr, Pdu};
use aoe_common::time::Instant;

use crate::frames::Frames;
use pace::Pace;

pub use backing::Backing;
pub use blade::{Blade, BladeSettings};
pub use pace::{Questions, Service, Tail};
pub use smart::smart_data;

/// Whether a blade takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BladeAccess {
    /// Writes are aborted, as by `vblade -r`.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// Whether a target reacts to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It does.
    Normally,
    /// It drops every frame, like a host that hangs.
    Never,
}

/// A write that has reached a blade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which blade.
    pub address: Address,
    /// The first sector.
    pub lba: u64,
    /// Whole sectors.
    pub data: Vec<u8>,
}

/// What a target has seen, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounters {
    /// Requests addressed to one of its blades.
    pub requests: u64,
    /// Replies sent.
    pub replies: u64,
    /// Requests beyond the advertised buffer count, dropped.
    pub overflows: u64,
    /// Sectors read.
    pub sectors_read: u64,
    /// Sectors written.
    pub sectors_written: u64,
    /// ATA commands answered with an error status.
    pub refused: u64,
    /// Frames that were not understood, responses, and requests for others.
    pub ignored: u64,
}

/// One host with blades on one segment.
#[derive(Debug)]
pub struct Target {
    mac: MacAddr,
    mtu: u32,
    blades: Vec<Shelved>,
    pace: Pace,
    answering: Answering,
    counters: TargetCounters,
}

#[derive(Debug)]
struct Shelved {
    blade: Blade,
    /// Requests of the current batch, which were all waiting at one moment.
    in_batch: usize,
    /// Requests being worked on, with the moment each is done, the next one first.
    queue: VecDeque<(Instant, Vec<u8>)>,
}

impl Target {
    /// A target without blades. `mtu` (IP-style) decides how many sectors it offers per frame.
    pub fn new(mac: MacAddr, mtu: u32) -> Self {
        Target {
            mac,
            mtu,
            blades: Vec::new(),
            pace: Pace::default(),
            answering: Answering::Normally,
            counters: TargetCounters::default(),
        }
    }

    /// Adds a blade.
    pub fn add(&mut self, blade: Blade) {
        self.blades.push(Shelved {
            blade,
            in_batch: 0,
            queue: VecDeque::new(),
        });
    }

    /// Time every request takes, one after the other per blade; zero answers at once.
    pub fn set_service_time(&mut self, service_time: Duration) {
        self.pace.usual = service_time;
    }

    /// In which order requests are worked on; it matters only if they take time.
    pub fn set_service(&mut self, service: Service) {
        self.pace.service = service;
    }

    /// Makes some requests take much longer.
    pub fn set_tail(&mut self, tail: Tail) {
        self.pace.tail = Some(tail);
    }

    /// How it treats Config queries and IDENTIFY.
    pub fn set_questions(&mut self, questions: Questions) {
        self.pace.questions = questions;
    }

    /// Works on nothing that comes before `until`, as a disk that spins up.
    pub fn stall(&mut self, until: Instant) {
        self.pace.stalled_until = until;
    }

    /// Loses what is queued, as a process does that is started anew; the blades stay.
    pub fn restart(&mut self) {
        self.blades.iter_mut().for_each(|shelved| shelved.queue.clear());
    }

    /// From now on notes every write that is applied.
    pub fn keep_journal(&mut self) {
        self.blades
            .iter_mut()
            .for_each(|shelved| shelved.blade.keep_journal());
    }

    /// The writes applied since the last call, in order for each blade.
    pub fn take_journal(&mut self) -> Vec<Applied> {
        let mut all = Vec::new();
        for shelved in &mut self.blades {
            let address = shelved.blade.address();
            let writes = shelved.blade.take_journal().into_iter();
            all.extend(writes.map(|(lba, data)| Applied { address, lba, data }));
        }
        all
    }

    /// Makes it hang, or brings it back; what arrives while it hangs is lost.
    pub fn set_answering(&mut self, answering: Answering) {
        self.answering = answering;
    }

    /// Tells it about the device it is on.
    pub fn set_link(&mut self, mac: MacAddr, mtu: u32) {
        self.mac = mac;
        self.mtu = mtu;
    }

    /// What it has seen.
    pub fn counters(&self) -> TargetCounters {
        self.counters
    }

    /// The blade at `address`.
    pub fn blade(&self, address: Address) -> Option<&Blade> {
        self.blades
            .iter()
            .map(|shelved| &shelved.blade)
            .find(|blade| blade.address() == address)
    }

    /// The blade at `address`, to be changed behind the back of its initiators.
    pub fn blade_mut(&mut self, address: Address) -> Option<&mut Blade> {
        self.blades
            .iter_mut()
            .map(|shelved| &mut shelved.blade)
            .find(|blade| blade.address() == address)
    }

    /// Announces every blade by an unsolicited response, as targets do when they start.
    pub fn advertise(&mut self, out: &mut Frames) {
        for shelved in &self.blades {
            shelved.blade.advertise(self.mac, self.mtu, out);
            self.counters.replies += 1;
        }
    }

    /// Says that the frames that follow were all waiting at the same moment.
    ///
    /// More of them for one blade than its buffer count is what an initiator must not do; a target drops the rest.
    pub fn begin_batch(&mut self) {
        for shelved in &mut self.blades {
            shelved.in_batch = 0;
        }
    }

    /// Takes one frame from the segment.
    pub fn handle_frame(&mut self, bytes: &[u8], now: Instant, out: &mut Frames) {
        let parsed = Frame::parse(bytes).and_then(|frame| Ok((frame, Pdu::parse(frame.payload())?)));
        let Ok((frame, pdu)) = parsed else {
            self.counters.ignored += 1;
            return;
        };
        let is_for_us = frame.destination() == self.mac || frame.destination().is_multicast();
        if !is_for_us || pdu.is_response() || self.answering == Answering::Never {
            self.counters.ignored += 1;
            return;
        }
        let mut reached = false;
        for shelved in &mut self.blades {
            if !shelved.blade.address().matches(pdu.address()) {
                continue;
            }
            reached = true;
            self.counters.requests += 1;
            let room = usize::from(shelved.blade.buffer_count());
            let at_once = self.pace.questions == Questions::AtOnce && is_question(&pdu);
            if at_once || self.pace.is_instant(now) {
                shelved.in_batch += 1;
                if shelved.in_batch > room {
                    self.counters.overflows += 1;
                    continue;
                }
                shelved
                    .blade
                    .answer(&frame, &pdu, (self.mac, self.mtu), out, &mut self.counters);
            } else if shelved.queue.len() >= room {
                self.counters.overflows += 1;
            } else {
                let last = shelved.queue.back().map(|(done, _)| *done);
                let done = self.pace.done(now, last);
                let at = shelved.queue.partition_point(|(other, _)| *other <= done);
                shelved.queue.insert(at, (done, bytes.to_vec()));
            }
        }
        if !reached {
            self.counters.ignored += 1;
        }
    }

    /// Answers the requests whose service time is over. Call it when [`Target::deadline`] has come.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Frames) {
        for shelved in &mut self.blades {
            while let Some((_, bytes)) = shelved.queue.pop_front_if(|(done, _)| *done <= now) {
                let parsed = Frame::parse(&bytes).and_then(|frame| Ok((frame, Pdu::parse(frame.payload())?)));
                if let Ok((frame, pdu)) = parsed {
                    shelved
                        .blade
                        .answer(&frame, &pdu, (self.mac, self.mtu), out, &mut self.counters);
                }
            }
        }
    }

    /// When the next answer is due; [`Instant::NEVER`] if nothing is being worked on.
    pub fn deadline(&self) -> Instant {
        let fronts = self.blades.iter().filter_map(|shelved| shelved.queue.front());
        fronts.map(|(done, _)| *done).min().unwrap_or(Instant::NEVER)
    }
}

/// Whether a request is about the target and not about what is on the disk.
fn is_question(pdu: &Pdu<'_>) -> bool {
    match pdu.command() {
        AoeCommand::Ata => Ata::parse(pdu.argument()).is_ok_and(|ata| ata.command() == AtaOpcode::Identify),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
