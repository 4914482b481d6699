//! A configuration with nothing wrong, for tests to break.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]
#![allow(dead_code, reason = "each test program uses its own part of this")]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "shared by test programs, an interface to nobody"
)]

use std::fs;
use std::process::{Command, Output};

use aoe_keys::store::{Existing, write_psk, write_secret};
use aoe_keys::{Psk, PublicKey, SecretKey};
use serde_json::Value;
use tempfile::TempDir;

pub const G: &str = "gateway.toml";
pub const B: &str = "exports.d/backup.toml";
pub const S: &str = "exports.d/scratch.toml";

const GATEWAY: &str = r#"# A gateway.
[gateway]
name = "site-a"
listen = ["0.0.0.0:34978", "[::]:34978"]
key = "site-a.key"
exports = "exports.d"
rekey_after = "90s"
keepalive = "10s"

[[segment]]
name = "san"
nic = "eth1"

[[segment]]
name = "lab"
tap = "aoe0"
mtu = 9000

[[peer]]
name = "site-b"
key = "KEY-B"
endpoint = "198.51.100.7:34978"
psk = "site-b.psk"
protection = ["encrypt", "authenticate"]
path_mtu = 1500

[[peer]]
name = "site-c"
key = "KEY-C"

[[import]]
peer = "site-b"
export = "vault"
segment = "san"
as = "e107.3"
window = 128

[[import]]
peer = "site-c"
export = "vault"
segment = "lab"
as = "e107.3"
"#;

const BACKUP: &str = r#"name = "backup"
description = "nightly"
segment = "san"
target = "e7.3"
target_mac = "52:54:00:aa:bb:cc"

[[allow]]
peer = "site-b"
access = "read-write"
initiators = ["52:54:00:12:34:56", "52:54:00:12:34:57"]
config_string = "set"

[[allow]]
peer = "site-c"
access = "read-only"
"#;

const SCRATCH: &str = r#"name = "scratch"
segment = "lab"
target = "e7.3"
[[allow]]
peer = "site-c"
access = "read-write"
"#;

/// A configuration with nothing wrong, in a directory of its own.
pub struct Site {
    pub dir: TempDir,
    pub own: PublicKey,
    pub peer_b: PublicKey,
}

impl Site {
    pub fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let own = SecretKey::generate().unwrap();
        let peer_b = SecretKey::generate().unwrap().public();
        let peer_c = SecretKey::generate().unwrap().public();
        write_secret(dir.path().join("site-a.key"), &own, Existing::Keep).unwrap();
        write_psk(
            dir.path().join("site-b.psk"),
            &Psk::generate().unwrap(),
            Existing::Keep,
        )
        .unwrap();
        let site = Site {
            dir,
            own: own.public(),
            peer_b,
        };
        fs::create_dir(site.path("exports.d")).unwrap();
        site.write("exports.d/backup.toml", BACKUP);
        site.write("exports.d/scratch.toml", SCRATCH);
        let gateway = GATEWAY
            .replace("KEY-B", &site.peer_b.to_string())
            .replace("KEY-C", &peer_c.to_string());
        site.write("gateway.toml", &gateway);
        site
    }

    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join(file)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// Runs `aoe-gateway` in the directory of the configuration.
    pub fn gateway(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_aoe-gateway"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("AOE_GATEWAY_LOG")
            .output()
            .unwrap()
    }

    pub fn check_json(&self) -> (i32, Value) {
        let output = self.gateway(&["check", "--config", "gateway.toml", "--json"]);
        (
            output.status.code().unwrap(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    }

    /// The first line of a file that contains a text.
    pub fn line(&self, file: &str, text: &str) -> usize {
        self.read(file)
            .lines()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no {text}"))
            + 1
    }
}
