//! The real program becomes what another configuration says.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod running;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use aoe_gateway::sys::link;
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket};
use aoe_keys::store::{Existing, write_psk};
use aoe_keys::{Psk, SecretKey};
use nix::sys::signal::Signal;

use running::{Daemon, EXPORT, IMPORT, Site, TAP, sharing};
use support::in_namespace;

#[test]
fn what_differs_is_said_beforehand_made_by_the_command_and_said_in_the_same_words() {
    in_namespace(|_| {
        let mut daemon = sharing();
        assert_eq!(
            daemon.reload(),
            (
                0,
                "nothing changes: the gateway runs with this already\n".to_owned()
            )
        );
        daemon.expect("INFO reload by user 0, process ");
        daemon.site.write(
            "exports.d/backup.toml",
            &EXPORT.replace("read-write", "read-only"),
        );
        daemon.site.write(
            "exports.d/extra.toml",
            &EXPORT.replace("backup", "extra").replace("e7.3", "e7.4"),
        );
        daemon
            .site
            .edit("gateway.toml", "as = \"e107.3\"", "as = \"e107.4\"");
        daemon
            .site
            .edit("gateway.toml", "\"own.key\"\n", "\"own.key\"\nmax_age = \"2s\"\n");
        let words = "peer loses write on backup\nimport e107.3 disappears\nexport extra appears: target e7.4 on lab\n\
                     import e107.4 of peer/vault appears on lab\npeer gains read and write on extra\n\
                     max_age 1s becomes 2s\n";
        // A candidate is looked at before it is moved into place.
        daemon.site.write("new.toml", &daemon.site.read("gateway.toml"));
        for config in ["gateway.toml", "new.toml"] {
            assert_eq!(
                daemon.diff(config),
                (0, format!("{words}a reload would make 6 changes\n"))
            );
        }
        assert_eq!(
            daemon.names("exports", "name"),
            ["backup"],
            "nothing was changed yet"
        );
        assert_eq!(daemon.reload(), (0, format!("{words}6 changes made\n")));
        let line = daemon.expect("INFO reload by user 0, process ");
        assert!(line.ends_with(": 6 changes"), "{line}");
        daemon.expect("INFO reload: peer loses write on backup");
        assert_eq!(daemon.names("exports", "name"), ["backup", "extra"]);
        let document = daemon.document();
        assert_eq!(document["gateway"]["reloads"], 1);
        assert_eq!(document["exports"][0]["allow"][0]["access"], "read-only");
        assert_eq!(
            daemon.reload().1,
            "nothing changes: the gateway runs with this already\n"
        );
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));
    });
}

#[test]
fn a_signal_reloads_too_and_what_to_log_follows_unless_the_command_line_says() {
    in_namespace(|_| {
        let mut daemon = sharing();
        daemon
            .site
            .edit("gateway.toml", "\"own.key\"\n", "\"own.key\"\nlog = \"debug\"\n");
        daemon.signal(Signal::SIGHUP);
        daemon.expect("INFO reload by SIGHUP: 1 change");
        daemon.expect("INFO reload: log info becomes debug");
        daemon
            .site
            .edit("gateway.toml", "log = \"debug\"", "log = \"error\"");
        daemon.signal(Signal::SIGHUP);
        // What it did is logged while that can still be seen, and nothing after it.
        support::eventually("it is changed", || daemon.document()["gateway"]["reloads"] == 2);
        daemon.signal(Signal::SIGUSR1);
        daemon
            .site
            .edit("gateway.toml", "log = \"error\"", "log = \"info\"");
        daemon.signal(Signal::SIGHUP);
        let line = daemon.expect("INFO ");
        assert!(line.contains("reload by SIGHUP: 1 change"), "{line}");
        drop(daemon);

        let site = Site::lonely(TAP);
        site.append("gateway.toml", IMPORT);
        let mut daemon = site.start_with(&["--log-level", "warn,aoe_gateway=info"]);
        daemon.expect("ready");
        daemon
            .site
            .edit("gateway.toml", "\"own.key\"\n", "\"own.key\"\nlog = \"off\"\n");
        let words = "log info becomes off, but the command line says warn,aoe_gateway=info\n1 change made\n";
        assert_eq!(daemon.reload(), (0, words.to_owned()));
        daemon.expect("reload by user");
        daemon.signal(Signal::SIGUSR1);
        daemon.expect("counters");
    });
}

#[test]
fn listen_addresses_come_and_go_and_the_others_stay_usable() {
    in_namespace(|_| {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let tap = |name: &str| format!("[[segment]]\nname = \"san\"\ntap = \"{name}\"\n");
        let calls = "endpoint = \"127.0.0.1:34979\"";
        let called = Site::new("site-b", &b, 34979, &tap("b0"), &a.public(), "");
        called.edit(
            "gateway.toml",
            "\"127.0.0.1:34979\"",
            "\"127.0.0.1:34979\", \"127.0.0.2:34979\"",
        );
        let caller = Site::new("site-a", &a, 34978, &tap("a0"), &b.public(), calls);
        caller.edit(
            "gateway.toml",
            "\"own.key\"\n",
            "\"own.key\"\nkeepalive = \"1s\"\n",
        );
        caller.edit("gateway.toml", "\"127.0.0.1:34978\"", "\"0.0.0.0:34978\"");
        let mut called = called.start();
        called.expect("ready");
        let mut caller = caller.start();
        caller.expect("session with peer is up");
        called.expect("session with peer is up");
        // An address that somebody else has: nothing is changed, the address that was to go stays too.
        let taken = UdpSocket::bind("127.0.0.9:34979").unwrap();
        called
            .site
            .edit("gateway.toml", "\"127.0.0.1:34979\", ", "\"127.0.0.9:34979\", ");
        let (code, said) = called.reload();
        assert_eq!(code, 71, "{said}");
        assert!(
            said.contains("cannot listen on 127.0.0.9:34979: Address already in use"),
            "{said}"
        );
        assert!(said.contains("ss -ulnp"), "{said}");
        drop(taken);
        let words = "listen 127.0.0.1:34979 closes\nlisten 127.0.0.9:34979 opens\n2 changes made\n";
        let (code, said) = called.reload();
        assert!(code == 0 && said.ends_with(words), "{said}");
        called.expect("listening on 127.0.0.9:34979");
        let is_free = || UdpSocket::bind("127.0.0.1:34979").is_ok();
        support::eventually("the address is closed", is_free);
        // The caller follows its configuration to an address that has stayed.
        caller
            .site
            .edit("gateway.toml", "127.0.0.1:34979", "127.0.0.2:34979");
        let (code, said) = caller.reload();
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("peer peer: endpoint 127.0.0.1:34979 becomes 127.0.0.2:34979\n"),
            "{said}"
        );
        wait_until_up(&caller, "127.0.0.2:34979");
        // And to the one that is new.
        caller
            .site
            .edit("gateway.toml", "127.0.0.2:34979", "127.0.0.9:34979");
        called.site.edit("gateway.toml", ", \"127.0.0.2:34979\"", "");
        assert_eq!(called.reload().0, 0);
        assert_eq!(caller.reload().0, 0);
        wait_until_up(&caller, "127.0.0.9:34979");
        // Two that overlap cannot be open at once.
        caller
            .site
            .edit("gateway.toml", "\"0.0.0.0:34978\"", "\"127.0.0.1:34978\"");
        let (code, said) = caller.reload();
        assert_eq!(code, 71, "{said}");
        assert!(
            said.contains("this gateway has 0.0.0.0:34978, and both cannot be open at once"),
            "{said}"
        );
    });
}

#[test]
fn peers_come_and_go_without_a_restart() {
    in_namespace(|_| {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let tap = |name: &str| format!("[[segment]]\nname = \"san\"\ntap = \"{name}\"\n");
        let nobody = SecretKey::generate().unwrap().public();
        let mut called = Site::new("site-b", &b, 34979, &tap("b0"), &a.public(), "").start();
        called.expect("ready");
        let mut caller = Site::new("site-a", &a, 34978, &tap("a0"), &nobody, "").start();
        caller.expect("ready");
        let text = format!(
            "[[peer]]\nname = \"site-b\"\nkey = \"{}\"\nendpoint = \"localhost:34979\"\n",
            b.public()
        );
        caller.site.append("gateway.toml", &text);
        let (code, said) = caller.reload();
        assert!(
            code == 0 && said.ends_with("peer site-b appears\n1 change made\n"),
            "{said}"
        );
        caller.expect("session with site-b is up");
        called.expect("session with peer is up");
        let without = caller.site.read("gateway.toml").replace(&text, "");
        caller.site.write("gateway.toml", &without);
        let (code, said) = caller.reload();
        assert!(
            code == 0 && said.ends_with("peer site-b disappears: its session ends\n1 change made\n"),
            "{said}"
        );
        let before = Instant::now();
        called.expect("session with peer is lost");
        assert!(before.elapsed() < Duration::from_secs(2));
        caller.site.append("gateway.toml", &text);
        assert_eq!(caller.reload().0, 0);
        caller.expect("session with site-b is up");
        assert_eq!(caller.document()["gateway"]["reloads"], 3);
    });
}

#[test]
fn several_workers_change_together_and_their_ports_follow() {
    in_namespace(|net| {
        net.cable("eth1", "far");
        let segment = "[[segment]]\nname = \"lab\"\nnic = \"eth1\"\n";
        let site = Site::lonely(segment);
        site.edit("gateway.toml", "\"own.key\"\n", "\"own.key\"\nworkers = 3\n");
        site.append("gateway.toml", IMPORT);
        let mut daemon = site.start();
        daemon.expect("segment lab is attached");
        daemon.expect("ready");
        let export = |n: u8| {
            EXPORT
                .replace("backup", &format!("disk-{n}"))
                .replace("e7.3", &format!("e7.{n}"))
        };
        for n in 0..20 {
            daemon.site.write(&format!("exports.d/{n}.toml"), &export(n));
        }
        let (code, said) = daemon.reload();
        assert!(code == 0 && said.ends_with("40 changes made\n"), "{code} {said}");
        let document = daemon.document();
        let workers: BTreeSet<_> = document["exports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["worker"].as_u64().unwrap())
            .collect();
        assert_eq!(workers.len(), 3, "each has some of them");
        // Each target is heard by the worker that it belongs to: it asks, and our answer reaches it alone.
        let link = link::by_name("far").unwrap().unwrap();
        let mut far = PacketSocket::open(link.index, PacketOptions::ethertype(0x88a2)).unwrap();
        let answer = |n: u8| {
            // A Config answer of e7.n (AoE 11, section 3.2): 2 buffers, firmware 1, 2 sectors, version 1, no string.
            let mut frame = [
                &[0xff; 6][..],
                &link.mac.0,
                &[0x88, 0xa2, 0x18, 0, 0, 7, n, 1, 0, 0, 0, 0],
            ]
            .concat();
            frame.extend([0, 2, 0, 1, 2, 0x10, 0, 0]);
            frame.resize(60, 0);
            frame
        };
        let frames: Vec<_> = (0..20).map(answer).collect();
        let heard = |daemon: &Daemon| {
            let document = daemon.document();
            let rows = document["exports"].as_array().unwrap();
            rows.iter().filter(|row| row["mac"] != "").count()
        };
        let since = Instant::now();
        while heard(&daemon) < 20 {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{}",
                daemon.document()["exports"]
            );
            assert_eq!(far.send_batch(frames.iter().map(Vec::as_slice)).sent, 20);
            std::thread::sleep(Duration::from_millis(200));
        }
        for n in 0..20 {
            fs::remove_file(daemon.site.dir.path().join(format!("exports.d/{n}.toml"))).unwrap();
        }
        let (code, said) = daemon.reload();
        assert!(code == 0 && said.ends_with("40 changes made\n"), "{code} {said}");
        assert!(daemon.names("exports", "name").is_empty());
        assert_eq!(daemon.end(Signal::SIGTERM).0.code(), Some(0));
    });
}

#[test]
fn a_psk_that_changes_on_both_sides_ends_no_session() {
    in_namespace(|_| {
        let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let tap = |name: &str| format!("[[segment]]\nname = \"san\"\ntap = \"{name}\"\n");
        let (old, new) = (Psk::generate().unwrap(), Psk::generate().unwrap());
        let start = |name, key, port, device, peer: &SecretKey, more: &str| {
            let more = format!("psk = \"old.psk\"\n{more}");
            let site = Site::new(name, key, port, &tap(device), &peer.public(), &more);
            site.edit(
                "gateway.toml",
                "\"own.key\"\n",
                "\"own.key\"\nrekey_after = \"5s\"\n",
            );
            for (file, psk) in [("old.psk", &old), ("new.psk", &new)] {
                write_psk(site.dir.path().join(file), psk, Existing::Keep).unwrap();
            }
            let mut daemon = site.start_with(&["--log-level", "debug"]);
            daemon.expect("ready");
            daemon
        };
        let mut called = start("site-b", &b, 34979, "b0", &a, "");
        let mut caller = start("site-a", &a, 34978, "a0", &b, "endpoint = \"127.0.0.1:34979\"");
        for daemon in [&mut called, &mut caller] {
            daemon.expect("session with peer is up");
        }
        for daemon in [&called, &caller] {
            daemon.site.edit("gateway.toml", "old.psk", "new.psk");
            let (code, said) = daemon.reload();
            assert_eq!(code, 0, "{said}");
            let words = "psk of peer changes: from the next handshake on, so change it on both sides within three minutes\n";
            assert!(said.contains(words), "{said}");
        }
        let handshakes = |daemon: &Daemon| daemon.document()["counters"]["handshakes"].as_u64().unwrap();
        let before = handshakes(&caller);
        let since = Instant::now();
        while handshakes(&caller) < before + 2 {
            assert!(since.elapsed() < Duration::from_secs(30), "no new keys");
            std::thread::sleep(Duration::from_millis(100));
        }
        for daemon in [called, caller] {
            assert_eq!(daemon.document()["peers"][0]["state"], "up");
            assert!(!daemon.end(Signal::SIGKILL).1.contains(" is lost"));
        }
    });
}

/// Waits until there is a session with the first peer, at this address.
fn wait_until_up(daemon: &Daemon, remote: &str) {
    let since = Instant::now();
    loop {
        let peer = &daemon.document()["peers"][0];
        if peer["state"] == "up" && peer["path"]["remote"] == remote {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{peer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
