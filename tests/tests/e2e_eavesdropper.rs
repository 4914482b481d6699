//! Somebody listens on everything between the gateways. In mode `encrypt` there is nothing to be found; in mode
//! `authenticate` the same ears find it all, which proves that they work.

#![forbid(unsafe_code)]

use anyhow::{Result, bail, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::sniffer::{Seen, Sniffer, contains};
use aoe_lab::topology::{PATIENCE, WorldPlan};
use e2e::stage::{Opened, Stage, play, play_by_noise};

const SECTORS: u64 = 4096;
const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };
/// What is written, 32 times in every kilobyte.
const MARKER: &[u8; 32] = b"The quick brown fox, top secret.";
const EXPORT: &str = "the-name-of-the-export";
/// vblade's model "Coraid EtherDrive" as IDENTIFY has it: the bytes of each word swapped.
const MODEL: &[u8] = b"oCardiE htrerDvi";
const ROUNDS: u64 = 100;
/// Ethernet, IPv4 and UDP headers.
const UDP_PAYLOAD: usize = 14 + 20 + 8;
const FIRST_MESSAGE: u8 = 1;

#[test]
fn encrypted_small_frames_show_nothing() {
    play(|stage| {
        let heard = listen(stage, "encrypt", 1500, "prefer")?;
        heard.demand_nothing()
    });
}

#[test]
fn encrypted_jumbo_frames_show_nothing() {
    play(|stage| {
        let heard = listen(stage, "encrypt", 9000, "require")?;
        heard.demand_nothing()
    });
}

#[test]
fn authenticated_frames_are_readable_and_still_no_aoe() {
    play(|stage| {
        let heard = listen(stage, "authenticate", 1500, "prefer")?;
        ensure!(
            heard.between.with_marker >= 2 * ROUNDS,
            "every write and every read: {:?}",
            heard.between
        );
        for (what, needle) in heard.needles() {
            ensure!(heard.finds(needle), "{what} is not readable");
        }
        ensure!(heard.between.aoe_frames == 0, "{:?}", heard.between);
        Ok(())
    });
}

#[test]
fn with_post_quantum_keys_required_nothing_of_the_disk_passes_before_they_are_in_use() {
    let why = "by TLS all keys withstand a quantum computer from the first session on";
    play_by_noise(why, |stage| {
        let heard = listen(stage, "authenticate", 1500, "require")?;
        // A first message that names the secret of an exchange is longer than one that names none.
        let call = |packet: &Vec<u8>, len: usize| {
            packet.len() == UDP_PAYLOAD + len && packet.get(UDP_PAYLOAD) == Some(&FIRST_MESSAGE)
        };
        let named = heard.packets.iter().position(|packet| call(packet, 184));
        let Some((before, after)) = named.and_then(|at| heard.packets.split_at_checked(at)) else {
            bail!("no call names a secret")
        };
        ensure!(before.iter().any(|packet| call(packet, 176)), "no session before");
        for (what, needle) in heard.needles() {
            let shows = |packets: &[Vec<u8>]| packets.iter().any(|packet| contains(packet, needle));
            ensure!(!shows(before), "{what} passed by keys that are not post-quantum");
            ensure!(shows(after), "{what} is not readable later either");
        }
        Ok(())
    });
}

/// What was heard.
struct Report {
    /// Between the gateways.
    between: Seen,
    /// Copies of all that.
    packets: Vec<Vec<u8>>,
    /// The initiator's address, which travels in messages.
    initiator: [u8; 6],
}

impl Report {
    fn finds(&self, needle: &[u8]) -> bool {
        self.packets.iter().any(|packet| contains(packet, needle))
    }

    fn needles(&self) -> [(&'static str, &[u8]); 4] {
        [
            ("eight bytes of the data", &MARKER[..8]),
            ("the export's name", EXPORT.as_bytes()),
            ("IDENTIFY", MODEL),
            ("the initiator's address", &self.initiator),
        ]
    }

    fn demand_nothing(&self) -> Result<()> {
        ensure!(
            self.between.with_marker == 0 && self.between.aoe_frames == 0,
            "{:?}",
            self.between
        );
        // Not even a little of it, nor anything else that says who does what.
        for (what, needle) in self.needles() {
            ensure!(!self.finds(needle), "{what} is readable between the gateways");
        }
        Ok(())
    }
}

/// Writes and reads back the marker many times, and reports what two sniffers have heard meanwhile.
fn listen(stage: &Stage, protection: &str, segment_mtu: u32, post_quantum: &str) -> Result<Report> {
    let mut world = stage.world(WorldPlan {
        segment_mtu,
        ..WorldPlan::default()
    })?;
    world.share(EXPORT, TARGET, Access::ReadWrite, IMPORT);
    world.site_a.peer("site-b")?.protection = vec![protection.to_owned()];
    world.site_b.peer("site-a")?.protection = vec![protection.to_owned()];
    world.site_a.peer("site-b")?.post_quantum = Some(post_quantum.to_owned());
    // From before the first handshake on.
    let between = Sniffer::start(&world.ground.wan, "a", MARKER)?;
    between.keep(1 << 16);
    let local = Sniffer::start(&world.ground.gwa, "san", MARKER)?;
    let Opened {
        mut gateways,
        vblade,
        world,
    } = stage.raise(world, TARGET, IMPORT, SECTORS)?;
    let line = gateways
        .a
        .process()
        .wait_for_line("session with site-b is up", PATIENCE)?;
    ensure!(line.contains(&format!("({protection}, ")), "{line}");

    let mut initiator = world.initiator()?;
    let mac = initiator.mac().0;
    let mut disk = initiator.disk(IMPORT, PATIENCE)?;
    let sectors: u32 = if segment_mtu == 9000 { 16 } else { 2 };
    let data = MARKER.repeat(sectors as usize * 16);
    for round in 0..ROUNDS {
        let lba = round * u64::from(sectors);
        disk.write(lba, &data)?;
        ensure!(disk.read(lba, sectors)? == data, "round {round}");
    }
    let written = std::fs::read(vblade.image())?;
    ensure!(contains(&written, &data), "the data is in vblade's file");

    let (between_seen, local_seen) = (between.seen(), local.seen());
    println!(
        "{protection}: between the gateways {between_seen:?}\non the initiator's segment {local_seen:?}"
    );
    // Two datagrams for each of 200 requests, and all the bytes of the data twice.
    let least = 2 * ROUNDS * data.len() as u64;
    ensure!(
        between_seen.packets >= 4 * ROUNDS && between_seen.bytes > least,
        "too little: {between_seen:?}"
    );
    ensure!(
        between_seen.missed == 0,
        "the sniffer was too slow: {between_seen:?}"
    );
    // The same ears on the segment, where everything is in the clear; they hear what comes from the initiator.
    ensure!(local_seen.with_marker >= ROUNDS, "{local_seen:?}");
    ensure!(local_seen.aoe_frames >= 2 * ROUNDS, "{local_seen:?}");
    gateways.stop()?;
    Ok(Report {
        between: between_seen,
        packets: between.take_kept(),
        initiator: mac,
    })
}
