//! One AoE device as the Linux initiator sees it: a shelf.slot with its paths, frames in flight and requests.

mod kind;
mod path;
mod slots;

use std::collections::VecDeque;
use std::time::Duration;

use aoe_common::frame::{Address, AoeCommand, Ata, Flags, Header, MacAddr, SECTOR_LEN, Tag};
use aoe_common::time::Instant;

use crate::frames::Frames;

use super::counters::DriverCounters;
use super::disk::DiskFacts;
use super::habit::Habit;
use super::request::{Action, Completion, DiskError, RequestId};
use super::rtt::RttEstimator;

use kind::Kind;
use path::Paths;
use slots::Slots;

/// Seconds without an answer after which the device is given up (`aoe_deadsecs`).
const DEAD_AFTER: Duration = Duration::from_secs(181);
/// A frame that waits longer than this makes its path tainted (`HARD_SCORN_SECS`).
const SCORN_AFTER: Duration = Duration::from_secs(10);
/// Plan 9's longest wait for an answer.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(320);
/// Microseconds per tick of the clock that tags carry: HZ is 250.
const JIFFY_MICROS: u64 = 4000;
/// Period of the retransmission timer: HZ / 10 jiffies (`TIMERTICK`), and one more, because the kernel's timer wheel
/// never fires early. A real one was seen to tick every 104 ms.
pub(super) const TICK: Duration = Duration::from_millis(104);
/// A new device's timer runs first after a second (`aoedev_by_sysminor_m`).
const FIRST_TICK: Duration = Duration::from_secs(1);
/// Hash chains of frames in flight (`NFACTIVE`): the timer looks at one after the other, which decides what is sent
/// again first.
const CHAINS: u32 = 61;

/// What a device is asked with, and where its frames, its completions and its counts go.
pub(super) struct Context<'a> {
    pub(super) mac: MacAddr,
    pub(super) now: Instant,
    pub(super) out: &'a mut Frames,
    pub(super) counters: &'a mut DriverCounters,
    pub(super) completions: &'a mut VecDeque<Completion>,
}

/// One shelf.slot.
#[derive(Debug)]
pub(super) struct Device {
    address: Address,
    habit: Habit,
    paths: Paths,
    rtt: RttEstimator,
    tag_counter: u16,
    /// Frames in flight, oldest first.
    in_flight: Vec<Sent>,
    /// Frames that timed out and wait for room in the window.
    deferred: VecDeque<Sent>,
    requests: Slots<Request>,
    /// Requests of which not everything was sent yet.
    queue: VecDeque<usize>,
    openness: Openness,
    disk: Option<DiskFacts>,
    is_down: bool,
    /// When the timer runs next; it runs all the time, though nobody has to look while nothing is in flight.
    next_tick: Instant,
}

/// Whether somebody uses the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Openness {
    Closed,
    Open,
}

/// The tag of a frame that has none yet: the one no request has.
const UNSENT: Tag = Tag(0);

/// A frame sent and not yet answered.
#[derive(Clone, Copy, Debug)]
struct Sent {
    tag: Tag,
    request: usize,
    /// First byte of the request's data that this frame is about.
    offset: usize,
    sectors: u8,
    path: usize,
    at: Instant,
    /// Time spent waiting for answers to earlier copies.
    waited: Duration,
}

#[derive(Debug)]
struct Request {
    /// `None` for the driver's own IDENTIFY.
    id: Option<RequestId>,
    kind: Kind,
    lba: u64,
    data: Vec<u8>,
    /// Bytes handed to frames so far.
    sent: usize,
    frames_out: u32,
    outcome: Result<(), DiskError>,
    submitted: Instant,
}

impl Device {
    pub(super) fn new(address: Address, habit: Habit, now: Instant) -> Self {
        Device {
            address,
            habit,
            paths: Paths::default(),
            rtt: RttEstimator::new(),
            tag_counter: 0,
            in_flight: Vec::new(),
            deferred: VecDeque::new(),
            requests: Slots::default(),
            queue: VecDeque::new(),
            openness: Openness::Closed,
            disk: None,
            is_down: false,
            next_tick: now + FIRST_TICK,
        }
    }

    pub(super) fn disk(&self) -> Option<&DiskFacts> {
        self.disk.as_ref().filter(|_| !self.is_down)
    }

    pub(super) fn timeout(&self) -> Duration {
        match self.habit {
            Habit::NewTags => self.rtt.timeout(),
            Habit::SameTag => self.rtt.timeout().min(LONGEST_TIMEOUT),
        }
    }

    /// Takes in round trips that were not made.
    pub(super) fn settle(&mut self, rtt: Duration, samples: u32) {
        (0..samples).for_each(|_| self.rtt.sample(rtt));
    }

    pub(super) fn sectors_per_frame(&self) -> u8 {
        self.paths.sectors_per_frame()
    }

    pub(super) fn window(&self) -> (u32, u32) {
        self.paths.window()
    }

    pub(super) fn set_openness(&mut self, openness: Openness) {
        self.openness = openness;
    }

    /// When the timer has something to look at; [`Instant::NEVER`] while nothing is in flight.
    pub(super) fn deadline(&self) -> Instant {
        if self.in_flight.is_empty() && self.deferred.is_empty() {
            Instant::NEVER
        } else {
            self.next_tick
        }
    }

    /// Catches up with a timer that ran while nobody had to look.
    pub(super) fn wind(&mut self, now: Instant) {
        if self.deadline() == Instant::NEVER && self.next_tick <= now {
            let behind = now.saturating_since(self.next_tick).as_micros() / TICK.as_micros() + 1;
            self.next_tick = self.next_tick + TICK * u32::try_from(behind).unwrap_or(u32::MAX);
        }
    }

    /// A config response named `mac` as a way to this device (`aoecmd_cfg_rsp`).
    pub(super) fn on_query_response(
        &mut self,
        mac: MacAddr,
        buffer_count: u16,
        sectors: u8,
        cx: &mut Context<'_>,
    ) {
        self.paths.learn(mac, buffer_count, sectors);
        if self.openness == Openness::Closed {
            self.is_down = false;
            // Without room in a window there is no frame, and without one nothing else happens (`aoecmd_ata_id`).
            if self.paths.has_room() {
                self.rtt = RttEstimator::new();
                self.add(None, Action::Identify, cx);
            }
        }
    }

    /// Takes a request; it ends with a completion, perhaps at once.
    pub(super) fn submit(&mut self, id: RequestId, action: Action, cx: &mut Context<'_>) {
        self.add(Some(id), action, cx);
    }

    /// An ATA response (`aoecmd_ata_rsp`). Neither its source nor its LBA are looked at: only the tag counts.
    pub(super) fn on_ata_response(&mut self, tag: Tag, ata: &Ata<'_>, cx: &mut Context<'_>) {
        let sent = if let Some(at) = self.in_flight.iter().position(|sent| sent.tag == tag) {
            let sent = self.in_flight.remove(at);
            self.rtt.sample(cx.now.saturating_since(sent.at));
            self.paths.on_reply(sent.path);
            sent
        } else if let Some(at) = self.deferred.iter().position(|sent| sent.tag == tag)
            && let Some(sent) = self.deferred.remove(at)
        {
            self.rtt.sample(cx.now.saturating_since(sent.at));
            sent
        } else {
            // A late answer to a copy that was sent again since: its age, modulo 2^16 ticks, counts as a round trip.
            let age = u64::from(jiffies(cx.now).wrapping_sub(low_half(tag))) + 1;
            self.rtt.sample(Duration::from_micros(age * JIFFY_MICROS));
            cx.counters.unexpected += 1;
            return;
        };
        self.finish_frame(&sent, ata, cx);
        self.work(cx);
    }

    /// The timer (`rexmit_timer`): everything that came before `cx.now` has been taken in.
    pub(super) fn on_tick(&mut self, cx: &mut Context<'_>) {
        self.next_tick = cx.now + TICK;
        let timeout = self.timeout();
        let expired = self
            .in_flight
            .iter()
            .take_while(|sent| cx.now.saturating_since(sent.at) >= timeout)
            .count();
        let mut late: Vec<Sent> = self.in_flight.drain(..expired).collect();
        late.sort_by_key(|sent| sent.tag.0 % CHAINS);
        if late
            .iter()
            .any(|sent| sent.waited + cx.now.saturating_since(sent.at) >= DEAD_AFTER)
        {
            self.go_down(cx);
            return;
        }
        for sent in &late {
            self.paths.on_timeout(sent.path);
            if sent.waited + cx.now.saturating_since(sent.at) > SCORN_AFTER {
                self.paths.scorn(sent.path);
            }
            cx.counters.timeouts += 1;
        }
        self.deferred.extend(late);
        self.work(cx);
    }

    fn add(&mut self, id: Option<RequestId>, action: Action, cx: &mut Context<'_>) {
        let (kind, lba, data) = match action {
            Action::Identify => (Kind::Identify, 0, vec![0; SECTOR_LEN]),
            Action::Read {
                lba,
                sectors,
                mut buffer,
            } => {
                buffer.resize(sectors as usize * SECTOR_LEN, 0);
                (Kind::Read, lba, buffer)
            }
            Action::Write { lba, data } => (Kind::Write, lba, data),
        };
        let mut request = Request {
            id,
            kind,
            lba,
            data,
            sent: 0,
            frames_out: 0,
            outcome: Ok(()),
            submitted: cx.now,
        };
        if let Err(error) = self.check(&request) {
            request.outcome = Err(error);
            complete(self.address, request, cx);
            return;
        }
        self.queue.push_back(self.requests.insert(request));
        self.work(cx);
    }

    fn check(&self, request: &Request) -> Result<(), DiskError> {
        if self.is_down {
            return Err(DiskError::DeviceDown);
        }
        if request.kind == Kind::Identify {
            return if self.paths.is_empty() {
                Err(DiskError::NoDevice)
            } else {
                Ok(())
            };
        }
        let disk = self.disk.as_ref().ok_or(DiskError::NoDevice)?;
        let sectors = (request.data.len() / SECTOR_LEN) as u64;
        let whole = sectors > 0 && request.data.len().is_multiple_of(SECTOR_LEN);
        let fits = request
            .lba
            .checked_add(sectors)
            .is_some_and(|end| end <= disk.sectors);
        if whole && fits {
            Ok(())
        } else {
            Err(DiskError::NoSuchSectors)
        }
    }

    /// Sends what the window allows: first what has to be sent again, then new frames (`aoecmd_work`).
    fn work(&mut self, cx: &mut Context<'_>) {
        for _ in 0..self.deferred.len() {
            let Some(mut sent) = self.deferred.pop_front() else {
                break;
            };
            if let Some(path) = self.paths.claim_again(sent.path) {
                sent.path = path;
                sent.waited += cx.now.saturating_since(sent.at);
                cx.counters.retransmits += 1;
                self.send(sent, cx);
            } else {
                self.deferred.push_back(sent);
            }
        }
        let room = usize::from(self.paths.sectors_per_frame()) * SECTOR_LEN;
        while let Some(&slot) = self.queue.front()
            && let Some(request) = self.requests.get_mut(slot)
            && let Some(path) = self.paths.claim()
        {
            let len = room.min(request.data.len() - request.sent);
            let offset = request.sent;
            request.sent += len;
            request.frames_out += 1;
            if request.sent == request.data.len() {
                self.queue.pop_front();
            }
            let sectors = u8::try_from(len / SECTOR_LEN).unwrap_or(u8::MAX);
            let waited = Duration::ZERO;
            self.send(
                Sent {
                    tag: UNSENT,
                    request: slot,
                    offset,
                    sectors,
                    path,
                    at: cx.now,
                    waited,
                },
                cx,
            );
        }
    }

    /// Sends a frame, for the first time or again, in both cases under a new tag (`newtag`), but for
    /// [`Habit::SameTag`].
    fn send(&mut self, mut sent: Sent, cx: &mut Context<'_>) {
        let Some(request) = self.requests.get_mut(sent.request) else {
            return;
        };
        if sent.tag == UNSENT || self.habit == Habit::NewTags {
            self.tag_counter = self.tag_counter.wrapping_add(1) & 0x7fff;
            sent.tag = Tag(u32::from(self.tag_counter) << 16 | u32::from(jiffies(cx.now)));
        }
        sent.at = cx.now;
        let header = Header {
            version: 1,
            flags: Flags::REQUEST,
            error: 0,
            address: self.address,
            command: AoeCommand::Ata,
            tag: sent.tag,
        };
        let wide = self.disk.as_ref().is_some_and(|disk| disk.has_wide_addresses);
        let lba = request.lba + (sent.offset / SECTOR_LEN) as u64;
        let ata = request.kind.registers(lba, sent.sectors, wide);
        let end = sent.offset + usize::from(sent.sectors) * SECTOR_LEN;
        let data = match request.kind {
            Kind::Write => request.data.get(sent.offset..end).unwrap_or_default(),
            Kind::Read | Kind::Identify => &[],
        };
        cx.out
            .push_ata((self.paths.mac(sent.path), cx.mac), &header, &ata, data);
        cx.counters.frames_sent += 1;
        self.in_flight.push(sent);
    }

    fn finish_frame(&mut self, sent: &Sent, ata: &Ata<'_>, cx: &mut Context<'_>) {
        let Some(request) = self.requests.get_mut(sent.request) else {
            return;
        };
        let len = usize::from(sent.sectors) * SECTOR_LEN;
        let outcome = if !ata.is_success() {
            Err(DiskError::Status {
                status: ata.status(),
                error: ata.error(),
            })
        } else if request.kind == Kind::Write {
            Ok(())
        } else {
            let room = request.data.get_mut(sent.offset..sent.offset + len);
            match (ata.data().get(..len), room) {
                (Some(data), Some(room)) => {
                    room.copy_from_slice(data);
                    Ok(())
                }
                _ => Err(DiskError::ShortRead),
            }
        };
        request.outcome = request.outcome.and(outcome);
        request.frames_out -= 1;
        if request.frames_out == 0
            && request.sent == request.data.len()
            && let Some(request) = self.requests.remove(sent.request)
        {
            if request.kind == Kind::Identify && request.outcome.is_ok() {
                self.disk = Some(DiskFacts::from_identify(&request.data));
            }
            complete(self.address, request, cx);
        }
    }

    /// Gives the device up: every request fails (`aoedev_downdev`).
    fn go_down(&mut self, cx: &mut Context<'_>) {
        self.is_down = true;
        self.in_flight.clear();
        self.deferred.clear();
        self.queue.clear();
        self.paths.on_device_down();
        for mut request in self.requests.drain() {
            request.outcome = Err(DiskError::DeviceDown);
            complete(self.address, request, cx);
        }
    }
}

fn complete(address: Address, request: Request, cx: &mut Context<'_>) {
    // The driver's own IDENTIFY is nobody's request.
    let Some(id) = request.id else { return };
    cx.completions.push_back(Completion {
        id,
        address,
        lba: request.lba,
        data: request.data,
        outcome: request.outcome,
        submitted: request.submitted,
        finished: cx.now,
    });
}

/// The low half of the kernel's tick counter.
fn jiffies(now: Instant) -> u16 {
    u16::try_from(now.as_micros() / JIFFY_MICROS % 0x1_0000).unwrap_or(0)
}

fn low_half(tag: Tag) -> u16 {
    u16::try_from(tag.0 & 0xffff).unwrap_or(0)
}
