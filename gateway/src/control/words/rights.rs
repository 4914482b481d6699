//! Differences of rights in words.

use aoe_common::acl::{Difference, Right, Who};
use aoe_common::config::LbaRange;

/// `site-a loses write on sectors 0-1023 of backup`.
pub(crate) fn words(difference: &Difference, peer: &str, export: &str) -> String {
    let Difference { gained, who, right } = difference;
    let verb = if *gained { "gains" } else { "loses" };
    let whom = match who {
        Who::Everybody => peer.to_owned(),
        Who::Others => format!("every initiator behind {peer} that no rule names"),
        Who::Initiator(mac) => format!("initiator {mac} behind {peer}"),
    };
    let on = |run: &LbaRange| match *run {
        LbaRange::ALL => format!("on {export}"),
        run => format!("on sectors {run} of {export}"),
    };
    match right {
        Right::Use => format!("{whom} {verb} {export}"),
        Right::Read(run) => format!("{whom} {verb} read {}", on(run)),
        Right::Write(run) => format!("{whom} {verb} write {}", on(run)),
        Right::Command(command) => format!("{whom} {verb} {command} on {export}"),
        Right::SetConfigString => format!("{whom} {verb} setting the config string of {export}"),
        Right::Reserve => format!("{whom} {verb} reserve and release on {export}"),
        Right::MacMask => format!("{whom} {verb} the MAC mask list of {export}"),
    }
}
