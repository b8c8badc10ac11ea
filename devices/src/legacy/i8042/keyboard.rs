//! [`Keyboard`]: what is at the other end of the keyboard's wire: commands and their replies, keys
//! that wait, scancodes of set 2 (or 1, if the guest selects it).

use super::keys::{self, KeyEvent, Stroke};
use std::collections::VecDeque;

/// Comes before the scancode of a key that is released, in set 2.
pub(super) const BREAK: u8 = 0xf0;
/// Comes before the scancode of a key that the first PCs did not have.
const EXTENDED: u8 = 0xe0;

const ACK: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const ECHO: u8 = 0xee;
const SELF_TEST_OK: u8 = 0xaa;
/// Of a keyboard with 101 keys and more.
const IDENTITY: [u8; 2] = [0xab, 0x83];

/// Key events that wait.
const CAPACITY: usize = 4096;
/// Replies that the guest does not read are dropped beyond this: the buffer of a real keyboard.
const REPLIES: usize = 16;

/// Scancodes of set 2 unless the guest selects others.
const DEFAULT_SET: u8 = 2;

/// State of the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyboardState {
    /// Command that waits for its parameter.
    pub pending: Option<u8>,
    /// Answers to commands.
    pub replies: VecDeque<u8>,
    /// Rest of the scancode of a key, of which some bytes have been sent.
    pub sending: VecDeque<u8>,
    /// Keys whose scancodes have not been sent.
    pub keys: VecDeque<KeyEvent>,
    /// Whether keys are sent.
    pub scanning: bool,
    /// Set of scancodes, 1 or 2.
    pub set: u8,
    /// Scroll, Num and Caps Lock lights.
    pub leds: u8,
    /// Repeat rate and delay as last set: a terminal repeats keys itself.
    pub rate: u8,
    /// Byte to send if the guest did not understand.
    pub last_sent: u8,
}

/// The keyboard.
pub(super) struct Keyboard(KeyboardState);

impl Default for Keyboard {
    fn default() -> Self {
        Self(KeyboardState {
            pending: None,
            replies: VecDeque::new(),
            sending: VecDeque::new(),
            keys: VecDeque::new(),
            scanning: true,
            set: DEFAULT_SET,
            leds: 0,
            rate: 0x2b,
            last_sent: SELF_TEST_OK,
        })
    }
}

impl Keyboard {
    pub(super) fn save(&self) -> KeyboardState {
        self.0.clone()
    }

    pub(super) fn restore(&mut self, state: &KeyboardState) {
        self.0 = state.clone();
        self.0.replies.truncate(REPLIES);
        self.0.keys.truncate(CAPACITY);
    }

    /// Whether what a byte can stand for fits: two [`Stroke`]s.
    pub(super) fn has_room(&self) -> bool {
        CAPACITY - self.0.keys.len() >= 2 * Stroke::MOST_EVENTS
    }

    /// A key is struck and released, between its modifiers.
    pub(super) fn strike(&mut self, stroke: Stroke) {
        self.0.keys.extend(stroke.events());
    }

    /// Whether there are scancodes to be sent.
    pub(super) fn has_keys(&self) -> bool {
        self.0.scanning && !(self.0.sending.is_empty() && self.0.keys.is_empty())
    }

    /// The next byte of an answer.
    pub(super) fn next_reply(&mut self) -> Option<u8> {
        let reply = self.0.replies.pop_front()?;
        self.0.last_sent = reply;
        Some(reply)
    }

    /// The next byte of a scancode.
    pub(super) fn next_key_byte(&mut self) -> Option<u8> {
        if !self.0.scanning {
            return None;
        }
        if self.0.sending.is_empty() {
            let event = self.0.keys.pop_front()?;
            self.0.sending.extend(scancode(event, self.0.set));
        }
        let byte = self.0.sending.pop_front()?;
        self.0.last_sent = byte;
        Some(byte)
    }

    /// A byte from the guest.
    pub(super) fn command(&mut self, byte: u8) {
        // What cannot be a parameter is a command in its place.
        match self.0.pending.take().filter(|_| byte < 0x80) {
            Some(command) => self.parameter(command, byte),
            None => self.fresh_command(byte),
        }
    }

    fn parameter(&mut self, command: u8, byte: u8) {
        match (command, byte) {
            (0xed, _) => self.0.leds = byte,
            (0xf0, 0) => return self.reply(&[ACK, self.0.set]),
            (0xf0, 1 | 2) => self.0.set = byte,
            (0xf0, _) => return self.reply(&[RESEND]),
            _ => self.0.rate = byte,
        }
        self.reply(&[ACK]);
    }

    fn fresh_command(&mut self, command: u8) {
        match command {
            // Lights, set of scancodes, rate: a parameter follows.
            0xed | 0xf0 | 0xf3 => self.0.pending = Some(command),
            0xee => return self.reply(&[ECHO]),
            0xf2 => return self.reply(&[ACK, IDENTITY[0], IDENTITY[1]]),
            0xf4 => self.0.scanning = true,
            0xf5 => {
                self.set_defaults();
                self.0.scanning = false;
            }
            0xf6 => self.set_defaults(),
            // What keys repeat in set 3: of no effect in others.
            0xf7..=0xfa => {}
            0xfe => return self.reply(&[self.0.last_sent]),
            0xff => {
                self.set_defaults();
                self.0.leds = 0;
                self.0.scanning = true;
                return self.reply(&[ACK, SELF_TEST_OK]);
            }
            _ => return self.reply(&[RESEND]),
        }
        self.reply(&[ACK]);
    }

    fn set_defaults(&mut self) {
        let defaults = Self::default().0;
        self.0.set = defaults.set;
        self.0.rate = defaults.rate;
    }

    fn reply(&mut self, bytes: &[u8]) {
        let room = REPLIES.saturating_sub(self.0.replies.len());
        self.0.replies.extend(bytes.iter().take(room));
    }
}

/// The bytes that say that a key was pressed or released.
fn scancode(event: KeyEvent, set: u8) -> impl Iterator<Item = u8> {
    let prefix = event.extended.then_some(EXTENDED);
    let (release, code) = match (set, event.released) {
        (1, false) => (None, event.code),
        (1, true) => (None, event.code | keys::RELEASED),
        (_, released) => (released.then_some(BREAK), keys::set2(event.code)),
    };
    prefix.into_iter().chain(release).chain([code])
}
