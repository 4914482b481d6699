//! A picture of a terminal's screen, for the documentation.

use std::fmt::Write;

/// Size of a character, in units of the picture.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 10.0;
/// Colours of a dark terminal: the eight of ANSI, and their bright ones.
const COLOURS: [&str; 16] = [
    "#1d2021", "#fb4934", "#8ec07c", "#fabd2f", "#83a598", "#d3869b", "#7fc4c9", "#d5d0bf", "#8a8378",
    "#fb6a5b", "#a9d79a", "#fbcf6b", "#9fc0b0", "#e0a5b5", "#a0dce0", "#fbf1c7",
];
const TEXT: &str = "#d5d0bf";
const GROUND: &str = "#1d2021";

/// How characters look from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    reversed: bool,
    colour: Option<usize>,
}

/// Screens as tmux captures them with their colours, one below the other, as an SVG of so many columns.
pub fn picture(screens: &[&str], columns: usize) -> String {
    let lines: Vec<&str> = screens
        .iter()
        .enumerate()
        .flat_map(|(at, screen)| (at > 0).then_some("").into_iter().chain(screen.lines()))
        .collect();
    let (width, height) = (
        columns as f64 * WIDTH + 2.0 * MARGIN,
        lines.len() as f64 * HEIGHT + 2.0 * MARGIN,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         font-family=\"ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{GROUND}\"/>\n"
    );
    let mut look = Look::default();
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for (run, with) in runs(line, &mut look) {
            let length = run.chars().count();
            draw(&mut out, (column, row), &run, length, with);
            column += length;
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Characters that look the same, one run after another.
fn runs(line: &str, look: &mut Look) -> Vec<(String, Look)> {
    let mut runs: Vec<(String, Look)> = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some((codes, after)) = rest.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m')) {
            look.change(codes);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match runs.last_mut() {
            Some((run, with)) if with == look => run.push(c),
            _ => runs.push((c.to_string(), *look)),
        }
    }
    runs
}

impl Look {
    /// Codes of one escape sequence.
    fn change(&mut self, codes: &str) {
        // A colour of 256, of which the first sixteen are those of every terminal.
        if let Some(colour) = codes.strip_prefix("38;5;") {
            self.colour = colour.parse().ok();
            return;
        }
        for code in codes.split(';') {
            self.change_one(code.parse().unwrap_or(0));
        }
    }

    fn change_one(&mut self, code: usize) {
        match code {
            0 => *self = Look::default(),
            1 => self.bold = true,
            7 => self.reversed = true,
            22 => self.bold = false,
            27 => self.reversed = false,
            code @ 30..=37 => self.colour = Some(code - 30),
            39 => self.colour = None,
            code @ 90..=97 => self.colour = Some(code - 90 + 8),
            _ => {}
        }
    }
}

fn draw(out: &mut String, (column, row): (usize, usize), run: &str, length: usize, look: Look) {
    let colour = look
        .colour
        .and_then(|at| COLOURS.get(at))
        .copied()
        .unwrap_or(TEXT);
    let (ink, ground) = if look.reversed {
        (GROUND, colour)
    } else {
        (colour, GROUND)
    };
    let (x, y) = (MARGIN + column as f64 * WIDTH, MARGIN + row as f64 * HEIGHT);
    let wide = length as f64 * WIDTH;
    if look.reversed {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HEIGHT:.0}\" fill=\"{ground}\"/>"
        );
    }
    // Blanks at the ends need not be drawn, and would be squeezed by some readers.
    let text = run.trim_start();
    let x = x + (length - text.chars().count()) as f64 * WIDTH;
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let wide = text.chars().count() as f64 * WIDTH;
    let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" fill=\"{ink}\"{weight}>{}</text>",
        y + HEIGHT * 0.75,
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
