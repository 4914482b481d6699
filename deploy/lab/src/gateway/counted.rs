//! The counters of a running gateway, as its operator gets them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::RunningGateway;
use crate::topology::PATIENCE;

/// A gateway's counters at one moment; those it does not mention are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted(BTreeMap<String, u64>);

impl Counted {
    /// Asks a running gateway by SIGUSR1 and reads the line it logs.
    ///
    /// # Errors
    /// When it has ended, does not answer, or the line is not as documented.
    pub fn ask(gateway: &mut RunningGateway) -> Result<Self> {
        Self::ask_for(gateway, "INFO counters")
    }

    /// As [`Counted::ask`], of one of several workers.
    ///
    /// # Errors
    /// As [`Counted::ask`].
    pub fn ask_worker(gateway: &mut RunningGateway, worker: u8) -> Result<Self> {
        Self::ask_for(gateway, &format!("worker {worker}: counters"))
    }

    fn ask_for(gateway: &mut RunningGateway, line: &str) -> Result<Self> {
        let process = gateway.process();
        let seen = process.transcript().len();
        process.signal(Signal::SIGUSR1)?;
        let line = process.wait_for_line_after(seen, line, PATIENCE)?;
        Self::parse(&line)
    }

    /// One counter by its documented name.
    ///
    /// # Panics
    /// When no counter has that name: a typing error would otherwise read as 0.
    #[allow(clippy::panic, reason = "a counter's name is written in the caller's source")]
    pub fn of(&self, name: &str) -> u64 {
        let counts = aoe_common::telemetry::Count::ALL.iter().map(|count| count.name());
        let drops = aoe_common::drop_reason::DropReason::ALL
            .iter()
            .map(|reason| reason.name());
        assert!(
            counts.chain(drops).any(|known| known == name),
            "no counter {name}"
        );
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Everything that ended here, by reason, as far as it is not 0.
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        let reasons = aoe_common::drop_reason::DropReason::ALL
            .iter()
            .map(|reason| reason.name());
        reasons
            .map(|name| (name, self.of(name)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    fn parse(line: &str) -> Result<Self> {
        let (_, numbers) = line.split_once("counters").context("no counters in the line")?;
        // `counters: nothing has been counted yet` has none.
        let numbers = if numbers.starts_with(':') { "" } else { numbers };
        let read = |word: &str| -> Result<(String, u64)> {
            let (name, value) = word
                .split_once('=')
                .with_context(|| format!("{word:?} in {line:?}"))?;
            Ok((name.to_owned(), value.parse()?))
        };
        numbers
            .split_whitespace()
            .map(read)
            .collect::<Result<_>>()
            .map(Counted)
    }
}
