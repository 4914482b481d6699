//! What the gateways are to reach, and whether they do.
//!
//! - [`goal`]: one of them, and what it is held against
//! - [`speed`]: the list for a path without loss; [`place`]: what it asks of a table
//! - [`loss`]: the list for bad paths

mod goal;
mod loss;
mod place;
mod speed;

use crate::results::Report;

pub(crate) use goal::Goal;

/// The goals that these figures say something about.
pub(crate) fn goals(report: &Report) -> Vec<Goal> {
    let clean = report
        .tables
        .iter()
        .filter(|table| table.setting.impairment.is_none() && table.setting.disks == 1);
    clean
        .flat_map(speed::goals)
        .chain(loss::goals(&report.tables))
        .collect()
}
