//! The start that the programs of the lab have in common: arguments, namespaces, the end.
//!
//! A run happens in namespaces of its own, so the program runs twice: once outside, where it reads its arguments, sees
//! that everything is there and waits, and once inside, where it does the work. Ctrl-C ends both and leaves nothing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::gateway::Binaries;
use crate::isolation::{self, Ending};
use crate::terminal::complain;

/// A run in namespaces of its own, with the real gateways.
pub trait Run {
    /// Whether the run makes sense and finds what it needs. Called outside, before anything is made.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    fn check(&self) -> Result<()>;

    /// The run itself. Called inside, with a directory for keys and logs that stays only if something was wrong.
    ///
    /// # Errors
    /// When it cannot go on.
    fn run(&self, dir: &Path) -> Result<Outcome>;
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as it should be.
    Good,
    /// Something was wrong, and has been said.
    Bad,
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Job<R> {
    /// A run in namespaces of its own.
    Isolated(R),
    /// Something else, which has been done; this is its exit code.
    Done(ExitCode),
}

/// Starts a program: all that its `main` has to do, and the first thing it does.
///
/// `choose` says what the arguments ask for, and does it if it needs no namespaces. The exit code is 0 if everything
/// was as it should be, 1 if not, and what a shell reports when a signal ended it.
pub fn start<A: Parser, R: Run>(name: &str, choose: impl FnOnce(A) -> Result<Job<R>>) -> ExitCode {
    isolation::run_as_init_if_asked();
    let outcome = choose(A::parse()).and_then(|job| match job {
        Job::Isolated(run) if isolation::is_inside() => inside(&run),
        Job::Isolated(run) => outside(name, &run),
        Job::Done(code) => Ok(code),
    });
    outcome.unwrap_or_else(|error| {
        complain(&format!("{name}: {error:#}"));
        ExitCode::FAILURE
    })
}

/// The run, in the namespaces that [`outside`] made.
fn inside(run: &impl Run) -> Result<ExitCode> {
    let dir = isolation::scratch().context("the directory for keys and logs was not handed over")?;
    Ok(match run.run(&dir)? {
        Outcome::Good => ExitCode::SUCCESS,
        Outcome::Bad => ExitCode::FAILURE,
    })
}

/// Runs this program again in namespaces of its own.
fn outside(name: &str, run: &impl Run) -> Result<ExitCode> {
    Binaries::find()?;
    run.check()?;
    Ok(ExitCode::from(match isolation::run_again_inside(name)? {
        Ending::Exit(code) => code,
        Ending::Failure(dir) => {
            complain(&format!("     Configurations and logs: {}", dir.display()));
            1
        }
        Ending::Interrupted(code) => {
            complain(&format!("\n{name}: interrupted; nothing is left of it"));
            code
        }
    }))
}
