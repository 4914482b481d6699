//! Whole texts.

use std::collections::{BTreeMap, BTreeSet};

use aoe_common::drop_reason::DropReason;
use aoe_common::snapshot::{Alarm, Expiring, Initiator, Key, KeyStage, Limit, Standing, State, Traffic};
use aoe_common::telemetry::Count;

use super::families::{Kind, all};
use super::*;
use crate::cli::samples;

/// The sample with these labels, in part.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<String> {
    let fits = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    };
    let mut found = text.lines().filter(fits);
    let line = found.next()?;
    assert_eq!(found.next(), None, "more than one {name} {labels:?}");
    Some(line.rsplit(' ').next().unwrap().to_owned())
}

/// A gateway that has everything.
fn full() -> Snapshot {
    let mut snapshot = samples::typical();
    let limit = Some(Limit {
        iops: Some(500),
        bandwidth: Some(1),
        floor_iops: Some(1),
        floor_bandwidth: Some(1),
        delayed: 7,
        wait: snapshot.imports[0].latency.total,
        ..Limit::default()
    });
    snapshot.peers[0].limit.clone_from(&limit);
    snapshot.exports[0].limit.clone_from(&limit);
    snapshot.exports[0].allow[0].limit.clone_from(&limit);
    snapshot.initiators[0].limit = limit;
    snapshot.keys.own = vec![Key {
        fingerprint: "9bcb".to_owned(),
        stage: KeyStage::Old,
        drop_at: Some(1_800_000_000.0),
    }];
    snapshot.keys.without = vec!["site-b".to_owned()];
    snapshot.counters = Count::ALL
        .iter()
        .map(|count| (count.name().to_owned(), 1))
        .collect();
    let drops = DropReason::ALL.iter().map(|reason| (reason.name().to_owned(), 2));
    snapshot.counters.extend(drops);
    let http = crate::http::Counts::default();
    snapshot
        .counters
        .extend(http.iter().map(|(name, n)| (name.to_owned(), n)));
    snapshot.expiring = vec![Expiring {
        what: "certificate".to_owned(),
        name: "site-b.crt".to_owned(),
        not_after: 1_700_345_600.0,
        within: "week".to_owned(),
        ..Expiring::default()
    }];
    for name in ["audit_written", "audit_lost"] {
        snapshot.counters.insert(name.to_owned(), 3);
    }
    snapshot
}

#[test]
fn names_end_with_their_unit_and_kind_and_are_distinct() {
    let mut names = BTreeSet::new();
    for family in all() {
        let name = family.name;
        assert!(names.insert(name), "{name} twice");
        assert!(
            name.starts_with("aoe_") || name == "process_start_time_seconds",
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert!(
            family.help.ends_with('.') && !family.help.contains('\n'),
            "{name}"
        );
    }
}

#[test]
fn a_family_stands_together_below_its_help_and_no_sample_twice() {
    for snapshot in [
        full(),
        samples::typical(),
        samples::huge("x"),
        Snapshot::default(),
    ] {
        let text = text(&snapshot);
        let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
        let mut current = "";
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# HELP ") {
                current = head.split(' ').next().unwrap();
                assert!(families.insert(current), "{current} twice");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(current), "{line} below {current}");
                let (name, number) = line.rsplit_once(' ').unwrap();
                assert!(series.insert(name), "{name} twice");
                assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            }
        }
        assert!(families.contains("aoe_gateway_info"));
    }
}

#[test]
fn every_family_and_every_counter_of_a_gateway_that_has_everything_is_there() {
    let mut snapshot = full();
    snapshot.imports[0].sizes = vec![aoe_common::snapshot::Size {
        sectors: 8,
        reads: 3,
        writes: 2,
    }];
    snapshot.exports[0].sizes.clone_from(&snapshot.imports[0].sizes);
    let before = text(&snapshot);
    for family in all() {
        assert!(
            before.contains(&format!("# TYPE {} {}\n", family.name, family.kind.word())),
            "{}",
            family.name
        );
    }
    for name in snapshot.counters.keys().cloned().collect::<Vec<_>>() {
        let mut more = snapshot.clone();
        *more.counters.get_mut(&name).unwrap() += 41;
        let after = text(&more);
        let before: BTreeSet<_> = before.lines().collect();
        let after: BTreeSet<_> = after.lines().collect();
        assert_eq!(
            after.difference(&before).count(),
            1,
            "{name} is not in the metrics, or twice"
        );
    }
}

#[test]
fn numbers_are_where_they_belong() {
    let mut snapshot = full();
    snapshot.exports[1].standing.state = State::Paused;
    let text = text(&snapshot);
    let export = ["export=\"backup\"", "target=\"e7.3\"", "segment=\"san\""];
    for (name, labels, expected) in [
        ("aoe_export_up", &export[..], "1"),
        ("aoe_export_requests_total", &export, "1234567"),
        ("aoe_export_read_bytes_total", &export, "81300000000"),
        ("aoe_export_written_bytes_total", &export, "12100000000"),
        ("aoe_export_in_flight", &export, "12"),
        ("aoe_export_size_bytes", &export, "107374182400"),
        ("aoe_export_up", &["export=\"archive\""], "0"),
        (
            "aoe_export_state",
            &["export=\"archive\"", "state=\"paused\""],
            "1",
        ),
        ("aoe_export_state", &["export=\"archive\"", "state=\"down\""], "0"),
        (
            "aoe_export_refused_total",
            &["export=\"archive\"", "refused_read_only"],
            "17",
        ),
        (
            "aoe_export_refused_total",
            &["export=\"archive\"", "refused_ata_command"],
            "0",
        ),
        (
            "aoe_import_up",
            &["import=\"e109.1\"", "peer=\"site-a\"", "export=\"mirror\""],
            "1",
        ),
        ("aoe_peer_up", &["peer=\"site-c\"", "worker=\"0\""], "0"),
        ("aoe_path_round_trip_seconds", &["peer=\"site-a\""], "0.010213"),
        ("aoe_path_mtu_bytes", &["peer=\"site-a\""], "1500"),
        (
            "aoe_path_records_missed_total",
            &["peer=\"site-a\"", "sent"],
            "720000",
        ),
        (
            "aoe_segment_frames_total",
            &["segment=\"san\"", "device=\"eth1\"", "received"],
            "1240000",
        ),
        (
            "aoe_expires_timestamp_seconds",
            &["what=\"certificate\"", "name=\"site-b.crt\""],
            "1700345600",
        ),
        ("aoe_expiry_warning", &["name=\"site-b.crt\""], "2"),
        ("aoe_own_keys", &["stage=\"old\""], "1"),
        ("aoe_own_keys", &["stage=\"next\""], "0"),
        ("aoe_own_key_drop_timestamp_seconds", &["9bcb"], "1800000000"),
        ("aoe_peers_without_newest_key", &[], "1"),
        ("aoe_alarms", &["state=\"down\""], "1"),
        ("aoe_alarms", &["state=\"degraded\""], "0"),
        ("aoe_alarm", &["about=\"export archive\"", "state=\"down\""], "1"),
        (
            "aoe_initiator_requests_total",
            &["52:54:00:12:34:56", "there", "export=\"backup\""],
            "1234567",
        ),
        (
            "aoe_limit_delayed_total",
            &["of=\"peer\"", "peer=\"site-a\""],
            "7",
        ),
        (
            "aoe_limit_requests_per_second",
            &["of=\"grant\"", "export=\"backup\""],
            "500",
        ),
        (
            "aoe_grant_ends_timestamp_seconds",
            &["export=\"backup\"", "peer=\"site-c\""],
            "1801353600",
        ),
        ("aoe_drops_total", &["reason=\"segment_overflow\""], "2"),
        ("aoe_handshakes_total", &[], "1"),
        ("aoe_reloads_total", &[], "4"),
        ("process_start_time_seconds", &[], "1699723520"),
    ] {
        assert_eq!(
            value(&text, name, labels).as_deref(),
            Some(expected),
            "{name} {labels:?}"
        );
    }
    let gone = value(&text, "aoe_path_mtu_bytes", &["peer=\"site-c\""]);
    assert_eq!(gone, None, "no session, no path");
    let stage = ["import=\"e109.1\"", "stage=\"tunnel\"", "le=\"+Inf\""];
    assert_eq!(
        value(&text, "aoe_import_latency_seconds_bucket", &stage).as_deref(),
        Some("1000")
    );
}

#[test]
fn sizes_are_a_histogram_in_bytes() {
    use aoe_common::snapshot::Size;
    let mut snapshot = samples::typical();
    let size = |sectors, reads, writes| Size {
        sectors,
        reads,
        writes,
    };
    snapshot.exports[0].sizes = vec![size(1, 5, 0), size(8, 2, 0), size(256, 1, 0)];
    let text = text(&snapshot);
    let bucket = |le: &str| {
        let le = format!("le=\"{le}\"");
        value(&text, "aoe_export_request_size_bytes_bucket", &["read", &le]).unwrap()
    };
    let found = ["512", "2048", "4096", "65536", "131072", "+Inf"].map(bucket);
    assert_eq!(found, ["5", "5", "7", "7", "8", "8"]);
    assert_eq!(
        value(&text, "aoe_export_request_size_bytes_count", &["read"]).as_deref(),
        Some("8")
    );
    assert_eq!(
        value(&text, "aoe_export_request_size_bytes_count", &["write"]),
        None
    );
}

/// Whatever initiators and peers do, there are not more series than the configuration makes.
#[test]
fn crowds_make_no_more_series() {
    let mut snapshot = full();
    let series = |snapshot: &Snapshot| {
        text(snapshot)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count()
    };
    let crowd = |n: u64| Initiator {
        mac: format!("52:54:00:00:{:02x}:{:02x}", n / 256, n % 256),
        traffic: Traffic {
            requests: n,
            ..Traffic::default()
        },
        latency: snapshot.imports[0].latency.total,
        ..Initiator::default()
    };
    let all: Vec<_> = (0..5000).map(crowd).collect();
    let alarm = |n: u64| Alarm {
        about: format!("peer {n}"),
        standing: Standing {
            state: State::Down,
            ..Standing::default()
        },
    };
    snapshot.initiators = all[..1000].to_vec();
    snapshot.alarms = (0..1000).map(alarm).collect();
    let some = series(&snapshot);
    snapshot.initiators = all;
    snapshot.alarms = (0..9000).map(alarm).collect();
    assert_eq!(series(&snapshot), some);
    let text = text(&snapshot);
    assert_eq!(
        value(&text, "aoe_unlisted_initiators", &[]).as_deref(),
        Some("4900")
    );
    assert!(text.contains("52:54:00:00:13:87"), "the busiest is there");
    assert!(!text.contains("52:54:00:00:00:07"), "an idle one is not");
}

#[test]
fn names_cannot_break_a_line() {
    let mut snapshot = samples::typical();
    snapshot.exports[0].name = "<script>\"} 1\naoe_export_up{export=\"x\\".to_owned();
    let text = text(&snapshot);
    let line = text
        .lines()
        .find(|line| line.starts_with("aoe_export_up{export=\"<script>"));
    let expected =
        r#"aoe_export_up{export="<script>\"} 1\naoe_export_up{export=\"x\\",segment="san",target="e7.3"} 1"#;
    assert_eq!(line, Some(expected));
}

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// The rows of the page whose first cell is a name that fits, with that name.
fn rows(fits: impl Fn(&str) -> bool) -> BTreeMap<&'static str, &'static str> {
    PAGE.lines()
        .filter_map(|line| Some((line.strip_prefix("| `")?.split('`').next()?, line)))
        .filter(|(name, _)| fits(name))
        .collect()
}

fn expect(rows: &BTreeMap<&str, &str>, expected: Vec<(&str, String)>) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|(name, row)| rows.get(name) != Some(&row.as_str()))
        .map(|(_, row)| row.as_str())
        .collect();
    assert!(
        missing.is_empty(),
        "docs/metrics.md needs these rows:\n{}",
        missing.join("\n")
    );
    let known: BTreeSet<_> = expected.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = rows.keys().filter(|name| !known.contains(*name)).collect();
    assert!(
        unknown.is_empty(),
        "docs/metrics.md has what there is not: {unknown:?}"
    );
}

#[test]
fn the_page_lists_every_metric_and_no_others() {
    let expected = all().map(|family| {
        let row = format!("| `{}` | {} | {} |", family.name, family.kind.word(), family.help);
        (family.name, row)
    });
    expect(
        &rows(|name| name.starts_with("aoe_") || name.starts_with("process_")),
        expected.collect(),
    );
}

#[test]
fn the_page_lists_every_reason_and_no_others() {
    let expected = DropReason::ALL.iter().map(|reason| {
        (
            reason.name(),
            format!("| `{}` | {} |", reason.name(), reason.words()),
        )
    });
    let is_reason = |name: &str| {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_plain && !name.starts_with("aoe_") && !name.starts_with("process_")
    };
    expect(&rows(is_reason), expected.collect());
}
