//! What is said of pauses and drains.

use aoe_common::steer::{Pausing, Steered, Thing};

use crate::control::things::Named;

fn pausing(found: &Steered) -> Pausing {
    found.pause.clone().unwrap_or_default()
}

/// For how long it is paused.
pub(super) fn begun(found: &Steered) -> String {
    format!(
        "paused; it goes on by itself in {} s, and at once with `resume`",
        rounded(pausing(found).left_ms)
    )
}

/// That it is not paused for as long as was asked, and why.
pub(super) fn cut(asked: u64, found: &Steered) -> Option<String> {
    let pause = pausing(found);
    (rounded(pause.left_ms) < asked).then(|| {
        format!(
            "not for {asked} s: initiators that wait already, or waited through a pause before, would give the disk up; \
             {} s are possible",
            rounded(pause.possible_ms)
        )
    })
}

/// What still waits.
pub(super) fn left(what: &Named, found: &Steered) -> String {
    let mut text = under_way(what, found);
    if found.waiting > 0 {
        text.push_str(&format!(", {} wait here", requests(found.waiting)));
    }
    text
}

pub(super) fn under_way(what: &Named, found: &Steered) -> String {
    let place = match what.thing {
        Thing::Export(_) => "at the target",
        Thing::Import(_) => "on their way",
    };
    match found.in_flight {
        0 => format!("nothing is {place}"),
        1 => format!("1 request is {place} and is finished"),
        many => format!("{many} requests are {place} and are finished"),
    }
}

pub(super) fn goes_on(other: &str) -> String {
    format!(
        "export {other} has the same target and goes on: pause or drain it too, before the target is stopped"
    )
}

pub(super) fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        many => format!("{many} requests"),
    }
}

/// Whole seconds, rounded.
fn rounded(millis: u64) -> u64 {
    (millis + 500) / 1000
}

#[cfg(test)]
mod tests {
    use aoe_common::config::{ExportId, ImportId};

    use super::*;

    fn found(left_ms: u64, in_flight: u64, waiting: u64) -> Steered {
        Steered {
            pause: Some(Pausing {
                is_on: true,
                left_ms,
                possible_ms: left_ms,
                ..Pausing::default()
            }),
            in_flight,
            waiting,
            ..Steered::default()
        }
    }

    #[test]
    fn it_is_said_what_waits_and_for_how_long() {
        let export = Named {
            thing: Thing::Export(ExportId(0)),
            name: "backup".to_owned(),
        };
        let import = Named {
            thing: Thing::Import(ImportId(0)),
            name: "e107.3".to_owned(),
        };
        assert_eq!(
            left(&export, &found(0, 2, 7)),
            "2 requests are at the target and are finished, 7 requests wait here"
        );
        assert_eq!(
            left(&import, &found(0, 1, 0)),
            "1 request is on their way and is finished"
        );
        assert_eq!(left(&export, &found(0, 0, 0)), "nothing is at the target");
        assert_eq!(cut(60, &found(59_900, 0, 0)), None);
        let cut = cut(60, &found(20_000, 0, 0)).unwrap();
        assert!(
            cut.starts_with("not for 60 s") && cut.ends_with("20 s are possible"),
            "{cut}"
        );
    }
}
