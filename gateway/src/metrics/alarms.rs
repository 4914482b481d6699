//! What an operator should look at.

use std::collections::BTreeMap;

use aoe_common::snapshot::State;

use super::families::{Family, gauge};
use super::parts::word;

/// Things with an alarm that are named; what an alarm is about is a thing of the configuration.
const MOST: usize = 256;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_alarms",
        "Alarms that stand now, by how bad they are: something does not work (down), or not as it could (degraded).",
        |now, samples| {
            for state in [State::Down, State::Degraded] {
                let n = now
                    .alarms
                    .iter()
                    .filter(|alarm| alarm.standing.state == state)
                    .count();
                samples.add(&[("state", word(state))], u64::try_from(n).unwrap_or(u64::MAX));
            }
        },
    ),
    gauge(
        "aoe_captures",
        "Captures of frames that run now; `aoe-gateway status` says whose.",
        |now, samples| samples.add(&[], u64::try_from(now.captures.len()).unwrap_or(u64::MAX)),
    ),
    gauge(
        "aoe_alarm",
        "How many alarms stand about something now; `aoe-gateway status` says why, and what to do. 256 things are named.",
        |now, samples| {
            let mut by_thing: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for alarm in &now.alarms {
                *by_thing
                    .entry((&alarm.about, word(alarm.standing.state)))
                    .or_default() += 1;
            }
            for ((about, state), n) in by_thing.into_iter().take(MOST) {
                samples.add(&[("about", about), ("state", state)], n);
            }
        },
    ),
];
