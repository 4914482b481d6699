//! `path`: what the way to a peer is like, what it can carry, and what limits each import on it now.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use aoe_common::snapshot::{self, Import, Peer, Snapshot};
use serde::Serialize;

use super::capacity::{Bottleneck, bottleneck, bytes_per_second, share};
use super::client::{self, Unheard};
use super::paint::Paint;
use super::{Exit, rates, words, write_quietly};
use crate::config::nearest;

/// How long it is looked at what imports do.
const LOOK: Duration = Duration::from_secs(1);
/// Columns of text.
const WIDTH: usize = 100;
/// Sectors of a frame, and the MTU of the segments that carry it.
const FRAMES: [(u64, u16); 3] = [(2, 1500), (8, 4200), (17, 9000)];
const WINDOWS: [u64; 4] = [16, 64, 256, 1024];

/// What is said of the way of one session with a peer.
#[derive(Debug, Serialize)]
struct Report<'a> {
    peer: &'a str,
    worker: u8,
    path: &'a snapshot::Path,
    loss_in_percent: f64,
    loss_out_percent: f64,
    reordered_percent: f64,
    /// What could be carried at this round trip if only the window limited it.
    achievable: Vec<Achievable>,
    imports: Vec<Use<'a>>,
}

#[derive(Debug, Serialize)]
struct Achievable {
    sectors: u64,
    window: u64,
    bytes_per_second: u64,
}

/// What an import did in the last second.
#[derive(Debug, Serialize)]
struct Use<'a> {
    address: &'a str,
    export: &'a str,
    bytes_per_second: Option<u64>,
    /// What limits it; `null` if it carried nothing.
    limit: Option<Bottleneck>,
}

/// Looks for a second at the path to `name`.
pub(super) fn run(config: &Path, name: &str, json: bool) -> Exit {
    let (before, now) = match look(config) {
        Ok(both) => both,
        Err(unheard) => {
            let paint = Paint::for_stream(io::stderr().is_terminal());
            write_quietly(io::stderr(), &unheard.text(&paint));
            return unheard.exit();
        }
    };
    let reports = reports(&before, &now, name);
    if reports.is_empty() {
        let peers: Vec<&str> = now.peers.iter().map(|peer| peer.name.as_str()).collect();
        let meant = match nearest(name, peers.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("peers are: {}", peers.join(", ")),
        };
        let text = format!(
            "no peer is called {}; {}\n",
            words::plain(name),
            words::plain(&meant)
        );
        write_quietly(io::stderr(), &text);
        return Exit::Usage;
    }
    let text = match json {
        true => serde_json::to_string_pretty(&reports).unwrap_or_default() + "\n",
        false => for_people(&reports, &Paint::for_stream(io::stdout().is_terminal())),
    };
    write_quietly(io::stdout(), &text);
    Exit::Ok
}

/// Two documents, a second apart.
fn look(config: &Path) -> Result<(Snapshot, Snapshot), Unheard> {
    let before = client::observe(config)?.snapshot;
    sleep(LOOK);
    Ok((before, client::observe(config)?.snapshot))
}

fn reports<'a>(before: &Snapshot, now: &'a Snapshot, name: &str) -> Vec<Report<'a>> {
    let theirs = now.peers.iter().filter(|peer| peer.name == name);
    theirs.map(|peer| report(before, now, peer)).collect()
}

fn report<'a>(before: &Snapshot, now: &'a Snapshot, peer: &'a Peer) -> Report<'a> {
    let path = &peer.path;
    let cells = FRAMES
        .iter()
        .flat_map(|(sectors, _)| WINDOWS.map(|window| (*sectors, window)));
    let achievable = cells.filter_map(|(sectors, window)| {
        Some(Achievable {
            sectors,
            window,
            bytes_per_second: bytes_per_second(window, sectors, path.round_trip_us?),
        })
    });
    let here = |import: &&Import| import.peer == peer.name && import.worker == peer.worker;
    let imports = now.imports.iter().filter(here).map(|import| {
        let earlier = before
            .imports
            .iter()
            .find(|earlier| earlier.address == import.address);
        let earlier = earlier.cloned().unwrap_or_default();
        let seconds = rates::seconds(before, now);
        let moved = |import: &Import| {
            import
                .traffic
                .read_bytes
                .saturating_add(import.traffic.written_bytes)
        };
        Use {
            address: &import.address,
            export: &import.export,
            bytes_per_second: seconds.and_then(|seconds| {
                rates::per_second(moved(import).saturating_sub(moved(&earlier)), seconds)
            }),
            limit: seconds.and_then(|seconds| bottleneck(&earlier, import, peer, seconds)),
        }
    });
    Report {
        peer: &peer.name,
        worker: peer.worker,
        path,
        loss_in_percent: share(path.missed.received, path.records.received),
        loss_out_percent: share(path.missed.sent, path.records.sent),
        reordered_percent: share(path.reordered, path.records.received),
        achievable: achievable.collect(),
        imports: imports.collect(),
    }
}

fn for_people(reports: &[Report<'_>], paint: &Paint) -> String {
    let mut text = String::new();
    for report in reports {
        // Writing to a string does not fail.
        let _ = write_way(&mut text, report, paint);
        let _ = write_achievable(&mut text, report, paint);
        let _ = write_imports(&mut text, report, paint);
    }
    text
}

fn write_way(text: &mut String, report: &Report<'_>, paint: &Paint) -> std::fmt::Result {
    let title = paint.title;
    let path = report.path;
    let time = |us: Option<u64>| us.map_or_else(|| words::UNKNOWN.to_owned(), words::latency);
    let worker = match report.worker {
        0 => String::new(),
        worker => format!(" (worker {worker})"),
    };
    let remote = words::known(&path.remote);
    writeln!(
        text,
        "{title}{}{worker}{title:#} at {remote}",
        words::plain(report.peer)
    )?;
    writeln!(
        text,
        "  round trip  {}, jitter {}",
        time(path.round_trip_us),
        time(path.jitter_us)
    )?;
    writeln!(
        text,
        "  loss        in {:.2} %, out {:.2} %, of {} and {} records; never arrived: {} and {}",
        report.loss_in_percent,
        report.loss_out_percent,
        words::count(path.records.received),
        words::count(path.records.sent),
        words::count(path.lost.received),
        words::count(path.lost.sent),
    )?;
    writeln!(text, "  reordered   in {:.2} %", report.reordered_percent)?;
    writeln!(
        text,
        "  MTU         {} ({})",
        path.mtu,
        words::known(&path.mtu_why)
    )?;
    for line in words::wrap(&words::plain(&path.standing.why), WIDTH - 14) {
        writeln!(text, "              {line}")?;
    }
    Ok(())
}

fn write_achievable(text: &mut String, report: &Report<'_>, paint: &Paint) -> std::fmt::Result {
    let faint = paint.faint;
    if report.achievable.is_empty() {
        return writeln!(
            text,
            "\nThe round trip was not measured yet, so nothing can be said of what the path carries."
        );
    }
    writeln!(text, "\nAt most, if only the window limits it:")?;
    write!(text, "  {faint}frame, segment MTU{faint:#}")?;
    for window in WINDOWS {
        write!(text, "{:>14}", format!("window {window}"))?;
    }
    writeln!(text)?;
    for (sectors, mtu) in FRAMES {
        write!(text, "  {:<18}", format!("{sectors} sectors, {mtu}"))?;
        for cell in report.achievable.iter().filter(|cell| cell.sectors == sectors) {
            write!(
                text,
                "{:>14}",
                format!("{}/s", words::bytes(cell.bytes_per_second))
            )?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn write_imports(text: &mut String, report: &Report<'_>, paint: &Paint) -> std::fmt::Result {
    let title = paint.title;
    writeln!(text)?;
    if report.imports.is_empty() {
        return writeln!(
            text,
            "No import here goes by this path: on the gateway with the imports, this shows what limits them."
        );
    }
    for import in &report.imports {
        let rate = import
            .bytes_per_second
            .map_or_else(|| words::UNKNOWN.to_owned(), words::bytes);
        let (address, export) = (words::plain(import.address), words::plain(import.export));
        match &import.limit {
            None => writeln!(
                text,
                "{title}{address}{title:#} ({export}): carried nothing in the last second"
            )?,
            Some(Bottleneck { what, why, advice }) => {
                writeln!(
                    text,
                    "{title}{address}{title:#} ({export}): {rate}/s, limited by {what}"
                )?;
                for line in words::wrap(&words::plain(why), WIDTH - 2) {
                    writeln!(text, "  {line}")?;
                }
                for line in words::wrap(advice, WIDTH - 5) {
                    writeln!(text, "  -> {line}")?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples::{NOW, typical};

    #[test]
    fn a_path_is_described_with_what_it_can_carry_and_what_limits() {
        let before = typical();
        let mut now = typical();
        now.gateway.now = NOW + 1.0;
        let text = for_people(&reports(&before, &now, "site-a"), &Paint::default());
        assert!(text.contains("round trip  10.2 ms, jitter 412 us"), "{text}");
        assert!(
            text.contains("window 1024") && text.contains("17 sectors, 9000"),
            "{text}"
        );
        // 64 frames of 2 sectors each 10.213 ms.
        assert!(text.contains("6.41 MB/s") || text.contains("6.42 MB/s"), "{text}");
        assert!(text.lines().all(|line| words::width(line) <= WIDTH), "{text}");
        assert!(reports(&before, &now, "site-x").is_empty());
    }
}
