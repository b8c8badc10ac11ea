//! [`Lines`]: a screen as plain text: the rows that scroll off it, and at the end those that are left.
//!
//! It sees the screen a few times a second. A guest that writes more than a screen between two looks
//! has lost the rows between: a serial port loses nothing.

use super::{ROWS, Snapshot};

/// The rows as seen last.
#[derive(Default)]
pub(super) struct Lines {
    seen: Vec<String>,
}

impl Lines {
    /// The rows that have left since the last look.
    pub(super) fn draw(&mut self, snapshot: &Snapshot) -> String {
        let now = snapshot.text();
        let gone = rows_gone(&self.seen, &now);
        let text = lines(self.seen.drain(..gone));
        self.seen = now;
        text
    }

    /// The rows of the last screen, to the last that has text.
    pub(super) fn finish(&self, snapshot: &Snapshot) -> String {
        let rows = snapshot.text();
        let end = rows.iter().rposition(|row| !row.is_empty());
        lines(rows.into_iter().take(end.map_or(0, |last| last + 1)))
    }
}

fn lines(rows: impl Iterator<Item = String>) -> String {
    rows.map(|row| row + "\n").collect()
}

/// By how many rows `old` was scrolled to become `new`: the fewest with which what is left of each
/// row is there or has grown. A screen on which half the rows are as before has not scrolled but was
/// changed in place; one that is otherwise different has taken the old one's place as a whole.
fn rows_gone(old: &[String], new: &[String]) -> usize {
    if old.len() != ROWS {
        return 0;
    }
    let blank = |rows: &[String]| rows.iter().all(String::is_empty);
    let fits = |gone: usize| {
        let kept = &old[gone..];
        !blank(kept)
            && kept
                .iter()
                .zip(new)
                .all(|(old, new)| new.starts_with(old.as_str()))
    };
    if blank(old) {
        return 0;
    }
    if let Some(gone) = (0..ROWS).find(|gone| fits(*gone)) {
        return gone;
    }
    let same = old.iter().zip(new).filter(|(old, new)| old == new).count();
    if 2 * same >= ROWS {
        return 0;
    }
    let last = old.iter().rposition(|row| !row.is_empty());
    last.map_or(0, |last| last + 1)
}
