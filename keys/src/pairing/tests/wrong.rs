//! Every wrong use is refused with its reason, and leaves no trace.

use std::fs;

use age::secrecy::SecretString;
use age::x25519::Identity;

use super::super::letter::Writer;
use super::super::*;
use super::{HOUR, NOW, World, plan};
use crate::Psk;

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
