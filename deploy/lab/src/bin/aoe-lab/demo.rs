//! What is shown, in which order.

use std::path::Path;

use anyhow::Result;
use aoe_lab::gateway::Binaries;
use aoe_lab::topology::{Between, WorldPlan};

use crate::cli::{Options, TargetKind};
use crate::report::Report;
use crate::show::Show;
use crate::stages::{Scene, Thoroughness};

/// The three worlds: MTU of the segments, MTU between the sites.
const WORLDS: [(u32, u32, Thoroughness); 3] = [
    (1500, 1500, Thoroughness::Everything),
    (9000, 1500, Thoroughness::Runs),
    (9000, 9000, Thoroughness::Runs),
];

/// Shows everything, and goes on where it can after a failure.
pub(crate) fn run(options: &Options, show: &Show, dir: &Path) -> Report {
    let mut report = Report::new(*show);
    show.heading(&format!(
        "aoe-lab {}: two sites on this machine",
        env!("CARGO_PKG_VERSION")
    ));
    for (segment_mtu, underlay_mtu, thoroughness) in WORLDS {
        let plan = WorldPlan {
            segment_mtu,
            underlay_mtu,
            ..usual(options)
        };
        if thoroughness == Thoroughness::Everything {
            show.line(&picture(plan, options));
        } else {
            show.heading(&format!(
                "The same with segments of MTU {segment_mtu} over an underlay of {underlay_mtu}"
            ));
        }
        report.enter(format!("{segment_mtu} over {underlay_mtu}"));
        let dir = dir.join(format!("mtu-{segment_mtu}-over-{underlay_mtu}"));
        if let Some(scene) = open(&mut report, options, &dir, plan) {
            scene.play(&mut report, show, thoroughness);
        }
    }
    report
}

/// The world that is asked for, but for its sizes.
pub(crate) fn usual(options: &Options) -> WorldPlan {
    let between = match options.impair {
        None => Between::Bridge,
        Some(_) => Between::Relay,
    };
    WorldPlan {
        between,
        ..WorldPlan::default()
    }
}

/// A world with running gateways and target, in which an initiator sees the imports.
pub(crate) fn open(report: &mut Report, options: &Options, dir: &Path, plan: WorldPlan) -> Option<Scene> {
    let scene = report.check(
        "two sites",
        || -> Result<_> { Scene::build(&Binaries::find()?, dir, plan, options) },
        |_| "keys by aoe-keys, one configuration each, every one accepted by aoe-gateway check".to_owned(),
    )?;
    scene.start(report)
}

fn picture(plan: WorldPlan, options: &Options) -> String {
    let target = match options.target {
        TargetKind::Embedded => "embedded",
        TargetKind::Vblade => "vblade",
    };
    let WorldPlan {
        segment_mtu,
        underlay_mtu,
        ..
    } = plan;
    if let Some(impairment) = options.impair {
        return format!(
            "
     site A                                                           site B
  ┌───────────┐     ┌─────────────┐                  ┌─────────────┐     ┌───────────┐
  │ initiator │ AoE │ aoe-gateway │    UDP 34978     │ aoe-gateway │ AoE │ target    │
  │           ├─────┤ 198.51.     ├──sniffer──relay──┤ 203.0.      ├─────┤ e7.3      │
  │ sees      │{segment_mtu:^5}│   100.1     │  {underlay_mtu:^5}     ╎ │ │   113.1     │{segment_mtu:^5}│ e7.4 (ro) │
  │  e107.3   │     └─────────────┘            ╎ │   └─────────────┘     │ {target:<9} │
  │  e107.4   │                                ╎ │                       └───────────┘
  └───────────┘                                ╎ └ stranger  a gateway nobody knows
                                               ╎
       the path, each way: {impairment}
"
        );
    }
    format!(
        "
     site A                                                           site B
  ┌───────────┐     ┌─────────────┐     sniffer      ┌─────────────┐     ┌───────────┐
  │ initiator │ AoE │ aoe-gateway │    UDP 34978     │ aoe-gateway │ AoE │ target    │
  │           ├─────┤ 198.51.     ├────────┬─────────┤ 198.51.     ├─────┤ e7.3      │
  │ sees      │{segment_mtu:^5}│   100.1     │  {underlay_mtu:^5} │         │   100.2     │{segment_mtu:^5}│ e7.4 (ro) │
  │  e107.3   │     └─────────────┘        │         └─────────────┘     │ {target:<9} │
  │  e107.4   │                       ┌────┴─────┐                       └───────────┘
  └───────────┘                       │ stranger │  a gateway nobody knows
                                      └──────────┘
"
    )
}
