//! The gateway itself.

use super::families::{Family, counter, gauge};
use super::writer::Value;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "aoe_gateway_info",
        "Always 1; its labels say which gateway this is.",
        |now, samples| {
            let gateway = &now.gateway;
            let labels = [
                ("gateway", gateway.name.as_str()),
                ("version", &gateway.program),
                ("fingerprint", &gateway.fingerprint),
            ];
            samples.add(&labels, true);
        },
    ),
    gauge(
        "process_start_time_seconds",
        "When the process started, in Unix time.",
        |now, samples| samples.add(&[], Value::Seconds(now.gateway.started)),
    ),
    gauge(
        "aoe_configured_timestamp_seconds",
        "When the configuration was last read, in Unix time.",
        |now, samples| samples.add(&[], Value::Seconds(now.gateway.configured)),
    ),
    counter(
        "aoe_reloads_total",
        "Times that the configuration was changed while the gateway ran.",
        |now, samples| samples.add(&[], now.gateway.reloads),
    ),
    gauge("aoe_workers", "Data planes.", |now, samples| {
        samples.add(&[], u64::from(now.gateway.workers));
    }),
];
