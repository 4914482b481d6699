//! UDP sockets over loopback: trains go out as one and arrive as what they were.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use aoe_common::output::{Path, Train};
use aoe_gateway::sys::buffers::Buffers;
use aoe_gateway::sys::poll::{Interest, PollSet};
use aoe_gateway::wire::{Offload, Origin, RecvMemory, UdpWire};

const LOOPBACKS: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

fn bind(address: &str) -> (UdpWire, SocketAddr) {
    let wire = UdpWire::bind(address.parse().unwrap(), Buffers::DATA_PLANE).unwrap();
    let local = wire.local_addr().unwrap();
    (wire, local)
}

/// Receives until nothing has come for a tenth of a second: datagrams and how many messages they came in.
fn drain(wire: &mut UdpWire, from: SocketAddr) -> (Vec<Vec<u8>>, usize) {
    let (mut datagrams, mut messages) = (Vec::new(), 0);
    let mut memory = RecvMemory::default();
    let mut set = PollSet::with_slots(1);
    set.watch(0, &wire.as_fd(), Interest::Readable);
    while set.wait(Some(Duration::from_millis(100))).unwrap() > 0 {
        messages += wire
            .recv(&mut memory, |origin, datagram| {
                assert_eq!(origin.remote, from);
                assert_eq!(origin.local, None, "a socket with one address has no choice");
                datagrams.push(datagram.to_vec());
            })
            .unwrap();
    }
    (datagrams, messages)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[test]
fn trains_of_odd_strides_arrive_datagram_by_datagram() {
    for address in LOOPBACKS {
        let (mut from, local) = bind(address);
        let (mut to, remote) = bind(address);
        assert_eq!(from.segmentation_offload(), Offload::Works);
        for (stride, len) in [
            (1, 1),
            (1, 64),
            (7, 64),
            (1252, 64_000),
            (1400, 1399),
            (1400, 1401),
            (8951, 64_999),
        ] {
            let bytes = pattern(len);
            let train = Train {
                path: Path::new(0, remote),
                stride,
                bytes: &bytes,
            };
            let outcome = from.send(train);
            assert_eq!(
                (outcome.sent, outcome.failed),
                (len.div_ceil(stride), 0),
                "{stride} {len} {outcome:?}"
            );
            let (datagrams, messages) = drain(&mut to, local);
            assert!(
                train.datagrams().eq(datagrams.iter().map(Vec::as_slice)),
                "{stride} {len}"
            );
            // Loopback carries a train whole, which is what makes it cheap.
            assert_eq!(messages, 1, "{stride} {len}");
        }
    }
}

#[test]
fn hostile_datagrams_of_every_length_are_handed_over_as_they_are() {
    for address in LOOPBACKS {
        let (mut to, remote) = bind(address);
        let attacker = UdpSocket::bind(address).unwrap();
        let longest = if remote.is_ipv4() { 65_507 } else { 65_527 };
        let lens = [0, 1, 2, 15, 16, 1500, 9000, 65_000, longest, 0];
        let mut received = Vec::new();
        for len in lens {
            attacker.send_to(&pattern(len), remote).unwrap();
            received.extend(drain(&mut to, attacker.local_addr().unwrap()).0);
        }
        assert_eq!(received, lens.map(pattern));
    }
}

#[test]
fn an_answer_leaves_from_the_address_that_was_called_as_long_as_it_is_ours() {
    let (mut wire, bound) = bind("0.0.0.0:0");
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let called = SocketAddr::from(([127, 0, 0, 5], bound.port()));
    peer.send_to(b"call", called).unwrap();
    let (mut memory, mut origins) = (RecvMemory::default(), Vec::new());
    wire.recv(&mut memory, |origin, _| origins.push(origin)).unwrap();
    let remote = peer.local_addr().unwrap();
    let local = Some(called.ip());
    assert_eq!(origins, [Origin { remote, local }]);

    let mut senders = |local| {
        let path = Path {
            local,
            ..Path::new(0, remote)
        };
        let train = Train {
            path,
            stride: 10,
            bytes: &pattern(25),
        };
        assert_eq!(wire.send(train).sent, 3);
        [(); 3].map(|()| peer.recv_from(&mut [0; 16]).unwrap().1)
    };
    assert_eq!(senders(local), [called; 3]);
    // Neither is an address of ours: what has to leave does, from another one.
    for gone in [[192, 0, 2, 9], [127, 255, 255, 255]] {
        let fallback = SocketAddr::from(([127, 0, 0, 1], bound.port()));
        assert_eq!(senders(Some(gone.into())), [fallback; 3]);
    }
    assert_eq!(senders(local), [called; 3], "nothing of it is final");
    assert_eq!(wire.segmentation_offload(), Offload::Works);
}

#[test]
fn a_batch_is_bounded_and_the_rest_comes_with_the_next() {
    let (mut to, remote) = bind("127.0.0.1:0");
    let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..RecvMemory::SLOTS + 3 {
        flood.send_to(b"x", remote).unwrap();
    }
    let mut memory = RecvMemory::default();
    let mut count = 0;
    assert_eq!(
        to.recv(&mut memory, |_, _| count += 1).unwrap(),
        RecvMemory::SLOTS
    );
    assert_eq!(to.recv(&mut memory, |_, _| count += 1).unwrap(), 3);
    assert_eq!(to.recv(&mut memory, |_, _| count += 1).unwrap(), 0);
    assert_eq!(count, RecvMemory::SLOTS + 3);
}

#[test]
fn what_cannot_leave_is_counted_and_the_offload_is_not_blamed() {
    let (mut from, _) = bind("127.0.0.1:0");
    let (mut to, remote) = bind("127.0.0.1:0");
    // Port 0 is nobody's, and IPv6 is not this socket's: errors of the destination, not of the offload.
    for nowhere in ["127.0.0.1:0", "[::1]:9"] {
        let path = Path::new(0, nowhere.parse().unwrap());
        let outcome = from.send(Train {
            path,
            stride: 10,
            bytes: &pattern(95),
        });
        assert_eq!((outcome.sent, outcome.failed), (0, 10), "{nowhere}");
        assert!(outcome.error.is_some());
    }
    let path = Path::new(0, remote);
    assert_eq!(
        from.send(Train {
            path,
            stride: 70_000,
            bytes: &pattern(70_000)
        })
        .failed,
        1
    );
    assert_eq!(from.segmentation_offload(), Offload::Works);
    assert_eq!(
        from.send(Train {
            path,
            stride: 10,
            bytes: &pattern(95)
        })
        .sent,
        10
    );
    assert_eq!(drain(&mut to, from.local_addr().unwrap()).1, 1);
}

#[test]
fn both_families_listen_on_one_port() {
    let (_v6, local) = bind("[::]:0");
    UdpWire::bind(
        SocketAddr::new("0.0.0.0".parse().unwrap(), local.port()),
        Buffers::DATA_PLANE,
    )
    .unwrap();
}

#[test]
fn a_taken_address_is_an_error() {
    let (_first, local) = bind("127.0.0.1:0");
    assert_eq!(
        UdpWire::bind(local, Buffers::DATA_PLANE).unwrap_err().kind(),
        std::io::ErrorKind::AddrInUse
    );
}
