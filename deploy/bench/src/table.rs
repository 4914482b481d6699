//! The results as text.

use std::fmt::Write;

use crate::goals::goals;
use crate::plan::{Load, Measure};
use crate::reference::describe;
use crate::results::{Cell, FrameCost, Report, Sample, Table};

/// All tables, for a terminal.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    line(
        &mut out,
        format_args!(
            "\naoe-bench {}, {}, {} x {}, Linux {}",
            report.version, report.date, machine.cores, machine.processor, machine.kernel
        ),
    );
    line(
        &mut out,
        format_args!(
            "{} rounds of {} s after a ramp of {} s, peers take turns; medians; in brackets the share of the bridge in the same round",
            report.rounds, report.seconds, report.ramp_seconds
        ),
    );
    for table in &report.tables {
        one(&mut out, table);
    }
    for goal in goals(report) {
        let verdict = if goal.is_met { "met     " } else { "NOT MET " };
        line(
            &mut out,
            format_args!("  {verdict} {}: {}, found {}", goal.what, goal.wanted, goal.found),
        );
    }
    for missing in report.peers.iter().filter(|peer| peer.missing.is_some()) {
        let why = missing.missing.as_deref().unwrap_or_default();
        line(&mut out, format_args!("  {}: {why}", missing.peer.name()));
    }
    for fault in &report.faults {
        line(&mut out, format_args!("  FAILED {fault}"));
    }
    out
}

fn one(out: &mut String, table: &Table) {
    let setting = &table.setting;
    let between = setting
        .impairment
        .as_ref()
        .map_or(String::new(), |how| format!(", relay {how:?}"));
    let mtus = format!(
        "segment MTU {}, underlay MTU {}{between}",
        setting.segment_mtu, setting.underlay_mtu
    );
    if table.cells.is_empty() {
        line(out, format_args!("\n{mtus}"));
    } else {
        line(
            out,
            format_args!("\n{mtus}, target with {} buffers", setting.buffer_count),
        );
        loads(out, table);
    }
    if let Some(cost) = FrameCost::median(&table.frame_costs) {
        line(out, format_args!("  {}", describe(&cost)));
    }
    for repairs in &table.repairs {
        line(
            out,
            format_args!(
                "  {}: {} of {} lost datagrams repaired, p50 {:.1} ms, p99 {:.1} ms",
                repairs.peer.name(),
                repairs.repaired,
                repairs.lost,
                repairs.p50_us / 1e3,
                repairs.p99_us / 1e3
            ),
        );
    }
    line(
        out,
        format_args!(
            "  every sector read was right; {} read back at the end",
            table.sectors_read_back
        ),
    );
}

/// A line for each peer, a column for each load; and what they took.
fn loads(out: &mut String, table: &Table) {
    let loads = table.loads();
    let mut head = format!("  {:<18}", "");
    for load in &loads {
        let _ = write!(head, " {:>16}", load.heading());
    }
    line(out, format_args!("{head}"));
    let mut units = format!("  {:<18}", "");
    for load in &loads {
        let _ = write!(units, " {:>16}", unit(load.measure()));
    }
    line(out, format_args!("{units}"));
    for peer in table.peers() {
        let mut row = format!("  {:<18}", peer.name());
        for load in &loads {
            let text = table.cell(peer, *load).map_or("-".to_owned(), value);
            let _ = write!(row, " {text:>16}");
        }
        line(out, format_args!("{row}"));
    }
    line(
        out,
        format_args!(
            "\n  {:<18} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "CPU s/GiB", "gw A", "gw B", "all", "gw A", "gw B", "all", "resent/GiB", "others"
        ),
    );
    let (reads, writes) = (first(&loads, true), first(&loads, false));
    for peer in table.peers() {
        let mut row = format!("  {:<18}", peer.name());
        for load in [reads, writes] {
            let cell = load.and_then(|load| table.cell(peer, load));
            let numbers: [fn(&Sample) -> f64; 3] = [|run| run.cpu_a, |run| run.cpu_b, |run| run.cpu_all];
            for number in numbers {
                let text = cell.map_or("-".to_owned(), |cell| format!("{:.2}", cell.median(number)));
                let _ = write!(row, " {text:>10}");
            }
        }
        let cells = || table.cells.iter().filter(|cell| cell.peer == peer);
        let resent = cells()
            .map(|cell| cell.median(|sample| sample.resent))
            .fold(0.0, f64::max);
        let others = cells()
            .map(|cell| cell.median(|sample| sample.strangers))
            .fold(0.0, f64::max);
        let _ = write!(row, " {resent:>10.0} {:>9.0}%", others * 100.0);
        line(out, format_args!("{row}"));
    }
}

fn first(loads: &[Load], reads: bool) -> Option<Load> {
    let wanted = match reads {
        true => [Load::SeqRead16, Load::SeqRead64, Load::BulkRead],
        false => [Load::SeqWrite16, Load::SeqWrite64, Load::BulkWrite],
    };
    wanted.into_iter().find(|load| loads.contains(load))
}

fn value(cell: &Cell) -> String {
    let median = cell.value.median;
    let digits = if median < 20.0 { 1 } else { 0 };
    let number = format!("{median:.digits$}");
    match cell.ratio {
        Some(ratio) => format!("{number} ({:.2})", ratio.median),
        None => number,
    }
}

fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Rate => "MB/s",
        Measure::Requests => "IOPS",
        Measure::Latency => "p50 us",
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
