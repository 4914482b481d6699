//! Draws everything on a screen of any size.

mod frame;
mod list;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::app::App;
use super::text::{Kind, Text};
use super::theme::Theme;
use super::view::View;
use super::{alarms, changes, detail, help};

/// Smaller screens are told that they are too small.
const NARROWEST: u16 = 40;
const LOWEST: u16 = 8;

/// How far a text can be moved, and how many lines are seen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) reach: usize,
    pub(super) page: usize,
}

/// Draws.
pub(super) fn draw(app: &App, buffer: &mut Buffer, theme: Theme) -> Drawn {
    let area = buffer.area;
    let drawn = if area.width < NARROWEST || area.height < LOWEST {
        too_small(buffer);
        Drawn { reach: 0, page: 1 }
    } else {
        // The name and the tabs, what is wrong; below all the keys.
        let [head, rest] = cut(area, 3);
        let [body, foot] = cut(rest, rest.height.saturating_sub(1));
        frame::head(app, buffer, head, theme);
        let drawn = self::body(app, buffer, body, theme);
        frame::foot(app, buffer, foot, theme, drawn);
        drawn
    };
    theme.translate(buffer);
    drawn
}

fn body(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) -> Drawn {
    let room = usize::from(area.width);
    let mut text = Text::new(room);
    let now = &app.picture().between.now;
    if app.help {
        help::draw(&mut text);
    } else if let Some(id) = &app.detail {
        text = detail::draw(app.picture(), app.view, id, app.stage, room);
    } else {
        match app.view {
            View::Alarms => alarms::draw(&mut text, &now.alarms, now.gateway.now, &app.filter),
            View::Changes => changes::draw(&mut text, &now.changes, now.gateway.now, &app.filter),
            _ => return list::draw(app, buffer, area, theme),
        }
    }
    moved(&text, app.scroll, buffer, area, theme)
}

/// Draws as much of a text as there is room for, from a line on.
fn moved(text: &Text, from: usize, buffer: &mut Buffer, area: Rect, theme: Theme) -> Drawn {
    let page = usize::from(area.height);
    let reach = text.lines.len().saturating_sub(page);
    let shown = text.lines.iter().skip(from.min(reach));
    for (y, line) in (area.top()..area.bottom()).zip(shown) {
        let style = match line.kind {
            Kind::Plain => Style::new(),
            Kind::Title => theme.title(),
            Kind::Bars => theme.bar(),
            Kind::Fault => theme.fault(),
        };
        put(buffer, area.x, y, area.width, &line.text, style);
    }
    Drawn { reach, page }
}

/// The upper part of an area, so many lines high, and the rest.
fn cut(area: Rect, height: u16) -> [Rect; 2] {
    let height = height.min(area.height);
    let upper = Rect { height, ..area };
    let lower = Rect {
        y: area.y + height,
        height: area.height - height,
        ..area
    };
    [upper, lower]
}

/// Writes text in at most `room` columns, and gives the column behind it.
fn put(buffer: &mut Buffer, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
    if y >= buffer.area.bottom() || x >= buffer.area.right() {
        return x;
    }
    buffer.set_stringn(x, y, text, room.into(), style).0
}

fn too_small(buffer: &mut Buffer) {
    let Rect { width, height, .. } = buffer.area;
    let words = format!("too small: {width}x{height}, needed are {NARROWEST}x{LOWEST}; q ends it");
    let lines = crate::cli::words::wrap(&words, width.into());
    for (y, line) in (0..height).zip(lines) {
        put(buffer, 0, y, width, &line, Style::new());
    }
}
