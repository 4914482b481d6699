//! Who may do what, for those who ask: by the judge of the data path, and by no other.
//!
//! A [`Question`] becomes the very request that an initiator would send, and is judged as that. Which rule decides is found
//! by asking again with fewer rules.

mod difference;
mod question;

pub use self::difference::{Difference, Right, Who, difference};
pub use self::question::{Action, Question};
use crate::config::Allow;
use crate::drop_reason::DropReason;
use crate::frame::{MacAddr, Pdu};
use crate::policy::{Rights, Rule, Verdict, judge};
use crate::refusal::Refusal;
use crate::request::Request;

/// What is said to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it passes.
    pub outcome: Outcome,
    /// The rules that decide, by their place in the list: those that allow it, each for a part where no single one allows
    /// all of it; else those that are for this initiator, and do not allow it.
    pub rules: Vec<usize>,
    /// Rules that would allow it if they had not ended.
    pub ended: Vec<usize>,
}

/// Whether something passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes to the target.
    Allowed,
    /// The initiator gets an error, for this reason.
    Refused(DropReason, Option<Refusal>),
    /// The initiator gets no answer, as if there were no such disk.
    Silence,
}

/// What `allow`, all of one peer, says to a question at this time, in seconds since 1970.
///
/// `None`: what is asked cannot be put into a frame.
pub fn answer(allow: &[Allow], question: &Question, unix_time: u64) -> Option<Answer> {
    let pdu = question.pdu()?;
    let request = Request::parse(Pdu::parse(&pdu).ok()?).ok()?;
    let initiator = question.initiator;
    let by = |chosen: &dyn Fn(usize) -> bool, request: &Request<'_>| {
        let rules = allow.iter().enumerate().filter(|(at, _)| chosen(*at));
        let rights = Rights::new(rules.map(|(_, allow)| Rule::from(allow)));
        judge(&rights, initiator, request)
    };
    let in_force = |at: usize| allow.get(at).is_some_and(|allow| allow.is_in_force(unix_time));
    let verdict = by(&in_force, &request);
    let admits = |at: usize, request: &Request<'_>| by(&|other| other == at, request) == Verdict::Admit;
    let all = 0..allow.len();
    let mut rules: Vec<usize> = match verdict {
        Verdict::Admit => all
            .clone()
            .filter(|at| in_force(*at) && admits(*at, &request))
            .take(1)
            .collect(),
        Verdict::Refuse(_) => all
            .clone()
            .filter(|at| in_force(*at) && is_for(allow, *at, initiator))
            .collect(),
        Verdict::Ignore(_) => Vec::new(),
    };
    if verdict == Verdict::Admit && rules.is_empty() {
        for part in question.sectors_one_by_one() {
            let pdu = part.pdu()?;
            let part = Request::parse(Pdu::parse(&pdu).ok()?).ok()?;
            rules.extend(all.clone().find(|at| in_force(*at) && admits(*at, &part)));
        }
        rules.sort_unstable();
        rules.dedup();
    }
    let ended = match verdict {
        Verdict::Admit => Vec::new(),
        Verdict::Refuse(_) | Verdict::Ignore(_) => {
            all.filter(|at| !in_force(*at) && admits(*at, &request)).collect()
        }
    };
    let outcome = match verdict {
        Verdict::Admit => Outcome::Allowed,
        Verdict::Refuse(reason) => Outcome::Refused(reason, Refusal::of(reason, &request.pdu)),
        Verdict::Ignore(_) => Outcome::Silence,
    };
    Some(Answer {
        outcome,
        rules,
        ended,
    })
}

fn is_for(allow: &[Allow], at: usize, initiator: MacAddr) -> bool {
    allow
        .get(at)
        .is_some_and(|allow| Rule::from(allow).covers(initiator))
}

#[cfg(test)]
mod tests;
