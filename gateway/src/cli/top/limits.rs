//! Ceilings, floors, and what waits for them.

use aoe_common::snapshot::Limit;

use super::value::Value;
use crate::cli::words::{bytes, count, latency, plain};

/// Requests that wait for these limits now; unknown if there is none.
pub(super) fn waiting<'a>(limits: impl Iterator<Item = &'a Limit>) -> Value {
    let sum = |sum: Option<u64>, limit: &Limit| Some(sum.unwrap_or(0).saturating_add(limit.waiting));
    Value::of(limits.fold(None, sum), Value::Count)
}

/// A limit in words: `at most 2 000 req/s and 10.0 MB/s, 500 req/s kept free; 12 wait, 3 400 did, p99 3.1 ms (live)`.
pub(in crate::cli) fn words(limit: &Limit) -> String {
    let both = |iops: Option<u64>, bandwidth: Option<u64>| {
        let iops = iops.map(|n| format!("{} req/s", count(n)));
        let bandwidth = bandwidth.map(|n| format!("{}/s", bytes(n)));
        let parts: Vec<String> = iops.into_iter().chain(bandwidth).collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    };
    let ceiling = both(limit.iops, limit.bandwidth).map(|ceiling| format!("at most {ceiling}"));
    let floor = both(limit.floor_iops, limit.floor_bandwidth).map(|floor| format!("{floor} kept free"));
    let parts: Vec<String> = ceiling.into_iter().chain(floor).collect();
    let parts = match parts.is_empty() {
        true => "no ceiling, no floor".to_owned(),
        false => parts.join(", "),
    };
    let wait = limit.wait.filter(|wait| wait.count > 0);
    let wait = wait.map_or(String::new(), |wait| {
        format!(", p50 {}, p99 {}", latency(wait.p50_us), latency(wait.p99_us))
    });
    let from = match limit.from.as_str() {
        "" => String::new(),
        from => format!(" ({})", plain(from)),
    };
    let (now, ever) = (count(limit.waiting), count(limit.delayed));
    format!("{parts}; {now} wait, {ever} did{wait}{from}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn a_limit_says_what_it_is_and_what_it_does() {
        let limit = Limit {
            iops: Some(2000),
            bandwidth: Some(10_000_000),
            floor_iops: Some(500),
            from: "live".into(),
            delayed: 3400,
            waiting: 12,
            wait: samples::latency(800),
            ..Limit::default()
        };
        assert_eq!(
            words(&limit),
            "at most 2 000 req/s and 10.0 MB/s, 500 req/s kept free; 12 wait, 3 400 did, p50 800 us, p99 3.2 ms (live)"
        );
        assert_eq!(words(&Limit::default()), "no ceiling, no floor; 0 wait, 0 did");
        assert_eq!(waiting([].into_iter()), Value::Unknown);
        assert_eq!(waiting([&limit, &limit].into_iter()), Value::Count(24));
    }
}
