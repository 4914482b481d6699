//! How initiators find what there is: the tools of aoetools, broadcasts as aoe-discover sends them, the unsolicited
//! advertisement; and what they are told of buffers, sectors and padding.

#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::Access;
use aoe_lab::topology::{Attach, PATIENCE, World, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Counted, Opened, Stage, Vblade, play, run};
use e2e::station::{Heard, Request, Station, ata};

const SECTORS: u64 = 1024;
const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };
/// Long enough that aoetools accept vblade's own, unpadded answers (they want 60 bytes), for comparison.
const LABEL: &str = "what is written on this disk's label";

fn at(shelf: u16, slot: u8) -> Address {
    Address { shelf, slot }
}

#[test]
fn aoeping_and_aoecfg_answer_through_the_pair_by_nic() {
    play(|stage| tools(stage, Attach::Nic));
}

#[test]
fn aoeping_and_aoecfg_answer_through_the_pair_by_tap() {
    play(|stage| tools(stage, Attach::Tap));
}

fn tools(stage: &Stage, attach: Attach) -> Result<()> {
    let plan = WorldPlan {
        attach_a: attach,
        ..WorldPlan::default()
    };
    let Opened {
        mut gateways,
        vblade: _vblade,
        world,
    } = stage.open(plan, TARGET, IMPORT, SECTORS)?;
    let device = world.initiator_device();
    let here = |tool: &str, options: &[&str]| {
        let args = [options, &["107", "3", device]].concat();
        run(&world.ground.ini, tool, &args, PATIENCE)
    };
    let at_target = |tool: &str, options: &[&str]| {
        let args = [options, &["7", "3", "san"]].concat();
        run(&world.ground.gwb, tool, &args, PATIENCE)
    };

    // With an empty string, vblade's answer has 32 bytes; ours is padded, or aoeping would wait forever.
    let ping = here("aoeping", &["-v", "-s", "10"])?;
    let gateway = Station::open(&world.ground.ini, device)?
        .ask(&Request::config(IMPORT, 0, b""))?
        .source();
    let found = format!("found e107.3 with mac {}", gateway.to_string().replace(':', ""));
    ensure!(
        ping.code == Some(0) && ping.stdout.contains(&found),
        "{found:?} is missing: {ping:?}"
    );

    // The gateway at the target learns of the new string by its next look, every 5 s.
    let set = at_target("aoecfg", &["-t", "1", "-c", "fset", "-s", LABEL])?;
    ensure!(set.stdout.contains(LABEL), "{set:?}");
    let mut station = Station::open(&world.ground.ini, device)?;
    e2e::stage::eventually("the new string is told at site A", PATIENCE, || {
        Ok(station.ask(&Request::config(IMPORT, 0, b""))?.config_string() == LABEL.as_bytes())
    })?;

    let (read, test) = (
        here("aoecfg", &["-t", "1"])?,
        here("aoecfg", &["-t", "1", "-c", "test", "-s", LABEL])?,
    );
    let prefix = here("aoecfg", &["-t", "1", "-c", "prefix", "-s", "what is"])?;
    for answer in [read, test, prefix] {
        ensure!(
            answer.code == Some(0) && answer.stdout.trim_end() == LABEL,
            "{answer:?}"
        );
    }
    let wrong = here("aoecfg", &["-t", "1", "-c", "test", "-s", "another label"])?;
    ensure!(
        wrong.stdout.is_empty(),
        "a wrong test must not be answered: {wrong:?}"
    );
    ensure!(Counted::ask(&mut gateways.a)?.of("request_config_mismatch") == 1);

    // IDENTIFY comes through unchanged: the same 512 bytes that vblade says on its own segment.
    let (far, near) = (
        here("aoeping", &["-i", "-s", "10"])?,
        at_target("aoeping", &["-i", "-s", "10"])?,
    );
    let dump = |text: &str| -> Vec<String> {
        let is_hex =
            |line: &&str| line.split_whitespace().all(|word| word.len() == 2) && !line.trim().is_empty();
        text.lines().filter(is_hex).map(str::to_owned).collect()
    };
    let bytes: usize = dump(&far.stdout)
        .iter()
        .map(|line| line.split_whitespace().count())
        .sum();
    ensure!(far.code == Some(0) && bytes >= 512, "{bytes} bytes in {far:?}");
    ensure!(dump(&far.stdout) == dump(&near.stdout), "{far:?}\n{near:?}");
    gateways.stop()
}

#[test]
fn broadcasts_find_every_import_under_its_address_here() {
    play(|stage| {
        // Two shelves here; the real addresses are crossed on purpose.
        let shares = [
            ("one", at(7, 3), at(107, 3)),
            ("two", at(107, 3), at(7, 3)),
            ("three", at(0, 0), at(107, 4)),
        ];
        let mut world = stage.world(WorldPlan::default())?;
        for (name, target, import) in shares {
            world.share(name, target, Access::ReadWrite, import);
        }
        let mut gateways = world.start()?;
        let mut vblades = Vec::new();
        for (_, target, _) in shares {
            vblades.push(stage.serve(&world, target, SECTORS, &[])?);
        }
        for (.., import) in shares {
            gateways.wait_for_import(import)?;
        }
        let mut station = Station::open(&world.ground.ini, "eth0")?;
        for (asked, expected) in [
            (at(0xffff, 0xff), vec![at(7, 3), at(107, 3), at(107, 4)]),
            (at(107, 0xff), vec![at(107, 3), at(107, 4)]),
            (at(0xffff, 3), vec![at(7, 3), at(107, 3)]),
            (at(107, 4), vec![at(107, 4)]),
            (at(0, 0), vec![]),
            (at(8, 0xff), vec![]),
        ] {
            let query = Request::config(asked, 0, b"");
            let tag = station.send(&query)?;
            // The edge answers by itself, one after the other: when this is answered, so is everything before it.
            let (heard, _) = station.ask_after(&Request::config(at(107, 4), 0, b""))?;
            let mut found: Vec<_> = heard.iter().filter(|answer| answer.tag() == tag).collect();
            found.sort_by_key(|answer| answer.address());
            let addresses: Vec<_> = found.iter().map(|answer| answer.address()).collect();
            ensure!(addresses == expected, "{asked}: {addresses:?}");
            for answer in found {
                demand_config(answer, station.mac(), b"")?;
            }
        }
        // As aoe-discover makes the driver ask: tag 0.
        let mut initiator = world.initiator()?;
        let mut found: Vec<_> = initiator
            .discover(Duration::from_millis(200))
            .into_iter()
            .map(|found| (found.address, found.tag.0))
            .collect();
        found.sort_unstable();
        ensure!(
            found == [(at(7, 3), 0), (at(107, 3), 0), (at(107, 4), 0)],
            "{found:?}"
        );
        // Each leads to its own disk: vblade's serial number is its address there.
        for (_, target, import) in shares {
            let serial = initiator.disk(import, PATIENCE)?.facts().serial;
            let real = format!("{}.{}:", target.shelf, target.slot);
            ensure!(serial.starts_with(&real), "{import} is {serial}");
        }
        gateways.stop()
    });
}

#[test]
fn a_target_that_starts_later_is_advertised_under_its_address_here() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        let mut gateways = world.start()?;
        gateways.a.wait_for_session("site-b", PATIENCE)?;
        // The gateway's segment may take a second to have a link; what it does not hear it cannot count.
        gateways
            .a
            .process()
            .wait_for_line("segment san is attached", PATIENCE)?;
        gateways
            .b
            .process()
            .wait_for_line("segment san is attached", PATIENCE)?;
        let mut station = Station::open(&world.ground.ini, "eth0")?;
        let tag = station.send(&Request::config(IMPORT, 0, b""))?;
        let _vblade = stage.serve(&world, TARGET, SECTORS, &[])?;
        let advertisement = station.wait_for("the advertisement", Heard::is_response)?;
        ensure!(
            advertisement.tag() == 0,
            "the query {tag:#x} before the target lived was answered: {advertisement:?}"
        );
        ensure!(advertisement.address() == IMPORT, "{advertisement:?}");
        demand_config(&advertisement, MacAddr::BROADCAST, b"")?;
        ensure!(Counted::ask(&mut gateways.a)?.of("request_import_down") == 1);
        gateways.stop()
    });
}

#[test]
fn buffers_are_the_window_and_the_target_never_gets_more_than_it_has() {
    play(|stage| {
        for (index, (window, told)) in [(None, 64), (Some(2), 2), (Some(200), 200)]
            .into_iter()
            .enumerate()
        {
            let dir = stage.dir().join(index.to_string());
            let mut world = World::build(&dir, stage.binaries(), WorldPlan::default())?;
            world.share("disk", TARGET, Access::ReadWrite, IMPORT);
            world.site_a.config.imports[0].window = window;
            let mut gateways = world.start()?;
            let image = stage.image(&format!("{index}.img"), SECTORS)?;
            // A small target: four frames.
            let _vblade = Vblade::start(&world.ground.tgt, "eth0", TARGET, &image, &["-b", "4"])?;
            gateways.wait_for_import(IMPORT)?;
            let answer = Station::open(&world.ground.ini, "eth0")?.ask(&Request::config(IMPORT, 0, b""))?;
            ensure!(
                answer.buffer_count() == told,
                "{} instead of {told}",
                answer.buffer_count()
            );

            let mut initiator = world.initiator()?;
            initiator.disk(IMPORT, PATIENCE)?;
            let mut ledger = Ledger::new(0, usize::try_from(SECTORS)?, 1, Fresh::Zero);
            let workload = Workload {
                mix: Mix::ReadPercent(50),
                order: Order::Random,
                block_sectors: 2,
                depth: 64,
                limit: Limit::Bytes(1 << 20),
                patience: PATIENCE,
                ..Workload::default()
            };
            let figures = workload.run(&mut initiator, IMPORT, &mut ledger)?;
            ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
            let counted = Counted::ask(&mut gateways.b)?;
            println!("window {window:?}: {counted:?}");
            let has_queued = counted.of("requests_queued") > 0;
            ensure!(
                has_queued == (told > 4),
                "window {told}, and of {counted:?} queued"
            );
            ensure!(
                counted.of("queue_full") == 0 && counted.of("pending_expired") == 0,
                "{counted:?}"
            );
            gateways.stop()?;
        }
        Ok(())
    });
}

#[test]
fn sectors_are_what_both_segments_carry() {
    play(|stage| {
        for (index, (edge, exit, told)) in [(9000, 9000, 17), (9000, 1500, 2), (1500, 9000, 2)]
            .into_iter()
            .enumerate()
        {
            let dir = stage.dir().join(index.to_string());
            let mut world = World::build(&dir, stage.binaries(), WorldPlan::default())?;
            for (namespace, device, mtu) in [
                (&world.ground.ini, "eth0", edge),
                (&world.ground.gwa, "san", edge),
                (&world.ground.gwb, "san", exit),
                (&world.ground.tgt, "eth0", exit),
            ] {
                namespace.set_mtu(device, mtu)?;
            }
            world.share("disk", TARGET, Access::ReadWrite, IMPORT);
            let mut gateways = world.start()?;
            let image = stage.image(&format!("{index}.img"), SECTORS)?;
            let _vblade = Vblade::start(&world.ground.tgt, "eth0", TARGET, &image, &[])?;
            gateways.wait_for_import(IMPORT)?;
            let answer = Station::open(&world.ground.ini, "eth0")?.ask(&Request::config(IMPORT, 0, b""))?;
            ensure!(
                answer.sectors() == told,
                "edge {edge}, exit {exit}: {}",
                answer.sectors()
            );

            let mut initiator = world.initiator()?;
            initiator.disk(IMPORT, PATIENCE)?;
            ensure!(initiator.driver().sectors_per_frame(IMPORT) == Some(told));
            let mut ledger = Ledger::new(0, usize::try_from(SECTORS)?, 1, Fresh::Zero);
            for mix in [Mix::Write, Mix::Read] {
                let workload = Workload {
                    mix,
                    block_sectors: 32,
                    depth: 8,
                    limit: Limit::Bytes(SECTORS * 512),
                    patience: PATIENCE,
                    ..Workload::default()
                };
                let figures = workload.run(&mut initiator, IMPORT, &mut ledger)?;
                ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
            }
            gateways.stop()?;
        }
        Ok(())
    });
}

#[test]
fn padding_is_zeros_although_vblade_pads_with_other_peoples_data() {
    const FLUSH: u8 = 0xe7;
    const CHECK_POWER: u8 = 0xe5;
    play(|stage| {
        let Opened {
            mut gateways,
            vblade: _vblade,
            world,
        } = stage.open(WorldPlan::default(), TARGET, IMPORT, SECTORS)?;
        let mut here = Station::open(&world.ground.ini, "eth0")?;
        let mut there = Station::open(&world.ground.gwb, "san")?;
        let gateway = here.ask(&Request::config(IMPORT, 0, b""))?.source();
        let target = there.ask(&Request::config(TARGET, 0, b""))?.source();
        let mut stale = 0;
        for (opcode, sectors) in [(FLUSH, 0), (CHECK_POWER, 0), (ata::WRITE_EXT, 2)] {
            for (station, to, address) in [(&mut here, gateway, IMPORT), (&mut there, target, TARGET)] {
                let secret = [0xa5; 1024];
                station.ask(&Request::ata(to, address, ata::WRITE_EXT, 9, 2, &secret))?;
                let data = &secret[..usize::from(sectors) * 512];
                let answer = station.ask(&Request::ata(to, address, opcode, 9, sectors, data))?;
                let dirt = answer.from(36).iter().filter(|byte| **byte != 0).count();
                if address == TARGET {
                    stale += dirt;
                    continue;
                }
                ensure!(answer.0.len() == 60 && dirt == 0, "{opcode:#x}: {answer:?}");
                ensure!(
                    (answer.version_flags(), answer.address()) == (0x18, IMPORT),
                    "{answer:?}"
                );
            }
        }
        println!("bytes of other frames in the padding of vblade's own answers: {stale}");
        gateways.stop()
    });
}

/// Checks that a Config response is as a target sends it: padded with zeros to 60 bytes, to the one who asked.
fn demand_config(answer: &Heard, asker: MacAddr, string: &[u8]) -> Result<()> {
    let head = (answer.version_flags(), answer.aoe_error(), answer.command());
    ensure!(head == (0x18, 0, 1), "{answer:?}");
    ensure!(
        answer.destination() == asker && !answer.source().is_multicast(),
        "{answer:?}"
    );
    ensure!(answer.config_string() == string, "{answer:?}");
    ensure!(
        answer.0.len() == 60.max(32 + string.len()),
        "{} bytes",
        answer.0.len()
    );
    ensure!(
        answer.from(32 + string.len()).iter().all(|byte| *byte == 0),
        "{answer:?}"
    );
    // Window, and no more sectors than the segments carry; version 1, command read.
    ensure!(
        (answer.buffer_count(), answer.sectors(), answer.at(29)) == (64, 2, 0x10),
        "{answer:?}"
    );
    Ok(())
}
