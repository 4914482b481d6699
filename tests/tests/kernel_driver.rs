//! The real Linux driver: a kernel with `aoe.ko` behind site A's gateway, the real vblade behind site B's. It makes a
//! file system, writes files and blocks, reads all of it back and has it checked, while nothing happens, or something.

use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_lab::gateway::Access;
use aoe_lab::impairment::Impairment;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, PATIENCE, WorldPlan};
use e2e::linux::Linux;
use e2e::stage::play;
use e2e::trial::pause;
use nix::sys::signal::Signal;

/// How long the target is away: longer than the gateways take to notice, shorter than the driver waits.
const AWAY: Duration = Duration::from_secs(20);

#[test]
fn a_file_system_is_made_used_and_checked() {
    play(|stage| {
        let mut linux = Linux::start(stage, WorldPlan::default())?;
        linux.step("make_fs")?;
        linux.step("mount_fs")?;
        linux.step("files")?;
        linux.step("busy 8 3")?;
        linux.verify()
    });
}

#[test]
fn one_datagram_in_a_hundred_is_lost() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut linux = Linux::start(stage, plan)?;
        linux.trial.relay()?.impair(Impairment {
            loss: 0.01,
            ..Impairment::default()
        });
        linux.step("make_fs")?;
        linux.step("mount_fs")?;
        linux.step("files")?;
        linux.step("busy 8 3")?;
        linux
            .step("resends")?
            .iter()
            .for_each(|line| println!("  {line}"));
        linux.verify()?;
        for side in [Side::A, Side::B] {
            let lost = linux.trial.relay()?.counters(side).lost;
            ensure!(lost > 0, "nothing was lost towards {side:?}");
            linux
                .trial
                .say(format_args!("towards {side:?} {lost} datagrams were lost"));
        }
        Ok(())
    });
}

#[test]
fn gateways_are_restarted_and_crash() {
    play(|stage| {
        let mut linux = Linux::start(stage, WorldPlan::default())?;
        linux.step("make_fs")?;
        linux.step("mount_fs")?;
        linux.step("files")?;
        linux.begin("busy 24 6")?;
        for (round, side, signal) in [
            (3, Side::A, Signal::SIGTERM),
            (6, Side::B, Signal::SIGTERM),
            (9, Side::A, Signal::SIGKILL),
            (12, Side::B, Signal::SIGKILL),
        ] {
            linux.wait_for(&format!("ROUND {round}"))?;
            restart(&mut linux, side, signal)?;
        }
        linux.finish("busy 24 6")?;
        linux.verify()
    });
}

fn restart(linux: &mut Linux, side: Side, signal: Signal) -> Result<()> {
    let trial = &mut linux.trial;
    trial.gateway(side).process().signal(signal)?;
    trial.gateway(side).process().wait(PATIENCE)?;
    trial.restart(side)?;
    trial.say(format_args!("gateway {side:?}: {signal}, started again"));
    Ok(())
}

/// What is mounted notices no reload; and a disk that becomes read-only refuses writes at once, and takes them again later.
#[test]
fn gateways_are_reloaded_and_the_disk_is_read_only_for_a_while() {
    play(|stage| {
        let mut linux = Linux::start(stage, WorldPlan::default())?;
        linux.step("make_fs")?;
        linux.step("mount_fs")?;
        linux.step("files")?;
        linux.begin("busy 12 3")?;
        for round in 0..20 {
            linux.wait_for(&format!("ROUND {}", 1 + round / 2))?;
            let world = &mut linux.trial.world;
            world.site_a.config.imports[0].window = Some([32, 64][round % 2]);
            world.site_b.config.keepalive = Some(["3s", "4s"][round % 2].to_owned());
            world.site_a.reload()?;
            world.site_b.reload()?;
        }
        linux.trial.say("20 reloads of both gateways");
        linux.finish("busy 12 3")?;

        linux.step("umount /mnt")?;
        linux.untroubled()?;
        let access = |linux: &mut Linux, access| {
            linux.trial.world.site_b.exports[0].allow[0].access = access;
            linux.trial.world.site_b.reload().map(drop)
        };
        access(&mut linux, Access::ReadOnly)?;
        linux.step("mount -t ext4 -o ro,noload $disk /mnt; cmp /tmp/want /mnt/rewritten; umount /mnt")?;
        linux.step("! dd if=/tmp/want of=$disk bs=64k count=1 oflag=direct")?;
        ensure!(linux.untroubled().is_err(), "a refused write is an I/O error");
        access(&mut linux, Access::ReadWrite)?;
        linux.step("mount_fs; rewrite 3")?;
        linux.verify()
    });
}

#[test]
fn the_target_is_away_for_a_while() {
    play(|stage| {
        let plan = WorldPlan {
            segment_mtu: 9000,
            ..WorldPlan::default()
        };
        let mut linux = Linux::start(stage, plan)?;
        linux.step("make_fs")?;
        linux.step("mount_fs")?;
        linux.step("files")?;
        linux.begin("busy 12 5")?;
        linux.wait_for("ROUND 4")?;
        linux.trial.kill_vblade()?;
        linux.trial.say("vblade was killed");
        pause(u64::try_from(AWAY.as_millis())?);
        linux.trial.start_vblade()?;
        linux.trial.say("vblade was started again");
        linux.finish("busy 12 5")?;
        linux.verify()
    });
}

/// What the other stories look for is there to be found when it happens; and what `docs/linux-initiator.md` says about
/// it is right.
#[test]
fn a_target_away_for_longer_than_the_driver_waits_is_noticed_and_the_disk_comes_back_by_hand() {
    play(|stage| {
        let mut linux = Linux::start(stage, WorldPlan::default())?;
        linux.step("make_fs")?;
        linux.step("echo 5 >/sys/module/aoe/parameters/aoe_deadsecs; mount_fs")?;
        linux.step("files")?;
        linux.untroubled()?;
        linux.begin("rewrite 1000000")?;
        linux.wait_for("ROUND 2")?;
        linux.trial.kill_vblade()?;
        ensure!(
            linux.finish("rewrite").is_err(),
            "writing went on without a target"
        );
        ensure!(linux.untroubled().is_err(), "a dead disk is trouble");

        linux.trial.start_vblade()?;
        linux.step("revalidate; umount /mnt")?;
        linux.step("mount_fs; umount /mnt")?;
        linux.step("check")?;
        linux
            .step("mount_fs; (cd /mnt && sha256sum -c /tmp/sums) >/dev/null; umount /mnt")
            .map(drop)
    });
}
