//! Screens from memory to text and terminal.

use super::*;
use crate::memory::{self, MemorySize};

fn view(start: u16, cursor: Option<u16>) -> TextView {
    TextView {
        start,
        cursor,
        blinking: true,
    }
}

/// A screen with those rows in grey.
fn screen(rows: &[&str]) -> Snapshot {
    let mut cells = vec![Cell::default(); COLUMNS * ROWS];
    for (row, text) in rows.iter().enumerate() {
        for (column, code) in text.bytes().enumerate() {
            let attribute = 7;
            cells[row * COLUMNS + column] = Cell { code, attribute };
        }
    }
    Snapshot {
        cells,
        cursor: None,
        blinking: true,
    }
}

#[test]
fn text_is_read_from_where_the_screen_starts_and_wraps() {
    let memory = memory::create(MemorySize(16 << 20)).unwrap();
    assert!(Snapshot::of(&memory, view(0, None)).is_untouched());
    memory
        .write_slice(b"a\x07b\x07", GuestAddress(0xb_8000))
        .unwrap();
    memory
        .write_slice(b"z\x07", GuestAddress(0xb_fffe))
        .unwrap();
    let first = Snapshot::of(&memory, view(0, Some(81)));
    assert_eq!(
        (first.text()[0].as_str(), first.cursor),
        ("ab", Some((1, 1)))
    );
    assert!(!first.is_untouched());
    let wrapped = Snapshot::of(&memory, view(0x3fff, Some(0)));
    assert_eq!(wrapped.text()[0], "zab");
    assert_eq!(wrapped.cursor, Some((0, 1)));
    let beyond = Snapshot::of(&memory, view(0, Some(2000)));
    assert_eq!(beyond.cursor, None);
}

#[test]
fn all_of_the_font_is_there() {
    let all: String = (0..=255).map(cp437::character).collect();
    assert_eq!(all.chars().count(), 256);
    for (code, character) in [
        (0x00, ' '),
        (0x01, '☺'),
        (0x1f, '▼'),
        (b'A', 'A'),
        (0x7f, '⌂'),
        (0x80, 'Ç'),
        (0xb3, '│'),
        (0xc4, '─'),
        (0xdb, '█'),
        (0xe1, 'ß'),
        (0xfe, '■'),
        (0xff, ' '),
    ] {
        assert_eq!(cp437::character(code), character, "{code:#x}");
    }
}

#[test]
fn a_terminal_gets_the_rows_that_change() {
    let mut ansi = Ansi::default();
    let size = Some((80, 30));
    let first = ansi.draw(&screen(&["one", "two"]), size);
    assert!(first.starts_with("\x1b[0m\x1b[2J\x1b[1;1H\x1b[0;37;40mone"));
    assert_eq!(ansi.draw(&screen(&["one", "two"]), size), "");
    let second = ansi.draw(&screen(&["one", "Two"]), size);
    assert!(
        second.starts_with("\x1b[2;1H\x1b[0;37;40mTwo"),
        "{second:?}"
    );
    assert!(!second.contains("one"));
    let resized = ansi.draw(&screen(&["one", "Two"]), Some((80, 25)));
    assert!(resized.contains("one"), "drawn anew");
}

#[test]
fn a_low_terminal_shows_the_last_rows() {
    let mut snapshot = screen(&["first", "second"]);
    snapshot.cursor = Some((24, 3));
    let drawn = Ansi::default().draw(&snapshot, Some((80, 24)));
    assert!(!drawn.contains("first"));
    assert!(drawn.contains("\x1b[1;1H\x1b[0;37;40msecond"));
    assert!(drawn.ends_with("\x1b[24;4H\x1b[?25h"));
}

#[test]
fn attributes_are_colours() {
    let mut snapshot = screen(&["x"]);
    for (attribute, blinking, expected) in [
        (0x07, true, "\x1b[0;37;40m"),
        (0x1e, true, "\x1b[0;93;44m"),
        (0x4f, true, "\x1b[0;97;41m"),
        (0xa1, true, "\x1b[0;34;42;5m"),
        (0xa1, false, "\x1b[0;34;102m"),
    ] {
        snapshot.cells[0].attribute = attribute;
        snapshot.blinking = blinking;
        let drawn = Ansi::default().draw(&snapshot, None);
        assert!(drawn.contains(&format!("{expected}x")), "{drawn:?}");
    }
}

fn rows(from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|row| format!("row {row}"))
        .collect()
}

fn full(from: usize, count: usize) -> Snapshot {
    let rows = rows(from, count);
    screen(&rows.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn rows_that_scroll_off_are_printed_once() {
    let mut lines = Lines::default();
    assert_eq!(lines.draw(&full(0, 10)), "");
    assert_eq!(lines.draw(&full(0, 25)), "", "it grows");
    assert_eq!(lines.draw(&full(0, 25)), "");
    assert_eq!(lines.draw(&full(3, 25)), "row 0\nrow 1\nrow 2\n");
    let mut half = rows(3, 25);
    half[24] = "row".to_owned();
    let half: Vec<_> = half.iter().map(String::as_str).collect();
    let mut lines = Lines::default();
    lines.draw(&screen(&half));
    assert_eq!(
        lines.draw(&full(4, 25)),
        "row 3\n",
        "the last row was not whole"
    );
}

#[test]
fn a_screen_that_is_replaced_is_printed_and_one_changed_in_place_is_not() {
    let mut lines = Lines::default();
    lines.draw(&full(0, 3));
    assert_eq!(lines.draw(&screen(&["row 0", "changed", "row 2"])), "");
    assert_eq!(lines.draw(&full(100, 25)), "row 0\nchanged\nrow 2\n");
    assert_eq!(lines.draw(&screen(&[])).lines().count(), 25, "cleared");
    assert_eq!(lines.draw(&full(7, 1)), "");
    assert_eq!(lines.finish(&full(7, 2)), "row 7\nrow 8\n");
}
