//! Reads, writes and other ATA commands, and who may send them.

use std::fs;

use super::scene::*;
use anyhow::ensure;
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::Access;
use aoe_lab::initiator::DiskError;
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::{PATIENCE, WorldPlan, export_file, import_section, introduce};
use e2e::stage::play;
use e2e::station::{Heard, Request, Station, ata};

#[test]
fn a_write_on_a_read_only_export_fails_at_once_and_the_disk_stays() {
    play(|stage| {
        let scene = scene(stage, WorldPlan::default(), Access::ReadOnly, |_| ())?;
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        for opcode in [ata::WRITE_EXT, ata::WRITE] {
            let write = Request::ata(gateway, IMPORT, opcode, 5, 2, &DATA);
            let answer = station.ask(&write)?;
            demand_refusal(&answer, &write, &station, gateway)?;
        }
        // And as the Linux driver takes it: an I/O error, no repetition, and the disk is still there.
        let mut initiator = scene.world.initiator()?;
        let mut disk = initiator.disk(IMPORT, PATIENCE)?;
        let refused = disk.write(5, &DATA);
        let as_expected = Err(DiskError::Status {
            status: 0x41,
            error: 0x04,
        });
        ensure!(refused == as_expected, "{refused:?}");
        ensure!(disk.read(5, 2)? == [0; 1024]);
        let counters = initiator.driver().counters();
        ensure!(counters.retransmits == 0, "{counters:?}");
        scene.demand_untouched()?;
        scene.end("refused_read_only", 3)
    });
}

#[test]
fn ata_commands_that_are_not_on_the_list_are_refused_and_never_reach_the_target() {
    play(|stage| {
        let scene = scene(stage, WorldPlan::default(), Access::ReadWrite, |_| ())?;
        let sniffer = Sniffer::start(&scene.world.ground.tgt, "eth0", &[0])?;
        sniffer.keep(4096);
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        let allowed = [0x20, 0x24, 0x30, 0x34, 0xec, 0xe7, 0xea, 0xe5];
        let forbidden: Vec<u8> = (0..=255).filter(|opcode| !allowed.contains(opcode)).collect();
        for opcode in &forbidden {
            // SMART (0xb0), SECURITY (0xf1 to 0xf6), DOWNLOAD MICROCODE (0x92, 0x93), TRIM (0x06), … with data, as the
            // worst of them have it.
            let request = Request::ata(gateway, IMPORT, *opcode, 0, 1, &DATA[..512]);
            let answer = station.ask(&request)?;
            demand_refusal(&answer, &request, &station, gateway)?;
        }
        let read = station.ask(&Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b""))?;
        ensure!(read.ata_status() == 0x40, "the disk still works: {read:?}");
        scene.demand_untouched()?;
        let reached = all_heard(&sniffer)?;
        ensure!(
            reached
                .iter()
                .any(|frame| !frame.is_response() && frame.at(27) == ata::READ_EXT),
            "the sniffer at the target has seen the read"
        );
        let wrong = reached
            .iter()
            .find(|frame| !frame.is_response() && frame.command() == 0 && !allowed.contains(&frame.at(27)));
        ensure!(wrong.is_none(), "at the target: {wrong:?}");
        scene.end("refused_ata_command", forbidden.len() as u64)
    });
}

#[test]
fn more_sectors_than_the_targets_segment_carries_are_done_in_parts() {
    play(|stage| {
        let plan = WorldPlan {
            segment_mtu: 9000,
            ..WorldPlan::default()
        };
        let scene = scene(stage, plan, Access::ReadWrite, |world| {
            for (namespace, device) in [(&world.ground.gwb, "san"), (&world.ground.tgt, "eth0")] {
                namespace.set_mtu(device, 1500).unwrap();
            }
        })?;
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        for sectors in [2u8, 3, 4, 17] {
            let data: Vec<u8> = (0..sectors).flat_map(|sector| [sector ^ sectors; 512]).collect();
            let write = Request::ata(gateway, IMPORT, ata::WRITE_EXT, 5, sectors, &data);
            let write = station.ask(&write)?;
            ensure!(write.ata_status() == 0x40, "{write:?}");
            ensure!(fs::read(scene.vblade.image())?[5 * 512..][..data.len()] == data);
            let read = station.ask(&Request::ata(gateway, IMPORT, ata::READ_EXT, 5, sectors, b""))?;
            ensure!(read.ata_status() == 0x40 && read.ata_data() == data, "{read:?}");
        }
        // No frame at all carries so many.
        let request = Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 32, b"");
        let answer = station.ask(&request)?;
        demand_refusal(&answer, &request, &station, gateway)?;
        scene.end("refused_too_many_sectors", 1)
    });
}

#[test]
fn an_initiator_that_is_not_listed_sees_neither_discovery_nor_answers() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        world.site_b.exports[0].allow[0].initiators = Some(vec![LISTED]);
        let mut gateways = world.start()?;
        // Before the target lives: the advertisement is for those who are listed, too.
        let mut station = Station::open(&world.ground.ini, "eth0")?;
        let vblade = stage.serve(&world, TARGET, SECTORS, &[])?;
        gateways.wait_for_import(IMPORT)?;
        let advertised = |heard: &Heard| heard.is_response() && heard.address() == IMPORT;
        let advertisement = station.wait_for("the advertisement", advertised)?;
        ensure!(
            advertisement.destination() == LISTED,
            "advertised to {:?}",
            advertisement.destination()
        );
        let scene = Scene {
            gateways,
            vblade,
            world,
        };

        let listed_asks = Request::config(IMPORT, 0, b"").from(LISTED);
        let gateway = station.ask(&listed_asks)?.source();
        let requests = [
            Request::config(EVERYBODY, 0, b""),
            Request::config(WHOLE_SHELF, 0, b""),
            Request::config(IMPORT, 0, b""),
            Request::config(IMPORT, 1, b""),
            Request::config(IMPORT, 4, b"mine"),
            Request::ata(gateway, IMPORT, ata::IDENTIFY, 0, 1, b""),
            Request::ata(gateway, EVERYBODY, ata::IDENTIFY, 0, 1, b""),
            Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b""),
            Request::ata(gateway, IMPORT, ata::WRITE_EXT, 0, 2, &DATA),
            Request::ata(gateway, IMPORT, 0xb0, 0, 1, b""),
            Request::other(gateway, IMPORT, 2, vec![0; 4]),
            Request::other(gateway, IMPORT, 3, vec![0; 2]),
        ];
        for request in &requests {
            station.send(&request.clone().from(UNLISTED))?;
        }
        let read = Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b"").from(LISTED);
        let (others, answer) = station.ask_after(&read)?;
        ensure!(
            others.is_empty(),
            "the one who is not listed was told: {others:?}"
        );
        ensure!(
            answer.ata_status() == 0x40 && answer.destination() == LISTED,
            "{answer:?}"
        );
        scene.demand_untouched()?;
        scene.end("request_initiator_not_allowed", requests.len() as u64)
    });
}

#[test]
fn a_peer_sees_only_its_own_exports() {
    play(|stage| {
        let theirs = Address { shelf: 7, slot: 1 };
        let (wanted, by_c) = (Address { shelf: 107, slot: 1 }, Address { shelf: 9, slot: 1 });
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        let (host_c, behind_c, mut site_c) = world.stranger("site-c")?;
        introduce(&mut world.site_b, &site_c, None);
        world
            .site_b
            .exports
            .push(export_file("theirs", theirs, "site-c", Access::ReadWrite));
        // Site A would like to have it, too.
        world
            .site_a
            .config
            .imports
            .push(import_section("site-b", "theirs", wanted));
        site_c
            .config
            .imports
            .push(import_section("site-b", "theirs", by_c));
        let mut gateways = world.start()?;
        let mut gateway_c = site_c.start(&host_c)?;
        let _ours = stage.serve(&world, TARGET, SECTORS, &[])?;
        let _theirs = stage.serve(&world, theirs, SECTORS, &[])?;
        gateways.wait_for_import(IMPORT)?;
        gateway_c.wait_for_import(by_c, PATIENCE)?;

        let mut at_a = Station::open(&world.ground.ini, "eth0")?;
        let mut at_c = Station::open(&behind_c, "eth0")?;
        for (station, own) in [(&mut at_a, IMPORT), (&mut at_c, by_c)] {
            let everybody = station.send(&Request::config(EVERYBODY, 0, b""))?;
            station.send(&Request::config(wanted, 0, b""))?;
            station.send(&Request::ata(
                MacAddr::BROADCAST,
                wanted,
                ata::IDENTIFY,
                0,
                1,
                b"",
            ))?;
            let identify = Request::ata(MacAddr::BROADCAST, own, ata::IDENTIFY, 0, 1, b"");
            let (others, _) = station.ask_after(&identify)?;
            let solicited: Vec<_> = others.iter().filter(|heard| heard.tag() != 0).collect();
            ensure!(
                solicited.len() == 1 && solicited[0].tag() == everybody && solicited[0].address() == own,
                "{solicited:?}"
            );
            ensure!(others.iter().all(|heard| heard.address() == own), "{others:?}");
        }
        ensure!(
            !gateways
                .a
                .process()
                .transcript()
                .contains(&format!("import {wanted} is up")),
            "site A got what is site C's"
        );
        // What was asked for the import that site A may not have: addressed twice, and once by the broadcast.
        demand_count(&mut gateways.a, "request_import_down", 3)?;
        gateway_c.stop()?;
        gateways.stop()
    });
}
