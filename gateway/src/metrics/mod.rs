//! A snapshot as text for Prometheus, in its text format 0.0.4.
//!
//! A pure function of the snapshot. Each family of metrics is one row of a table, with its name, its unit in the name, its
//! help, and how its samples are taken from the snapshot; `docs/metrics.md` lists them all. Every label has a bounded
//! number of values, whatever peers and initiators do.

mod alarms;
mod counters;
mod expiring;
mod exports;
mod families;
mod gateway;
mod imports;
mod initiators;
mod keys;
mod limits;
mod network;
mod parts;
mod writer;

#[cfg(test)]
mod tests;

use aoe_common::snapshot::Snapshot;

/// The text.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for family in families::all() {
        family.write(snapshot, &mut text);
    }
    text
}
