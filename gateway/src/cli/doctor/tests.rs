use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use aoe_common::snapshot::{Alarm, Granted, Socket, State};
use tempfile::TempDir;

use super::*;
use crate::cli::samples::{standing, typical};
use crate::config::Device;

/// A directory that looks like a host, with these files.
fn host(files: &[(&str, &str)]) -> (TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let host = Host::at(dir.path());
    (dir, host)
}

fn found(look: impl FnOnce(&mut Findings)) -> Vec<(&'static str, Level, String)> {
    let mut findings = Findings::new();
    look(&mut findings);
    let all = findings.all().iter();
    all.map(|finding| (finding.check, finding.level, finding.found.clone()))
        .collect()
}

fn level(found: &[(&'static str, Level, String)], check: &str) -> Level {
    let mut them = found.iter().filter(|(of, ..)| *of == check);
    them.next().unwrap_or_else(|| panic!("{check}: {found:?}")).1
}

fn processors(files: &[(&str, &str)], busy_poll: u64) -> Vec<(&'static str, Level, String)> {
    let (_dir, host) = host(files);
    found(|findings| processor::examine(Duration::from_micros(busy_poll), &host, findings))
}

#[test]
fn a_processor_that_sleeps_deeply_or_slowly_is_noticed() {
    let cpu = "sys/devices/system/cpu/cpu0";
    let state = format!("{cpu}/cpuidle/state2");
    let files = [
        (format!("{cpu}/cpufreq/scaling_governor"), "powersave\n"),
        (format!("{state}/name"), "C6\n"),
        (format!("{state}/latency"), "133\n"),
        (format!("{state}/disable"), "0\n"),
        (
            "proc/net/softnet_stat".to_owned(),
            "0000 0000 0000\n0000 0000000a 0000\n",
        ),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let seen = processors(&files, 50);
    assert_eq!(level(&seen, "governor"), Level::Warn);
    assert_eq!(level(&seen, "idle-states"), Level::Warn);
    assert!(
        seen.iter()
            .any(|(_, _, text)| text.starts_with("10 packets were dropped")),
        "{seen:?}"
    );
    assert_eq!(level(&processors(&files, 200), "idle-states"), Level::Ok);
    let disabled = format!("{state}/disable");
    let mut awake = files.clone();
    awake.push((&disabled, "1\n"));
    assert_eq!(level(&processors(&awake, 50), "idle-states"), Level::Unknown);
    assert_eq!(level(&processors(&[], 50), "governor"), Level::Unknown);
}

fn san(device: Device) -> BTreeMap<String, Device> {
    [("san".to_owned(), device)].into()
}

#[test]
fn a_device_that_is_a_port_of_a_bridge_or_has_no_link_is_wrong() {
    let nic = |files: &[(&str, &str)]| {
        let (_dir, host) = host(files);
        found(|findings| segments::examine(&san(Device::Nic("eth1".into())), None, &host, findings))
    };
    assert_eq!(level(&nic(&[]), "device"), Level::Fail);
    let good = [
        ("sys/class/net/eth1/carrier", "1\n"),
        ("sys/class/net/eth1/mtu", "9000\n"),
        ("sys/class/net/eth1/statistics/rx_dropped", "0\n"),
    ];
    let seen = nic(&good);
    assert!(seen.iter().all(|(_, level, _)| *level == Level::Ok), "{seen:?}");
    let port = [good.as_slice(), &[("sys/class/net/eth1/brport/state", "3")]].concat();
    assert_eq!(level(&nic(&port), "membership"), Level::Fail);
    let mut bad = good;
    bad[0].1 = "0\n";
    bad[1].1 = "900\n";
    bad[2].1 = "7\n";
    let seen = nic(&bad);
    assert_eq!(level(&seen, "link"), Level::Fail);
    assert_eq!(level(&seen, "mtu"), Level::Fail);
    assert_eq!(level(&seen, "device-drops"), Level::Warn);
    let (_dir, host) = host(&[]);
    let tap = Device::Tap {
        name: "aoe0".into(),
        mtu: 1500,
    };
    let seen = found(|findings| segments::examine(&san(tap.clone()), None, &host, findings));
    assert_eq!(level(&seen, "device"), Level::Unknown, "nobody made it yet");
}

#[test]
fn a_kernel_that_gives_less_than_was_asked_is_said_with_its_limit() {
    let (_dir, host) = host(&[("proc/sys/net/core/rmem_max", "212992\n")]);
    let mut snapshot = typical();
    let seen = found(|findings| sockets::examine(&snapshot, &host, findings));
    assert_eq!(level(&seen, "socket-buffer"), Level::Warn);
    assert!(
        seen.iter()
            .any(|(_, _, text)| text.contains("net.core.rmem_max is 212992")),
        "{seen:?}"
    );
    assert_eq!(level(&seen, "kernel-drops"), Level::Warn);
    let granted = Granted { asked: 5, granted: 5 };
    snapshot.sockets = vec![Socket {
        receive_buffer: granted,
        send_buffer: granted,
        receive_offload: true,
        ..Socket::default()
    }];
    let seen = found(|findings| sockets::examine(&snapshot, &host, findings));
    assert_eq!(level(&seen, "socket-buffer"), Level::Ok);
    assert_eq!(level(&seen, "offload"), Level::Warn);
}

#[test]
fn alarms_windows_and_paths_are_findings() {
    let mut snapshot = typical();
    snapshot.alarms = vec![Alarm {
        about: "import e107.3".into(),
        standing: standing(State::Degraded, "another station answers for e107.3", 5.0),
    }];
    let seen = found(|findings| traffic::examine(&snapshot, findings));
    assert_eq!(level(&seen, "alarm"), Level::Warn);
    assert!(seen.iter().any(|(check, ..)| *check == "window"), "{seen:?}");
    assert!(seen.iter().any(|(check, ..)| *check == "buffers"), "{seen:?}");
    snapshot.alarms.clear();
    let seen = found(|findings| traffic::examine(&snapshot, findings));
    assert_eq!(level(&seen, "alarm"), Level::Ok);
}

#[test]
fn modes_of_files_and_directories_are_judged() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("gateway.toml");
    fs::write(&config, "[gateway]\nname = 'a'\nkey = 'a.key'\n").unwrap();
    let key = dir.path().join("a.key");
    fs::write(&key, "").unwrap();
    let mode = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let root = dir.path().to_owned();
    mode(&root, 0o755);
    let look = || {
        let examined = examine(&config);
        let seen = found(|findings| files::examine(&config, &examined, findings));
        seen.into_iter()
            .filter(|(check, ..)| *check == "mode")
            .collect::<Vec<_>>()
    };
    mode(&config, 0o644);
    mode(&key, 0o600);
    assert!(
        look().iter().all(|(_, level, _)| *level == Level::Ok),
        "{:?}",
        look()
    );
    for (path, bad, good) in [
        (&key, 0o640, 0o600),
        (&config, 0o664, 0o644),
        (&root, 0o777, 0o755),
    ] {
        mode(path, bad);
        let wrong = look().into_iter().filter(|(_, level, _)| *level == Level::Fail);
        assert_eq!(wrong.count(), 1, "{} {bad:o}", path.display());
        mode(path, good);
    }
    mode(&root, 0o1777);
    assert!(look().iter().all(|(_, level, _)| *level == Level::Ok), "sticky");
}

#[test]
fn a_report_fits_and_moves_no_cursor() {
    let mut findings = Findings::new();
    findings.warn(
        "alarm",
        "disk \u{1b}[2J",
        "x".repeat(30) + " " + &"word ".repeat(60),
        "do this",
    );
    findings.ok("clock", "", "right");
    let text = for_people(&findings, &Paint::default());
    assert!(text.lines().all(|line| words::width(line) <= WIDTH), "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(
        text.ends_with("1 ok, 1 to look at, 0 wrong, 0 unknown\n"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&for_machines(&findings)).unwrap();
    assert_eq!(json["worst"], "warn");
    assert_eq!(json["findings"][1]["check"], "clock");
}
