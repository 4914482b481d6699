//! Packet sockets over a veth cable: what they carry, and what they must not show.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::os::fd::AsFd;
use std::time::Duration;

use aoe_common::frame::Address;
use aoe_gateway::clock::unix_time;
use aoe_gateway::sys::batch::RecvBatch;
use aoe_gateway::sys::link::{self, LinkState};
use aoe_gateway::sys::packet::{Addresses, PacketOptions, PacketSocket, Promiscuous};
use aoe_gateway::sys::poll::{Interest, PollSet};

use support::{eventually, frame, in_namespace, state};

const AOE: u16 = 0x88a2;
const BROADCAST: [u8; 6] = [0xff; 6];
const STRANGER: [u8; 6] = [2, 0, 0, 0, 0, 99];

fn open(name: &str, options: PacketOptions) -> PacketSocket {
    let link = link::by_name(name).unwrap().unwrap();
    PacketSocket::open(link.index, options).unwrap()
}

fn mac(name: &str) -> [u8; 6] {
    link::by_name(name).unwrap().unwrap().mac.0
}

/// Receives until nothing has come for a tenth of a second.
fn drain(socket: &mut PacketSocket) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut batch = RecvBatch::default();
    let mut set = PollSet::with_slots(1);
    set.watch(0, &socket.as_fd(), Interest::Readable);
    while set.wait(Some(Duration::from_millis(100))).unwrap() > 0 {
        socket.recv_batch(&mut batch).unwrap();
        frames.extend(batch.iter().map(<[u8]>::to_vec));
    }
    frames
}

fn send(socket: &mut PacketSocket, frames: &[Vec<u8>]) {
    let outcome = socket.send_batch(frames.iter().map(Vec::as_slice));
    assert_eq!(
        (outcome.sent, outcome.failed),
        (frames.len(), 0),
        "{:?}",
        outcome.gone
    );
}

#[test]
fn frames_cross_in_order_and_unchanged_in_batches_larger_than_one_call() {
    in_namespace(|net| {
        net.cable("a", "b");
        net.mtu("a", 9000);
        net.mtu("b", 9000);
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut b = open("b", PacketOptions::ethertype(AOE));
        let (to, from) = (mac("b"), mac("a"));
        // Small enough for the buffers that a process without privileges gets.
        let small: Vec<_> = (0..150_u8)
            .map(|n| frame(to, from, AOE, n, 60 + usize::from(n)))
            .collect();
        let jumbo: Vec<_> = (0..10_u8)
            .map(|n| frame(to, from, AOE, n, 9014 - usize::from(n)))
            .collect();
        for frames in [small, jumbo] {
            send(&mut a, &frames);
            assert_eq!(drain(&mut b), frames);
        }
        assert_eq!(b.kernel_drops().unwrap(), 0);
    });
}

#[test]
fn what_is_tagged_foreign_or_of_another_type_is_not_shown() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut b = open("b", PacketOptions::ethertype(AOE));
        let (to, from) = (mac("b"), mac("a"));
        let mut tagged = frame(to, from, 0x8100, 0, 80);
        tagged[14..18].copy_from_slice(&[0x00, 0x05, 0x88, 0xa2]);
        let mut service_tagged = frame(to, from, 0x88a8, 0, 80);
        service_tagged[14..18].copy_from_slice(&[0x00, 0x07, 0x88, 0xa2]);
        let wanted = [frame(to, from, AOE, 1, 60), frame(BROADCAST, from, AOE, 2, 60)];
        send(
            &mut a,
            &[
                frame(STRANGER, from, AOE, 3, 60),
                wanted[0].clone(),
                tagged,
                frame(to, from, 0x0800, 4, 60),
                service_tagged,
                wanted[1].clone(),
            ],
        );
        assert_eq!(drain(&mut b), wanted);
    });
}

#[test]
fn even_a_promiscuous_socket_is_not_shown_tagged_frames() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let options = PacketOptions {
            promiscuous: Promiscuous::On,
            ..PacketOptions::ethertype(AOE)
        };
        let mut b = open("b", options);
        let from = mac("a");
        let mut tagged = frame(mac("b"), from, 0x8100, 0, 80);
        tagged[14..18].copy_from_slice(&[0x00, 0x05, 0x88, 0xa2]);
        let foreign = frame(STRANGER, from, AOE, 3, 60);
        send(&mut a, &[tagged, foreign.clone()]);
        assert_eq!(drain(&mut b), [foreign]);
    });
}

#[test]
fn sockets_that_share_a_device_by_addresses_get_what_is_theirs_and_every_broadcast() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let at = |addresses| PacketOptions {
            addresses,
            ..PacketOptions::ethertype(AOE)
        };
        // Enough for several steps of the search, and for jumps over more than 255 instructions.
        let list = |count: u16| {
            (0..count)
                .map(|n| Address {
                    shelf: 2 * n,
                    slot: 7,
                })
                .collect::<Vec<_>>()
        };
        for count in [0, 1, 5, 40, 1000] {
            let mut theirs = open("b", at(Addresses::Only(list(count))));
            let mut rest = open("b", at(Addresses::AllBut(list(count))));
            let to_address = |shelf: u16, slot: u8| {
                let mut frame = frame(mac("b"), mac("a"), AOE, 1, 60);
                frame[16..18].copy_from_slice(&shelf.to_be_bytes());
                frame[18] = slot;
                frame
            };
            let listed = |(shelf, slot): (u16, u8)| shelf % 2 == 0 && shelf / 2 < count && slot == 7;
            let asked = [
                (0, 7),
                (0, 8),
                (1, 7),
                (8, 7),
                (9, 7),
                (78, 7),
                (80, 7),
                (1998, 7),
                (2000, 7),
                (65534, 7),
            ];
            let to_all =
                [(0xffff, 7), (3, 0xff), (0xffff, 0xff)].map(|(shelf, slot)| to_address(shelf, slot));
            let frames = |wanted: bool| {
                let some = asked
                    .into_iter()
                    .filter(move |address| listed(*address) == wanted);
                some.map(|(shelf, slot)| to_address(shelf, slot))
                    .chain(to_all.clone())
                    .collect::<Vec<_>>()
            };
            let mut sent: Vec<_> = asked.map(|(shelf, slot)| to_address(shelf, slot)).to_vec();
            sent.extend(to_all.clone());
            send(&mut a, &sent);
            assert_eq!(drain(&mut theirs), frames(true), "{count} addresses");
            assert_eq!(drain(&mut rest), frames(false), "{count} addresses");
        }
    });
}

#[test]
fn own_emissions_are_not_captured_again() {
    in_namespace(|net| {
        net.cable("a", "b");
        let promiscuous = PacketOptions {
            promiscuous: Promiscuous::On,
            ..PacketOptions::ethertype(AOE)
        };
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut neighbour = open("a", PacketOptions::ethertype(AOE));
        let mut curious = open("a", promiscuous);
        // A sender that does pass the queueing discipline, where the kernel copies frames to listeners.
        let mut sniffer = open("a", PacketOptions::everything());
        let sent = frame(BROADCAST, mac("a"), AOE, 1, 60);
        send(&mut a, std::slice::from_ref(&sent));
        send(&mut sniffer, std::slice::from_ref(&sent));
        for socket in [&mut a, &mut neighbour, &mut curious] {
            assert!(drain(socket).is_empty());
        }
    });
}

#[test]
fn a_sniffer_sees_everything_that_passes() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::everything());
        let mut near = open("a", PacketOptions::everything());
        let mut far = open("b", PacketOptions::everything());
        let from = mac("a");
        let sent = [
            frame(STRANGER, from, AOE, 1, 60),
            frame(mac("b"), from, 0x0800, 2, 90),
        ];
        send(&mut a, &sent);
        for socket in [&mut near, &mut far] {
            let mut seen = drain(socket);
            // The cable's own housekeeping (IPv6 neighbour discovery) is none of this test's business.
            seen.retain(|frame| frame[12..14] != [0x86, 0xdd]);
            assert_eq!(seen, sent);
        }
    });
}

#[test]
fn a_frame_too_long_for_the_device_or_the_slot_costs_only_itself() {
    in_namespace(|net| {
        net.cable("a", "b");
        net.mtu("b", 9000);
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut b = open("b", PacketOptions::ethertype(AOE));
        let (to, from) = (mac("b"), mac("a"));
        let frames = [
            frame(to, from, AOE, 1, 60),
            frame(to, from, AOE, 2, 1600),
            frame(to, from, AOE, 3, 1514),
        ];
        let outcome = a.send_batch(frames.iter().map(Vec::as_slice));
        assert_eq!((outcome.sent, outcome.failed), (2, 1));
        assert!(outcome.gone.is_none());
        let mut small = RecvBatch::new(8, 100);
        assert_eq!(b.recv_batch(&mut small).unwrap(), 2);
        assert_eq!(small.truncated(), 1);
        assert_eq!(small.iter().collect::<Vec<_>>(), [&frames[0][..]]);
    });
}

#[test]
fn a_device_that_goes_down_or_away_is_told_by_errors_and_by_its_link() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut batch = RecvBatch::default();
        assert_eq!(state("a"), Some(LinkState::Up));

        net.down("b");
        eventually("no carrier", || state("a") == Some(LinkState::NoCarrier));

        net.down("a");
        assert_eq!(state("a"), Some(LinkState::Down));
        assert_eq!(
            a.recv_batch(&mut batch).unwrap_err().raw_os_error(),
            Some(libc::ENETDOWN)
        );
        assert_eq!(a.recv_batch(&mut batch).unwrap(), 0);
        let broadcast = frame(BROADCAST, mac("a"), AOE, 1, 60);
        let outcome = a.send_batch([&broadcast[..], &broadcast].into_iter());
        assert_eq!((outcome.sent, outcome.failed), (0, 2));
        assert!(outcome.gone.is_some());

        net.delete("a");
        assert_eq!(state("a"), None);
        let outcome = a.send_batch([&broadcast[..]].into_iter());
        assert!(outcome.gone.is_some(), "{outcome:?}");
    });
}

#[test]
fn a_full_receive_buffer_is_counted_by_the_kernel() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut options = PacketOptions::ethertype(AOE);
        options.buffers.recv = 1;
        let mut b = open("b", options);
        let frames: Vec<_> = (0..200)
            .map(|n| frame(mac("b"), mac("a"), AOE, n, 1514))
            .collect();
        let mut dropped = 0;
        let mut sent = 0;
        for _ in 0..20 {
            sent += a.send_batch(frames.iter().map(Vec::as_slice)).sent;
            dropped += b.kernel_drops().unwrap() as usize;
        }
        let received = drain(&mut b).len();
        assert!(dropped > 0);
        assert_eq!(received + dropped, sent);
    });
}

#[test]
fn the_kernel_says_when_a_frame_came_however_late_it_is_read() {
    in_namespace(|net| {
        net.cable("a", "b");
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut b = open("b", PacketOptions::ethertype(AOE));
        let (to, from) = (mac("b"), mac("a"));
        let before = unix_time();
        send(
            &mut a,
            &[frame(to, from, AOE, 1, 60), frame(to, from, AOE, 2, 60)],
        );
        let mut set = PollSet::with_slots(1);
        set.watch(0, &b.as_fd(), Interest::Readable);
        set.wait(None).unwrap();
        let after = unix_time();
        std::thread::sleep(Duration::from_millis(300));
        let mut batch = RecvBatch::default();
        assert_eq!(b.recv_batch(&mut batch).unwrap(), 2);
        for (_, stamp) in batch.stamped() {
            let stamp = stamp.unwrap();
            assert!(
                before <= stamp && stamp <= after,
                "{before:?} {stamp:?} {after:?}"
            );
        }
    });
}

#[test]
fn while_addresses_change_no_frame_of_one_that_stays_is_missed() {
    const FRAMES: usize = 20_000;
    in_namespace(|net| {
        net.cable("a", "b");
        let list = |slots: &[u8]| {
            slots
                .iter()
                .map(|slot| Address {
                    shelf: 7,
                    slot: *slot,
                })
                .collect()
        };
        let many: Vec<_> = (1..200).collect();
        let sharing = [
            Addresses::Only(list(&[0])),
            Addresses::Only(list(&[0, 1, 2])),
            Addresses::AllBut(list(&many)),
            Addresses::All,
        ];
        let options = PacketOptions {
            addresses: sharing[0].clone(),
            ..PacketOptions::ethertype(AOE)
        };
        let (mut a, mut b) = (open("a", PacketOptions::ethertype(AOE)), open("b", options));
        // Shelf 7, slot 0.
        let mut wanted = frame(mac("b"), mac("a"), AOE, 0, 60);
        wanted[16..19].copy_from_slice(&[0, 7, 0]);
        let sender = std::thread::spawn(move || {
            for _ in 0..FRAMES / 50 {
                send(&mut a, &vec![wanted.clone(); 50]);
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let mut batch = RecvBatch::default();
        let (mut came, mut changes) = (0, 0);
        while !sender.is_finished() {
            b.capture(&sharing[changes % sharing.len()]).unwrap();
            changes += 1;
            came += b.recv_batch(&mut batch).unwrap();
        }
        sender.join().unwrap();
        came += drain(&mut b).len();
        // What the test itself is too slow for is counted.
        assert_eq!(
            came + b.kernel_drops().unwrap() as usize,
            FRAMES,
            "after {changes} changes"
        );
        assert!(
            came > FRAMES / 2 && changes > 20,
            "{came} frames, {changes} changes"
        );
        b.capture(&Addresses::Only(list(&[1]))).unwrap();
        let mut a = open("a", PacketOptions::ethertype(AOE));
        let mut unwanted = frame(mac("b"), mac("a"), AOE, 0, 60);
        unwanted[16..19].copy_from_slice(&[0, 7, 0]);
        send(&mut a, &[unwanted]);
        assert!(drain(&mut b).is_empty());
    });
}
