//! What an examination finds, one thing at a time.

use serde::Serialize;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// It works, but not as it could, or not for long.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at: a stable word.
    pub(super) check: &'static str,
    /// Of what; may be empty.
    pub(super) about: String,
    /// How it is.
    pub(super) level: Level,
    /// What was found.
    pub(super) found: String,
    /// What to do; empty if there is nothing to do.
    pub(super) advice: String,
}

/// Everything that was found about one check.
#[derive(Debug)]
pub(super) struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Findings { all: Vec::new() }
    }

    /// It is as it should be.
    pub(super) fn ok(&mut self, check: &'static str, about: &str, found: impl Into<String>) {
        self.add(check, about, Level::Ok, found, "");
    }

    /// It could not be looked at, for this reason.
    pub(super) fn unknown(
        &mut self,
        check: &'static str,
        about: &str,
        found: impl Into<String>,
        advice: &str,
    ) {
        self.add(check, about, Level::Unknown, found, advice);
    }

    /// It could be better.
    pub(super) fn warn(
        &mut self,
        check: &'static str,
        about: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(check, about, Level::Warn, found, advice);
    }

    /// It is wrong.
    pub(super) fn fail(
        &mut self,
        check: &'static str,
        about: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(check, about, Level::Fail, found, advice);
    }

    /// One more.
    pub(super) fn add(
        &mut self,
        check: &'static str,
        about: &str,
        level: Level,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.all.push(Finding {
            check,
            about: about.to_owned(),
            level,
            found: found.into(),
            advice: advice.into(),
        });
    }

    /// All, as they were found.
    pub(super) fn all(&self) -> &[Finding] {
        &self.all
    }

    /// The worst that was found.
    pub(super) fn worst(&self) -> Level {
        self.all
            .iter()
            .map(|finding| finding.level)
            .max()
            .unwrap_or(Level::Ok)
    }
}
