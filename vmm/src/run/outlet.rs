//! Where the guest's output goes: to the user as it is, or through the suite's log.

use super::SharedLog;
use super::wishes::{Kernel, Wishes};
use crate::device_manager::Sink;
use crate::machine::{Point, Timeline};
use crate::stream::Splitter;
use abi::port::Mark;
use std::io::{self, Write};
use std::sync::Arc;

/// The sink of one console.
pub(super) fn sink(wishes: &Wishes, log: &SharedLog) -> Sink {
    match wishes.kernel {
        Kernel::File { .. } => Box::new(Unbuffered(io::stdout())),
        Kernel::BuiltIn { .. } => Box::new(LogSink(Splitter::new(log.clone()))),
    }
}

/// Standard output without a wait for the end of the line.
struct Unbuffered(io::Stdout);

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = self.0.lock();
        let count = out.write(bytes)?;
        out.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A console of the built-in guest.
struct LogSink(Splitter<SharedLog>);

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes the marks of the built-in guest on the timeline.
pub(super) fn on_mark(timeline: Arc<Timeline>) -> Box<dyn FnMut(u8) + Send> {
    Box::new(move |byte| match Mark::from_byte(byte) {
        Some(Mark::Kernel) => timeline.note(Point::GuestKernel),
        Some(Mark::User) => timeline.note(Point::GuestUser),
        None => {}
    })
}
