//! A list: heads, rows, and how busy each row was.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Drawn, put};
use crate::cli::top::app::App;
use crate::cli::top::column::{Column, GAP, Place, fit, total};
use crate::cli::top::history::{KEPT, spark};
use crate::cli::top::row::Row;
use crate::cli::top::theme::Theme;
use crate::cli::top::value::Value;
use crate::cli::top::view::View;
use crate::cli::words::{clip, count, duration, shorten, width, wrap};

/// A mark before the selected row, and a blank.
const MARK: usize = 2;
/// Bars are not drawn in less.
const LEAST_BARS: usize = 8;
/// Lines about the selected row.
const WHY_LINES: usize = 2;

/// Draws it.
pub(super) fn draw(app: &App, buffer: &mut Buffer, area: Rect, theme: Theme) -> Drawn {
    let shown = app.shown();
    if shown.is_empty() {
        let words = match app.picture().count(app.view) {
            0 => format!("There are no {} here.", app.view.title()),
            n => format!("None of {n} has these words: {}", app.filter.text()),
        };
        put(buffer, area.x, area.y, area.width, &words, Style::new());
        return Drawn { reach: 0, page: 1 };
    }
    let columns = app.view.columns();
    let room = usize::from(area.width).saturating_sub(MARK);
    let sort = app.sort();
    let cells = shown.iter().map(|row| row.cells.as_slice());
    // Bars are worth a column or two.
    let spared = room.saturating_sub(LEAST_BARS + GAP);
    let places = fit(columns, cells, sort.column, spared);
    let bars = room.saturating_sub(total(&places) + GAP).min(KEPT);
    let bars = if bars >= LEAST_BARS { bars } else { 0 };

    let selected = app.selected(&shown);
    let below = below(app, shown.get(selected).copied(), room);
    let lines = usize::from(area.height).saturating_sub(1 + below.len()).max(1);
    let first = selected
        .saturating_sub(lines / 2)
        .min(shown.len().saturating_sub(lines));

    let mut line = Line {
        buffer,
        area,
        y: area.y,
    };
    line.heads(columns, &places, app, bars, theme);
    for (at, row) in shown.iter().enumerate().skip(first).take(lines) {
        line.y += 1;
        line.row(row, columns, &places, bars, at == selected, theme);
    }
    let top = area
        .bottom()
        .saturating_sub(u16::try_from(below.len()).unwrap_or(0));
    for (y, text) in (top..area.bottom()).zip(&below) {
        put(line.buffer, area.x, y, area.width, text, theme.faint());
    }
    Drawn {
        reach: 0,
        page: lines,
    }
}

/// What is said below the rows: why the selected one is as it is, and that there are others.
fn below(app: &App, selected: Option<&Row>, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(row) = selected.filter(|row| !row.why.is_empty()) {
        let name = row.cells.first().map(Value::text).unwrap_or_default();
        let why = wrap(&format!("{name}: {}", row.why), room);
        let more = why.len() > WHY_LINES;
        lines.extend(why.into_iter().take(WHY_LINES));
        if let Some(last) = lines.last_mut().filter(|_| more) {
            *last = clip(&format!("{last} … (Enter)"), room);
        }
    }
    if app.view == View::Initiators {
        let now = &app.picture().between.now;
        let others = now.imports.iter().map(|import| import.others);
        let others = others.chain(now.exports.iter().map(|export| export.others));
        match others.fold(0, u64::saturating_add) {
            0 => {}
            n => lines.push(format!("{} more initiators are in the sums only", count(n))),
        }
    }
    lines
}

/// The line that is drawn.
struct Line<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    y: u16,
}

impl Line<'_> {
    fn heads(&mut self, columns: &[Column], places: &[Place], app: &App, bars: usize, theme: Theme) {
        let sort = app.sort();
        let mut x = MARK;
        for place in places {
            let Some(column) = columns.get(place.index) else {
                continue;
            };
            let mark = match place.index == sort.column {
                true if sort.reversed => "▲",
                true => "▼",
                false => "",
            };
            let head = format!("{}{mark}", column.head);
            let head = clip(&head, place.width);
            let blanks = match column.is_text {
                true => 0,
                false => place.width.saturating_sub(width(&head)),
            };
            self.put(x + blanks, place.width, &head, theme.title());
            x += place.width + GAP;
        }
        if bars > 0 {
            let [interval, _] = app.picture().between.seconds();
            #[expect(clippy::cast_precision_loss, reason = "some hundred")]
            let text = interval.map_or(String::new(), |interval| {
                format!("last {}", duration(bars as f64 * interval))
            });
            self.put(x, bars, &text, theme.title());
        }
    }

    fn row(
        &mut self,
        row: &Row,
        columns: &[Column],
        places: &[Place],
        bars: usize,
        is_selected: bool,
        theme: Theme,
    ) {
        let mut x = MARK;
        for place in places {
            let Some(column) = columns.get(place.index) else {
                continue;
            };
            let value = row.cells.get(place.index).unwrap_or(&Value::Unknown);
            let style = match value {
                Value::State(state) => theme.state(*state),
                Value::Unknown => theme.faint(),
                _ => Style::new(),
            };
            let text = value.text();
            let text = match value {
                Value::Name(_) => shorten(&text, place.width),
                _ => clip(&text, place.width),
            };
            let blanks = match column.is_text {
                true => 0,
                false => place.width.saturating_sub(width(&text)),
            };
            self.put(x + blanks, place.width, &text, style);
            x += place.width + GAP;
        }
        if bars > 0 {
            self.put(x, bars, &spark(&row.rates, bars), theme.bar());
        }
        if is_selected {
            self.put(0, MARK, ">", theme.title());
            let line = Rect {
                y: self.y,
                height: 1,
                ..self.area
            };
            self.buffer.set_style(line, theme.selected());
        }
    }

    fn put(&mut self, x: usize, room: usize, text: &str, style: Style) {
        let x = u16::try_from(x).unwrap_or(u16::MAX).saturating_add(self.area.x);
        let room = u16::try_from(room).unwrap_or(u16::MAX);
        if self.y < self.area.bottom() {
            put(self.buffer, x, self.y, room, text, style);
        }
    }
}
