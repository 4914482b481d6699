//! One export, its vblade, and who looks at them.

use std::fs;

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, RunningGateway};
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::{Gateways, World, WorldPlan};
use e2e::stage::{Counted, Stage, Vblade};
use e2e::station::{Heard, Request, Station};

pub(super) const SECTORS: u64 = 64;
pub(super) const TARGET: Address = Address { shelf: 7, slot: 0 };
pub(super) const IMPORT: Address = Address { shelf: 107, slot: 0 };
pub(super) const EVERYBODY: Address = Address {
    shelf: 0xffff,
    slot: 0xff,
};
pub(super) const WHOLE_SHELF: Address = Address {
    shelf: 107,
    slot: 0xff,
};
/// What a forbidden write would leave in the file.
pub(super) const DATA: [u8; 1024] = [0xa5; 1024];
/// A host that the allow list does not name, and one that it does.
pub(super) const UNLISTED: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x66]);
pub(super) const LISTED: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x01]);

/// A world in use, with one export and its vblade.
pub(super) struct Scene {
    pub(super) gateways: Gateways,
    pub(super) vblade: Vblade,
    pub(super) world: World,
}

/// One export at [`TARGET`], presented at [`IMPORT`], in a world that `change` may change.
pub(super) fn scene(
    stage: &Stage,
    plan: WorldPlan,
    access: Access,
    change: impl FnOnce(&mut World),
) -> Result<Scene> {
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
    pub(super) fn station(&self) -> Result<Station> {
        Station::open(&self.world.ground.ini, self.world.initiator_device())
    }

    /// The gateway's address on the initiator's segment, as initiators learn it.
    pub(super) fn gateway(&self, station: &mut Station) -> Result<MacAddr> {
        Ok(station.ask(&Request::config(IMPORT, 0, b""))?.source())
    }

    pub(super) fn demand_untouched(&self) -> Result<()> {
        let bytes = fs::read(self.vblade.image())?;
        let changed = bytes.iter().filter(|byte| **byte != 0).count();
        ensure!(
            changed == 0,
            "{changed} bytes in vblade's file are not as they were"
        );
        Ok(())
    }

    /// Checks one of site A's counters, and ends both gateways.
    pub(super) fn end(mut self, counter: &str, expected: u64) -> Result<()> {
        demand_count(&mut self.gateways.a, counter, expected)?;
        self.gateways.stop()
    }
}

/// Checks that `answer` is what a read-only vblade would say to `request`: a normal response of 60 bytes with status
/// 0x41 and error 0x04, nothing else changed, no data.
pub(super) fn demand_refusal(
    answer: &Heard,
    request: &Request,
    station: &Station,
    gateway: MacAddr,
) -> Result<()> {
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
pub(super) fn all_heard(sniffer: &Sniffer) -> Result<Vec<Heard>> {
    let seen = sniffer.seen();
    ensure!(seen.missed == 0 && seen.packets > 0, "{seen:?}");
    let frames = sniffer.take_kept().into_iter().map(Heard);
    Ok(frames
        .filter(|frame| (frame.at(12), frame.at(13)) == (0x88, 0xa2))
        .collect())
}

pub(super) fn demand_count(gateway: &mut RunningGateway, counter: &str, expected: u64) -> Result<()> {
    let counted = Counted::ask(gateway)?;
    println!("{counter}: {} of {counted:?}", counted.of(counter));
    ensure!(
        counted.of(counter) == expected,
        "{counter} is not {expected}: {counted:?}"
    );
    Ok(())
}
