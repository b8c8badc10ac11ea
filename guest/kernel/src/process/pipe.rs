//! Pipes: bytes from writers to readers, in their order, through a buffer of the kernel.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::syscall::Errno;

use super::current;
use crate::sched::WaitQueue;
use crate::sync::SpinLock;

/// Bytes that a pipe holds.
const CAPACITY: usize = 4096;

struct State {
    /// A ring; allocated at the first write.
    bytes: Vec<u8>,
    /// Where the oldest byte is, and how many there are.
    start: usize,
    len: usize,
    reader: bool,
    writer: bool,
}

/// A pipe. Each end is one [`super::OpenFile`], however many numbers it has.
pub struct Pipe {
    state: SpinLock<State>,
    changes: WaitQueue,
}

impl Pipe {
    /// An empty pipe with both ends open.
    pub fn new() -> Arc<Self> {
        let state = State {
            bytes: Vec::new(),
            start: 0,
            len: 0,
            reader: true,
            writer: true,
        };
        Arc::new(Self {
            state: SpinLock::new(state),
            changes: WaitQueue::new(),
        })
    }

    /// Takes bytes out, at least one, waiting for it; 0 when there will be no more.
    pub fn read(&self, to: &mut [u8]) -> usize {
        let mut count = 0;
        let process = current();
        self.changes.wait_until(|| {
            let mut state = self.state.lock();
            count = state.take(to);
            count > 0 || to.is_empty() || !state.writer || process.is_ending()
        });
        if count > 0 {
            self.changes.wake_all();
        }
        count
    }

    /// Puts all of `from` in, waiting for room; the number of bytes put before the last reader
    /// went, or [`Errno::Pipe`] if that is none.
    pub fn write(&self, from: &[u8]) -> Result<usize, Errno> {
        let mut rest = from;
        let mut is_broken = false;
        let process = current();
        while !rest.is_empty() && !is_broken {
            self.changes.wait_until(|| {
                let mut state = self.state.lock();
                is_broken = !state.reader || process.is_ending();
                let count = if is_broken { 0 } else { state.put(rest) };
                rest = &rest[count..];
                count > 0 || is_broken
            });
            self.changes.wake_all();
        }
        let count = from.len() - rest.len();
        if is_broken && count == 0 {
            Err(Errno::Pipe)
        } else {
            Ok(count)
        }
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

impl State {
    fn take(&mut self, to: &mut [u8]) -> usize {
        let count = self.len.min(to.len());
        let first = count.min(self.bytes.len() - self.start);
        to[..first].copy_from_slice(&self.bytes[self.start..self.start + first]);
        to[first..count].copy_from_slice(&self.bytes[..count - first]);
        self.len -= count;
        self.start = if self.len == 0 {
            0
        } else {
            (self.start + count) % CAPACITY
        };
        count
    }

    fn put(&mut self, from: &[u8]) -> usize {
        if self.bytes.is_empty() {
            self.bytes = vec![0; CAPACITY];
        }
        let count = (CAPACITY - self.len).min(from.len());
        let end = (self.start + self.len) % CAPACITY;
        let first = count.min(CAPACITY - end);
        self.bytes[end..end + first].copy_from_slice(&from[..first]);
        self.bytes[..count - first].copy_from_slice(&from[first..count]);
        self.len += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_across_the_end_of_the_ring() {
        let mut state = State {
            bytes: Vec::new(),
            start: 0,
            len: 0,
            reader: true,
            writer: true,
        };
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for round in 1..200_usize {
            let input: Vec<u8> = (0..round * 37 % 1500)
                .map(|i| next_in.wrapping_add(i as u8))
                .collect();
            next_in = next_in.wrapping_add(state.put(&input) as u8);
            let mut output = vec![0; round * 53 % 1700];
            let count = state.take(&mut output);
            for byte in &output[..count] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
        }
    }

    #[test]
    fn a_full_pipe_takes_no_more() {
        let mut state = State {
            bytes: Vec::new(),
            start: 0,
            len: 0,
            reader: true,
            writer: true,
        };
        assert_eq!(state.put(&[1; CAPACITY + 5]), CAPACITY);
        assert_eq!(state.put(&[1]), 0);
        assert_eq!(state.take(&mut [0; 3]), 3);
        assert_eq!(state.put(&[1; 9]), 3);
    }
}
