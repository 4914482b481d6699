//! Our own static keys, and those that are not trusted any more.

use aoe_common::snapshot::KeyStage;

use super::families::{Family, gauge};
use super::writer::Value;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_own_keys",
        "Our own static keys, by what they are; one that is next waits for peers, or for its date.",
        |now, samples| {
            for (stage, word) in STAGES {
                let n = now.keys.own.iter().filter(|key| key.stage == stage).count();
                samples.add(&[("stage", word)], u64::try_from(n).unwrap_or(u64::MAX));
            }
        },
    ),
    gauge(
        "aoe_own_key_drop_timestamp_seconds",
        "From when on a key of ours is not accepted any more, in Unix time; absent without a date.",
        |now, samples| {
            for key in &now.keys.own {
                if let Some(at) = key.drop_at {
                    samples.add(&[("fingerprint", &key.fingerprint)], Value::Seconds(at));
                }
            }
        },
    ),
    gauge(
        "aoe_peers_without_newest_key",
        "Peers that do not have our newest key, as far as is known.",
        |now, samples| samples.add(&[], u64::try_from(now.keys.without.len()).unwrap_or(u64::MAX)),
    ),
    gauge(
        "aoe_revoked_keys",
        "Keys and certificates that are revoked.",
        |now, samples| samples.add(&[], now.keys.revoked),
    ),
];

/// What a key can be.
const STAGES: [(KeyStage, &str); 5] = [
    (KeyStage::Next, "next"),
    (KeyStage::InUse, "in_use"),
    (KeyStage::Old, "old"),
    (KeyStage::Dropped, "dropped"),
    (KeyStage::Revoked, "revoked"),
];
