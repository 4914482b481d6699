use super::*;
use crate::frames::Padding;
use crate::initiator::DiskError;
use crate::target::{Answering, Backing, Blade, BladeAccess, BladeSettings, Target};

const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const DISK: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const E7_3: Address = Address { shelf: 7, slot: 3 };

/// A driver and a target on a wire with a delay, under virtual time.
struct World {
    now: Instant,
    driver: Driver,
    target: Target,
    delay: Duration,
    /// Frames under way, with the moment they arrive and whether they go to the target.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    /// Decides by the number of the request frame whether it is lost.
    is_lost: fn(u64) -> bool,
    requests: u64,
    tags: Vec<u32>,
}

impl World {
    fn new(buffer_count: u16, delay: Duration) -> Self {
        let mut target = Target::new(DISK, 1500);
        let settings = BladeSettings {
            buffer_count,
            ..BladeSettings::default()
        };
        target.add(Blade::new(E7_3, Backing::ram(10_000), settings));
        World {
            now: Instant::from_micros(1_000_000),
            driver: Driver::new(HOST, 1500),
            target,
            delay,
            wire: Vec::new(),
            is_lost: |_| false,
            requests: 0,
            tags: Vec::new(),
        }
    }

    fn put(&mut self, frames: &Frames, to_target: bool) {
        for frame in frames.iter() {
            if to_target {
                self.requests += 1;
                self.tags
                    .push(u32::from_be_bytes(frame[20..24].try_into().unwrap()));
                if (self.is_lost)(self.requests) {
                    continue;
                }
            }
            self.wire.push((self.now + self.delay, to_target, frame.to_vec()));
        }
    }

    fn tell(&mut self, act: impl FnOnce(&mut Driver, Instant, &mut Frames)) {
        let mut out = Frames::new(Padding::None);
        act(&mut self.driver, self.now, &mut out);
        self.put(&out, true);
    }

    /// Runs until `until` holds; panics after five virtual minutes.
    fn run(&mut self, until: impl Fn(&World) -> bool) {
        let end = self.now + Duration::from_secs(300);
        while !until(self) {
            let arrival = self
                .wire
                .iter()
                .map(|(at, ..)| *at)
                .min()
                .unwrap_or(Instant::NEVER);
            self.now = arrival
                .min(self.driver.deadline())
                .min(self.target.deadline())
                .max(self.now);
            assert!(self.now < end, "nothing more happens");
            let (due, rest) = std::mem::take(&mut self.wire)
                .into_iter()
                .partition(|(at, ..)| *at <= self.now);
            self.wire = rest;
            let mut replies = Frames::new(Padding::Minimum);
            for (_, to_target, frame) in &due {
                let now = self.now;
                if *to_target {
                    self.target.begin_batch();
                    self.target.handle_frame(frame, now, &mut replies);
                } else {
                    self.tell(|driver, now, out| driver.handle_frame(frame, now, out));
                }
            }
            self.target.handle_timeout(self.now, &mut replies);
            self.put(&replies, false);
            self.tell(|driver, now, out| driver.handle_timeout(now, out));
        }
    }

    fn open(&mut self) {
        self.tell(|driver, _, out| driver.open(E7_3, out));
        self.driver.close(E7_3);
        self.run(|world| world.driver.disk(E7_3).is_some());
        self.tell(|driver, _, out| driver.open(E7_3, out));
        self.run(|world| world.wire.is_empty());
    }

    fn request(&mut self, action: Action) -> Completion {
        self.tell(|driver, now, out| {
            driver.submit(E7_3, action, now, out);
        });
        self.run(|world| !world.driver.completions.is_empty());
        self.driver.poll_completion().unwrap()
    }

    fn write(&mut self, lba: u64, data: Vec<u8>) -> Completion {
        self.request(Action::Write { lba, data })
    }

    fn read(&mut self, lba: u64, sectors: u32) -> Completion {
        self.request(Action::Read {
            lba,
            sectors,
            buffer: vec![9; 3],
        })
    }
}

fn bytes(sectors: usize) -> Vec<u8> {
    (0..sectors * 512)
        .map(|at| u8::try_from(at * 7 / 3 % 256).unwrap())
        .collect()
}

#[test]
fn a_disk_is_found_identified_written_and_read() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    let disk = world.driver.disk(E7_3).unwrap();
    assert_eq!(
        (disk.sectors, disk.has_wide_addresses, disk.serial.as_str()),
        (10_000, true, "LAB0001")
    );
    let data = bytes(101);
    assert_eq!(world.write(50, data.clone()).outcome, Ok(()));
    assert_eq!(world.read(50, 101).data, data);
    assert_eq!(world.driver.counters().retransmits, 0);
    let found = world.driver.take_found();
    assert_eq!(
        (
            found[0].address,
            found[0].mac,
            found[0].buffer_count,
            found[0].sectors
        ),
        (E7_3, DISK, 16, 2)
    );
}

#[test]
fn requests_that_make_no_sense_fail_without_a_frame() {
    let mut world = World::new(16, Duration::ZERO);
    assert_eq!(world.read(0, 1).outcome, Err(DiskError::NoDevice));
    world.open();
    let sent = world.requests;
    assert_eq!(world.read(9_999, 2).outcome, Err(DiskError::NoSuchSectors));
    assert_eq!(world.read(u64::MAX, 2).outcome, Err(DiskError::NoSuchSectors));
    assert_eq!(
        world.write(0, vec![0; 100]).outcome,
        Err(DiskError::NoSuchSectors)
    );
    assert_eq!(world.write(0, vec![]).outcome, Err(DiskError::NoSuchSectors));
    assert_eq!(world.requests, sent);
}

#[test]
fn an_error_status_ends_the_request_at_once_and_an_aoe_error_does_not() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    world.target.blade_mut(E7_3).unwrap().settings_mut().access = BladeAccess::ReadOnly;
    let start = world.now;
    let refused = world.write(0, bytes(1));
    assert_eq!(
        refused.outcome,
        Err(DiskError::Status {
            status: 0x41,
            error: 4
        })
    );
    assert!(world.now.saturating_since(start) < Duration::from_millis(1));

    // A target whose limit shrank answers with AoE error 2, which the driver drops: it repeats until it is dead.
    world.target.blade_mut(E7_3).unwrap().settings_mut().sectors_limit = 1;
    let dead = world.read(0, 2);
    assert_eq!(dead.outcome, Err(DiskError::DeviceDown));
    assert!(world.driver.counters().error_responses > 5);
    assert!(world.now.saturating_since(start) > Duration::from_secs(180));
}

#[test]
fn the_window_begins_at_half_the_buffers_and_grows_to_them() {
    let mut world = World::new(16, Duration::from_millis(5));
    world.open();
    world.tell(|driver, now, out| {
        driver.submit(
            E7_3,
            Action::Read {
                lba: 0,
                sectors: 8000,
                buffer: vec![],
            },
            now,
            out,
        );
    });
    assert_eq!(world.driver.window(E7_3), Some((8, 8)));
    world.run(|world| !world.driver.completions.is_empty());
    assert_eq!(world.driver.window(E7_3), Some((16, 0)));
    assert_eq!(world.target.counters().overflows, 0);
}

#[test]
fn a_lost_frame_is_repeated_under_a_new_tag_after_the_timeout_and_within_a_tick() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    let lost_from = world.requests;
    assert_eq!(lost_from, 3, "two queries and one IDENTIFY");
    world.is_lost = |number| number == 4;
    let timeout = world.driver.retransmit_timeout(E7_3).unwrap();
    let start = world.now;
    assert_eq!(world.write(0, bytes(1)).outcome, Ok(()));
    let took = world.now.saturating_since(start);
    assert!(
        took >= timeout && took < timeout + Duration::from_millis(105),
        "{took:?} against {timeout:?}"
    );
    assert!(took > Duration::from_secs(14), "the first timeouts are that long");
    assert_eq!(world.driver.counters().retransmits, 1);
    let (first, second) = (world.tags[3], world.tags[4]);
    assert_ne!(first, second);
    assert_eq!((second >> 16) - (first >> 16), 1, "the counter goes up by one");
    assert_eq!(first >> 31, 0);
    assert_eq!(
        world.driver.window(E7_3).unwrap().0,
        2,
        "one after the timeout, one more by the reply"
    );
}

#[test]
fn a_reply_to_a_superseded_copy_is_unexpected_and_lifts_the_timeout() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    for lba in 0..3000 {
        world.read(lba, 1);
    }
    let calm = world.driver.retransmit_timeout(E7_3).unwrap();
    assert!(calm < Duration::from_millis(5), "{calm:?}");
    world.delay = Duration::from_millis(300);
    assert_eq!(world.read(0, 1).outcome, Ok(()));
    assert!(world.driver.counters().retransmits >= 1);
    world.run(|world| world.wire.is_empty());
    assert!(world.driver.counters().unexpected >= 1);
    assert!(world.driver.retransmit_timeout(E7_3).unwrap() > Duration::from_millis(500));
}

#[test]
fn a_silent_target_is_given_up_after_three_minutes_and_comes_back_when_closed() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    world.target.set_answering(Answering::Never);
    let start = world.now;
    let data = bytes(40);
    assert_eq!(world.write(0, data).outcome, Err(DiskError::DeviceDown));
    let took = world.now.saturating_since(start).as_secs();
    assert!((181..200).contains(&took), "{took} s");
    assert_eq!(
        world.read(0, 1).outcome,
        Err(DiskError::DeviceDown),
        "further requests fail at once"
    );

    world.target.set_answering(Answering::Normally);
    world.tell(|driver, _, out| driver.query(E7_3, out));
    world.run(|world| world.wire.is_empty());
    assert!(world.driver.disk(E7_3).is_none(), "an open device stays down");
    world.driver.close(E7_3);
    world.tell(|driver, _, out| driver.query(E7_3, out));
    world.run(|world| world.driver.disk(E7_3).is_some());
    assert_eq!(world.read(0, 1).outcome, Ok(()));
}

#[test]
fn frames_are_never_bigger_than_mtu_and_target_allow() {
    for (mtu, limit, expected) in [(1500, 255, 2), (9000, 255, 17), (9000, 8, 8), (548, 255, 1)] {
        let mut world = World::new(16, Duration::ZERO);
        world.driver.set_link(HOST, mtu);
        world.target.set_link(DISK, 9000);
        world.target.blade_mut(E7_3).unwrap().settings_mut().sectors_limit = limit;
        world.open();
        assert_eq!(
            world.driver.sectors_per_frame(E7_3),
            Some(expected),
            "MTU {mtu}, limit {limit}"
        );
        assert_eq!(world.write(3, bytes(35)).outcome, Ok(()));
        assert_eq!(world.read(3, 35).data, bytes(35));
    }
}

#[test]
fn two_responders_for_one_address_take_turns() {
    let mut world = World::new(16, Duration::ZERO);
    world.open();
    let mut out = Frames::new(Padding::Minimum);
    let other = MacAddr([2, 0, 0, 0, 0, 7]);
    let mut second = Target::new(other, 1500);
    second.add(Blade::new(E7_3, Backing::ram(10_000), BladeSettings::default()));
    second.advertise(&mut out);
    let advert = out.iter().next().unwrap().to_vec();
    world.tell(|driver, now, out| driver.handle_frame(&advert, now, out));
    let mut out = Frames::new(Padding::None);
    world.driver.submit(
        E7_3,
        Action::Read {
            lba: 0,
            sectors: 8,
            buffer: vec![],
        },
        world.now,
        &mut out,
    );
    let destinations: Vec<_> = out.iter().map(|frame| frame[5]).collect();
    assert_eq!(destinations.len(), 4);
    assert_eq!(
        destinations.iter().filter(|last| **last == 7).count(),
        2,
        "{destinations:?}"
    );
}

#[test]
fn the_timer_ticks_on_its_own_and_after_a_loss_repeats_one_frame_a_tick() {
    let mut world = World::new(16, Duration::from_micros(100));
    world.open();
    for lba in 0..3000 {
        world.read(lba, 1);
    }
    world.target.set_answering(Answering::Never);
    world.tell(|driver, now, out| {
        let buffer = vec![];
        driver.submit(
            E7_3,
            Action::Read {
                lba: 0,
                sectors: 32,
                buffer,
            },
            now,
            out,
        );
    });
    assert_eq!(world.driver.window(E7_3), Some((8, 8)));
    let first = world.driver.deadline();
    let sent = world.requests;
    for tick in 0..40 {
        assert_eq!(world.driver.deadline(), first + Duration::from_millis(104) * tick);
        world.now = world.driver.deadline();
        world.tell(|driver, now, out| driver.handle_timeout(now, out));
        // What a real driver was seen to do: the window is 1, and every outstanding frame has its turn.
        assert_eq!(world.requests - sent, u64::from(tick) + 1);
        assert_eq!(world.driver.window(E7_3), Some((1, 1)));
    }
    assert_eq!(world.driver.counters().timeouts, 8 + 39);
}

#[test]
fn a_full_window_leaves_no_room_for_identify() {
    let mut world = World::new(2, Duration::from_micros(100));
    world.open();
    world.target.set_answering(Answering::Never);
    let action = Action::Read {
        lba: 0,
        sectors: 2,
        buffer: vec![],
    };
    world.tell(|driver, now, out| {
        driver.submit(E7_3, action, now, out);
    });
    world.driver.close(E7_3);
    let before = (world.requests, world.driver.retransmit_timeout(E7_3));
    let mut advert = Frames::new(Padding::Minimum);
    world.target.advertise(&mut advert);
    let advert = advert.iter().next().unwrap().to_vec();
    world.tell(|driver, now, out| driver.handle_frame(&advert, now, out));
    assert_eq!(
        (world.requests, world.driver.retransmit_timeout(E7_3)),
        before,
        "not asked, and nothing forgotten"
    );
}

#[test]
fn what_the_driver_ignores_leaves_no_device() {
    let mut driver = Driver::new(HOST, 1500);
    let mut out = Frames::new(Padding::None);
    for address in [
        Address {
            shelf: 0xfff,
            slot: 0,
        },
        Address::BROADCAST,
        Address { shelf: 1, slot: 0xff },
    ] {
        let mut target = Target::new(DISK, 1500);
        target.add(Blade::new(address, Backing::ram(8), BladeSettings::default()));
        let mut advert = Frames::new(Padding::Minimum);
        target.advertise(&mut advert);
        driver.handle_frame(advert.iter().next().unwrap(), Instant::from_micros(5), &mut out);
    }
    assert!(out.is_empty() && driver.take_found().is_empty());
    assert_eq!(driver.counters().ignored, 3);
}
