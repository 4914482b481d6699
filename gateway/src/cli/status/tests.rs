//! Whole pages: that they fit, that they say what matters, and one of them word for word.

use aoe_common::snapshot::*;

use super::amounts::Amounts;
use super::samples::{self, NOW, empty, huge, latency, standing, typical};
use super::words::width;
use super::{Paint, WIDEST};
use crate::cli::document::Document;

const NAME: usize = 64;

fn page_of(snapshot: &Snapshot, before: Option<&Snapshot>) -> String {
    let document = Document::read(serde_json::to_string(snapshot).unwrap()).unwrap();
    let amounts = match before {
        None => Amounts::Totals,
        before => Amounts::between(snapshot, before),
    };
    super::draw(&document, before, amounts, Paint::default(), WIDEST)
}

fn page(snapshot: &Snapshot) -> String {
    page_of(snapshot, None)
}

/// Demands that nothing is wider than the page, hurts a terminal, or ends with blanks.
fn check(page: &str) {
    for line in page.lines() {
        assert!(width(line) <= WIDEST, "{} columns: {line}", width(line));
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(line.trim_end(), line, "{line:?}");
    }
}

fn line_of<'a>(page: &'a str, word: &str) -> &'a str {
    page.lines()
        .find(|line| line.contains(word))
        .unwrap_or_else(|| panic!("no {word:?} in\n{page}"))
}

/// One blank between words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_typical_page_word_for_word() {
    let page = page(&typical());
    check(&page);
    assert_eq!(page, include_str!("typical.txt"));
}

#[test]
fn an_empty_gateway_has_a_page() {
    let page = page(&empty());
    check(&page);
    assert!(
        page.starts_with("site-b: pid 4242, up 3 d, no reload, 1 worker, version 0.1.0\n"),
        "{page}"
    );
    for part in [
        "alarms",
        "peers",
        "segments",
        "imports",
        "exports",
        "initiators",
        "refused last",
    ] {
        assert_eq!(line_of(&page, part), format!("{part}  none"));
    }
    let nothing = Snapshot {
        version: 1,
        ..Snapshot::default()
    };
    check(&self::page(&nothing));
}

#[test]
fn what_ends_is_shown_with_how_long_it_is_and_what_to_do() {
    let row = |name: &str, days: f64, within: &str, why: &str| Expiring {
        what: "certificate".into(),
        name: name.into(),
        not_after: NOW + days * 86_400.0,
        within: within.into(),
        why: why.into(),
    };
    let mut snapshot = empty();
    snapshot.expiring = vec![
        row(
            "old.crt",
            -3.0,
            "over",
            "certificate old.crt: it expired 3 days ago; to mend it: x",
        ),
        row(
            "a.crt",
            6.5,
            "week",
            &format!("certificate a.crt: {}", "it expires in 6 days; ".repeat(40)),
        ),
        row("far.crt\u{1b}[2J", 300.0, "far", ""),
    ];
    snapshot
        .expiring
        .extend((0..40).map(|n| row(&format!("{n}.crt"), 400.0, "far", "")));
    let page = page(&snapshot);
    check(&page);
    let shown = page.split("\nends in\n").nth(1).unwrap();
    assert!(shown.starts_with("  over      certificate old.crt: it expired 3 days ago; to mend it: x\n  6 d       certificate a.crt: "), "{shown}");
    assert!(
        words(shown).contains("300 d certificate far.crt") && shown.contains("  and 23 more\n"),
        "{shown}"
    );
    assert!(!self::page(&empty()).contains("ends in"));
}

#[test]
fn the_longest_names_and_numbers_fit() {
    let ascii: String = ('a'..='z').cycle().take(NAME).collect();
    let wide = "倉庫".repeat(NAME / 2);
    for name in [ascii.as_str(), wide.as_str(), "é", "a b c"] {
        let snapshot = huge(name);
        let page = page(&snapshot);
        check(&page);
        // Nothing but names was shortened.
        assert!(line_of(&page, "e65534.254 #15").contains("degraded"), "{page}");
        for line in page.lines().filter(|line| line.contains("59 min")) {
            assert!(
                line.contains("degraded") || line.contains("52:54:00:12:34:56"),
                "{line}"
            );
        }
        assert!(page.contains("and 280 more\n"), "{page}");
        let mut before = snapshot.clone();
        before.gateway.now -= 1.0;
        before.imports[0].traffic = Traffic::default();
        check(&page_of(&snapshot, Some(&before)));
        check(&page_of(&snapshot, Some(&snapshot)));
    }
}

#[test]
fn a_hub_fits() {
    let mut hub = empty();
    hub.gateway.workers = 2;
    for n in 0..64 {
        hub.peers
            .push(samples::peer(&format!("site-{n}"), "192.0.2.1:34978"));
    }
    for n in 0..256 {
        let mut export = samples::export(&format!("disk-{n}"), &format!("e{n}.1"));
        export.allow = (0..64)
            .map(|n| samples::grant(&format!("site-{n}"), "read-only", n % 3))
            .collect();
        hub.exports.push(export);
    }
    hub.exports[200].standing = standing(State::Down, "target e200.1 does not answer", 5.0);
    let page = page(&hub);
    check(&page);
    let exports = page.find("exports").unwrap();
    let first = page[exports..].lines().nth(1).unwrap();
    assert!(first.contains("disk-200") && first.contains("down"), "{first}");
    assert!(page.contains("disk-255 #0") && page.contains("site-63 #0"));
    let page = words(&page);
    assert!(
        page.contains("for site-2 ro (2 in use), ") && page.contains(", and 56 more"),
        "{page}"
    );
}

#[test]
fn what_is_broken_says_why_and_since_when() {
    let mut broken = typical();
    let down = |why: &str| standing(State::Down, why, 12.0);
    broken.peers[0].standing = down("it does not answer");
    broken.peers[0].session = None;
    broken.segments[0].standing = down("eth1 has no carrier");
    broken.imports[0].standing = down("site-a does not offer it to us");
    broken.imports[0].latency = Split::default();
    broken.exports[0].standing = standing(State::Degraded, "another disk answers", 13.0);
    let page = page(&broken);
    check(&page);
    for why in [
        "it does not answer",
        "eth1 has no carrier",
        "site-a does not offer it to us",
        "another disk answers",
    ] {
        line_of(&page, why);
    }
    assert!(!page.contains("paths"), "a path without a session:\n{page}");
    assert!(
        words(line_of(&page, "e109.1")).ends_with("down 12 s rw 12 6.14 kB 0 B 0"),
        "{page}"
    );
    assert!(words(line_of(&page, "e7.3")).contains("degraded 13 s"), "{page}");
}

#[test]
fn control_characters_do_not_pass() {
    let page = page(&huge("\u{1b}]0;x\u{7}\u{9b}2J\r\n\u{202e}y\u{200b}"));
    check(&page);
    assert!(!page.contains(['\u{202e}', '\u{200b}', '\r']));
}

#[test]
fn rates_take_the_place_of_totals() {
    let now = typical();
    let mut before = now.clone();
    before.gateway.now -= 2.0;
    before.exports[0].traffic.requests -= 3000;
    before.exports[0].traffic.read_bytes -= 24_600_000;
    before.initiators[0].traffic.requests -= 500;
    before.initiators.push(Initiator::default());
    before.peers[0].path.missed.received -= 10;
    before.peers[0].path.records.received -= 1000;
    before.peers[0].path.bytes.received -= 2_000_000;
    let page = page_of(&now, Some(&before));
    check(&page);
    assert!(!page.contains("written"), "{page}");
    let backup = words(line_of(&page, "e7.3"));
    assert!(backup.contains("0 1 500 12.3 MB 0 B"), "{backup}");
    let initiator = words(line_of(&page, "52:54:00:12:34:56"));
    assert!(initiator.contains("backup 250 0 B"), "{initiator}");
    let path = words(page.lines().find(|line| line.contains("probed")).unwrap());
    assert!(path.contains("1.00 %") && path.contains("1.00 MB"), "{path}");
}

#[test]
fn who_is_busy_now_comes_first() {
    let mut now = typical();
    now.initiators[1].traffic.requests += 1_000;
    let mut before = typical();
    before.gateway.now -= 1.0;
    let page = page_of(&now, Some(&before));
    let rows = page.find("initiators").unwrap();
    assert!(
        page[rows..].lines().nth(1).unwrap().contains("52:54:00:12:34:99"),
        "{page}"
    );
}

#[test]
fn the_newest_refusal_comes_first() {
    let mut snapshot = typical();
    let refusal = |who: &str, ago: f64| Refusals {
        reason: "refused_ata_command".into(),
        count: 1,
        last_who: who.into(),
        last_what: "ATA command 0xf4".into(),
        last: NOW - ago,
    };
    snapshot.imports[0].refusals = vec![refusal("x:1", 50.0), refusal("x:2", 1.0)];
    let page = page(&snapshot);
    let at = page.find("refused last").unwrap();
    let order: Vec<&str> = page[at..]
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(order, ["x:2", "52:54:00:12:34:56", "x:1"]);
}

#[test]
fn a_newer_gateway_is_named_and_shown() {
    let mut snapshot = typical();
    snapshot.version = VERSION + 1;
    let page = page(&snapshot);
    check(&page);
    let line = page.lines().nth(1).unwrap();
    assert!(
        line.starts_with("the gateway is newer than this program"),
        "{line}"
    );
    line_of(&page, "198.51.100.1:34978");
}

#[test]
fn colour_changes_no_text() {
    let document = Document::read(serde_json::to_string(&typical()).unwrap()).unwrap();
    let paint = Paint::coloured();
    let coloured = super::draw(&document, None, Amounts::Totals, paint, WIDEST);
    assert!(coloured.contains(&format!("{0}down{0:#}", paint.fault)));
    assert!(coloured.contains(&format!("{0}up{0:#}", paint.good)));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, page(&typical()));
}

#[test]
fn what_was_not_measured_is_not_zero() {
    let mut snapshot = typical();
    snapshot.exports[0].latency.queue = Some(Latency::default());
    snapshot.imports.clear();
    let page = page(&snapshot);
    assert!(!page.contains("queue"), "{page}");
    snapshot.exports[1].latency.queue = latency(7);
    let page = self::page(&snapshot);
    let at = page.find("p50 | p99").unwrap();
    let row = page[at..].lines().find(|line| line.contains("backup")).unwrap();
    assert!(row.contains("   -  "), "{row}");
}

#[test]
fn a_watched_page_shows_the_times_of_its_last_second() {
    let quantiles = |p50_us: u64, bucket: usize, count: u64| {
        let mut latency = latency(p50_us).unwrap();
        latency.count = count;
        latency.sum_us = count * p50_us;
        latency.buckets[bucket..].fill(count);
        latency
    };
    let mut before = typical();
    before.exports[0].latency.target = Some(quantiles(900, 6, 1000));
    before.initiators[0].latency = Some(quantiles(900, 6, 1000));
    let mut now = before.clone();
    now.gateway.now += 1.0;
    let page = page_of(&now, Some(&before));
    let row = |page: &str| {
        let at = page.find("exports").unwrap();
        let at = at + page[at..].find("p50 | p99").unwrap();
        page[at..].lines().nth(1).unwrap().to_owned()
    };
    assert!(row(&page).ends_with(" -"), "nothing was asked for: {page}");
    for latency in [&mut now.exports[0].latency.target, &mut now.initiators[0].latency] {
        let latency = latency.as_mut().unwrap();
        latency.count += 100;
        latency.sum_us += 100 * 8_000;
        latency.buckets[9..].iter_mut().for_each(|n| *n += 100);
    }
    let page = page_of(&now, Some(&before));
    assert!(row(&page).ends_with("7.0 ms |  8.9 ms"), "{page}");
    let at = page.find("initiators").unwrap();
    let row = page[at..].lines().nth(1).unwrap();
    assert!(row.contains("7.0 ms  8.9 ms"), "{page}");
}

/// The names of all fields of a value and what is in it, but for the names of counters.
fn fields(value: &serde_json::Value, names: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Array(rows) => rows.iter().for_each(|row| fields(row, names)),
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                if name != "counters" {
                    fields(value, names);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_is_documented() {
    let page = include_str!("../../../../docs/status.md");
    let (_, page) = page.split_once("## The document").unwrap();
    let mut names = std::collections::BTreeSet::new();
    fields(&serde_json::to_value(huge("x")).unwrap(), &mut names);
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        let known = [format!("`{name}`"), format!(".{name}`"), format!("\"{name}\":")];
        assert!(known.iter().any(|name| page.contains(name)), "{name}");
    }
    let version = format!("| `version` | of the document: {VERSION} |");
    assert!(page.contains(&version));
}
