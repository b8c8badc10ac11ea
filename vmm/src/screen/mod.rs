//! The guest's text screen: what a VGA shows of memory at 0xb8000, and how the user sees it.
//!
//! ```text
//!  guest's memory ---+--> Snapshot --+--> ansi: changed lines on a terminal
//!  vga: where on it -+               +--> lines: what leaves the screen, as text
//!                                    +--> the report
//! ```
//! The guest writes plain memory, which costs it nothing; [`Show`] looks at it [`FRAME`] by frame
//! from the supervisor's event loop, if somebody wants to see it.

mod ansi;
mod cp437;
mod lines;

use crate::memory::GuestMemory;
use crate::terminal::AlternateScreen;
use ansi::Ansi;
use devices::legacy::vga::{TextView, Vga};
use lines::Lines;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vm_memory::{Bytes, GuestAddress};

/// Columns of the text mode.
pub const COLUMNS: usize = 80;
/// Rows of the text mode.
pub const ROWS: usize = 25;
/// Time between two looks at the screen.
pub const FRAME: Duration = Duration::from_millis(50);

/// The text memory.
const TEXT: u64 = 0xb_8000;
/// Its size in characters, after which it starts again.
const TEXT_CELLS: usize = 16 << 10;
const CELL_BYTES: usize = 2;

/// How long Hostel's own messages stay.
const MESSAGE_TIME: Duration = Duration::from_secs(4);

/// A character and its attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// In code page 437.
    pub(crate) code: u8,
    /// Foreground (bits 0 to 3), background (4 to 6), blinking or bright background (7).
    pub(crate) attribute: u8,
}

/// A screen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    cells: Vec<Cell>,
    /// Row and column, if it is shown.
    cursor: Option<(usize, usize)>,
    /// Whether bit 7 of an attribute is for blinking.
    blinking: bool,
}

impl Snapshot {
    /// The screen as it is now.
    pub fn take(memory: &GuestMemory, vga: &Mutex<Vga>) -> Self {
        let view = vga.lock().unwrap_or_else(PoisonError::into_inner).view();
        Self::of(memory, view)
    }

    fn of(memory: &GuestMemory, view: TextView) -> Self {
        let mut bytes = vec![0; TEXT_CELLS * CELL_BYTES];
        // A guest always has it: the least memory is more.
        let _ = memory.read_slice(&mut bytes, GuestAddress(TEXT));
        let all: Vec<Cell> = bytes.chunks_exact(CELL_BYTES).map(cell).collect();
        let start = usize::from(view.start) % TEXT_CELLS;
        let cells = all.iter().cycle().skip(start).take(COLUMNS * ROWS);
        let cursor = view.cursor.and_then(|cursor| {
            let at = (usize::from(cursor) % TEXT_CELLS + TEXT_CELLS - start) % TEXT_CELLS;
            (at < COLUMNS * ROWS).then_some((at / COLUMNS, at % COLUMNS))
        });
        Self {
            cells: cells.copied().collect(),
            cursor,
            blinking: view.blinking,
        }
    }

    fn row(&self, row: usize) -> &[Cell] {
        &self.cells[row * COLUMNS..][..COLUMNS]
    }

    /// Whether nobody has written to it.
    pub fn is_untouched(&self) -> bool {
        self.cells.iter().all(|cell| *cell == Cell::default())
    }

    /// The text, a string a row, without spaces at the ends of rows.
    pub fn text(&self) -> Vec<String> {
        let rows = self.cells.chunks_exact(COLUMNS);
        rows.map(|row| {
            let text: String = row.iter().map(|cell| cp437::character(cell.code)).collect();
            text.trim_end().to_owned()
        })
        .collect()
    }
}

fn cell(bytes: &[u8]) -> Cell {
    Cell {
        code: bytes[0],
        attribute: bytes[1],
    }
}

/// Shows the screen of a running guest on standard output.
pub struct Show {
    memory: GuestMemory,
    vga: Arc<Mutex<Vga>>,
    face: Face,
    /// A message is on it until then.
    message_until: Option<Instant>,
}

enum Face {
    Terminal(Ansi, AlternateScreen),
    Text(Lines),
}

impl Show {
    /// Takes the terminal, if standard output is one.
    pub fn new(memory: GuestMemory, vga: Arc<Mutex<Vga>>) -> io::Result<Self> {
        let face = match AlternateScreen::enter()? {
            Some(screen) => Face::Terminal(Ansi::default(), screen),
            None => Face::Text(Lines::default()),
        };
        Ok(Self {
            memory,
            vga,
            face,
            message_until: None,
        })
    }

    /// Looks again.
    pub fn refresh(&mut self) {
        match self.message_until {
            Some(until) if Instant::now() < until => return,
            Some(_) => {
                self.message_until = None;
                self.redraw();
            }
            None => {}
        }
        let snapshot = Snapshot::take(&self.memory, &self.vga);
        let out = match &mut self.face {
            Face::Terminal(ansi, _) => ansi.draw(&snapshot, crate::terminal::size()),
            Face::Text(lines) => lines.draw(&snapshot),
        };
        write_out(&out);
    }

    fn redraw(&mut self) {
        if let Face::Terminal(ansi, _) = &mut self.face {
            *ansi = Ansi::default();
        }
    }

    /// Puts a message of Hostel's over it for some time.
    pub fn say(&mut self, text: &str) {
        match &self.face {
            Face::Terminal(..) => {
                write_out(&ansi::message(text));
                self.message_until = Some(Instant::now() + MESSAGE_TIME);
            }
            Face::Text(_) => eprint!("{text}"),
        }
    }

    /// Leaves the terminal as it was, with the text of the last screen on it.
    pub fn finish(self) {
        let snapshot = Snapshot::take(&self.memory, &self.vga);
        let text = match self.face {
            Face::Terminal(_, screen) => {
                drop(screen);
                Lines::default().finish(&snapshot)
            }
            Face::Text(mut lines) => lines.draw(&snapshot) + &lines.finish(&snapshot),
        };
        write_out(&text);
    }
}

/// A closed pipe is the reader's wish.
fn write_out(text: &str) {
    if text.is_empty() {
        return;
    }
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
