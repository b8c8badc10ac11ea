//! [`Ansi`]: a screen on a terminal, of which only rows that change are drawn (ECMA-48).

use super::{COLUMNS, Cell, ROWS, Snapshot, cp437};
use std::fmt::Write;

/// The terminal's colours in the order of the VGA's: blue and red are exchanged.
const COLOURS: [u8; 8] = [0, 4, 2, 6, 1, 5, 3, 7];
const BRIGHT: u8 = 1 << 3;
const BIT_7: u8 = 1 << 7;

/// What is on the terminal.
#[derive(Default)]
pub(super) struct Ansi {
    shown: Option<Snapshot>,
    size: Option<(usize, usize)>,
}

impl Ansi {
    /// What brings the terminal, of so many columns and rows, from what is on it to `snapshot`. On
    /// one with fewer rows the last ones are shown.
    pub(super) fn draw(&mut self, snapshot: &Snapshot, size: Option<(usize, usize)>) -> String {
        let mut out = String::new();
        if size != self.size {
            self.shown = None;
            self.size = size;
        }
        if self.shown.as_ref() == Some(snapshot) {
            return out;
        }
        if self.shown.is_none() {
            out.push_str("\x1b[0m\x1b[2J");
        }
        let height = size.map_or(ROWS, |(_, rows)| rows.clamp(1, ROWS));
        let first = ROWS - height;
        for row in first..ROWS {
            if !self.shows(snapshot, row) {
                let _ = write!(out, "\x1b[{};1H", row - first + 1);
                draw_row(&mut out, snapshot.row(row), snapshot.blinking);
            }
        }
        match snapshot.cursor.filter(|(row, _)| *row >= first) {
            Some((row, column)) => {
                let _ = write!(out, "\x1b[{};{}H\x1b[?25h", row - first + 1, column + 1);
            }
            None => out.push_str("\x1b[?25l"),
        }
        self.shown = Some(snapshot.clone());
        out
    }

    fn shows(&self, snapshot: &Snapshot, row: usize) -> bool {
        self.shown.as_ref().is_some_and(|shown| {
            shown.row(row) == snapshot.row(row) && shown.blinking == snapshot.blinking
        })
    }
}

fn draw_row(out: &mut String, cells: &[Cell], blinking: bool) {
    let mut last = None;
    for cell in cells {
        if last != Some(cell.attribute) {
            draw_attribute(out, cell.attribute, blinking);
            last = Some(cell.attribute);
        }
        out.push(cp437::character(cell.code));
    }
    out.push_str("\x1b[0m");
}

fn draw_attribute(out: &mut String, attribute: u8, blinking: bool) {
    let colour = |bits: u8| COLOURS[usize::from(bits & 7)];
    let bright = |on: bool| if on { 60 } else { 0 };
    let bit_7 = attribute & BIT_7 != 0;
    let foreground = 30 + colour(attribute) + bright(attribute & BRIGHT != 0);
    let background = 40 + colour(attribute >> 4) + bright(bit_7 && !blinking);
    let blink = if bit_7 && blinking { ";5" } else { "" };
    let _ = write!(out, "\x1b[0;{foreground};{background}{blink}m");
}

/// A message on the first rows, in reverse.
pub(super) fn message(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    let rows = (1..).zip(lines).map(|(row, line)| {
        format!(
            "\x1b[{row};1H\x1b[0;7m {line:<width$}\x1b[0m",
            width = COLUMNS - 1
        )
    });
    rows.collect()
}
