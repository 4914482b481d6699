//! How things look: moving and coloured on a terminal, plain lines otherwise, nothing for machines.

use anstyle::{AnsiColor, Style};
use aoe_lab::terminal;

/// Where the demonstration talks to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Silent,
    Plain,
    Colours,
}

impl Show {
    /// Says nothing.
    pub(crate) fn silent() -> Self {
        Show { mode: Mode::Silent }
    }

    /// Text, with or without colours and moving lines.
    pub(crate) fn text(colours: bool) -> Self {
        Show {
            mode: if colours { Mode::Colours } else { Mode::Plain },
        }
    }

    /// A heading with a blank line above.
    pub(crate) fn heading(&self, text: &str) {
        let bold = self.style(Style::new().bold());
        self.line(&format!("\n{bold}{text}{bold:#}"));
    }

    /// Lines as they are.
    pub(crate) fn line(&self, text: &str) {
        if self.mode != Mode::Silent {
            print(text);
        }
    }

    /// Something begins that takes a moment; [`Show::good`] or [`Show::bad`] takes its line over.
    pub(crate) fn begin(&self, name: &str) {
        if self.mode == Mode::Colours {
            let dim = Style::new().dimmed();
            terminal::print(&format!("  {dim}…  {name}{dim:#}"));
        }
    }

    /// It went well.
    pub(crate) fn good(&self, name: &str, detail: &str) {
        let green = self.style(AnsiColor::Green.on_default().bold());
        let mark = if self.mode == Mode::Colours { "✓" } else { "ok" };
        self.line(&format!(
            "{}  {green}{mark:<2}{green:#} {name}: {detail}",
            self.overwrite()
        ));
    }

    /// It did not.
    pub(crate) fn bad(&self, name: &str, detail: &str) {
        let red = self.style(AnsiColor::Red.on_default().bold());
        let mark = if self.mode == Mode::Colours {
            "✗"
        } else {
            "FAILED"
        };
        let detail = detail.replace('\n', "\n      ");
        self.line(&format!(
            "{}  {red}{mark:<2} {name}{red:#}: {detail}",
            self.overwrite()
        ));
    }

    /// Whether lines move.
    pub(crate) fn is_live(&self) -> bool {
        self.mode == Mode::Colours
    }

    fn overwrite(&self) -> &'static str {
        if self.is_live() { "\r\x1b[2K" } else { "" }
    }

    fn style(&self, style: Style) -> Style {
        if self.mode == Mode::Colours {
            style
        } else {
            Style::new()
        }
    }
}

/// A line on standard output.
pub(crate) fn print(text: &str) {
    terminal::print(&format!("{text}\n"));
}
