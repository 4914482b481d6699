//! Colour, where there is somebody to see it.

use std::env;

use anstyle::{AnsiColor, Style};

/// The styles of a report; all of them plain if there is to be no colour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paint {
    pub(super) fault: Style,
    pub(super) warning: Style,
    pub(super) good: Style,
    pub(super) title: Style,
    pub(super) faint: Style,
}

impl Paint {
    /// Colour on a terminal, unless the user set `NO_COLOR` (<https://no-color.org>) or the terminal is dumb.
    pub(super) fn for_stream(is_terminal: bool) -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        if is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb") {
            Self::coloured()
        } else {
            Self::default()
        }
    }

    pub(super) fn coloured() -> Self {
        Paint {
            fault: AnsiColor::Red.on_default().bold(),
            warning: AnsiColor::Yellow.on_default().bold(),
            good: AnsiColor::Green.on_default().bold(),
            title: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }
}
