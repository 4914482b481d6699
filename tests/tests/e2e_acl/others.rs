//! Broadcasts, masks, reservations, config strings and VLAN tags.

use super::scene::*;
use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::Access;
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::{Attach, PATIENCE, WorldPlan};
use e2e::stage::{Stage, eventually, play, run};
use e2e::station::{Request, ata};

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
