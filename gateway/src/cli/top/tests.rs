//! The model and its pictures together: documents and keys go in, a screen comes out.

mod keys;
mod pictures;
mod robust;

use std::time::Duration;

use aoe_common::snapshot::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;

use super::app::{App, Then};
use super::draw;
use super::keys::Key;
use super::theme::Theme;
use crate::cli::document::Document;
use crate::cli::samples::{self, NOW};

const PLAIN: Theme = Theme {
    colour: false,
    ascii: false,
};

fn document(snapshot: &Snapshot) -> Document {
    Document::read(serde_json::to_string(snapshot).unwrap()).unwrap()
}

/// A gateway at work, and `top` beside it.
struct Scene {
    snapshot: Snapshot,
    app: App,
    seconds: u64,
}

impl Scene {
    fn new(snapshot: Snapshot) -> Self {
        let app = App::new(document(&snapshot)).unwrap();
        Scene {
            snapshot,
            app,
            seconds: 0,
        }
    }

    /// As [`samples::typical`], 40 seconds later.
    fn typical() -> Self {
        let mut snapshot = samples::typical();
        snapshot.exports[0].limit = Some(Limit {
            iops: Some(5_000),
            floor_iops: Some(500),
            from: "file".into(),
            delayed: 3_400,
            waiting: 4,
            wait: samples::latency(800),
            ..Limit::default()
        });
        snapshot.changes = vec![StateChange {
            about: "export archive".into(),
            at: NOW - 190.0,
            was: State::Up,
            is: State::Down,
            why: "target e7.4 does not answer; see whether it runs and its segment is up".into(),
        }];
        let mut scene = Scene::new(snapshot);
        for n in 0..40 {
            scene.work(1.0, 1_000 + 13 * n);
        }
        scene
    }

    /// So many seconds in which the first export and the first initiator had so many requests a second.
    fn work(&mut self, seconds: f64, rate: u64) {
        /// Of a hundred, so many are within each bound.
        const WITHIN: [u64; 19] = [
            0, 0, 0, 5, 20, 60, 90, 95, 99, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100,
        ];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds"
        )]
        let requests = rate * seconds as u64;
        let snapshot = &mut self.snapshot;
        snapshot.gateway.now += seconds;
        let export = &mut snapshot.exports[0];
        let user = &mut snapshot.initiators[0];
        user.last = snapshot.gateway.now;
        for traffic in [&mut export.traffic, &mut user.traffic] {
            traffic.requests += requests;
            traffic.read_bytes += requests * 4096;
            traffic.written_bytes += requests * 512;
        }
        let times = [&mut export.latency.target, &mut export.latency.queue];
        for times in times.into_iter().flatten() {
            times.count += 100;
            for (bucket, n) in times.buckets.iter_mut().zip(WITHIN) {
                *bucket += n;
            }
        }
        if export.sizes.is_empty() {
            export.sizes = [1, 8]
                .map(|sectors| Size {
                    sectors,
                    reads: 0,
                    writes: 0,
                })
                .to_vec();
        }
        export.sizes[0].writes += requests / 4;
        export.sizes[1].reads += requests;
        let path = &mut snapshot.peers[0].path;
        path.records.received += requests;
        path.missed.received += requests / 100;
        path.bytes.received += requests * 600;
        path.bytes.sent += requests * 4200;
        self.hear();
    }

    /// The document as it is now.
    fn hear(&mut self) {
        self.seconds += 1;
        let said = Ok(document(&self.snapshot));
        self.app.heard(said, Duration::from_secs(self.seconds));
    }

    fn press(&mut self, key: Key) -> Then {
        self.app.key(key)
    }

    /// Keys that have a character.
    fn typed(&mut self, keys: &str) {
        for c in keys.chars() {
            assert_eq!(self.press(Key::Char(c)), Then::Draw);
        }
    }

    fn screen(&mut self, width: u16, height: u16, theme: Theme) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut drawn = None;
        let draw = |frame: &mut ratatui::Frame<'_>| {
            drawn = Some(draw::draw(&self.app, frame.buffer_mut(), theme));
        };
        terminal.draw(draw).unwrap();
        let drawn = drawn.unwrap();
        self.app.drawn(drawn.reach, drawn.page);
        let buffer = terminal.backend().buffer();
        let line = |line: &[Cell]| {
            let text: String = line.iter().map(Cell::symbol).collect();
            text.trim_end().to_owned() + "\n"
        };
        buffer.content.chunks(width.into()).map(line).collect()
    }

    fn shown(&mut self) -> String {
        self.screen(80, 24, PLAIN)
    }

    /// The names of the rows, from the top.
    fn names(&mut self) -> Vec<String> {
        let shown = self.app.shown();
        shown.iter().map(|row| row.cells[0].text()).collect()
    }
}
