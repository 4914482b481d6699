//! Two directories on one disk are paired, wrongly and rightly, and the power fails between any two steps.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use age::secrecy::SecretString;
use age::x25519::Identity;
use tempfile::TempDir;

use super::letter::Writer;
use super::*;
use crate::Psk;

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
fn every_wrong_use_of_an_invitation_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let id = world.invite().id;
    let at = |at: &'static str, now: u64| {
        let world = &world;
        move || world.accept_with(&Disk::new(), at, "to-a.invite", now)
    };
    let letter = Kind::Letter;
    world.refused(
        "by the inviting side",
        "was made here, for site-a",
        letter,
        at("b", NOW),
    );
    world.refused("expired", "ended on", letter, at("a", NOW + 72 * HOUR));
    world.refused(
        "made in the future",
        "one of the two clocks is wrong",
        letter,
        at("a", NOW - HOUR),
    );
    init(&Disk::new(), &world.at("c"), &plan("site-c")).unwrap();
    world.refused(
        "for another",
        "is for a gateway called site-a, and this one is called site-c",
        letter,
        at("c", NOW),
    );
    let before = Identity::generate();
    world.refused("another identity", "not sealed to this identity", letter, || {
        let bytes = fs::read(world.at("to-a.invite")).unwrap();
        accept(
            &Disk::new(),
            &world.at("a"),
            NOW,
            &bytes,
            &Choice::default(),
            |_| Ok(Key::Identities(vec![before])),
        )
    });
    world.refused(
        "a passphrase for a recipient",
        "sealed to a recipient",
        letter,
        || {
            let bytes = fs::read(world.at("to-a.invite")).unwrap();
            let key = Key::Passphrase(SecretString::from("what is this".to_owned()));
            accept(
                &Disk::new(),
                &world.at("a"),
                NOW,
                &bytes,
                &Choice::default(),
                |_| Ok(key),
            )
        },
    );
    world.refused("nowhere to write the reply", "--out", Kind::Usage, || {
        world.accept_as(&Disk::new(), "a", "to-a.invite", NOW, &Choice::default())
    });
    let slots = [(None, "e7.3".parse().unwrap())];
    let used = Choice {
        slots: &slots,
        out: Some(&world.at("x")),
        ..Choice::default()
    };
    world.write(
        "a/exports.d/own.toml",
        "name = \"own\"\nsegment = \"san\"\ntarget = \"e7.3\"\n",
    );
    world.refused(
        "an address that is used",
        "e7.3 is used on san already",
        Kind::Config,
        || world.accept_as(&Disk::new(), "a", "to-a.invite", NOW, &used),
    );
    let nowhere = Choice {
        segment: Some("lan"),
        out: Some(&world.at("x")),
        ..Choice::default()
    };
    world.refused(
        "another segment",
        "no segment is called \"lan\"; there is san",
        Kind::Usage,
        || world.accept_as(&Disk::new(), "a", "to-a.invite", NOW, &nowhere),
    );
    world.write(
        "a/gateway.toml",
        &world.read("a/gateway.toml").replace("peers = ", "# peers = "),
    );
    world.refused(
        "no directory of peers",
        "add: peers = \"peers.d\"",
        Kind::Config,
        at("a", NOW),
    );
    world.write(
        "a/gateway.toml",
        &world.read("a/gateway.toml").replace("# peers = ", "peers = "),
    );
    world.write("a/peers.d/site-b.toml", "[peer]\n");
    world.refused(
        "a peer of that name",
        "a peer called site-b already",
        Kind::Exists,
        at("a", NOW),
    );
    fs::remove_file(world.at("a/peers.d/site-b.toml")).unwrap();
    world.write("to-b.reply", "mine");
    world.refused(
        "the reply is there",
        "to-b.reply exists already",
        Kind::Exists,
        at("a", NOW),
    );
    fs::remove_file(world.at("to-b.reply")).unwrap();

    world.accept();
    world.refused(
        "again",
        &format!("invitation {id} was accepted here already"),
        letter,
        at("a", NOW + HOUR),
    );
}

#[test]
fn every_wrong_use_of_a_reply_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let id = world.invite().id;
    world.accept();
    let at = |at: &'static str, now: u64| {
        let world = &world;
        move || world.accept_with(&Disk::new(), at, "to-b.reply", now)
    };
    let letter = Kind::Letter;
    world.refused(
        "by who wrote it",
        "was written here: take it to site-b",
        letter,
        at("a", NOW + HOUR),
    );
    world.refused("expired", "invite site-a again", letter, at("b", NOW + 72 * HOUR));
    world.refused(
        "a clock set back",
        "this clock was set back",
        letter,
        at("b", NOW - HOUR),
    );
    world.refused(
        "made in the future",
        "one of the clocks is wrong",
        letter,
        at("b", NOW),
    );
    init(&Disk::new(), &world.at("c"), &plan("site-c")).unwrap();
    world.refused(
        "elsewhere",
        "no such invitation was made here",
        letter,
        at("c", NOW + HOUR),
    );

    let (_, armored) = world
        .read("to-b.reply")
        .split_once('\n')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    world.write(
        "other",
        &format!("# aoe-gateway reply 0123456789abcdef\n{armored}"),
    );
    world.refused(
        "never made",
        "invitation 0123456789abcdef, and no such",
        letter,
        || world.accept_with(&Disk::new(), "b", "other", NOW + HOUR),
    );

    let export = world.read("b/exports.d/backup.toml");
    world.write("b/exports.d/backup.toml", &format!("allow = []\n{export}"));
    world.refused(
        "a file that cannot be added to",
        "cannot be added at the end",
        Kind::Config,
        at("b", NOW + HOUR),
    );
    fs::remove_file(world.at("b/exports.d/backup.toml")).unwrap();
    world.refused(
        "the export is gone",
        "is not there any more",
        Kind::Config,
        at("b", NOW + HOUR),
    );
    world.write("b/exports.d/backup.toml", &export);

    world.complete();
    world.refused(
        "again",
        &format!("invitation {id} was answered already"),
        letter,
        at("b", NOW + 2 * HOUR),
    );
}

#[test]
fn a_reply_by_somebody_who_had_no_invitation_is_refused() {
    let world = World::new();
    let id = world.invite().id;
    // He has read the record's recipient over somebody's shoulder, and has no psk.
    let record: toml::Table = world.read(&format!("b/invitations/{id}.toml")).parse().unwrap();
    let identity: Identity = record["identity"].as_str().unwrap().parse().unwrap();
    let psk: Psk = record["psk"].as_str().unwrap().parse().unwrap();
    let lock = Lock::Recipient(Box::new(identity.to_public()));
    let from = |name: &str| Writer {
        name: name.to_owned(),
        key: crate::SecretKey::generate().unwrap().public().to_string(),
        endpoint: None,
        workers: 1,
    };
    let forge = |name: &str, psk: &Psk| {
        let reply = Reply::new(id.clone(), NOW, from(name), "site-b".to_owned(), psk);
        world.write(
            "forged",
            &seal(Paper::Reply, &id, &reply.to_text(), &lock).unwrap(),
        );
    };
    let accepting = || world.accept_with(&Disk::new(), "b", "forged", NOW);
    forge("site-a", &Psk::from_bytes([7; 32]));
    world.refused(
        "without the psk",
        "was not made with invitation",
        Kind::Letter,
        accepting,
    );
    forge("site-x", &psk);
    world.refused(
        "by another",
        "was for site-a, and site-x has answered",
        Kind::Letter,
        accepting,
    );
    forge("site-a", &psk);
    accepting().unwrap();
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let world = World::new();
    world.invite();
    let good = world.read("to-a.invite");
    let tree = world.tree();
    let try_it = |text: &[u8]| {
        accept(
            &Disk::new(),
            &world.at("a"),
            NOW,
            text,
            &Choice::default(),
            |_| Ok(world.key()),
        )
        .unwrap_err()
    };
    let good = good.trim_end();
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] ^= 1;
        let refusal = try_it(&bytes);
        // Whatever passes the seal ends at the missing --out.
        assert_eq!(refusal.kind, Kind::Letter, "byte {at}: {refusal}");
        if at % 21 == 0 {
            let refusal = try_it(&good.as_bytes()[..at]);
            assert_eq!(refusal.kind, Kind::Letter, "cut at {at}: {refusal}");
        }
    }
    assert_eq!(try_it(good.as_bytes()).kind, Kind::Usage, "the whole one is good");
    assert!(tree == world.tree());
}

#[test]
fn a_passphrase_is_long_and_no_more_work_is_done_than_we_ask_for() {
    assert!(Lock::passphrase("too short").is_err_and(|refusal| refusal.kind == Kind::Usage));
    let lock = Lock::passphrase("long enough, I think").unwrap();
    let id = "0123456789abcdef";
    let open = |text: &str, passphrase: &str, most: u8| {
        let sealed = Sealed::look(text.as_bytes()).unwrap();
        assert!(sealed.is_for_passphrase().unwrap());
        sealed.open(&Key::Passphrase(SecretString::from(passphrase.to_owned())), most)
    };
    let easy = seal_with_work(Paper::Invitation, id, b"text", &lock, 4).unwrap();
    assert_eq!(&**open(&easy, "long enough, I think", 4).unwrap(), b"text");
    let wrong = open(&easy, "another long passphrase", 4).unwrap_err();
    assert!(wrong.words.contains("the passphrase does not open"), "{wrong}");
    let hard = open(&easy, "long enough, I think", 3).unwrap_err();
    assert!(hard.words.contains("2^4 steps of scrypt"), "{hard}");
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

    // Whoever accepts the first one all the same is told at the end.
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
fn an_offer_must_be_what_is_there() {
    let world = World::new();
    world.write(
        "b/exports.d/disk.toml",
        "name = \"disk\"\nsegment = \"san\"\ntarget = \"e7.3\"\n",
    );
    let before = world.tree();
    for (guest, offers, said) in [
        (
            "site-a",
            &["backup=e7.3:read-only"][..],
            "e7.3 is the target of the export disk already",
        ),
        ("site-a", &["disk=e7.4:read-only"], "the export disk is e7.3"),
        ("site-a", &["none:read-only"], "there is disk"),
        ("site-a", &["disk:read-only", "disk:read-only"], "offered twice"),
        ("site-b", &["disk:read-only"], "both gateways are called site-b"),
        ("site a", &["disk:read-only"], "is no name"),
        ("../a", &["disk:read-only"], "is no name"),
    ] {
        let refusal = world.invite_with(&Disk::new(), guest, offers).unwrap_err();
        assert!(refusal.words.contains(said), "{guest} {offers:?}: {refusal}");
        assert!(before == world.tree(), "{said}");
    }
    world
        .invite_with(&Disk::new(), "site-a", &["disk:read-only"])
        .unwrap();
}

/// What a gateway would find: every peer has its key and its psk, and nobody is allowed who is no peer.
fn must_be_usable(world: &World, site: &str) {
    let peers: Vec<PathBuf> = fs::read_dir(world.at(&format!("{site}/peers.d")))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    for peer in &peers {
        let table: toml::Table = fs::read_to_string(peer).unwrap().parse().unwrap();
        let psk = table["peer"]["psk"].as_str().unwrap();
        crate::store::read_psk(peer.with_file_name(psk)).unwrap();
    }
    for entry in fs::read_dir(world.at(&format!("{site}/exports.d"))).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        if let Some(allow) = table.get("allow") {
            let name = allow[0]["peer"].as_str().unwrap();
            assert!(
                peers.iter().any(|peer| peer.file_stem().unwrap() == name),
                "{name} is no peer"
            );
        }
    }
}

/// The names that are there, and how often each number of an invitation is replaced by one word.
fn names(world: &World) -> Vec<(String, u32)> {
    let base = world.dir.path();
    let all = world.tree().into_iter().map(|(path, (mode, _))| {
        let path = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
        let name = match path.split_once("/invitations/") {
            Some((site, _)) => format!("{site}/invitations/RECORD"),
            None => path,
        };
        (name, mode)
    });
    all.collect()
}

#[test]
fn after_the_power_failed_between_any_two_steps_the_same_command_completes() {
    type Command = fn(&World, &Disk) -> Result<bool>;
    let begun = || World {
        dir: directory(),
        identity: Identity::generate(),
    };
    let commands: [(&str, Command); 4] = [
        ("init", |world, disk| {
            let made = init(disk, &world.at("a"), &plan("site-a"))?;
            Ok(made.finished)
        }),
        ("invite", |world, disk| {
            Ok(world
                .invite_with(disk, "site-a", &["backup=e7.3:read-write", "more=e7.4:read-only"])?
                .finished)
        }),
        ("accept", |world, disk| {
            match world.accept_with(disk, "a", "to-a.invite", NOW + HOUR)? {
                Done::Accepted(done) => Ok(done.finished),
                Done::Completed(_) => panic!("it is an invitation"),
            }
        }),
        ("complete", |world, disk| {
            match world.accept_with(disk, "b", "to-b.reply", NOW + 2 * HOUR)? {
                Done::Completed(done) => Ok(done.finished),
                Done::Accepted(_) => panic!("it is a reply"),
            }
        }),
    ];
    for (which, (name, command)) in commands.iter().enumerate() {
        let before = || {
            let world = begun();
            if which > 0 {
                init(&Disk::new(), &world.at("a"), &plan("site-a")).unwrap();
                init(&Disk::new(), &world.at("b"), &plan("site-b")).unwrap();
            }
            for (_, earlier) in commands.iter().take(which).skip(1) {
                assert!(!earlier(&world, &Disk::new()).unwrap());
            }
            world
        };
        let world = before();
        command(&world, &Disk::new()).unwrap();
        let whole = names(&world);
        let (mut afresh, mut finished) = (0, 0);
        for steps in 0.. {
            let world = before();
            let disk = Disk::failing_after(steps);
            let cut = command(&world, &disk);
            if !disk.has_failed() {
                cut.unwrap();
                break;
            }
            if which > 0 {
                must_be_usable(&world, "a");
                must_be_usable(&world, "b");
            }
            match command(&world, &Disk::new()) {
                Ok(true) => finished += 1,
                Ok(false) => afresh += 1,
                Err(refusal) => panic!("{name} after {steps} steps: {refusal}"),
            }
            assert_eq!(names(&world), whole, "{name} after {steps} steps");
            for (_, later) in commands.iter().skip(which + 1).filter(|_| which > 0) {
                later(&world, &Disk::new()).unwrap();
            }
        }
        assert!(
            afresh > 3 && finished > 3,
            "{name}: {afresh} begun again, {finished} finished"
        );
    }
}

#[test]
fn what_a_person_changed_meanwhile_is_not_overwritten() {
    let world = World::new();
    world.invite();
    world.accept();
    let before = world.read("b/exports.d/backup.toml");
    // Let it fail after the journal is in its place.
    for steps in 0.. {
        let disk = Disk::failing_after(steps);
        let _ = world.accept_with(&disk, "b", "to-b.reply", NOW + HOUR);
        if world.at("b/invitations/journal").exists() {
            break;
        }
    }
    let mine = format!("{before}# mine\n");
    world.write("b/exports.d/backup.toml", &mine);
    for _ in 0..2 {
        let refusal = world
            .accept_with(&Disk::new(), "b", "to-b.reply", NOW + HOUR)
            .unwrap_err();
        assert_eq!(refusal.kind, Kind::Config, "{refusal}");
        assert!(
            refusal
                .words
                .contains("backup.toml was changed while this was going on"),
            "{refusal}"
        );
    }
    assert_eq!(world.read("b/exports.d/backup.toml"), mine);
    // As the words say: move the change away, and it goes on.
    world.write("b/exports.d/backup.toml", &before);
    world.complete();
    assert!(world.read("b/exports.d/backup.toml").contains("site-a"));
}

#[test]
fn two_at_a_time_are_one_too_many() {
    let world = World::new();
    let held = site::Held::take(&world.at("b")).unwrap();
    let refusal = world
        .invite_with(&Disk::new(), "site-a", &["x=e1.1:read-only"])
        .unwrap_err();
    assert_eq!(refusal.kind, Kind::Busy, "{refusal}");
    drop(held);
    world
        .invite_with(&Disk::new(), "site-a", &["x=e1.1:read-only"])
        .unwrap();
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
