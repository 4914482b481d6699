//! How things look: with colour or without, with all characters or with ASCII only.

use std::env;

use aoe_common::snapshot::State;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// Looks. Nothing is said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    pub(super) colour: bool,
    pub(super) ascii: bool,
}

impl Theme {
    /// What the user's terminal can do and the user wants (<https://no-color.org>).
    pub(super) fn of_environment() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        Theme {
            colour: set("NO_COLOR").is_none(),
            ascii: !locale.is_some_and(|locale| is_utf8(&locale)),
        }
    }

    /// A head, or what is chosen.
    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is not important.
    pub(super) fn faint(self) -> Style {
        self.coloured(Color::DarkGray, Modifier::empty())
    }

    /// Bars.
    pub(super) fn bar(self) -> Style {
        self.coloured(Color::Cyan, Modifier::empty())
    }

    /// The selected row.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Something is wrong.
    pub(super) fn fault(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    /// Something is to be looked at.
    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    /// A state.
    pub(super) fn state(self, state: State) -> Style {
        match state {
            State::Up => self.coloured(Color::Green, Modifier::empty()),
            State::Down => self.fault(),
            State::Degraded | State::Starting | State::Leaving | State::Paused | State::Unknown => {
                self.warning()
            }
        }
    }

    fn coloured(self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.colour { style.fg(colour) } else { style }
    }

    /// Replaces what a terminal without UTF-8 cannot show.
    pub(super) fn translate(self, buffer: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buffer.content {
            if let Some(c) = cell.symbol().chars().next().filter(|c| !c.is_ascii()) {
                cell.set_char(ascii(c));
            }
        }
    }
}

/// Whether a locale such as `de_DE.UTF-8` has all characters.
fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}

/// What stands for a character.
fn ascii(c: char) -> char {
    match c {
        '▁' => '_',
        '▂' | '▃' => '-',
        '▄' | '▅' => '=',
        '▆' | '▇' | '█' => '#',
        '▏' | '▎' | '▍' | '▌' | '▋' | '▊' | '▉' => '|',
        '·' => '.',
        '…' => '~',
        '→' => '>',
        '▼' => 'v',
        '▲' => '^',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn a_terminal_without_utf8_gets_ascii() {
        for (locale, all) in [
            ("C", false),
            ("C.UTF-8", true),
            ("de_DE.utf8", true),
            ("de_DE", false),
        ] {
            assert_eq!(is_utf8(locale), all);
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "a▁▂▅█·…倉é", Style::new());
        let theme = Theme {
            colour: false,
            ascii: true,
        };
        theme.translate(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text, "a_-=#.~? ?  ");
    }

    #[test]
    fn without_colour_nothing_has_any() {
        let theme = Theme {
            colour: false,
            ascii: false,
        };
        let styles = [theme.faint(), theme.bar(), theme.fault(), theme.state(State::Up)];
        assert!(
            styles
                .iter()
                .all(|style| style.fg.is_none() && style.bg.is_none())
        );
    }
}
