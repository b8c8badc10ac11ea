//! Keys, by their scancode of set 1, and the controller's translation to it.

/// Set in a scancode of set 1 when the key is released.
pub(super) const RELEASED: u8 = 0x80;

/// A key pressed or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// Scancode of set 1, below 0x80, without its prefix.
    pub code: u8,
    /// Whether 0xe0 comes before it.
    pub extended: bool,
    /// Whether the key is released.
    pub released: bool,
}

/// A key by its scancode of set 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    code: u8,
    extended: bool,
}

impl Key {
    pub(super) const ESCAPE: Self = Self::plain(0x01);
    pub(super) const BACKSPACE: Self = Self::plain(0x0e);
    pub(super) const TAB: Self = Self::plain(0x0f);
    pub(super) const ENTER: Self = Self::plain(0x1c);
    const CONTROL: Self = Self::plain(0x1d);
    const SHIFT: Self = Self::plain(0x2a);
    const ALT: Self = Self::plain(0x38);
    const SPACE: Self = Self::plain(0x39);
    pub(super) const HOME: Self = Self::extended(0x47);
    pub(super) const UP: Self = Self::extended(0x48);
    pub(super) const PAGE_UP: Self = Self::extended(0x49);
    pub(super) const LEFT: Self = Self::extended(0x4b);
    pub(super) const RIGHT: Self = Self::extended(0x4d);
    pub(super) const END: Self = Self::extended(0x4f);
    pub(super) const DOWN: Self = Self::extended(0x50);
    pub(super) const PAGE_DOWN: Self = Self::extended(0x51);
    pub(super) const INSERT: Self = Self::extended(0x52);
    pub(super) const DELETE: Self = Self::extended(0x53);

    const fn plain(code: u8) -> Self {
        let extended = false;
        Self { code, extended }
    }

    const fn extended(code: u8) -> Self {
        let extended = true;
        Self { code, extended }
    }

    /// F1 to F12.
    pub(super) fn function(number: u8) -> Option<Self> {
        match number {
            1..=10 => Some(Self::plain(0x3a + number)),
            11 | 12 => Some(Self::plain(0x4c + number)),
            _ => None,
        }
    }

    fn event(self, released: bool) -> KeyEvent {
        let Self { code, extended } = self;
        KeyEvent {
            code,
            extended,
            released,
        }
    }
}

/// A key struck together with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) key: Key,
    pub(super) modifiers: Modifiers,
}

/// Keys that are held meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modifiers {
    pub(super) shift: bool,
    pub(super) alt: bool,
    pub(super) control: bool,
}

impl From<Key> for Stroke {
    fn from(key: Key) -> Self {
        let modifiers = Modifiers::default();
        Self { key, modifiers }
    }
}

/// Keys of a US keyboard by row: scancode of the first, characters, characters with Shift.
const ROWS: [(u8, &[u8], &[u8]); 4] = [
    (0x02, b"1234567890-=", b"!@#$%^&*()_+"),
    (0x10, b"qwertyuiop[]", b"QWERTYUIOP{}"),
    (0x1e, b"asdfghjkl;'`", b"ASDFGHJKL:\"~"),
    (0x2b, b"\\zxcvbnm,./", b"|ZXCVBNM<>?"),
];

impl Stroke {
    /// The most that [`Self::events`] gives.
    pub(super) const MOST_EVENTS: usize = 8;

    /// What makes an ASCII character.
    pub(super) fn of_ascii(character: u8) -> Option<Self> {
        match character {
            b'\r' | b'\n' => Some(Key::ENTER.into()),
            b'\t' => Some(Key::TAB.into()),
            0x08 | 0x7f => Some(Key::BACKSPACE.into()),
            0x1b => Some(Key::ESCAPE.into()),
            b' ' => Some(Key::SPACE.into()),
            // Ctrl-Space, Ctrl-A to Ctrl-Z, and Ctrl with what is at these places in ASCII.
            0x00 => Self::from(Key::SPACE).with_control(),
            0x01..=0x1a => Self::of_ascii(character | 0x60)?.with_control(),
            0x1c | 0x1d => Self::of_ascii(character | 0x40)?.with_control(),
            0x1e => Self::of_ascii(b'6')?.with_control(),
            0x1f => Self::of_ascii(b'-')?.with_control(),
            _ => ROWS
                .into_iter()
                .find_map(|row| Self::in_row(row, character)),
        }
    }

    fn in_row((first, plain, shifted): (u8, &[u8], &[u8]), character: u8) -> Option<Self> {
        let place = |row: &[u8]| row.iter().position(|c| *c == character);
        let (at, shift) = match place(plain) {
            Some(at) => (at, false),
            None => (place(shifted)?, true),
        };
        let code = first + u8::try_from(at).ok()?;
        let mut stroke = Self::from(Key::plain(code));
        stroke.modifiers.shift = shift;
        Some(stroke)
    }

    fn with_control(mut self) -> Option<Self> {
        self.modifiers.control = true;
        Some(self)
    }

    /// Down with the modifiers, then the key, and up in the opposite order.
    pub(super) fn events(self) -> impl Iterator<Item = KeyEvent> {
        let Modifiers {
            shift,
            alt,
            control,
        } = self.modifiers;
        let keys = [
            control.then_some(Key::CONTROL),
            alt.then_some(Key::ALT),
            shift.then_some(Key::SHIFT),
            Some(self.key),
        ];
        let down = keys.into_iter().flatten().map(|key| key.event(false));
        let up = keys.into_iter().rev().flatten().map(|key| key.event(true));
        down.chain(up)
    }
}

/// What the controller makes of scancodes of set 2 below 0x80: a fact of the first AT's controller
/// that all since have kept.
const TRANSLATION: [u8; 128] = [
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
];
/// F7 in set 2: above the table, as is the next.
const F7: u8 = 0x83;
const PRINT_SCREEN_WITH_ALT: u8 = 0x84;

/// What the controller makes of a byte from the keyboard.
pub(super) fn translate(byte: u8) -> u8 {
    match byte {
        F7 => 0x41,
        PRINT_SCREEN_WITH_ALT => 0x54,
        _ => *TRANSLATION.get(usize::from(byte)).unwrap_or(&byte),
    }
}

/// Scancode of set 2 of the key with that one of set 1.
pub(super) fn set2(code: u8) -> u8 {
    if translate(F7) == code {
        return F7;
    }
    let found = TRANSLATION.iter().position(|set1| *set1 == code);
    found.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}
