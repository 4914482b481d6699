//! The results as Markdown, between two marks of a page.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::goals::goals;
use crate::peers::Peer;
use crate::plan::{Load, Measure};
use crate::reference::describe;
use crate::results::{Cell, FrameCost, Report, Sample, Spread, Table};

/// Puts the results into a page between `<!-- bench: NAME -->` and `<!-- end of bench: NAME -->`, or at the end of a
/// page without these marks. `name` is "speed", "loss" or "frames".
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn update(path: &Path, name: &str, report: &Report) -> Result<()> {
    let page = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        page => page.with_context(|| format!("reading {}", path.display()))?,
    };
    let page = replace(&page, name, &text(report));
    fs::write(path, page).with_context(|| format!("writing {}", path.display()))
}

fn replace(page: &str, name: &str, text: &str) -> String {
    let (first, last) = (
        format!("<!-- bench: {name} -->"),
        format!("<!-- end of bench: {name} -->"),
    );
    let (before, after) = match page.split_once(&first) {
        Some((before, rest)) => (before, rest.split_once(&last).map_or("", |(_, after)| after)),
        None => (page, "\n"),
    };
    format!("{before}{first}\n{text}{last}{after}")
}

/// All of it.
fn text(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    line(
        &mut out,
        &format!(
            "{}, {} cores of {}, {} GiB, Linux {}. Command: `aoe-bench {}`. {} rounds of {} s after a ramp of {} s.\n",
            report.date,
            machine.cores,
            machine.processor,
            machine.memory_gib,
            machine.kernel,
            report.arguments.join(" "),
            report.rounds,
            report.seconds,
            report.ramp_seconds
        ),
    );
    let peers: Vec<String> = report
        .peers
        .iter()
        .map(|peer| match (&peer.version, &peer.missing) {
            (Some(version), None) => format!("{}: {} ({version})", peer.peer.name(), peer.description),
            (_, why) => format!(
                "{}: {}",
                peer.peer.name(),
                why.as_deref().unwrap_or("did not run")
            ),
        })
        .collect();
    if !peers.is_empty() {
        line(&mut out, &format!("{}.\n", peers.join("; ")));
    }
    let goals = goals(report);
    if !goals.is_empty() {
        line(&mut out, "| goal | wanted | found | |\n|---|---|---|---|");
        for goal in goals {
            let verdict = if goal.is_met { "met" } else { "**not met**" };
            line(
                &mut out,
                &format!("| {} | {} | {} | {verdict} |", goal.what, goal.wanted, goal.found),
            );
        }
        line(&mut out, "");
    }
    let (clean, impaired): (Vec<&Table>, Vec<&Table>) = report
        .tables
        .iter()
        .partition(|table| table.setting.impairment.is_none());
    clean.into_iter().for_each(|table| speed(&mut out, table));
    loss(&mut out, &impaired);
    for fault in &report.faults {
        line(&mut out, &format!("Failed: {}\n", fault.replace('\n', " ")));
    }
    out
}

fn speed(out: &mut String, table: &Table) {
    let setting = &table.setting;
    if table.cells.is_empty() {
        line(
            out,
            &format!(
                "**Segment MTU {}, underlay MTU {}.**\n",
                setting.segment_mtu, setting.underlay_mtu
            ),
        );
    } else {
        loads(out, table);
    }
    if let Some(cost) = FrameCost::median(&table.frame_costs) {
        line(out, &format!("{}\n", describe(&cost)));
    }
    line(
        out,
        &format!(
            "Every sector read was right; {} sectors were read back after the last run.\n",
            table.sectors_read_back
        ),
    );
}

/// A line for each peer, a column for each load; and what they took.
fn loads(out: &mut String, table: &Table) {
    let setting = &table.setting;
    line(
        out,
        &format!(
            "**Segment MTU {}, underlay MTU {}.** Median (smallest - largest), and the share of the bridge in the same round.\n",
            setting.segment_mtu, setting.underlay_mtu
        ),
    );
    let loads = table.loads();
    let heads: Vec<String> = loads
        .iter()
        .map(|load| format!("{}, {}", load.heading(), unit(*load)))
        .collect();
    head(out, "peer", &heads);
    for peer in table.peers() {
        let cells = loads
            .iter()
            .map(|load| table.cell(peer, *load).map_or("-".to_owned(), value));
        row(out, &peer.name(), cells);
    }
    line(
        out,
        "\nProcessor seconds per GiB, latencies, frames that the initiator sent again per GiB (most of all loads).\n",
    );
    head(
        out,
        "peer",
        &[
            "read: gateways A + B",
            "read: everything",
            "write: gateways A + B",
            "write: everything",
            "4 KiB read, 1: p50 / p99 us",
            "4 KiB read, 32: p50 / p99 us",
            "resent/GiB",
            "others' share of the machine",
        ]
        .map(str::to_owned),
    );
    for peer in table.peers() {
        let of = |load, number: fn(&Sample) -> f64| table.cell(peer, load).map(|cell| cell.median(number));
        let seconds = |load| {
            let pair = [of(load, |run| run.cpu_a), of(load, |run| run.cpu_b)];
            let [Some(a), Some(b)] = pair else {
                return "-".to_owned();
            };
            format!("{a:.2} + {b:.2}")
        };
        let all = |load| of(load, |run| run.cpu_all).map_or("-".to_owned(), |all| format!("{all:.2}"));
        let micros = |load| match (of(load, |run| run.p50_us), of(load, |run| run.p99_us)) {
            (Some(half), Some(most)) => format!("{half:.0} / {most:.0}"),
            _ => "-".to_owned(),
        };
        let cells: Vec<&Cell> = table.cells.iter().filter(|cell| cell.peer == peer).collect();
        let most =
            |number: fn(&Sample) -> f64| cells.iter().map(|cell| cell.median(number)).fold(0.0, f64::max);
        row(
            out,
            &peer.name(),
            [
                seconds(Load::SeqRead16),
                all(Load::SeqRead16),
                seconds(Load::SeqWrite16),
                all(Load::SeqWrite16),
                micros(Load::RandRead1),
                micros(Load::RandRead32),
                format!("{:.0}", most(|run| run.resent)),
                format!("{:.0} %", most(|run| run.strangers) * 100.0),
            ],
        );
    }
    line(out, "");
}

/// One table a load: a line for each peer and round trip, a column for each loss.
fn loss(out: &mut String, tables: &[&Table]) {
    let path = |table: &Table| table.setting.path().unwrap_or_default();
    let mut losses: Vec<f64> = tables.iter().map(|table| path(table).loss).collect();
    losses.sort_by(f64::total_cmp);
    losses.dedup();
    let mut places: Vec<(u32, std::time::Duration)> = tables
        .iter()
        .map(|table| (table.setting.segment_mtu, path(table).delay))
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut loads: Vec<Load> = tables.iter().flat_map(|table| table.loads()).collect();
    loads.sort_unstable();
    loads.dedup();
    let mut peers: Vec<Peer> = tables.iter().flat_map(|table| table.peers()).collect();
    peers.sort_unstable();
    peers.dedup();
    let find = |place, loss: f64| {
        tables.iter().find(|table| {
            (table.setting.segment_mtu, path(table).delay) == place
                && path(table).loss.total_cmp(&loss).is_eq()
        })
    };
    let heads: Vec<String> = losses
        .iter()
        .map(|loss| format!("loss {} % each way", loss * 100.0))
        .collect();
    repairs(out, tables);
    for load in loads {
        line(
            out,
            &format!(
                "**{}, {}.** Median (smallest - largest); p50 / p99 of the requests.\n",
                load.heading(),
                unit(load)
            ),
        );
        head(out, "segment, round trip, peer", &heads);
        for place in &places {
            for peer in peers.iter().filter(|peer| !load.is_cold() || peer.is_ours()) {
                let cells = losses.iter().map(|loss| {
                    let cell = find(*place, *loss).and_then(|table| table.cell(*peer, load));
                    cell.map_or("-".to_owned(), |cell| {
                        format!(
                            "{}; {} / {}",
                            spread(&cell.value),
                            millis(cell.median(|run| run.p50_us)),
                            millis(cell.median(|run| run.p99_us))
                        )
                    })
                });
                let name = format!("{}, {} ms, {}", place.0, place.1.as_millis() * 2, peer.name());
                row(out, &name, cells);
            }
        }
        line(out, "");
    }
}

/// A line for each path and peer on which losses were seen to be repaired.
fn repairs(out: &mut String, tables: &[&Table]) {
    let of = |table: &&Table| {
        table
            .repairs
            .clone()
            .into_iter()
            .filter(|repairs| repairs.repaired > 0)
    };
    let mut seen = tables
        .iter()
        .flat_map(|table| of(table).map(|repairs| (&table.setting, repairs)))
        .peekable();
    if seen.peek().is_none() {
        return;
    }
    line(
        out,
        "**From loss to arrival of its repair**, both directions and all loads together. Not repaired: what is not sent again, as probes and the second copy of a repair.\n",
    );
    let heads = ["loss each way", "p50", "p99", "repaired of lost"].map(str::to_owned);
    head(out, "segment, round trip, peer", &heads);
    for (setting, repairs) in seen {
        let path = setting.path().unwrap_or_default();
        let round_trip = path.delay.as_millis() * 2;
        let name = format!(
            "{}, {round_trip} ms, {}",
            setting.segment_mtu,
            repairs.peer.name()
        );
        let cells = [
            format!("{} %", path.loss * 100.0),
            millis(repairs.p50_us),
            millis(repairs.p99_us),
            format!("{} of {}", repairs.repaired, repairs.lost),
        ];
        row(out, &name, cells);
    }
    line(out, "");
}

fn value(cell: &Cell) -> String {
    match cell.ratio {
        Some(ratio) => format!("{}, **{:.2}**", spread(&cell.value), ratio.median),
        None => spread(&cell.value),
    }
}

fn spread(spread: &Spread) -> String {
    let digits = if spread.median < 10.0 { 2 } else { 0 };
    format!(
        "{:.digits$} ({:.digits$} - {:.digits$})",
        spread.median, spread.min, spread.max
    )
}

fn millis(micros: f64) -> String {
    let digits = if micros < 10_000.0 { 1 } else { 0 };
    format!("{:.digits$} ms", micros / 1e3)
}

fn unit(load: Load) -> &'static str {
    match load.measure() {
        Measure::Rate => "MB/s",
        Measure::Requests => "IOPS",
        Measure::Latency => "p50 us",
    }
}

fn head(out: &mut String, first: &str, heads: &[String]) {
    row(out, first, heads.iter().cloned());
    line(out, &format!("|---|{}", "---|".repeat(heads.len())));
}

fn row(out: &mut String, name: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    line(out, &format!("| {name} | {} |", cells.join(" | ")));
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = "head\n<!-- bench: loss -->\nold\n<!-- end of bench: loss -->\ntail\n";
        let new = replace(page, "loss", "new\n");
        assert_eq!(
            new,
            "head\n<!-- bench: loss -->\nnew\n<!-- end of bench: loss -->\ntail\n"
        );
        let both = replace(&new, "speed", "fast\n");
        assert!(both.starts_with(&new) && both.ends_with("fast\n<!-- end of bench: speed -->\n"));
    }
}
