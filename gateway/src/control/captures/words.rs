//! A copied frame in words.

use std::collections::BTreeMap;
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::drop_reason::DropReason;
use aoe_common::tap::{Record, Step, Verdict};
use base64ct::{Base64, Encoding as _};

use super::lines::{Direction, Frame};

/// What peers are called.
pub(super) type Names = BTreeMap<PeerId, String>;

/// The line of a frame. `zero` is when the clock of the data plane was at zero, since 1970.
pub(super) fn line(record: &Record, bytes: &[u8], interface: usize, names: &Names, zero: Duration) -> Frame {
    let subject = &record.subject;
    let at = zero + Duration::from_micros(record.at.as_micros());
    let (verdict, reason) = match record.step {
        Step::Request(Verdict::Admitted) => ("admitted", None),
        Step::Request(Verdict::Refused(reason)) => ("refused", Some(reason)),
        Step::Request(Verdict::Ignored(reason)) => ("ignored", Some(reason)),
        Step::Answer { refused, .. } => (if refused.is_some() { "refused" } else { "" }, refused),
        Step::ToTarget { .. } | Step::FromTarget { .. } => ("", None),
    };
    let (step, took_us) = match record.step {
        Step::Request(_) => ("request", None),
        Step::ToTarget { .. } => ("to-target", None),
        Step::FromTarget { took_us } => ("from-target", took_us),
        Step::Answer { took_us, .. } => ("answer", took_us),
    };
    Frame {
        interface: u32::try_from(interface).unwrap_or(u32::MAX),
        unix_us: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
        direction: match record.step.is_inbound() {
            true => Direction::In,
            false => Direction::Out,
        },
        peer: names.get(&subject.peer).cloned().unwrap_or_default(),
        initiator: subject.initiator.map(|mac| mac.to_string()).unwrap_or_default(),
        step: step.to_owned(),
        verdict: verdict.to_owned(),
        reason: reason.map(|reason| reason.name().to_owned()).unwrap_or_default(),
        number: subject.number,
        took_us,
        text: text(record),
        length: record.len,
        bytes: Base64::encode_string(bytes),
    }
}

/// What it is, and what became of it.
fn text(record: &Record) -> String {
    let number = record.subject.number.map(|number| format!(" {number}"));
    let number = number.unwrap_or_default();
    match record.step {
        Step::Request(Verdict::Admitted) if number.is_empty() => "admitted".to_owned(),
        Step::Request(Verdict::Admitted) => format!("admitted, request{number}"),
        Step::Request(Verdict::Refused(reason)) => format!("refused: {}", why(reason)),
        Step::Request(Verdict::Ignored(reason)) => format!("ignored: {}", why(reason)),
        Step::ToTarget { .. } if number.is_empty() => {
            "to the target, for nobody waits for it any more".to_owned()
        }
        Step::ToTarget { before: 0 } => format!("request{number} to the target"),
        Step::ToTarget { before } => {
            format!(
                "request{number} to the target again, copy {}",
                before.saturating_add(1)
            )
        }
        Step::FromTarget { took_us } if number.is_empty() => {
            format!("target's answer{}; nobody waits for it any more", after(took_us))
        }
        Step::FromTarget { took_us } => format!("target's answer to request{number}{}", after(took_us)),
        Step::Answer {
            took_us,
            refused: Some(reason),
        } => format!("refusal{}: {}", after(took_us), why(reason)),
        Step::Answer { took_us, .. } if number.is_empty() => {
            format!("answer of this gateway{}", after(took_us))
        }
        Step::Answer { took_us, .. } => format!("answer to request{number}{}", after(took_us)),
    }
}

/// ` after 0.812 ms`.
fn after(took_us: Option<u64>) -> String {
    let words = |micros: u64| format!(" after {}.{:03} ms", micros / 1000, micros % 1000);
    took_us.map(words).unwrap_or_default()
}

/// What a reason means, within a sentence, and its name.
fn why(reason: DropReason) -> String {
    let words = reason.words();
    let words = words.strip_prefix("Refused: ").unwrap_or(words);
    let words = words.strip_suffix('.').unwrap_or(words);
    let first = words.split(' ').next().unwrap_or_default();
    // A name such as AoE stays as it is.
    let is_name = first.chars().skip(1).any(char::is_uppercase);
    let mut letters = words.chars();
    let words = match letters.next().filter(|_| !is_name) {
        Some(letter) => format!("{}{}", letter.to_lowercase(), letters.as_str()),
        None => words.to_owned(),
    };
    format!("{words} ({})", reason.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_within_a_sentence() {
        let words = |reason| why(reason);
        assert_eq!(
            words(DropReason::RefusedReadOnly),
            "a write on a read-only export (refused_read_only)"
        );
        assert_eq!(
            words(DropReason::PeerTakenDown),
            "a request of a peer that an operator took down: it is not sent, or its answer goes nowhere (peer_taken_down)"
        );
        assert_eq!(after(Some(1_005)), " after 1.005 ms");
    }
}
