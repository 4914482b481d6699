//! Rules for parts of a disk, for commands and for reservations, with a real vblade.

use std::fs;

use super::scene::*;
use anyhow::ensure;
use aoe_lab::gateway::Access;
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::WorldPlan;
use e2e::stage::play;
use e2e::station::{Request, ata};

#[test]
fn a_write_outside_its_sectors_fails_at_once_and_inside_works() {
    play(|stage| {
        let scene = scene(stage, WorldPlan::default(), Access::ReadOnly, |world| {
            let allow = &mut world.site_b.exports[0].allow;
            let mut part = allow[0].clone();
            part.access = Access::ReadWrite;
            part.more = vec![
                "lba = [\"8-15\", \"20-20\"]".to_owned(),
                "until = \"2090-01-31T00:00Z\"".to_owned(),
            ];
            allow.push(part);
        })?;
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        for (lba, passes) in [
            (8, true),
            (14, true),
            (7, false),
            (15, false),
            (20, false),
            (40, false),
        ] {
            let write = Request::ata(gateway, IMPORT, ata::WRITE_EXT, lba, 2, &DATA);
            let answer = station.ask(&write)?;
            if passes {
                ensure!(answer.ata_status() == 0x40, "{lba}: {answer:?}");
            } else {
                demand_refusal(&answer, &write, &station, gateway)?;
            }
        }
        let one = Request::ata(gateway, IMPORT, ata::WRITE_EXT, 20, 1, &DATA[..512]);
        ensure!(station.ask(&one)?.ata_status() == 0x40);
        let bytes = fs::read(scene.vblade.image())?;
        for (sector, bytes) in bytes.chunks(512).enumerate() {
            let written = matches!(sector, 8 | 9 | 14 | 15 | 20);
            ensure!(bytes.contains(&0xa5) == written, "sector {sector}");
        }
        let seen = scene.world.site_b.status()?;
        let grants = seen.exports.first().map(|export| export.allow.as_slice());
        let [grant] = grants.unwrap_or_default() else {
            anyhow::bail!("one grant: {grants:?}")
        };
        let rules = ["ro", "rw sectors 8-15 20-20, until 2090-01-31T00:00:00Z"];
        ensure!(
            grant.until == Some(3_789_504_000.0) && grant.rules == rules && grant.access == "read-write",
            "{grant:?}"
        );
        scene.end("refused_sectors", 4)
    });
}

#[test]
fn commands_and_reservations_that_are_granted_reach_the_target() {
    play(|stage| {
        let mut scene = scene(stage, WorldPlan::default(), Access::ReadWrite, |world| {
            world.site_b.exports[0].allow[0].more = vec![
                "commands = [\"smart-read-data\"]".to_owned(),
                "reserve = \"allowed\"".to_owned(),
            ];
        })?;
        let sniffer = Sniffer::start(&scene.world.ground.tgt, "eth0", &[0])?;
        sniffer.keep(4096);
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        let smart = |feature: u8| {
            let mut request = Request::ata(gateway, IMPORT, 0xb0, 0, 1, b"");
            request.argument[1] = feature;
            request.argument[5..7].copy_from_slice(&[0x4f, 0xc2]);
            request
        };
        for feature in [0xd0, 0xd1, 0xd8] {
            // vblade knows no SMART, and says so as we do.
            let answer = station.ask(&smart(feature))?;
            ensure!(
                (answer.ata_status(), answer.ata_error()) == (0x41, 0x04),
                "{answer:?}"
            );
        }
        let reached = all_heard(&sniffer)?;
        let asked = reached
            .iter()
            .filter(|frame| !frame.is_response() && frame.at(27) == 0xb0);
        let asked: Vec<u8> = asked.map(|frame| frame.at(25)).collect();
        ensure!(asked == [0xd0], "at the target: {asked:x?}");
        // The target knows the exit, and nobody behind it.
        let requests = reached
            .iter()
            .find(|frame| !frame.is_response() && frame.command() == 0);
        let exit = requests.map(|frame| frame.source());
        let Some(exit) = exit else {
            anyhow::bail!("no request at the target: {reached:?}")
        };
        let reserve = |command: u8, list: &[[u8; 6]]| {
            let head = [command, u8::try_from(list.len()).unwrap_or_default()];
            Request::other(gateway, IMPORT, 3, [&head[..], &list.concat()].concat())
        };
        let refused = station.ask(&reserve(2, &[station.mac().0]))?;
        ensure!(
            (refused.version_flags(), refused.aoe_error()) == (0x1c, 2),
            "it would shut the exit out: {refused:?}"
        );
        let held = station.ask(&reserve(1, &[exit.0]))?;
        ensure!(held.version_flags() == 0x18 && held.at(25) == 1, "{held:?}");
        let read = station.ask(&reserve(0, &[]))?;
        ensure!((26..32).map(|at| read.at(at)).eq(exit.0), "{read:?}");
        let sector = station.ask(&Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b""))?;
        ensure!(sector.ata_status() == 0x40, "the disk still works: {sector:?}");
        let free = station.ask(&reserve(1, &[]))?;
        ensure!(free.version_flags() == 0x18 && free.at(25) == 0, "{free:?}");
        scene.gateways.stop()
    });
}
