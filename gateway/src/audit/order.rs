//! An order of the control socket, from its first byte to its answer. Whatever becomes of it, it is taken down.

use serde::Serialize;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Audit, Caller, Entry};

/// A request that is longer is cut, in characters.
const LONGEST_REQUEST: usize = 2048;
/// The same for a reason.
const LONGEST_REASON: usize = 4096;

/// An order that is under way. It is taken down when this is dropped.
#[derive(Debug)]
pub(crate) struct Order {
    audit: Audit,
    by: Caller,
    request: Option<Value>,
    outcome: String,
    reason: String,
}

impl Audit {
    /// Somebody is about to give an order.
    pub(crate) fn order(&self, stream: &UnixStream) -> Order {
        Order {
            audit: self.clone(),
            by: Caller::of(stream),
            request: None,
            outcome: "unanswered".to_owned(),
            reason: String::new(),
        }
    }
}

impl Order {
    /// This was asked.
    pub(crate) fn asked(&mut self, line: &[u8]) {
        let json = serde_json::from_slice(line).ok();
        let json = json.filter(|_| line.len() <= LONGEST_REQUEST);
        self.request = Some(json.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(line);
            Value::String(text.chars().take(LONGEST_REQUEST).collect())
        }));
    }

    /// This was answered: of the answer `outcome` and `reason` are taken down.
    pub(crate) fn answered(&mut self, answer: &impl Serialize) {
        let answer = serde_json::to_value(answer).unwrap_or_default();
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        self.outcome = text("outcome").unwrap_or_else(|| "answered".to_owned());
        let reason = text("reason").unwrap_or_default();
        self.reason = reason.chars().take(LONGEST_REASON).collect();
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.audit.record(Entry::Command {
            by: std::mem::take(&mut self.by),
            request: self.request.take().unwrap_or_default(),
            outcome: std::mem::take(&mut self.outcome),
            reason: std::mem::take(&mut self.reason),
        });
    }
}
