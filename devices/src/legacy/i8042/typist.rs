//! [`Typist`]: what a terminal sends, struck on the keyboard.
//!
//! ```text
//!            ESC            [             [
//!  Ground ---------> Escape ----> Control ---> Console (Linux's F1 to F5)
//!     ^                |  O          |
//!     |                +----> Shift3 |
//!     +---- the last character ------+
//! ```
//! ESC at the end of what was sent is the Escape key. Sequences that no key makes, and characters
//! beyond ASCII, are dropped.

use super::keyboard::Keyboard;
use super::keys::{Key, Modifiers, Stroke};

const ESC: u8 = 0x1b;
/// No sequence of a key has more numbers.
const NUMBERS: usize = 2;

/// How far into an escape sequence the bytes so far are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Ground,
    Escape,
    /// After `ESC [` (ECMA-48 5.4): which number comes next.
    Control {
        number: usize,
    },
    /// After `ESC O`.
    Shift3,
    /// After `ESC [ [`.
    Console,
}

/// Turns bytes of a terminal into strokes.
#[derive(Default)]
pub(super) struct Typist {
    place: Place,
    numbers: [u8; NUMBERS],
}

impl Typist {
    /// Strikes what `bytes` stand for, as long as there is room; returns how many it took.
    pub(super) fn type_in(&mut self, bytes: &[u8], keyboard: &mut Keyboard) -> usize {
        for (taken, byte) in bytes.iter().enumerate() {
            if !keyboard.has_room() {
                return taken;
            }
            if self.place == Place::Escape && !matches!(byte, b'[' | b'O') {
                self.place = Place::Ground;
                keyboard.strike(Key::ESCAPE.into());
            }
            if let Some(stroke) = self.take(*byte) {
                keyboard.strike(stroke);
            }
        }
        if !bytes.is_empty() && self.place == Place::Escape {
            self.place = Place::Ground;
            keyboard.strike(Key::ESCAPE.into());
        }
        bytes.len()
    }

    /// One more byte, which may make a stroke.
    fn take(&mut self, byte: u8) -> Option<Stroke> {
        match std::mem::take(&mut self.place) {
            Place::Ground if byte == ESC => {
                self.place = Place::Escape;
                None
            }
            Place::Ground => Stroke::of_ascii(byte),
            Place::Escape if byte == b'O' => {
                self.place = Place::Shift3;
                None
            }
            Place::Escape => {
                self.numbers = [0; NUMBERS];
                self.place = Place::Control { number: 0 };
                None
            }
            Place::Control { number } => self.control(number, byte),
            Place::Shift3 => by_letter(byte).map(Stroke::from),
            Place::Console => Key::function(byte.wrapping_sub(b'A' - 1)).map(Stroke::from),
        }
    }

    /// Inside `ESC [`.
    fn control(&mut self, number: usize, byte: u8) -> Option<Stroke> {
        match byte {
            b'0'..=b'9' => {
                if let Some(value) = self.numbers.get_mut(number) {
                    *value = value.saturating_mul(10).saturating_add(byte - b'0');
                }
                self.place = Place::Control { number };
                None
            }
            b';' => {
                self.place = Place::Control {
                    number: number.saturating_add(1),
                };
                None
            }
            b'[' => {
                self.place = Place::Console;
                None
            }
            b'Z' => Some(Stroke {
                key: Key::TAB,
                modifiers: Modifiers {
                    shift: true,
                    ..Modifiers::default()
                },
            }),
            b'~' => self.with_modifiers(by_number(self.numbers[0])?),
            b'@'..=b'}' => self.with_modifiers(by_letter(byte)?),
            // Other parameters and intermediate bytes (ECMA-48 5.4); what follows ends it.
            b' '..=b'?' => {
                self.place = Place::Control { number };
                None
            }
            _ => None,
        }
    }

    /// The second number is one more than a bit each for Shift, Alt and Ctrl.
    fn with_modifiers(&self, key: Key) -> Option<Stroke> {
        let bits = self.numbers[1].saturating_sub(1);
        let modifiers = Modifiers {
            shift: bits & 1 != 0,
            alt: bits & 2 != 0,
            control: bits & 4 != 0,
        };
        Some(Stroke { key, modifiers })
    }
}

/// The key of `ESC [ letter` and `ESC O letter`, as xterm has them.
fn by_letter(letter: u8) -> Option<Key> {
    match letter {
        b'A' => Some(Key::UP),
        b'B' => Some(Key::DOWN),
        b'C' => Some(Key::RIGHT),
        b'D' => Some(Key::LEFT),
        b'F' => Some(Key::END),
        b'H' => Some(Key::HOME),
        b'M' => Some(Key::ENTER),
        b'P'..=b'S' => Key::function(letter - b'P' + 1),
        _ => None,
    }
}

/// The key of `ESC [ number ~`, as VT220s and their followers have them.
fn by_number(number: u8) -> Option<Key> {
    match number {
        1 | 7 => Some(Key::HOME),
        2 => Some(Key::INSERT),
        3 => Some(Key::DELETE),
        4 | 8 => Some(Key::END),
        5 => Some(Key::PAGE_UP),
        6 => Some(Key::PAGE_DOWN),
        11..=15 => Key::function(number - 10),
        17..=21 => Key::function(number - 11),
        23 | 24 => Key::function(number - 12),
        _ => None,
    }
}
