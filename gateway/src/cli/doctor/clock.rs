//! The wall clock.

use super::finding::Findings;
use crate::sys::clock_sync::{Sync, synchronised};

/// Looks whether something keeps the wall clock right.
pub(super) fn examine(findings: &mut Findings) {
    match synchronised() {
        Ok(Sync::Yes { error_us }) => findings.ok(
            "clock",
            "",
            format!("the clock is kept right, to {error_us} us by the kernel's estimate"),
        ),
        Ok(Sync::No) => findings.warn(
            "clock",
            "",
            "nothing keeps the clock of this host right",
            "run chrony, ntpd or systemd-timesyncd. A clock that goes back makes peers refuse our calls, and `until` of a grant \
             goes by it",
        ),
        Err(error) => findings.unknown("clock", "", format!("the kernel does not say how the clock is: {error}"), ""),
    }
}
