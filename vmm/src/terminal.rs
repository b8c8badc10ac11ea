//! The user's terminal: raw while the guest has it, as it was on every way out.
//!
//! [`RawMode`] restores on drop; a panic hook and [`restore`] cover the ways that do not unwind.
//! [`AlternateScreen`] is what a guest's screen is drawn on, left in the same ways. [`Escape`] finds `Ctrl-A` commands in what is typed.
#![expect(unsafe_code, reason = "tcgetattr, tcsetattr and TIOCGWINSZ")]

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

/// What the terminal was before; `None` when it is not raw.
static SAVED: Mutex<Option<libc::termios>> = Mutex::new(None);

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: i32) -> bool {
    // SAFETY: isatty has no precondition.
    unsafe { libc::isatty(fd) == 1 }
}

/// The terminal on standard input is raw while this lives.
pub struct RawMode(());

impl RawMode {
    /// Makes standard input raw, or gives nothing if it is no terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        if !is_terminal(libc::STDIN_FILENO) {
            return Ok(None);
        }
        let mut saved = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is good for one termios.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, saved.as_mut_ptr()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: tcgetattr has filled it.
        let saved = unsafe { saved.assume_init() };
        let mut raw = saved;
        // SAFETY: a termios that this function owns.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        // Line ends of the host's own messages stay as they are.
        raw.c_oflag |= libc::OPOST | libc::ONLCR;
        if let Ok(mut slot) = SAVED.lock() {
            *slot = Some(saved);
        }
        restore_on_panic();
        set(&raw)?;
        Ok(Some(Self(())))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            hook(info);
        }));
    });
}

/// Whether the alternate screen is shown.
static ALTERNATE: AtomicBool = AtomicBool::new(false);
/// The alternate screen, cleared, where long lines are cut.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?7l";
/// The usual screen, as it was, with its colours, line wrap and cursor.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal's alternate screen is shown on standard output while this lives.
pub struct AlternateScreen(());

impl AlternateScreen {
    /// Shows it, or gives nothing if standard output is no terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        if !is_terminal(libc::STDOUT_FILENO) {
            return Ok(None);
        }
        restore_on_panic();
        ALTERNATE.store(true, Ordering::SeqCst);
        write_out(ENTER)?;
        Ok(Some(Self(())))
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        leave_alternate_screen();
    }
}

fn leave_alternate_screen() {
    // Nobody is there to be told that nobody is there.
    if ALTERNATE.swap(false, Ordering::SeqCst) {
        let _ = write_out(LEAVE);
    }
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Columns and rows of the terminal on standard output, if it knows.
pub fn size() -> Option<(usize, usize)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the pointer is good for one winsize.
    if unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, size.as_mut_ptr()) } < 0 {
        return None;
    }
    // SAFETY: zeroes are a good winsize, and the call has filled it.
    let size = unsafe { size.assume_init() };
    let known = size.ws_col > 0 && size.ws_row > 0;
    known.then(|| (size.ws_col.into(), size.ws_row.into()))
}

/// Puts the terminal back, if it is raw or shows the alternate screen.
pub fn restore() {
    leave_alternate_screen();
    // A thread that panics while it holds the lock has not changed the terminal yet.
    if let Ok(mut saved) = SAVED.try_lock()
        && let Some(termios) = saved.take()
        && let Err(error) = set(&termios)
    {
        log::error!("restoring the terminal: {error}");
    }
}

fn set(termios: &libc::termios) -> io::Result<()> {
    // SAFETY: a termios that tcgetattr has filled.
    match unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, termios) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Starts a command.
const PREFIX: u8 = 0x01;

/// What `Ctrl-A h` shows.
pub const HELP: &str = "\n\
    Ctrl-A x  ends the virtual machine\n\
    Ctrl-A p  pauses it, or lets it go on\n\
    Ctrl-A s  presses its power button\n\
    Ctrl-A h  shows this help\n\
    Ctrl-A Ctrl-A  sends Ctrl-A to the guest\n";

/// What the user asked of Hostel itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapeCommand {
    /// `Ctrl-A x`
    Quit,
    /// `Ctrl-A p`
    Pause,
    /// `Ctrl-A s`
    PowerButton,
    /// `Ctrl-A h`
    Help,
}

/// Takes commands out of the bytes that are typed.
#[derive(Default)]
pub struct Escape {
    after_prefix: bool,
}

impl Escape {
    /// Appends what is the guest's to `guest` and returns a command, after which the rest of
    /// `typed` is dropped.
    pub fn feed(&mut self, typed: &[u8], guest: &mut Vec<u8>) -> Option<EscapeCommand> {
        for &byte in typed {
            match (std::mem::take(&mut self.after_prefix), byte) {
                (false, PREFIX) => self.after_prefix = true,
                (true, b'x' | b'X') => return Some(EscapeCommand::Quit),
                (true, b'p' | b'P') => return Some(EscapeCommand::Pause),
                (true, b's' | b'S') => return Some(EscapeCommand::PowerButton),
                (true, b'h' | b'H' | b'?') => return Some(EscapeCommand::Help),
                (true, PREFIX) | (false, _) => guest.push(byte),
                // Not a command: the guest gets both.
                (true, _) => guest.extend([PREFIX, byte]),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(pieces: &[&[u8]]) -> (Vec<u8>, Option<EscapeCommand>) {
        let (mut escape, mut guest) = (Escape::default(), Vec::new());
        let command = pieces
            .iter()
            .find_map(|piece| escape.feed(piece, &mut guest));
        (guest, command)
    }

    #[test]
    fn commands_are_found_across_reads_and_the_rest_is_the_guests() {
        assert_eq!(
            feed(&[b"ls\r", b"\x01", b"x"]),
            (b"ls\r".to_vec(), Some(EscapeCommand::Quit))
        );
        assert_eq!(feed(&[b"\x01s"]).1, Some(EscapeCommand::PowerButton));
        assert_eq!(feed(&[b"\x01h"]).1, Some(EscapeCommand::Help));
        assert_eq!(feed(&[b"a\x01\x01b\x01z"]), (b"a\x01b\x01z".to_vec(), None));
    }
}
