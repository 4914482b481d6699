//! Two directories on one disk are paired.

mod power;
mod wrong;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use age::x25519::Identity;
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;

/// Two sites, and the identity of who accepts.
struct World {
    dir: TempDir,
    identity: Identity,
}

/// Path, mode and text of everything in a directory.
type Tree = BTreeMap<PathBuf, (u32, String)>;

impl World {
    fn new() -> Self {
        let world = World {
            dir: directory(),
            identity: Identity::generate(),
        };
        for name in ["a", "b"] {
            init(&Disk::new(), &world.at(name), &plan(&format!("site-{name}"))).unwrap();
        }
        world
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(self.dir.path(), &mut tree);
        tree
    }

    fn lock(&self) -> Lock {
        Lock::Recipient(Box::new(self.identity.to_public()))
    }

    fn key(&self) -> Key {
        Key::Identities(vec![self.identity.clone()])
    }

    fn invite_with(&self, disk: &Disk, guest: &str, offers: &[&str]) -> Result<Invited> {
        let offers: Vec<Offer> = offers.iter().map(|offer| offer.parse().unwrap()).collect();
        let guest = Guest {
            name: guest,
            offers: &offers,
            segment: None,
            endpoint: Some("b.example:34978"),
            lifetime: Duration::from_secs(72 * HOUR),
            out: &self.at("to-a.invite"),
        };
        invite(disk, &self.at("b"), NOW, &guest, || Ok(self.lock()))
    }

    fn invite(&self) -> Invited {
        self.invite_with(&Disk::new(), "site-a", &["backup=e7.3:read-write"])
            .unwrap()
    }

    fn accept_with(&self, disk: &Disk, at: &str, file: &str, now: u64) -> Result<Done> {
        let out = self.at("to-b.reply");
        let choice = Choice {
            out: Some(&out),
            ..Choice::default()
        };
        self.accept_as(disk, at, file, now, &choice)
    }

    fn accept_as(&self, disk: &Disk, at: &str, file: &str, now: u64, choice: &Choice<'_>) -> Result<Done> {
        let bytes = fs::read(self.at(file)).unwrap();
        accept(disk, &self.at(at), now, &bytes, choice, |_| Ok(self.key()))
    }

    fn accept(&self) -> Done {
        self.accept_with(&Disk::new(), "a", "to-a.invite", NOW + HOUR)
            .unwrap()
    }

    fn complete(&self) -> Done {
        self.accept_with(&Disk::new(), "b", "to-b.reply", NOW + 2 * HOUR)
            .unwrap()
    }

    /// It is refused with these words, and nothing has changed.
    fn refused(&self, what: &str, said: &str, kind: Kind, doing: impl FnOnce() -> Result<Done>) {
        let before = self.tree();
        let refusal = doing().expect_err(what);
        assert!(refusal.words.contains(said), "{what}: {refusal}");
        assert_eq!(refusal.kind, kind, "{what}: {refusal}");
        assert!(before == self.tree(), "{what} has left a trace");
    }
}

/// Where forcing to disk costs nothing, if there is such a place.
fn directory() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

fn plan(name: &str) -> Plan {
    Plan {
        name: name.to_owned(),
        listen: vec!["0.0.0.0:34978".to_owned()],
        segment: "san".to_owned(),
        attachment: Attachment::Nic("eth1".to_owned()),
        state: None,
    }
}

fn walk(directory: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        if path.is_dir() {
            walk(&path, tree);
            tree.insert(path, (mode, String::new()));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            tree.insert(path, (mode, text));
        }
    }
}

#[test]
fn three_commands_make_a_pair_with_a_psk_an_import_and_a_permission() {
    let world = World::new();
    let invited = world.invite();
    assert_eq!(invited.made, [world.at("b/exports.d/backup.toml")]);
    assert!(
        !world.read("b/exports.d/backup.toml").contains("allow]]"),
        "before the reply nobody is allowed"
    );
    assert!(!world.at("b/peers.d/site-a.toml").exists());

    let Done::Accepted(accepted) = world.accept() else {
        panic!("it is an invitation")
    };
    assert_eq!((accepted.peer.as_str(), accepted.imports.len()), ("site-b", 1));
    assert_eq!(accepted.imports[0].slot.to_string(), "e100.0");
    let peer: toml::Table = world.read("a/peers.d/site-b.toml").parse().unwrap();
    assert_eq!(peer["peer"]["endpoint"].as_str(), Some("b.example:34978"));
    assert_eq!(peer["import"][0]["as"].as_str(), Some("e100.0"));
    assert_eq!(
        peer["peer"]["key"].as_str(),
        Some(invited.key.to_string().as_str())
    );

    let Done::Completed(completed) = world.complete() else {
        panic!("it is a reply")
    };
    assert_eq!(completed.allowed[0].access, Access::ReadWrite);
    assert_eq!(completed.key, Some(accepted.own));
    let [ours, theirs] = ["a/peers.d/site-b.psk", "b/peers.d/site-a.psk"]
        .map(|path| crate::store::read_psk(world.at(path)).unwrap());
    assert_eq!(ours.expose(), theirs.expose());
    let export: toml::Table = world.read("b/exports.d/backup.toml").parse().unwrap();
    assert_eq!(export["allow"][0]["peer"].as_str(), Some("site-a"));
    assert_eq!(export["allow"][0]["access"].as_str(), Some("read-write"));
    let record = world.read(&format!("b/invitations/{}.toml", invited.id));
    assert!(
        !record.contains("psk") && !record.contains("AGE-SECRET"),
        "its secrets are gone: {record}"
    );
    for (path, (mode, _)) in world.tree() {
        let others =
            path.extension().is_some_and(|end| end == "toml") && !path.starts_with(world.at("b/invitations"));
        assert!(
            mode & 0o022 == 0 && (others || mode & 0o077 == 0),
            "{}: {mode:o}",
            path.display()
        );
    }
}

#[test]
fn what_is_handed_over_holds_no_secret_and_no_name_in_clear() {
    let world = World::new();
    let invited = world.invite();
    world.accept();
    let psk = world.read("a/peers.d/site-b.psk");
    let (_, psk) = psk.trim_end().rsplit_once(':').unwrap();
    for file in ["to-a.invite", "to-b.reply"] {
        let text = world.read(file);
        assert!(text.contains(&invited.id));
        for secret in [psk, "site-a", "backup", "b.example", "aoe-public"] {
            assert!(!text.contains(secret), "{file} has {secret}");
        }
    }
}

#[test]
fn several_disks_come_with_one_invitation_and_another_invitation_ends_the_first() {
    let world = World::new();
    let first = world
        .invite_with(
            &Disk::new(),
            "site-a",
            &["one=e7.1:read-only", "two=e7.2:read-write"],
        )
        .unwrap();
    fs::rename(world.at("to-a.invite"), world.at("first.invite")).unwrap();
    let second = world.invite_with(
        &Disk::new(),
        "site-a",
        &["one:read-only", "two=e7.2:read-write", "three=e8.1:read-only"],
    );
    let second = second.unwrap();
    assert_eq!(second.withdrawn, [first.id]);
    assert_eq!(second.made, [world.at("b/exports.d/three.toml")]);

    let slots = [(Some("two".to_owned()), "e107.2".parse().unwrap())];
    let choice = Choice {
        slots: &slots,
        out: Some(&world.at("to-b.reply")),
        ..Choice::default()
    };
    let Done::Accepted(done) = world
        .accept_as(&Disk::new(), "a", "to-a.invite", NOW, &choice)
        .unwrap()
    else {
        panic!("it is an invitation")
    };
    let at: Vec<_> = done
        .imports
        .iter()
        .map(|import| (import.export.as_str(), import.slot.to_string()))
        .collect();
    assert_eq!(
        at,
        [
            ("one", "e100.0".to_owned()),
            ("two", "e107.2".to_owned()),
            ("three", "e100.1".to_owned())
        ]
    );
    world.complete();
    for name in ["one", "two", "three"] {
        assert!(
            world
                .read(&format!("b/exports.d/{name}.toml"))
                .ends_with("-only\"\n")
                || name == "two"
        );
    }

    // A site that accepts the first one all the same learns it at the end.
    let other = World {
        dir: world.dir,
        identity: world.identity,
    };
    init(&Disk::new(), &other.at("d"), &plan("site-a")).unwrap();
    let choice = Choice {
        out: Some(&other.at("late.reply")),
        ..Choice::default()
    };
    other
        .accept_as(&Disk::new(), "d", "first.invite", NOW, &choice)
        .unwrap();
    other.refused("withdrawn", "is void since", Kind::Letter, || {
        other.accept_with(&Disk::new(), "b", "late.reply", NOW)
    });
}

#[test]
fn old_records_are_forgotten_and_a_late_use_is_told_what_it_is_before() {
    let world = World::new();
    let id = world.invite().id;
    fs::rename(world.at("to-a.invite"), world.at("old.invite")).unwrap();
    let record = world.at(&format!("b/invitations/{id}.toml"));
    let later = |days: u64| {
        let offers = ["backup:read-only".parse().unwrap()];
        let out = world.at(&format!("{days}.invite"));
        let guest = Guest {
            name: "site-c",
            offers: &offers,
            segment: None,
            endpoint: None,
            lifetime: Duration::from_secs(HOUR),
            out: &out,
        };
        invite(
            &Disk::new(),
            &world.at("b"),
            NOW + days * 24 * HOUR,
            &guest,
            || Ok(world.lock()),
        )
        .unwrap();
    };
    later(20);
    assert!(record.exists());
    later(40);
    assert!(!record.exists());
}
