//! Site B's disks.

use std::path::Path;

use anyhow::Result;
use aoe_common::frame::MacAddr;
use aoe_lab::netns::Process;
use aoe_lab::target::server::TargetServer;
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};
use aoe_lab::topology::World;
use aoe_lab::vblade::{Vblade, make_image};

use crate::TargetKind;

use super::{READ_ONLY, SECTORS, WRITABLE};

/// A target, alive as long as this value.
pub(super) enum RunningTarget {
    Embedded { _server: TargetServer },
    Vblade { _process: Process },
}

impl RunningTarget {
    /// Starts both disks of site B.
    pub(super) fn start(world: &World, kind: TargetKind, dir: &Path) -> Result<Vec<Self>> {
        match kind {
            TargetKind::Embedded => {
                let mut target = Target::new(MacAddr::ZERO, 0);
                for (address, _) in [WRITABLE, READ_ONLY] {
                    let settings = BladeSettings {
                        serial: format!("LAB-{address}"),
                        ..BladeSettings::default()
                    };
                    target.add(Blade::new(address, Backing::ram(SECTORS), settings));
                }
                Ok(vec![RunningTarget::Embedded {
                    _server: world.serve(target)?,
                }])
            }
            TargetKind::Vblade => [WRITABLE.0, READ_ONLY.0]
                .into_iter()
                .map(|address| {
                    let image = dir.join(format!("{address}.img"));
                    make_image(&image, SECTORS as u64)?;
                    let vblade = Vblade::new(address, &image);
                    let process = vblade.start(
                        &world.ground.tgt,
                        world.target_device(),
                        Some(&dir.join("vblade.log")),
                    )?;
                    Ok(RunningTarget::Vblade { _process: process })
                })
                .collect(),
        }
    }
}
