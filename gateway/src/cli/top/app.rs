//! What `top` is showing: documents and keys go in, what is to be drawn and done comes out. No terminal, no clock.

use std::rc::Rc;
use std::time::Duration;

use super::keys::Key;
use super::picture::{Painter, Picture};
use super::row::{Filter, Row, Sort, arrange};
use super::view::{VIEWS, View};
use crate::cli::document::Document;

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Draw.
    Draw,
    /// Clear the screen and draw: something else wrote on it.
    Redraw,
    /// Give the terminal back for a while.
    Suspend,
    /// End.
    Quit,
}

/// The gateway does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// Since when, on the clock of the caller.
    pub(super) since: Duration,
    /// What happened and what to do.
    pub(super) why: String,
}

/// Everything.
#[derive(Debug)]
pub(super) struct App {
    painter: Painter,
    live: Rc<Picture>,
    frozen: Option<Rc<Picture>>,
    /// The time of the caller's clock when something was last heard.
    pub(super) clock: Duration,
    pub(super) gone: Option<Gone>,
    pub(super) view: View,
    sorts: [Sort; VIEWS.len()],
    /// The selected row of each view.
    selected: [Option<String>; VIEWS.len()],
    /// Where the selected row was when it was last seen: if it goes, the one that takes its place is selected.
    places: [usize; VIEWS.len()],
    /// The row of which details are shown.
    pub(super) detail: Option<String>,
    /// The histogram that details show; one after the other.
    pub(super) stage: usize,
    pub(super) filter: Filter,
    pub(super) typing: bool,
    pub(super) help: bool,
    /// The first line of a text that is shown.
    pub(super) scroll: usize,
    /// How far a text can be moved, and how many lines are seen at once; the drawing says so.
    reach: usize,
    page: usize,
}

impl App {
    /// Begins with a document; `None`: it is none.
    pub(super) fn new(document: Document) -> Option<App> {
        let mut painter = Painter::default();
        let live = Rc::new(painter.paint(document)?);
        let sort = |view: View| Sort {
            column: view.sorted(),
            reversed: false,
        };
        let mut app = App {
            painter,
            live,
            frozen: None,
            clock: Duration::ZERO,
            gone: None,
            view: View::default(),
            sorts: VIEWS.map(sort),
            selected: VIEWS.map(|_| None),
            places: VIEWS.map(|_| 0),
            detail: None,
            stage: 0,
            filter: Filter::default(),
            typing: false,
            help: false,
            scroll: 0,
            reach: 0,
            page: 1,
        };
        // A gateway beside initiators has imports, and nothing among its exports.
        if let Some(used) = VIEWS.into_iter().find(|view| app.live.count(*view) > 0) {
            app.view = used;
        }
        Some(app)
    }

    /// The gateway said this, or why it did not; `clock` is the time now.
    pub(super) fn heard(&mut self, said: Result<Document, String>, clock: Duration) {
        self.clock = clock;
        match said {
            Ok(document) => {
                self.gone = None;
                if let Some(picture) = self.painter.paint(document) {
                    self.live = Rc::new(picture);
                    self.keep_place();
                }
            }
            Err(why) => {
                self.painter.silence();
                let since = self.gone.take().map_or(clock, |gone| gone.since);
                self.gone = Some(Gone { since, why });
            }
        }
    }

    /// What is to be drawn: of now, or of when it was stopped.
    pub(super) fn picture(&self) -> &Rc<Picture> {
        self.frozen.as_ref().unwrap_or(&self.live)
    }

    /// How many seconds old the picture is if it stands still.
    pub(super) fn paused(&self) -> Option<f64> {
        let frozen = self.frozen.as_ref()?;
        Some(self.live.between.made() - frozen.between.made())
    }

    /// How the view is sorted.
    pub(super) fn sort(&self) -> Sort {
        let first = Sort {
            column: 0,
            reversed: false,
        };
        self.sorts.get(self.view.index()).copied().unwrap_or(first)
    }

    /// The rows of the view that are shown, in their order.
    pub(super) fn shown(&self) -> Vec<&Row> {
        arrange(self.picture().rows(self.view), &self.filter, self.sort())
    }

    /// Which one of these rows is selected.
    pub(super) fn selected(&self, shown: &[&Row]) -> usize {
        let at = self.view.index();
        let id = self.selected.get(at).and_then(Option::as_ref);
        let same = id.and_then(|id| shown.iter().position(|row| row.id == *id));
        let place = self.places.get(at).copied().unwrap_or(0);
        same.unwrap_or(place).min(shown.len().saturating_sub(1))
    }

    /// The drawing says how far its text can be moved, and how many lines are seen at once.
    pub(super) fn drawn(&mut self, reach: usize, page: usize) {
        (self.reach, self.page) = (reach, page.max(1));
        self.scroll = self.scroll.min(reach);
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) -> Then {
        match key {
            Key::Control('c') => return Then::Quit,
            Key::Control('z') => return Then::Suspend,
            Key::Control('l') => return Then::Redraw,
            _ if self.typing => self.type_filter(key),
            Key::Char('q') => return Then::Quit,
            Key::Char(' ') => self.pause(),
            _ if self.help => self.key_in_text(key, |app| app.help = false),
            Key::Char('?' | 'h') => self.turn_to(|app| app.help = true),
            Key::Char('/') => self.typing = true,
            Key::Char(digit @ '1'..='6') => {
                let view = VIEWS.into_iter().zip('1'..).find(|(_, key)| *key == digit);
                self.go_to(view.map_or(self.view, |(view, _)| view));
            }
            Key::Tab => self.go_to(self.view.step(1)),
            Key::BackTab => self.go_to(self.view.step(VIEWS.len() - 1)),
            _ if self.detail.is_some() => self.key_in_detail(key),
            _ if self.view.is_list() => self.key_in_list(key),
            _ => self.key_in_text(key, |app| app.filter.clear()),
        }
        Then::Draw
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Char(c) => self.filter.push(c),
            Key::Backspace => self.filter.pop(),
            Key::Control('u') => self.filter.clear(),
            Key::Escape => {
                self.filter.clear();
                self.typing = false;
            }
            Key::Up | Key::Down | Key::PageUp | Key::PageDown if self.view.is_list() => self.key_in_list(key),
            Key::Enter | Key::Tab => self.typing = false,
            _ => {}
        }
    }

    fn key_in_list(&mut self, key: Key) {
        let far = self.page;
        match key {
            Key::Up | Key::Char('k') => self.select(|at| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.select(|at| at + 1),
            Key::PageUp | Key::Control('b') => self.select(|at| at.saturating_sub(far)),
            Key::PageDown | Key::Control('f') => self.select(|at| at + far),
            Key::Home | Key::Char('g') => self.select(|_| 0),
            Key::End | Key::Char('G') => self.select(|_| usize::MAX),
            Key::Right | Key::Char('s' | '>') => self.sort_by(1),
            Key::Left | Key::Char('S' | '<') => self.sort_by(self.view.columns().len().saturating_sub(1)),
            Key::Char('r') => {
                if let Some(sort) = self.sorts.get_mut(self.view.index()) {
                    sort.reversed = !sort.reversed;
                }
            }
            Key::Enter => {
                let shown = self.shown();
                let row = shown.get(self.selected(&shown)).map(|row| row.id.clone());
                self.turn_to(|app| app.detail = row);
            }
            Key::Escape => self.filter.clear(),
            _ => {}
        }
    }

    fn key_in_detail(&mut self, key: Key) {
        match key {
            Key::Left => self.stage = self.stage.wrapping_sub(1),
            Key::Right => self.stage = self.stage.wrapping_add(1),
            Key::Enter => self.turn_to(|app| app.detail = None),
            _ => self.key_in_text(key, |app| app.detail = None),
        }
    }

    /// A text that is longer than the screen; `leave` is what Escape does.
    fn key_in_text(&mut self, key: Key, leave: fn(&mut App)) {
        self.scroll = match key {
            Key::Up | Key::Char('k') => self.scroll.saturating_sub(1),
            Key::Down | Key::Char('j') => self.scroll + 1,
            Key::PageUp | Key::Control('b') => self.scroll.saturating_sub(self.page),
            Key::PageDown | Key::Control('f') => self.scroll + self.page,
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => self.reach,
            Key::Escape | Key::Backspace | Key::Char('?' | 'h') => return self.turn_to(leave),
            _ => self.scroll,
        }
        .min(self.reach);
    }

    fn turn_to(&mut self, what: impl FnOnce(&mut App)) {
        self.scroll = 0;
        what(self);
    }

    fn go_to(&mut self, view: View) {
        (self.view, self.detail, self.scroll, self.stage) = (view, None, 0, 0);
    }

    fn pause(&mut self) {
        self.frozen = match self.frozen {
            None => Some(Rc::clone(&self.live)),
            Some(_) => None,
        };
    }

    fn sort_by(&mut self, further: usize) {
        let columns = self.view.columns().len().max(1);
        if let Some(sort) = self.sorts.get_mut(self.view.index()) {
            sort.column = (sort.column + further) % columns;
            sort.reversed = false;
        }
    }

    fn select(&mut self, to: impl FnOnce(usize) -> usize) {
        let shown = self.shown();
        let at = to(self.selected(&shown)).min(shown.len().saturating_sub(1));
        let id = shown.get(at).map(|row| row.id.clone());
        self.remember(at, id);
    }

    /// The selected row may have moved.
    fn keep_place(&mut self) {
        let shown = self.shown();
        let at = self.selected(&shown);
        let id = self.selected.get(self.view.index()).cloned().flatten();
        // Until somebody selects a row the first one is, whichever that is.
        if id.is_some() {
            let id = shown.get(at).map(|row| row.id.clone());
            self.remember(at, id);
        }
    }

    fn remember(&mut self, at: usize, id: Option<String>) {
        let view = self.view.index();
        if let Some((place, selected)) = self.places.get_mut(view).zip(self.selected.get_mut(view)) {
            (*place, *selected) = (at, id);
        }
    }
}
