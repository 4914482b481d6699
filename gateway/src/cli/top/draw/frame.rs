//! What stands around every view: which gateway, which view, what is wrong, which keys.

use std::iter::once;

use aoe_common::snapshot::{State, VERSION};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Drawn, put};
use crate::cli::top::app::App;
use crate::cli::top::theme::Theme;
use crate::cli::top::view::{VIEWS, View};
use crate::cli::top::{alarms, changes};
use crate::cli::words::{age, duration, known, shorten, width};

/// The gateway, the views, what is wrong: a line each.
pub(super) fn head(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) {
    gateway(app, buffer, area, theme);
    tabs(
        app,
        buffer,
        Rect {
            y: area.y + 1,
            ..area
        },
        theme,
    );
    notice(
        app,
        buffer,
        Rect {
            y: area.y + 2,
            ..area
        },
        theme,
    );
}

fn gateway(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) {
    let between = &app.picture().between;
    let gateway = &between.now.gateway;
    let moment = format!("{} UTC", changes::time(gateway.now));
    let (right, style) = match (app.paused(), &app.gone) {
        (Some(seconds), _) => (
            format!("PAUSED for {}, at {moment}", duration(seconds)),
            theme.warning(),
        ),
        (None, Some(gone)) => {
            let seconds = app.clock.saturating_sub(gone.since).as_secs_f64();
            (format!("NO ANSWER for {}", duration(seconds)), theme.fault())
        }
        (None, None) => match between.seconds() {
            [Some(seconds), _] => (format!("every {seconds:.1} s  {moment}"), theme.faint()),
            _ => (format!("rates follow  {moment}"), theme.faint()),
        },
    };
    let room = usize::from(area.width);
    let left = format!(
        "up {}, version {}",
        age(gateway.now, gateway.started),
        known(&gateway.program)
    );
    let name = shorten(&known(&gateway.name), room / 3);
    let x = put(buffer, area.x, area.y, area.width, &name, theme.title());
    let used = width(&name) + 2;
    let left = crate::cli::words::clip(&left, room.saturating_sub(used + width(&right) + 2));
    put(
        buffer,
        x + 2,
        area.y,
        area.width.saturating_sub(x + 2),
        &left,
        theme.faint(),
    );
    at_right(buffer, area, &right, style);
}

fn at_right(buffer: &mut Buffer, area: Rect, text: &str, style: ratatui::style::Style) {
    let wide = u16::try_from(width(text)).unwrap_or(area.width).min(area.width);
    put(buffer, area.right() - wide, area.y, wide, text, style);
}

/// The views, with their keys and how much is in them; as short as they have to be. The chosen one is in brackets.
fn tabs(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) {
    let picture = app.picture();
    let long = |view: View| format!("{} {} {}", view.index() + 1, view.title(), picture.count(view));
    let short = |view: View| format!("{} {}", view.index() + 1, view.title());
    let shortest = |view: View| {
        let title: String = view.title().chars().take(3).collect();
        format!("{} {title}", view.index() + 1)
    };
    let forms: [&dyn Fn(View) -> String; 3] = [&long, &short, &shortest];
    // Brackets, and a blank between two of them.
    let fits = |form: &&&dyn Fn(View) -> String| {
        let all: usize = VIEWS.iter().map(|view| width(&form(*view)) + 2).sum();
        all <= usize::from(area.width)
    };
    let form = forms.iter().find(fits).copied().unwrap_or(&shortest);
    let mut x = area.x;
    for view in VIEWS {
        let room = area.right().saturating_sub(x);
        let (text, style) = match view == app.view {
            true => (format!("[{}]", form(view)), theme.title()),
            false if view == View::Alarms && picture.count(view) > 0 => {
                (format!(" {} ", form(view)), theme.warning())
            }
            false => (format!(" {} ", form(view)), theme.faint()),
        };
        x = put(buffer, x, area.y, room, &text, style);
    }
}

/// The worst of what is wrong.
fn notice(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) {
    let picture = app.picture();
    let now = &picture.between.now;
    let alarms = &now.alarms;
    let first = alarms.iter().find(|alarm| alarm.standing.state == State::Down);
    let (text, style) = if let Some(gone) = &app.gone {
        (format!("! {}", gone.why), theme.fault())
    } else if let Some(alarm) = first.or(alarms.first()) {
        let more = match alarms.len() {
            1 => String::new(),
            n => format!(" (and {} more: key 5)", n - 1),
        };
        let room = usize::from(area.width).saturating_sub(width(&more) + 2);
        let line = crate::cli::words::clip(&alarms::line(alarm, now.gateway.now), room);
        (format!("! {line}{more}"), theme.fault())
    } else if now.version > VERSION || picture.unread > 0 {
        let text = "the gateway is newer than this program: what is new in it is not shown";
        (text.to_owned(), theme.warning())
    } else {
        ("no alarms".to_owned(), theme.faint())
    };
    let text = crate::cli::words::clip(&text, area.width.into());
    put(buffer, area.x, area.y, area.width, &text, style);
}

/// What is typed, what is shown of how much, and the keys.
pub(super) fn foot(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme, drawn: Drawn) {
    let is_text = app.help || app.detail.is_some() || !app.view.is_list();
    let position = match is_text {
        true if drawn.reach > 0 => {
            let (first, last) = (app.scroll + 1, app.scroll + drawn.page);
            Some(format!("lines {first} to {last} of {}", drawn.reach + drawn.page))
        }
        _ => None,
    };
    let filter = app.filter.text();
    let mut parts: Vec<String> = Vec::new();
    if app.typing {
        parts.push(format!("/{filter}_"));
        parts.push("Enter keeps, Esc shows all".to_owned());
    } else {
        if !app.filter.is_empty() && app.detail.is_none() && !app.help {
            let shown = if app.view.is_list() {
                format!(": {} of {}", app.shown().len(), app.picture().count(app.view))
            } else {
                String::new()
            };
            parts.push(format!("/{filter}{shown}, Esc shows all"));
        }
        parts.extend(keys(app).iter().map(|key| (*key).to_owned()));
    }
    let parts = position.into_iter().chain(parts);
    let mut text = String::new();
    for part in parts {
        let with = once(text.as_str())
            .chain(once(part.as_str()))
            .filter(|part| !part.is_empty());
        let with = with.collect::<Vec<_>>().join("  ");
        // Keys that do not fit are in the help. What is typed is always seen.
        if width(&with) <= usize::from(area.width) || text.is_empty() {
            text = with;
        }
    }
    put(buffer, area.x, area.y, area.width, &text, theme.title());
}

fn keys(app: &App) -> &'static [&'static str] {
    if app.help {
        &["Esc back", "q quit"]
    } else if app.detail.is_some() {
        &["Esc back", "? help", "Left Right stage", "Space pause", "q quit"]
    } else if app.view.is_list() {
        &[
            "? help",
            "/ filter",
            "s sort",
            "r reverse",
            "Space pause",
            "Enter details",
            "q quit",
        ]
    } else {
        &["? help", "/ filter", "Space pause", "q quit"]
    }
}
