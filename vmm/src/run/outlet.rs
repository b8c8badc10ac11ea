//! Where the guest's output goes: to the user as it is, or through the suite's log.

use super::SharedLog;
use super::bursts::Bursts;
use super::wishes::{ConsoleDevice, Kernel, Wishes};
use crate::device_manager::Sink;
use crate::machine::{Point, Timeline};
use crate::suite::LogSink;
use crate::terminal;
use abi::port::Mark;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The sink of one console. What comes while the guest's screen has the terminal waits in `tail`.
pub(super) fn sink(wishes: &Wishes, log: &SharedLog, tail: &Tail, out: &Bursts) -> Sink {
    let screen = wishes.console == ConsoleDevice::Vga && terminal::is_terminal(libc::STDOUT_FILENO);
    match wishes.kernel {
        Kernel::File { .. } if screen => Box::new(tail.clone()),
        Kernel::File { .. } => Box::new(out.clone()),
        Kernel::BuiltIn { .. } => Box::new(LogSink::new(log.clone())),
    }
}

/// The output of COM2, to a file or nowhere.
pub(super) fn com2(file: Option<File>) -> Sink {
    match file {
        Some(file) => Box::new(file),
        None => Box::new(io::sink()),
    }
}

/// Bytes of output that are kept.
const TAIL_BYTES: usize = 64 << 10;

/// The end of what the guest has written.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Writes it to standard output.
    pub(super) fn show(&self) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed pipe is the reader's wish.
        let _ = io::stdout().write_all(bytes.make_contiguous());
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..excess);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes the marks of the built-in guest on the timeline.
pub(super) fn on_mark(timeline: Arc<Timeline>) -> Box<dyn FnMut(u32) + Send> {
    Box::new(move |value| match Mark::from_value(value) {
        Some((Mark::Kernel, _)) => timeline.note(Point::GuestKernel),
        Some((Mark::User, _)) => timeline.note(Point::GuestUser),
        Some((Mark::Begin | Mark::Look | Mark::End, _)) | None => {}
    })
}
