//! The sizes that are tried.

use crate::config::PathMtu as Setting;

/// The least that is supported: every IPv4 host takes this (RFC 791).
pub(crate) const LEAST: u16 = 576;
/// MTUs that paths have: radio and old tunnels; the least of IPv6 (RFC 8200 section 5); PPPoE, WireGuard, GRE and VXLAN
/// over 1500; FDDI; clouds; jumbo frames less a tunnel's header.
pub(super) const CANDIDATES: [u16; 23] = [
    LEAST, 768, 1024, 1200, 1280, 1340, 1380, 1400, 1412, 1420, 1432, 1440, 1452, 1460, 1480, 1492, 1500,
    4000, 4352, 8896, 8950, 9000, 9216,
];
/// Tried first: what nearly every path carries, and what most have.
const LIKELY: [u16; 3] = [1280, 1500, 9000];

/// All sizes that may be tried, ascending.
pub(super) fn candidates(setting: &Setting) -> &[u16] {
    match setting {
        Setting::Fixed(mtu) => std::slice::from_ref(mtu),
        Setting::Auto => &CANDIDATES,
    }
}

/// The size to try next, if more than `low` passes and `high` and more does not.
pub(super) fn next(candidates: &[u16], low: u16, high: u16) -> Option<u16> {
    let from = candidates.partition_point(|size| *size <= low);
    let to = candidates.partition_point(|size| *size < high);
    let open = candidates.get(from..to).unwrap_or_default();
    let likely = LIKELY.into_iter().find(|size| open.contains(size));
    likely.or_else(|| open.get(open.len() / 2).copied())
}
