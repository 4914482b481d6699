//! The real program stays as it is, whole, when it cannot become what another configuration says.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod running;
mod support;

use std::fs;

use aoe_keys::SecretKey;
use aoe_keys::store::{Existing, read_secret, write_secret};
use nix::sys::signal::Signal;
use serde_json::Value;

use running::{Daemon, EXPORT, IMPORT, Site, TAP, said_by, sharing};
use support::in_namespace;

#[test]
fn with_any_fault_nothing_changes_and_all_faults_are_said_to_both() {
    in_namespace(|_| {
        let mut daemon = sharing();
        let good = daemon.site.read("gateway.toml");
        // One of several export files is broken, and so is something else; what is right in them is not done either.
        daemon.site.write(
            "exports.d/a.toml",
            &EXPORT.replace("backup", "a").replace("e7.3", "e7.1"),
        );
        daemon.site.write(
            "exports.d/b.toml",
            &EXPORT.replace("backup", "b").replace("\"e7.3\"", "\"seven\""),
        );
        daemon.site.write(
            "exports.d/c.toml",
            &EXPORT.replace("backup", "c").replace("e7.3", "e7.2"),
        );
        daemon.site.edit(
            "gateway.toml",
            "\"own.key\"\n",
            "\"own.key\"\nmax_age = \"never\"\n",
        );
        let (code, said) = daemon.reload();
        assert_eq!(code, 78, "{said}");
        for part in [
            "exports.d/b.toml:3:10: fault: target: ",
            "gateway.toml:5:11: fault: gateway.max_age: ",
            "max_age = \"never\"",
            "nothing was changed: the configuration has 2 faults\n",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        daemon.expect("WARN ");
        daemon.expect("exports.d/b.toml:3:10: target: ");
        daemon.expect("nothing was changed: the configuration has 2 faults");
        assert!(
            daemon
                .read
                .iter()
                .any(|line| line.contains("gateway.toml:5:11: gateway.max_age: "))
        );
        assert_eq!(
            daemon.names("exports", "name"),
            ["backup"],
            "not even those that are right"
        );
        daemon.site.write("gateway.toml", &good);
        daemon.site.write(
            "exports.d/b.toml",
            &EXPORT.replace("backup", "b").replace("e7.3", "e7.5"),
        );
        // None of several is skipped.
        let (code, said) = daemon.reload();
        assert_eq!(code, 0, "{said}");
        assert_eq!(daemon.names("exports", "name"), ["backup", "a", "b", "c"]);
    });
}

#[test]
fn a_file_that_is_empty_or_cut_off_wipes_nothing() {
    in_namespace(|_| {
        let mut daemon = sharing();
        let (gateway, export) = (daemon.site.read("gateway.toml"), EXPORT);
        let cut = gateway.find("[[segment]]").unwrap();
        let half = gateway.find("[[import]]").unwrap() + "[[import]]\npeer = \"pe".len();
        for bad in ["", &gateway[..cut], &gateway[..half], "\0\0\0\0"] {
            daemon.site.write("gateway.toml", bad);
            daemon.signal(Signal::SIGHUP);
            daemon.expect("WARN reload by SIGHUP: nothing was changed: the configuration has ");
        }
        daemon.site.write("gateway.toml", &gateway);
        for bad in ["", &export[..export.len() - 4], &export[..20]] {
            daemon.site.write("exports.d/backup.toml", bad);
            let (code, said) = daemon.reload();
            assert_eq!(code, 78, "{said}");
            assert!(said.contains("exports.d/backup.toml"), "{said}");
        }
        let key = read_secret(daemon.site.dir.path().join("own.key")).unwrap();
        fs::remove_file(daemon.site.dir.path().join("own.key")).unwrap();
        assert_eq!(daemon.reload().0, 78);
        fs::remove_file(daemon.site.dir.path().join("gateway.toml")).unwrap();
        daemon.signal(Signal::SIGHUP);
        daemon.expect("gateway.toml: there is no such file");
        assert_eq!(daemon.names("exports", "name"), ["backup"]);
        assert_eq!(daemon.document()["gateway"]["reloads"], 0);
        // It still runs with all of what it had.
        daemon.site.write("gateway.toml", &gateway);
        daemon.site.write("exports.d/backup.toml", export);
        write_secret(daemon.site.dir.path().join("own.key"), &key, Existing::Keep).unwrap();
        assert_eq!(
            daemon.diff("gateway.toml").1,
            "nothing changes: the gateway runs with this already\n"
        );
    });
}

#[test]
fn what_needs_a_restart_is_named_and_refused_as_a_whole() {
    in_namespace(|_| {
        let mut daemon = sharing();
        let good = daemon.site.read("gateway.toml");
        let change = |daemon: &Daemon, from: &str, to: &str| {
            daemon.site.write("gateway.toml", &good);
            // Something that could be done alone.
            let extra = EXPORT.replace("backup", "extra").replace("e7.3", "e7.4");
            daemon.site.write("exports.d/extra.toml", &extra);
            daemon.site.edit("gateway.toml", from, to);
        };
        write_secret(
            daemon.site.dir.path().join("new.key"),
            &SecretKey::generate().unwrap(),
            Existing::Keep,
        )
        .unwrap();
        for (from, to, field) in [
            ("name = \"site-a\"", "name = \"site-z\"", "`name` of [gateway]"),
            (
                "\"own.key\"\n",
                "\"own.key\"\nstate = \"s\"\n",
                "`state` of [gateway]",
            ),
            ("mtu = 9000", "mtu = 1500", "[[segment]]"),
            ("tap = \"aoe0\"", "tap = \"aoe1\"", "[[segment]]"),
            ("tap = \"aoe0\"\nmtu = 9000", "nic = \"eth1\"", "[[segment]]"),
        ] {
            change(&daemon, from, to);
            let expected = format!(
                "nothing was changed: only a restart can change {field}: restart the gateway, or write what was there before\n"
            );
            let (code, said) = daemon.reload();
            assert!(code == 75 && said.ends_with(&expected), "{code}: {said}");
            daemon.expect("nothing was changed: only a restart can change");
            let (code, said) = daemon.diff("gateway.toml");
            assert!(code == 75 && said.ends_with(&expected), "{code}: {said}");
        }
        // It cannot be found by its other sockets, but by a signal.
        change(&daemon, "\"observe.sock\"", "\"other.sock\"");
        daemon.signal(Signal::SIGHUP);
        daemon.expect("only a restart can change `observe` of [gateway]");
        assert_eq!(daemon.names("exports", "name"), ["backup"]);
        // Several at once are named at once. With several workers there is no TAP.
        change(&daemon, "tap = \"aoe0\"", "tap = \"aoe1\"");
        daemon
            .site
            .edit("gateway.toml", "name = \"site-a\"", "name = \"site-z\"");
        let (_, said) = daemon.reload();
        assert!(
            said.contains("only a restart can change `name` of [gateway], [[segment]]: "),
            "{said}"
        );
    });
}

#[test]
fn another_file_is_refused_and_without_a_gateway_it_is_said_what_to_do() {
    in_namespace(|_| {
        let mut daemon = sharing();
        daemon.site.write("other.toml", &daemon.site.read("gateway.toml"));
        let (code, said) = said_by(&daemon.site.run(&["reload", "--config", "other.toml"]));
        assert_eq!(code, 64, "{said}");
        assert!(
            said.contains("this gateway runs with ") && said.contains("check --diff"),
            "{said}"
        );
        daemon.expect("WARN reload by user 0, process ");
        // The same file by another way is the same.
        std::os::unix::fs::symlink("gateway.toml", daemon.site.dir.path().join("link.toml")).unwrap();
        assert_eq!(
            said_by(&daemon.site.run(&["reload", "--config", "link.toml"])).0,
            0
        );
        let (stream, site) = (daemon.asks(""), Site::lonely(TAP));
        drop(stream);
        let (code, said) = said_by(&site.run(&["reload", "--config", "gateway.toml"]));
        assert_eq!(code, 69, "{said}");
        let socket = site.dir.path().join("control.sock");
        for part in [
            format!(
                "no gateway runs with {}",
                site.dir.path().join("gateway.toml").display()
            ),
            format!("{}: No such file", socket.display()),
            "systemctl start".to_owned(),
            "aoe-gateway run --config".to_owned(),
        ] {
            assert!(said.contains(&part), "{part} in {said}");
        }
        let output = site.run(&["check", "--diff", "--json", "--config", "gateway.toml"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["outcome"], "not-running");
        assert_eq!(output.status.code(), Some(69));
    });
}

#[test]
fn a_note_on_a_disk_that_cannot_be_read_is_known_before_anything_changes() {
    in_namespace(|_| {
        let site = Site::lonely(TAP);
        site.edit(
            "gateway.toml",
            "\"own.key\"\n",
            "\"own.key\"\nstate = \"state\"\n",
        );
        site.append("gateway.toml", IMPORT);
        fs::create_dir(site.dir.path().join("state")).unwrap();
        let mut daemon = site.start();
        daemon.expect("ready");
        daemon.site.write("state/backup.disk", "size = 7\nserial = 5\n");
        daemon.site.write("exports.d/backup.toml", EXPORT);
        // The first one could be done alone.
        let another = EXPORT.replace("backup", "another").replace("e7.3", "e7.1");
        daemon.site.write("exports.d/another.toml", &another);
        let (code, said) = daemon.reload();
        assert_eq!(code, 71, "{said}");
        assert!(said.contains("state/backup.disk:2: "), "{said}");
        assert!(daemon.names("exports", "name").is_empty());
        fs::remove_file(daemon.site.dir.path().join("state/backup.disk")).unwrap();
        assert_eq!(daemon.reload().0, 0);
        assert_eq!(daemon.names("exports", "name"), ["another", "backup"]);
    });
}
