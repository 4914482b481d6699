//! What may not pass does not, and the initiator is told as the protocol has it: every refusal as it is seen from the
//! initiator's segment, with its counter, and with the target's file untouched.

#![forbid(unsafe_code)]

use std::fs;

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, RunningGateway};
use aoe_lab::initiator::DiskError;
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::{
    Attach, Gateways, PATIENCE, World, WorldPlan, export_file, import_section, introduce,
};
use e2e::stage::{Counted, Stage, Vblade, eventually, play, run};
use e2e::station::{Heard, Request, Station, ata};

const SECTORS: u64 = 64;
const TARGET: Address = Address { shelf: 7, slot: 0 };
const IMPORT: Address = Address { shelf: 107, slot: 0 };
const EVERYBODY: Address = Address {
    shelf: 0xffff,
    slot: 0xff,
};
const WHOLE_SHELF: Address = Address {
    shelf: 107,
    slot: 0xff,
};
/// What a forbidden write would leave in the file.
const DATA: [u8; 1024] = [0xa5; 1024];
/// A host that the allow list does not name, and one that it does.
const UNLISTED: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x66]);
const LISTED: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x01]);

/// A world in use, with one export and its vblade.
struct Scene {
    gateways: Gateways,
    vblade: Vblade,
    world: World,
}

/// One export at [`TARGET`], presented at [`IMPORT`], in a world that `change` may change.
fn scene(stage: &Stage, plan: WorldPlan, access: Access, change: impl FnOnce(&mut World)) -> Result<Scene> {
    let mut world = stage.world(plan)?;
    world.share("disk", TARGET, access, IMPORT);
    change(&mut world);
    let mut gateways = world.start()?;
    let vblade = stage.serve(&world, TARGET, SECTORS, &[])?;
    gateways.wait_for_import(IMPORT)?;
    Ok(Scene {
        gateways,
        vblade,
        world,
    })
}

impl Scene {
    fn station(&self) -> Result<Station> {
        Station::open(&self.world.ground.ini, self.world.initiator_device())
    }

    /// The gateway's address on the initiator's segment, as initiators learn it.
    fn gateway(&self, station: &mut Station) -> Result<MacAddr> {
        Ok(station.ask(&Request::config(IMPORT, 0, b""))?.source())
    }

    fn demand_untouched(&self) -> Result<()> {
        let bytes = fs::read(self.vblade.image())?;
        let changed = bytes.iter().filter(|byte| **byte != 0).count();
        ensure!(
            changed == 0,
            "{changed} bytes in vblade's file are not as they were"
        );
        Ok(())
    }

    /// Checks one of site A's counters, and ends both gateways.
    fn end(mut self, counter: &str, expected: u64) -> Result<()> {
        demand_count(&mut self.gateways.a, counter, expected)?;
        self.gateways.stop()
    }
}

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

#[test]
fn broadcast_ata_is_dropped_except_identify() {
    play(|stage| {
        let scene = scene(stage, WorldPlan::default(), Access::ReadWrite, |_| ())?;
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        let mut sent = 0;
        for to in [MacAddr::BROADCAST, gateway] {
            for address in [
                EVERYBODY,
                WHOLE_SHELF,
                Address {
                    shelf: 0xffff,
                    slot: 0,
                },
            ] {
                for opcode in [ata::WRITE_EXT, ata::WRITE] {
                    station.send(&Request::ata(to, address, opcode, 0, 2, &DATA))?;
                    sent += 1;
                }
                station.send(&Request::ata(to, address, ata::READ_EXT, 0, 1, b""))?;
                sent += 1;
            }
        }
        let read = Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b"");
        let (others, answer) = station.ask_after(&read)?;
        ensure!(others.is_empty(), "somebody answered: {others:?}");
        ensure!(answer.from(36) == [0; 512], "the sector is as it was");
        scene.demand_untouched()?;
        // WinAoE looks for disks this way.
        let identify = station.ask(&Request::ata(
            MacAddr::BROADCAST,
            EVERYBODY,
            ata::IDENTIFY,
            0,
            1,
            b"",
        ))?;
        ensure!(
            identify.address() == IMPORT && identify.0.len() == 548,
            "{identify:?}"
        );
        scene.end("request_broadcast_ata", sent)
    });
}

#[test]
fn masks_reservations_and_vendor_commands_are_refused_and_never_reach_the_target() {
    play(|stage| {
        let scene = scene(stage, WorldPlan::default(), Access::ReadWrite, |_| ())?;
        let sniffer = Sniffer::start(&scene.world.ground.tgt, "eth0", &[0])?;
        sniffer.keep(4096);
        let mut station = scene.station()?;
        let gateway = scene.gateway(&mut station)?;
        // Reading and editing the mask list, reading, setting and forcing the reservation, keyed reservation, vendor.
        let own = station.mac().0;
        let arguments = [
            (2, vec![0, 0, 0, 0]),
            (2, [&[0, 1, 0, 1, 0, 1][..], &own].concat()),
            (3, vec![0, 0]),
            (3, [&[1, 1][..], &own].concat()),
            (3, [&[2, 1][..], &own].concat()),
            (4, vec![0; 24]),
            (5, vec![0; 24]),
            (0xf0, vec![0; 24]),
            (0xff, vec![0; 24]),
        ];
        for (command, argument) in &arguments {
            let request = Request::other(gateway, IMPORT, *command, argument.clone());
            let answer = station.ask(&request)?;
            let frame = (
                answer.version_flags(),
                answer.aoe_error(),
                answer.address(),
                answer.command(),
            );
            ensure!(frame == (0x1c, 1, IMPORT, *command), "{frame:x?}");
            ensure!(
                answer.0.len() == 60 && answer.from(24).iter().all(|byte| *byte == 0),
                "{answer:?}"
            );
            // To everybody at once they mean nothing.
            station.send(&Request::other(
                MacAddr::BROADCAST,
                EVERYBODY,
                *command,
                argument.clone(),
            ))?;
        }
        let read = Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b"");
        let (others, _) = station.ask_after(&read)?;
        ensure!(others.is_empty(), "a broadcast was answered: {others:?}");
        let reached = all_heard(&sniffer)?;
        ensure!(
            reached.iter().any(|frame| frame.command() == 0),
            "the sniffer at the target has seen the read"
        );
        let wrong = reached.iter().find(|frame| frame.command() > 1);
        ensure!(wrong.is_none(), "at the target: {wrong:?}");
        let mut scene = scene;
        demand_count(
            &mut scene.gateways.a,
            "request_broadcast_command",
            arguments.len() as u64,
        )?;
        scene.end("refused_aoe_command", arguments.len() as u64)
    });
}

#[test]
fn the_config_string_is_set_only_where_that_is_allowed() {
    // Long enough that the real aoecfg accepts vblade's own, unpadded answer.
    const LABEL: &str = "owned by site-a, as agreed on Monday";
    play(|stage| {
        let granted = (Address { shelf: 7, slot: 1 }, Address { shelf: 107, slot: 1 });
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        world.share("labelled", granted.0, Access::ReadOnly, granted.1);
        world.site_b.exports[1].allow[0].config_string = Some("set".to_owned());
        let mut gateways = world.start()?;
        let vblade = stage.serve(&world, TARGET, SECTORS, &[])?;
        let _labelled = stage.serve(&world, granted.0, SECTORS, &[])?;
        gateways.wait_for_import(IMPORT)?;
        gateways.wait_for_import(granted.1)?;
        let mut scene = Scene {
            gateways,
            vblade,
            world,
        };
        let mut station = scene.station()?;

        for sub_command in [3, 4] {
            let refused = station.ask(&Request::config(IMPORT, sub_command, LABEL.as_bytes()))?;
            ensure!(
                (refused.version_flags(), refused.aoe_error()) == (0x1c, 2),
                "{refused:?}"
            );
        }
        ensure!(
            station
                .ask(&Request::config(IMPORT, 0, b""))?
                .config_string()
                .is_empty()
        );
        let fset = |slot: &str| {
            let args = ["-t", "5", "-c", "fset", "-s", LABEL, "107", slot, "eth0"];
            run(&scene.world.ground.ini, "aoecfg", &args, PATIENCE)
        };
        let (refused, allowed) = (fset("0")?.stdout, fset("1")?.stdout);
        ensure!(
            refused == "*badarg*\n" && allowed.trim_end() == LABEL,
            "{refused:?}, {allowed:?}"
        );
        demand_count(&mut scene.gateways.a, "refused_config_set", 3)?;

        // What vblade itself says on its own segment, and what site A is told now.
        let args = ["-t", "1", "-c", "read", "7", "1", "san"];
        let at_target = run(&scene.world.ground.gwb, "aoecfg", &args, PATIENCE)?;
        ensure!(at_target.stdout.contains(LABEL), "{at_target:?}");
        eventually("the string is known at site A", PATIENCE, || {
            let answer = station.ask(&Request::config(granted.1, 0, b""))?;
            Ok(answer.config_string() == LABEL.as_bytes())
        })?;
        // Set if empty: it is not, so the target says no (error 4) and what it has.
        let taken = station.ask(&Request::config(granted.1, 3, b"mine"))?;
        ensure!(
            (taken.version_flags(), taken.aoe_error()) == (0x1c, 4),
            "{taken:?}"
        );
        ensure!(taken.address() == granted.1, "{taken:?}");
        scene.gateways.stop()
    });
}

#[test]
fn vlan_tagged_frames_are_dropped_on_a_nic() {
    play(|stage| vlan_tagged(stage, Attach::Nic));
}

#[test]
fn vlan_tagged_frames_are_dropped_on_a_tap() {
    play(|stage| vlan_tagged(stage, Attach::Tap));
}

fn vlan_tagged(stage: &Stage, attach: Attach) -> Result<()> {
    let plan = WorldPlan {
        attach_a: attach,
        ..WorldPlan::default()
    };
    let scene = scene(stage, plan, Access::ReadWrite, |_| ())?;
    let mut station = scene.station()?;
    let gateway = scene.gateway(&mut station)?;
    let requests = [
        Request::config(EVERYBODY, 0, b""),
        Request::config(IMPORT, 0, b""),
        Request::ata(gateway, IMPORT, ata::IDENTIFY, 0, 1, b""),
        Request::ata(gateway, IMPORT, ata::WRITE_EXT, 0, 2, &DATA),
    ];
    for request in &requests {
        let plain = request.frame(station.mac(), 0x8888_0000);
        // 802.1Q, VLAN 5.
        let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
        station.send_raw(&tagged)?;
    }
    let read = Request::ata(gateway, IMPORT, ata::READ_EXT, 0, 1, b"");
    let (others, answer) = station.ask_after(&read)?;
    ensure!(others.is_empty(), "tagged frames were answered: {others:?}");
    ensure!(answer.from(36) == [0; 512], "the sector is as it was");
    scene.demand_untouched()?;
    // On a network card the kernel's filter drops them before the gateway could count them.
    let counted = if attach == Attach::Tap { requests.len() } else { 0 };
    scene.end("frame_vlan_tagged", counted as u64)
}

/// Checks that `answer` is what a read-only vblade would say to `request`: a normal response of 60 bytes with status
/// 0x41 and error 0x04, nothing else changed, no data.
fn demand_refusal(answer: &Heard, request: &Request, station: &Station, gateway: MacAddr) -> Result<()> {
    let mut expected = request.frame(station.mac(), answer.tag());
    expected.truncate(36);
    expected.resize(60, 0);
    expected[..6].copy_from_slice(&station.mac().0);
    expected[6..12].copy_from_slice(&gateway.0);
    expected[14] = 0x18;
    expected[25] = 0x04;
    expected[27] = 0x41;
    ensure!(
        answer.0 == expected,
        "to {:x?}:\n{:x?} instead of\n{expected:x?}",
        request.argument.get(..12),
        answer.0
    );
    Ok(())
}

/// All AoE frames that have passed a sniffer by now.
fn all_heard(sniffer: &Sniffer) -> Result<Vec<Heard>> {
    let seen = sniffer.seen();
    ensure!(seen.missed == 0 && seen.packets > 0, "{seen:?}");
    let frames = sniffer.take_kept().into_iter().map(Heard);
    Ok(frames
        .filter(|frame| (frame.at(12), frame.at(13)) == (0x88, 0xa2))
        .collect())
}

fn demand_count(gateway: &mut RunningGateway, counter: &str, expected: u64) -> Result<()> {
    let counted = Counted::ask(gateway)?;
    println!("{counter}: {} of {counted:?}", counted.of(counter));
    ensure!(
        counted.of(counter) == expected,
        "{counter} is not {expected}: {counted:?}"
    );
    Ok(())
}
