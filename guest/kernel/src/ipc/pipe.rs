//! Pipes: bytes from writers to readers, in their order, through a buffer of the kernel.

use alloc::sync::Arc;

use abi::syscall::Errno;

use super::ring::Ring;
use crate::process::current;
use crate::sched::WaitQueue;
use crate::sync::SpinLock;

/// Bytes that a pipe holds.
pub const PIPE_BYTES: usize = 4096;

struct State {
    ring: Ring,
    reader: bool,
    writer: bool,
}

/// A pipe. Each end is one [`crate::process::OpenFile`], however many numbers it has, or one half of
/// a socket.
pub struct Pipe {
    state: SpinLock<State>,
    changes: WaitQueue,
    capacity: usize,
}

impl Pipe {
    /// An empty pipe that holds `capacity` bytes, with both ends open.
    pub fn new(capacity: usize) -> Arc<Self> {
        let state = State {
            ring: Ring::new(capacity),
            reader: true,
            writer: true,
        };
        Arc::new(Self {
            state: SpinLock::new(state),
            changes: WaitQueue::new(),
            capacity,
        })
    }

    /// Most bytes that it holds, and that are read at a time.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes up to `most` bytes out, at least one, waiting for it; 0 when there will be no more.
    /// `put` is given them in pieces, each with the number of bytes before it.
    pub fn read(
        &self,
        most: usize,
        deadline_ns: u64,
        mut put: impl FnMut(usize, &[u8]),
    ) -> Result<usize, Errno> {
        let mut count = 0;
        let process = current();
        let in_time = self.changes.wait_until_deadline(
            || {
                let mut state = self.state.lock();
                count = state.ring.take(most, &mut put);
                count > 0 || most == 0 || !state.writer || process.is_ending()
            },
            deadline_ns,
        );
        if count > 0 {
            self.changes.wake_all();
        }
        in_time.then_some(count).ok_or(Errno::TimedOut)
    }

    /// Puts `len` bytes in, waiting for room; those put before the last reader went or the time
    /// was over, or [`Errno::Pipe`] or [`Errno::TimedOut`] if that is none. `fill` gives them.
    pub fn write(
        &self,
        len: usize,
        deadline_ns: u64,
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> Result<usize, Errno> {
        let mut done = 0;
        let process = current();
        if len > 0 && !self.state.lock().ring.has_memory() {
            return Err(Errno::NoMem);
        }
        while done < len {
            let mut is_broken = false;
            let before = done;
            let in_time = self.changes.wait_until_deadline(
                || {
                    let mut state = self.state.lock();
                    is_broken = !state.reader || process.is_ending();
                    if !is_broken {
                        let put = |at, to: &mut [u8]| fill(before + at, to);
                        done += state.ring.put(len - before, put);
                    }
                    done > before || is_broken
                },
                deadline_ns,
            );
            self.changes.wake_all();
            match (is_broken, in_time) {
                (false, true) => {}
                _ if done > 0 => break,
                (true, _) => return Err(Errno::Pipe),
                (false, false) => return Err(Errno::TimedOut),
            }
        }
        Ok(done)
    }

    /// The end that is read from has been closed.
    pub fn close_reader(&self) {
        self.state.lock().reader = false;
        self.changes.wake_all();
    }

    /// The end that is written to has been closed.
    pub fn close_writer(&self) {
        self.state.lock().writer = false;
        self.changes.wake_all();
    }
}
