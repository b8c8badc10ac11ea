//! The kernel's own text and records in the console stream.

use core::fmt::{self, Write};

use abi::record::Record;

use crate::drivers;
use crate::sync::SpinLock;

/// Bytes that are put together before they are written; every record of the kernel but a panic's
/// fits, and so is one piece in the stream.
const BUFFER_BYTES: usize = 1024;

struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    len: usize,
}

static BUFFER: SpinLock<Buffer> = SpinLock::new(Buffer {
    bytes: [0; BUFFER_BYTES],
    len: 0,
});

impl Buffer {
    fn flush(&mut self) {
        drivers::console().write_now(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(BUFFER_BYTES) {
            if self.len + piece.len() > BUFFER_BYTES {
                self.flush();
            }
            self.bytes[self.len..self.len + piece.len()].copy_from_slice(piece);
            self.len += piece.len();
        }
        Ok(())
    }

    /// Records are written character by character; few instructions for each.
    fn write_char(&mut self, character: char) -> fmt::Result {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() && self.len < BUFFER_BYTES => {
                self.bytes[self.len] = byte;
                self.len += 1;
                Ok(())
            }
            _ => self.write_str(character.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Writes text.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut buffer = BUFFER.lock();
    // A buffer takes all.
    let _ = buffer.write_fmt(text);
    buffer.flush();
}

/// Writes a record.
pub(crate) fn record(record: &Record<'_>) {
    print(format_args!("{record}"));
}

/// Writes bytes straight to the device, whoever holds the buffer. For a panic.
pub(crate) fn write_at_once(bytes: &[u8]) {
    drivers::console().write_now(bytes);
}
