//! The processor: how fast it wakes up.

use std::time::Duration;

use super::finding::Findings;
use super::host::Host;

const CPU: &str = "sys/devices/system/cpu";

/// Looks at clock governors, and at idle states against `busy_poll`.
pub(super) fn examine(busy_poll: Duration, host: &Host, findings: &mut Findings) {
    governor(host, findings);
    idle(busy_poll, host, findings);
    softnet(host, findings);
}

/// The directories of processors.
fn processors(host: &Host) -> impl Iterator<Item = String> {
    let is_one = |name: &String| {
        let number = name.strip_prefix("cpu");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    host.names(CPU)
        .into_iter()
        .filter(is_one)
        .map(|name| format!("{CPU}/{name}"))
}

fn governor(host: &Host, findings: &mut Findings) {
    let mut found: Vec<String> = processors(host)
        .filter_map(|cpu| host.text(format!("{cpu}/cpufreq/scaling_governor")))
        .collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => findings.unknown(
            "governor",
            "",
            "the kernel does not say how the clock of the processor is governed (a virtual machine, as a rule)",
            "",
        ),
        [one] if one == "performance" => findings.ok("governor", "", "performance"),
        several => findings.warn(
            "governor",
            "",
            format!("the clock of the processor is governed by {}", several.join(", ")),
            "where latency counts: cpupower frequency-set -g performance",
        ),
    }
}

/// The state that takes longest to leave, of those that are in use: its name, and how long, in microseconds.
fn deepest(host: &Host) -> Option<(String, u64)> {
    let states = processors(host).flat_map(|cpu| {
        let dir = format!("{cpu}/cpuidle");
        host.names(&dir)
            .into_iter()
            .map(move |state| format!("{dir}/{state}"))
    });
    let in_use = states.filter(|state| host.number(format!("{state}/disable")) != Some(1_u8));
    let timed = in_use.filter_map(|state| {
        let name = host.text(format!("{state}/name"))?;
        Some((name, host.number(format!("{state}/latency"))?))
    });
    timed.max_by_key(|(_, latency)| *latency)
}

fn idle(busy_poll: Duration, host: &Host, findings: &mut Findings) {
    let spin = match busy_poll.is_zero() {
        true => "`busy_poll` is off".to_owned(),
        false => format!("`busy_poll` is {} us", busy_poll.as_micros()),
    };
    match deepest(host) {
        None => findings.unknown(
            "idle-states",
            "",
            format!("the kernel shows no idle states (a virtual machine, as a rule); {spin}"),
            "",
        ),
        Some((name, latency)) if u128::from(latency) > busy_poll.as_micros().max(20) => findings.warn(
            "idle-states",
            "",
            format!("a sleeping processor wakes up after {latency} us (state {name}); {spin}"),
            format!(
                "where single requests count: busy_poll = \"{}us\", or keep it out of deep states: cpupower idle-set -D 20",
                latency.next_multiple_of(50).min(10_000)
            ),
        ),
        Some((name, latency)) => findings.ok(
            "idle-states",
            "",
            format!("a sleeping processor wakes up within {latency} us (state {name}); {spin}"),
        ),
    }
}

/// Packets that the kernel dropped before any socket, by processor: the second column, hexadecimal.
fn softnet(host: &Host, findings: &mut Findings) {
    let Some(text) = host.text("proc/net/softnet_stat") else {
        findings.unknown(
            "backlog",
            "",
            "the kernel does not say whether its backlog was full",
            "",
        );
        return;
    };
    let dropped = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    let dropped: u64 = dropped.filter_map(|hex| u64::from_str_radix(hex, 16).ok()).sum();
    match dropped {
        0 => findings.ok("backlog", "", "the backlog of the kernel was never full"),
        n => findings.warn(
            "backlog",
            "",
            format!(
                "{n} packets were dropped since the host started because the backlog of the kernel was full"
            ),
            "if it grows: sysctl -w net.core.netdev_max_backlog=10000",
        ),
    }
}
