//! What the path between the gateways did to their datagrams, and what they made of it.

use anyhow::{Result, ensure};
use aoe_lab::gateway::Counted;
use aoe_lab::relay::{Relay, Side};
use aoe_lab::topology::Gateways;

use crate::report::{PathReport, Report};

/// Tells it, for both directions.
pub(super) fn tell(relay: &Relay, gateways: &mut Gateways, report: &mut Report) {
    let told = report.check(
        "path",
        || -> Result<[PathReport; 2]> {
            let (a, b) = (Counted::ask(&mut gateways.a)?, Counted::ask(&mut gateways.b)?);
            let way = |from, to, side, sender: &Counted| {
                let path = relay.counters(side);
                ensure!(path.entered > 0, "nothing went from {from} to {to} by the relay");
                Ok(PathReport::new(from, to, path, sender.of("records_resent")))
            };
            Ok([
                way("site-a", "site-b", Side::B, &a)?,
                way("site-b", "site-a", Side::A, &b)?,
            ])
        },
        |ways| {
            ways.each_ref()
                .map(PathReport::to_string)
                .join("\n              ")
        },
    );
    for way in told.into_iter().flatten() {
        report.add_path(way);
    }
}
