//! The power fails between any two steps, and others change the same files.

use std::fs;
use std::path::PathBuf;

use age::x25519::Identity;

use super::super::*;
use super::{HOUR, NOW, World, directory, plan};

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
    for steps in 0..100 {
        let disk = Disk::failing_after(steps);
        let _ = world.accept_with(&disk, "b", "to-b.reply", NOW + HOUR);
        if world.at("b/invitations/journal").exists() {
            break;
        }
    }
    assert!(world.at("b/invitations/journal").exists(), "there is no journal");
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
