//! Signals: what the scenes of `lab_signals` note in their handlers, and the scenes.

mod delivery;
mod hostile;
mod latency;
mod order;

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

pub use delivery::{defaults, registers, sleepers, threads};
pub use hostile::hostile;
pub use latency::latency;
pub use order::order;

use crate::process::Child;
use crate::sys::{self, Pid};
use abi::syscall::Errno;

/// Most calls of a handler that are noted.
const MOST: usize = 64;

/// Calls of [`note`] since [`Notes::clear`].
struct Notes {
    count: AtomicUsize,
    /// Signal and value of each.
    calls: [[AtomicU64; 2]; MOST],
    /// Where the stack was at the last.
    stack: AtomicUsize,
}

static NOTES: Notes = Notes {
    count: AtomicUsize::new(0),
    calls: [const { [AtomicU64::new(0), AtomicU64::new(0)] }; MOST],
    stack: AtomicUsize::new(0),
};

impl Notes {
    fn clear(&self) {
        self.count.store(0, SeqCst);
    }

    fn count(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// Signal and value of a call.
    fn call(&self, index: usize) -> (u64, u64) {
        let [number, value] = &self.calls[index % MOST];
        (number.load(SeqCst), value.load(SeqCst))
    }
}

/// The handler of most scenes.
extern "C" fn note(number: u64, value: u64) {
    let index = NOTES.count.load(SeqCst);
    let [number_at, value_at] = &NOTES.calls[index % MOST];
    number_at.store(number, SeqCst);
    value_at.store(value, SeqCst);
    NOTES.stack.store(stack_address(), SeqCst);
    NOTES.count.store(index + 1, SeqCst);
}

/// An address on the stack of the running thread.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// Sends the running process a signal.
fn raise(number: u64, value: u64) -> Result<bool, Errno> {
    sys::signal_send(Pid(0), None, number, value)
}

/// Sends a child signal `number` until it has ended; how.
fn end_by(child: &Child, number: u64) -> Result<abi::syscall::ExitStatus, Errno> {
    const PAUSE_NS: u64 = 5_000_000;
    loop {
        match child.wait(PAUSE_NS) {
            Err(Errno::TimedOut) => {}
            ended => return ended,
        }
        match sys::signal_send(child.pid(), None, number, 0) {
            // It has ended meanwhile.
            Ok(_) | Err(Errno::Srch) => {}
            Err(errno) => return Err(errno),
        }
    }
}
