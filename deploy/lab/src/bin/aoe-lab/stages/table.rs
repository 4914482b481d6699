//! The table of figures, row by row as they come.

use std::time::Duration;

use aoe_lab::workload::Figures;

use crate::report::Report;
use crate::show::Show;

/// A table under construction.
pub(super) struct Table<'a> {
    show: &'a Show,
    rows: usize,
    retransmits: u64,
    sectors: u64,
    is_good: bool,
}

impl<'a> Table<'a> {
    /// Shows the head.
    pub(super) fn new(show: &'a Show) -> Self {
        show.line(&format!(
            "\n     {:<34} {:>8} {:>9} {:>9} {:>9} {:>6}",
            "workload", "MB/s", "IOPS", "p50", "p99", "resent"
        ));
        Table {
            show,
            rows: 0,
            retransmits: 0,
            sectors: 0,
            is_good: true,
        }
    }

    /// Shows that a run has begun.
    pub(super) fn begin(&self, name: &str) {
        self.show.begin(name);
    }

    /// Shows a run's figures.
    pub(super) fn row(&mut self, name: &str, figures: &Figures) {
        self.rows += 1;
        self.retransmits += figures.retransmits;
        self.sectors += figures.bytes / 512;
        let clear = if self.show.is_live() { "\r\x1b[2K" } else { "" };
        self.show.line(&format!(
            "{clear}     {name:<34} {:>8.1} {:>9.0} {:>9} {:>9} {:>6}",
            figures.megabytes_per_second(),
            figures.iops(),
            time(figures.latency(50.0)),
            time(figures.latency(99.0)),
            figures.retransmits
        ));
    }

    /// Shows a run that failed.
    pub(super) fn fail(&mut self, report: &mut Report, name: &str, error: anyhow::Error) {
        self.is_good = false;
        report.check(name, || Err::<(), _>(error), |()| String::new());
    }

    /// Sums up, if nothing failed.
    pub(super) fn end(self, report: &mut Report) {
        if !self.is_good {
            return;
        }
        self.show.line("");
        let Table {
            rows,
            retransmits,
            sectors,
            ..
        } = self;
        report.check(
            "workloads",
            || Ok(()),
            |()| format!("{sectors} sectors in {rows} runs, each one read was right, {retransmits} frames sent again"),
        );
    }
}

fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1000 => format!("{micros} us"),
        1000..100_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{} ms", time.as_millis()),
    }
}
