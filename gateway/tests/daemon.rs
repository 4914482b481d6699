//! The real program in a network namespace: segments that come and go, signals, and missing rights.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod running;
mod support;

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use aoe_gateway::segment::gateway_mac;
use aoe_gateway::sys::link;
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket};
use aoe_keys::SecretKey;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, chown};

use running::{CARD_AND_TAP, Daemon, Site};
use support::{Net, frame, in_namespace, state};

/// Sends frames into a device from the other end of its cable, until the gateway has counted them.
fn frames_arrive(daemon: &mut Daemon, far: &str) {
    let before = daemon.counter("frames_received");
    let link = link::by_name(far).unwrap().unwrap();
    let mut socket = PacketSocket::open(link.index, PacketOptions::ethertype(0x88a2)).unwrap();
    let frames: Vec<_> = (0..10)
        .map(|n| frame([0xff; 6], link.mac.0, 0x88a2, n, 60))
        .collect();
    assert_eq!(socket.send_batch(frames.iter().map(Vec::as_slice)).sent, 10);
    // The order of frame and signal is not defined, so ask until they are there.
    for _ in 0..100 {
        if daemon.counter("frames_received") >= before + 10 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("frames from {far} do not arrive:\n{}", daemon.read.join("\n"));
}

#[test]
fn a_card_may_come_late_go_change_and_come_back_and_frames_flow_again_by_themselves() {
    in_namespace(|net: &Net| {
        let mut daemon = Site::lonely(CARD_AND_TAP).start();
        daemon.expect("segment san waits for eth1: there is no such device");
        daemon.expect("ready");

        net.cable("eth1", "far");
        let mac = link::by_name("eth1").unwrap().unwrap().mac;
        daemon.expect(&format!("segment san is attached to eth1 (MAC {mac}, MTU 1500)"));
        frames_arrive(&mut daemon, "far");

        net.mtu("eth1", 9000);
        daemon.expect("segment san is up on eth1");
        net.down("eth1");
        daemon.expect("eth1: the device is switched off");
        net.address("eth1", [2, 0, 0, 0, 0, 7]);
        net.up("eth1");
        daemon.expect("segment san is attached to eth1 (MAC 02:00:00:00:00:07, MTU 9000)");
        support::eventually("the cable carries", || state("far") == Some(link::LinkState::Up));
        frames_arrive(&mut daemon, "far");

        net.down("far");
        daemon.expect("eth1: the device has no carrier");
        net.up("far");
        daemon.expect("segment san is attached to eth1");

        net.delete("eth1");
        daemon.expect("eth1: there is no such device");
        net.cable("eth1", "far");
        daemon.expect("segment san is attached to eth1");
        frames_arrive(&mut daemon, "far");

        let (status, log) = daemon.end(Signal::SIGTERM);
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("counters frames_received="), "{log}");
        assert!(!log.contains("ERROR"), "{log}");
    });
}

#[test]
fn a_tap_is_made_at_the_start_made_again_when_deleted_and_removed_at_the_end() {
    in_namespace(|net: &Net| {
        let mut daemon = Site::lonely(CARD_AND_TAP).start();
        let mac = gateway_mac("site-a", "lab");
        daemon.expect(&format!("segment lab is attached to aoe0 (MAC {mac}, MTU 9000)"));
        daemon.expect("ready");
        assert_ne!(link::by_name("aoe0").unwrap().unwrap().mac, mac);
        frames_arrive(&mut daemon, "aoe0");

        net.down("aoe0");
        daemon.expect("segment lab is down on aoe0: the device is switched off");
        net.up("aoe0");
        daemon.expect(&format!("segment lab is up on aoe0 (MAC {mac}, MTU 9000)"));
        frames_arrive(&mut daemon, "aoe0");

        net.delete("aoe0");
        daemon.expect("aoe0: ");
        daemon.expect("segment lab is attached to aoe0");
        frames_arrive(&mut daemon, "aoe0");

        let (status, log) = daemon.end(Signal::SIGINT);
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(state("aoe0"), None);
        assert!(
            log.lines()
                .next_back()
                .is_some_and(|line| line.contains("counters")),
            "{log}"
        );
    });
}

#[test]
fn a_missing_right_ends_the_start_with_its_name_and_how_to_give_it() {
    in_namespace(|_| {
        let cases = [
            ("nic = \"eth1\"", "CAP_NET_RAW"),
            ("tap = \"aoe0\"", "CAP_NET_ADMIN"),
        ];
        for (device, capability) in cases {
            let site = Site::lonely(&format!("[[segment]]\nname = \"san\"\n{device}\n"));
            // A user namespace of its own: every right there, none in our network namespace.
            let output = site.command(&["unshare", "--user"]).output().unwrap();
            let log = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(77), "{log}");
            assert!(
                log.contains(&format!("this needs {capability}: run as root")),
                "{log}"
            );
            assert!(
                log.contains(&format!("setcap {}+ep", capability.to_lowercase())),
                "{log}"
            );
        }
    });
}

#[test]
fn two_gateways_find_each_other_by_name_and_one_that_ends_says_so() {
    in_namespace(|_| {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        // The name has addresses of both families on most machines; only one is listened on.
        let tap = |name: &str| format!("[[segment]]\nname = \"san\"\ntap = \"{name}\"\n");
        let caller = Site::new(
            "site-a",
            &a,
            34978,
            &tap("a0"),
            &b.public(),
            "endpoint = \"localhost:34979\"",
        );
        let called = Site::new("site-b", &b, 34979, &tap("b0"), &a.public(), "");
        let mut called = called.start();
        called.expect("ready");
        let mut caller = caller.start();
        caller.expect("session with peer is up");
        called.expect("session with peer is up");
        let (status, log) = caller.end(Signal::SIGTERM);
        assert_eq!(status.code(), Some(0), "{log}");
        called.expect("session with peer is lost");
        assert_eq!(called.end(Signal::SIGTERM).0.code(), Some(0));
    });
}

#[test]
fn nobody_of_the_same_user_can_read_a_gateways_memory_and_it_leaves_no_core() {
    in_namespace(|_| {
        // Root may look into everything, so it runs as somebody else where there is somebody.
        let nobody = [
            "setpriv",
            "--reuid=65534",
            "--inh-caps=+net_raw",
            "--ambient-caps=+net_raw",
        ];
        let mut site = Site::lonely("[[segment]]\nname = \"san\"\nnic = \"eth1\"\n");
        let is_possible = Command::new(nobody[0]).args(&nobody[1..]).arg("true").status();
        if is_possible.is_ok_and(|status| status.success()) {
            for path in [site.dir.path(), &site.dir.path().join("own.key")] {
                chown(path, Some(Uid::from_raw(65534)), None).unwrap();
            }
            site.through = nobody.to_vec();
        }
        let mut daemon = site.start();
        daemon.expect("ready");
        let of_process = |file: &str| format!("/proc/{}/{file}", daemon.id());
        // The kernel gives the files of a process that must not be read to root.
        let owner = std::fs::metadata(of_process("mem")).unwrap().uid();
        assert_eq!(owner, 0, "/proc/PID/mem belongs to the user");
        let limits = std::fs::read_to_string(of_process("limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let words: Vec<_> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{limits}");
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));
    });
}

#[test]
fn memory_is_locked_where_that_is_permitted() {
    in_namespace(|_| {
        let mut daemon = Site::lonely(CARD_AND_TAP).start();
        daemon.expect("ready");
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
        let locked = !locked.unwrap().trim().starts_with("0 ");
        let (_, log) = daemon.end(Signal::SIGTERM);
        // Either it is so, or the log says that it is not.
        assert_ne!(locked, log.contains("memory is not locked"), "{log}");
    });
}
