//! TAP devices: made, used from both sides, and gone.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use aoe_gateway::segment::Tap;
use aoe_gateway::sys::batch::RecvBatch;
use aoe_gateway::sys::link::{self, LinkKind, LinkState};
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket};
use aoe_gateway::sys::poll::{Interest, PollSet};

use support::{eventually, frame, in_namespace, state};

const AOE: u16 = 0x88a2;
const BROADCAST: [u8; 6] = [0xff; 6];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// The host's side of a device.
fn host(name: &str) -> PacketSocket {
    let link = link::by_name(name).unwrap().unwrap();
    PacketSocket::open(link.index, PacketOptions::ethertype(AOE)).unwrap()
}

/// Another name for a descriptor, to wait for while its owner is in use.
fn fd(owner: &impl AsFd) -> OwnedFd {
    owner.as_fd().try_clone_to_owned().unwrap()
}

/// Receives until nothing has come for a tenth of a second.
fn drain(fd: OwnedFd, mut receive: impl FnMut(&mut RecvBatch) -> io::Result<usize>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut batch = RecvBatch::default();
    let mut set = PollSet::with_slots(1);
    set.watch(0, &fd, Interest::Readable);
    while set.wait(Some(Duration::from_millis(100))).unwrap() > 0 {
        receive(&mut batch).unwrap();
        frames.extend(
            batch
                .iter()
                .map(<[u8]>::to_vec)
                .filter(|frame| frame[12..14] == AOE.to_be_bytes()),
        );
    }
    frames
}

#[test]
fn the_device_is_ethernet_up_and_of_the_asked_size_and_goes_with_its_owner() {
    in_namespace(|_| {
        let tap = Tap::create("aoe0", 9000).unwrap();
        let link = link::by_name("aoe0").unwrap().unwrap();
        assert_eq!((link.mtu, link.kind), (9000, LinkKind::Ethernet));
        eventually("the device works", || state("aoe0") == Some(LinkState::Up));
        drop(tap);
        assert_eq!(state("aoe0"), None);
    });
}

#[test]
fn frames_cross_both_ways_in_order_and_unchanged_in_several_batches() {
    in_namespace(|_| {
        let mut tap = Tap::create("aoe0", 9000).unwrap();
        eventually("the device works", || state("aoe0") == Some(LinkState::Up));
        let mut host = host("aoe0");
        let mac = link::by_name("aoe0").unwrap().unwrap().mac.0;
        // Small enough for the buffers that a process without privileges gets; one is as long as they come.
        let len = |n: u8| if n == 100 { 9014 } else { 60 + usize::from(n) };

        let frames: Vec<_> = (0..150).map(|n| frame(GATEWAY, mac, AOE, n, len(n))).collect();
        let outcome = host.send_batch(frames.iter().map(Vec::as_slice));
        assert_eq!((outcome.sent, outcome.failed), (150, 0));
        let mut batch = RecvBatch::default();
        assert_eq!(tap.recv_batch(&mut batch).unwrap(), RecvBatch::SLOTS);
        let mut received: Vec<_> = batch.iter().map(<[u8]>::to_vec).collect();
        // The host's own housekeeping (IPv6 neighbour discovery) is none of this test's business.
        received.retain(|frame| frame[12..14] == AOE.to_be_bytes());
        received.extend(drain(fd(&tap), |batch| tap.recv_batch(batch)));
        assert_eq!(received, frames);

        let replies: Vec<_> = (0..150).map(|n| frame(mac, GATEWAY, AOE, n, len(n))).collect();
        let outcome = tap.send_batch(replies.iter().map(Vec::as_slice));
        assert_eq!((outcome.sent, outcome.failed), (150, 0));
        assert_eq!(drain(fd(&host), |batch| host.recv_batch(batch)), replies);
    });
}

#[test]
fn a_device_switched_off_loses_frames_and_works_again_when_on() {
    in_namespace(|net| {
        let mut tap = Tap::create("aoe0", 1500).unwrap();
        let mut batch = RecvBatch::default();
        let announcement = frame(BROADCAST, GATEWAY, AOE, 0, 60);
        net.down("aoe0");
        let outcome = tap.send_batch([&announcement[..], &announcement].into_iter());
        assert_eq!((outcome.sent, outcome.failed), (0, 2));
        assert!(outcome.gone.is_none(), "{outcome:?}");
        while tap.recv_batch(&mut batch).unwrap() > 0 {}
        net.up("aoe0");
        let mut host = host("aoe0");
        assert_eq!(tap.send_batch([&announcement[..]].into_iter()).sent, 1);
        assert_eq!(drain(fd(&host), |batch| host.recv_batch(batch)), [announcement]);
    });
}

#[test]
fn a_device_deleted_by_somebody_else_is_told_by_both_directions() {
    in_namespace(|net| {
        let mut tap = Tap::create("aoe0", 1500).unwrap();
        net.delete("aoe0");
        let announcement = frame(BROADCAST, GATEWAY, AOE, 0, 60);
        let outcome = tap.send_batch([&announcement[..], &announcement].into_iter());
        assert_eq!((outcome.sent, outcome.failed), (0, 2));
        assert!(outcome.gone.is_some(), "{outcome:?}");
        assert!(tap.recv_batch(&mut RecvBatch::default()).is_err());
        // The name is free although the old descriptor is still open.
        Tap::create("aoe0", 1500).unwrap();
    });
}

#[test]
fn a_device_made_beforehand_stays_as_it_is() {
    in_namespace(|_| {
        ip("tuntap add dev aoe0 mode tap multi_queue vnet_hdr");
        ip("link set aoe0 mtu 4000");
        let tap = Tap::create("aoe0", 9000).unwrap();
        let link = link::by_name("aoe0").unwrap().unwrap();
        assert_eq!(link.mtu, 4000);
        assert!(link.tun.unwrap().multi_queue && link.state != LinkState::Down);
        // The kernel would give each of two a part of the frames.
        let busy = Tap::create("aoe0", 9000).unwrap_err();
        assert_eq!(busy.raw_os_error(), Some(libc::EBUSY));
        drop(tap);
        assert_eq!(link::by_name("aoe0").unwrap().unwrap().mtu, 4000);
    });
}

#[test]
fn a_long_name_finds_a_device_and_what_it_is_a_port_of() {
    in_namespace(|net| {
        net.cable("a", "b");
        ip("link property add dev a altname a-card-by-its-place-on-the-third-bus");
        ip("link add br0 type bridge");
        ip("link set dev a master br0");
        let link = link::by_name("a-card-by-its-place-on-the-third-bus")
            .unwrap()
            .unwrap();
        assert_eq!((link.index, link.name.as_str()), (net.index("a"), "a"));
        assert_eq!(link.driver.as_deref(), Some("veth"));
        let master = link.master.unwrap();
        assert_eq!((master.name.as_str(), master.driver.as_str()), ("br0", "bridge"));
    });
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

#[test]
fn a_name_that_belongs_to_another_device_is_refused() {
    in_namespace(|net| {
        net.cable("a", "b");
        let refused = Tap::create("a", 1500).unwrap_err().to_string();
        assert!(refused.contains("no TAP (veth)"), "{refused}");
        ip("tuntap add dev tun0 mode tun");
        let refused = Tap::create("tun0", 1500).unwrap_err().to_string();
        assert!(refused.contains("a TUN device, which carries IP"), "{refused}");
        let _held = Tap::create("aoe0", 1500).unwrap();
        assert!(Tap::create("aoe0", 1500).is_err());
    });
}
