//! The results as a picture: bars, as shares of the bridge. Told apart by lightness and hatching as well as by colour.

use std::fmt::Write;

use crate::peers::Peer;
use crate::plan::{Load, Measure};
use crate::results::{Report, Table};

const BAR: f64 = 15.0;
const GAP: f64 = 26.0;
const LEFT: f64 = 56.0;
const PLOT: f64 = 190.0;
const PANEL: f64 = PLOT + 76.0;
const LEGEND_ROW: f64 = 22.0;
/// Room for a swatch and the longest description.
const LEGEND_COLUMN: f64 = 310.0;

/// Loads where more is better: the only ones whose bars can be compared.
const SHOWN: [Load; 6] = [
    Load::SeqRead16,
    Load::SeqRead64,
    Load::SeqWrite16,
    Load::SeqWrite64,
    Load::RandRead32,
    Load::Mixed32,
];

/// One panel a setting, one group of bars a load, one bar a peer; `None` without anything to show.
pub(crate) fn svg(report: &Report) -> Option<String> {
    let tables: Vec<&Table> = report
        .tables
        .iter()
        .filter(|table| table.cells.iter().any(|cell| cell.ratio.is_some()))
        .collect();
    let mut peers: Vec<Peer> = tables
        .iter()
        .flat_map(|table| table.peers())
        .filter(|peer| *peer != Peer::Bridge)
        .collect();
    peers.sort_by_key(|peer| (!peer.is_ours(), *peer));
    peers.dedup();
    let loads: Vec<Load> = SHOWN
        .into_iter()
        .filter(|load| tables.iter().any(|table| table.loads().contains(load)))
        .collect();
    if peers.is_empty() || loads.is_empty() {
        return None;
    }
    let group = BAR * peers.len() as f64 + GAP;
    let width = (LEFT + group * loads.len() as f64 + 16.0).max(640.0);
    let legend_columns = if width < LEGEND_COLUMN * 3.0 { 2 } else { 3 };
    let legend = LEGEND_ROW * peers.len().div_ceil(legend_columns) as f64 + 8.0;
    let height = 52.0 + legend + PANEL * tables.len() as f64;
    let mut out = String::new();
    line(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"12\" fill=\"#1a1a1a\">"
        ),
    );
    line(
        &mut out,
        format_args!("<title>AoE through tunnels, as a share of a plain bridge</title>"),
    );
    defs(&mut out);
    line(
        &mut out,
        format_args!("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"),
    );
    text(
        &mut out,
        (14.0, 24.0),
        "font-size=\"16\" font-weight=\"bold\"",
        "AoE throughput, as a share of a plain bridge (1.00)",
    );
    let machine = &report.machine;
    text(
        &mut out,
        (14.0, 42.0),
        "fill=\"#555555\"",
        &format!(
            "{}, {} cores of {} for all; medians of {} rounds",
            report.date, machine.cores, machine.processor, report.rounds
        ),
    );
    for (number, peer) in peers.iter().enumerate() {
        let column = (width - 28.0) / legend_columns as f64;
        let x = 14.0 + column * (number % legend_columns) as f64;
        let y = 54.0 + LEGEND_ROW * (number / legend_columns) as f64;
        bar(&mut out, (x, y), (24.0, 13.0), *peer);
        text(
            &mut out,
            (x + 30.0, y + 11.0),
            "",
            &format!("{}: {}", peer.name(), peer.description()),
        );
    }
    for (number, table) in tables.iter().enumerate() {
        panel(
            &mut out,
            (52.0 + legend + PANEL * number as f64, width),
            table,
            &peers,
            &loads,
        );
    }
    line(&mut out, format_args!("</svg>"));
    Some(out)
}

fn panel(out: &mut String, (top, width): (f64, f64), table: &Table, peers: &[Peer], loads: &[Load]) {
    let setting = &table.setting;
    text(
        out,
        (14.0, top + 16.0),
        "font-weight=\"bold\"",
        &format!(
            "Segment MTU {}, underlay MTU {}",
            setting.segment_mtu, setting.underlay_mtu
        ),
    );
    let bottom = top + 30.0 + PLOT;
    let shares = table
        .cells
        .iter()
        .filter(|cell| cell.peer != Peer::Bridge && loads.contains(&cell.load));
    let most = shares
        .filter_map(|cell| cell.ratio)
        .map(|ratio| ratio.median)
        .fold(1.0, f64::max);
    // A little room above for the labels.
    let scale = PLOT / (most * 1.12);
    for tick in 0..=5 {
        let share = f64::from(tick) * 0.2;
        let y = bottom - share * scale;
        let stroke = if tick == 5 {
            "#1a1a1a\" stroke-dasharray=\"6 3"
        } else {
            "#dddddd"
        };
        line(
            out,
            format_args!(
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{stroke}\"/>",
                width - 12.0
            ),
        );
        text(
            out,
            (LEFT - 6.0, y + 4.0),
            "text-anchor=\"end\"",
            &format!("{share:.1}"),
        );
    }
    text(
        out,
        (width - 12.0, bottom - scale - 4.0),
        "text-anchor=\"end\" font-size=\"11\"",
        "bridge",
    );
    let group = BAR * peers.len() as f64 + GAP;
    for (number, load) in loads.iter().enumerate() {
        let left = LEFT + group * number as f64 + GAP / 2.0;
        for (place, peer) in peers.iter().enumerate() {
            let Some(ratio) = table.cell(*peer, *load).and_then(|cell| cell.ratio) else {
                continue;
            };
            let (x, tall) = (left + BAR * place as f64, (ratio.median * scale).max(0.5));
            bar(out, (x, bottom - tall), (BAR - 1.5, tall), *peer);
            let (middle, above) = (x + BAR / 2.0 + 2.5, bottom - tall - 3.0);
            line(
                out,
                format_args!(
                    "<text transform=\"translate({middle:.1} {above:.1}) rotate(-90)\" font-size=\"10\">{:.2}</text>",
                    ratio.median
                ),
            );
        }
        let middle = left + BAR * peers.len() as f64 / 2.0;
        text(
            out,
            (middle, bottom + 16.0),
            "text-anchor=\"middle\"",
            load.heading(),
        );
        if let Some(cell) = table.cell(Peer::Bridge, *load) {
            let unit = match load.measure() {
                Measure::Rate => "MB/s",
                Measure::Requests | Measure::Latency => "IOPS",
            };
            let label = format!("1.00 = {:.0} {unit}", cell.value.median);
            text(
                out,
                (middle, bottom + 31.0),
                "text-anchor=\"middle\" fill=\"#555555\" font-size=\"11\"",
                &label,
            );
        }
    }
    line(
        out,
        format_args!(
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\" stroke=\"#1a1a1a\"/>",
            width - 12.0
        ),
    );
}

/// Base colour of a peer (after Okabe and Ito, lightness made different), and the hatching over it.
fn paint(peer: Peer) -> (&'static str, Option<&'static str>) {
    match peer {
        Peer::Bridge => ("#000000", None),
        Peer::Ours => ("#0b3c6f", None),
        Peer::OursBlocking => ("#0b3c6f", Some("dots")),
        Peer::OursAuthenticate => ("#4f86c0", Some("rising")),
        Peer::OursWorkers => ("#4f86c0", Some("falling")),
        Peer::OursTls => ("#0b3c6f", Some("level")),
        Peer::Vxlan => ("#a6a6a6", None),
        Peer::FastdAes => ("#e69f00", None),
        Peer::FastdSalsa => ("#f6d28a", Some("falling")),
        Peer::Openvpn => ("#b0487e", Some("dots")),
        Peer::Vpncloud => ("#bfe3f7", None),
        Peer::Boringtun => ("#ffffff", Some("level")),
    }
}

fn bar(out: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), peer: Peer) {
    let (colour, hatching) = paint(peer);
    let mut rectangle = |fill: &str| {
        line(
            out,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"#333333\" stroke-width=\"0.7\"/>"
            ),
        );
    };
    rectangle(colour);
    if let Some(hatching) = hatching {
        rectangle(&format!("url(#{hatching})"));
    }
}

fn defs(out: &mut String) {
    let pattern = |name: &str, body: &str| {
        format!(
            "<pattern id=\"{name}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">{body}</pattern>"
        )
    };
    let stroke = "stroke=\"#1a1a1a\" stroke-width=\"1.1\"";
    let all = [
        pattern(
            "rising",
            &format!("<path d=\"M-1 1L1 -1M0 6L6 0M5 7L7 5\" {stroke}/>"),
        ),
        pattern(
            "falling",
            &format!("<path d=\"M-1 5L1 7M0 0L6 6M5 -1L7 1\" {stroke}/>"),
        ),
        pattern("level", &format!("<path d=\"M0 3L6 3\" {stroke}/>")),
        pattern("dots", "<circle cx=\"3\" cy=\"3\" r=\"1.3\" fill=\"#ffffff\"/>"),
    ];
    line(out, format_args!("<defs>{}</defs>", all.concat()));
}

fn text(out: &mut String, (x, y): (f64, f64), style: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    line(
        out,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>"),
    );
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
