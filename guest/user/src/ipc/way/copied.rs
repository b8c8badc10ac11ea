//! Words that the kernel copies from one process and to the other.

use super::{End, Ends, WORD};
use crate::file::File;
use crate::ipc::{Queue, Socket};
use crate::sys::FOREVER;
use abi::syscall::Errno;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a message; what is longer goes as several.
const MESSAGE: usize = 64 * 1024;
/// Messages that wait in a queue at most.
const MESSAGES: u64 = 8;

/// What carries bytes both ways.
trait Carrier {
    fn send(&self, bytes: &[u8]) -> Result<(), Errno>;
    fn receive(&self, bytes: &mut [u8]) -> Result<(), Errno>;
}

/// One end, with the memory that is copied from and to.
struct Copied<C> {
    carrier: C,
    bytes: Vec<u8>,
}

impl<C: Carrier> End for Copied<C> {
    fn send(&mut self, first: u64) -> Result<(), Errno> {
        let words = self.bytes.chunks_exact_mut(WORD);
        for (value, bytes) in (first..).zip(words) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        self.carrier.send(&self.bytes)
    }

    fn receive(&mut self) -> Result<u64, Errno> {
        self.carrier.receive(&mut self.bytes)?;
        let words = self.bytes.chunks_exact(WORD);
        let words = words.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        Ok(words.fold(0, u64::wrapping_add))
    }
}

fn ends<C: Carrier + 'static>(first: C, second: C, bytes: usize) -> Ends {
    let end = |carrier| Copied {
        carrier,
        bytes: vec![0; bytes],
    };
    Ok((Box::new(end(first)), Box::new(end(second))))
}

struct Pipes {
    from: File,
    to: File,
}

impl Carrier for Pipes {
    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.to.write_all(bytes)
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        self.from.read_exact(bytes)
    }
}

pub(super) fn pipes(bytes: usize) -> Ends {
    let (there_end, there) = File::pipe()?;
    let (back_end, back) = File::pipe()?;
    let first = Pipes {
        from: back_end,
        to: there,
    };
    let second = Pipes {
        from: there_end,
        to: back,
    };
    ends(first, second, bytes)
}

impl Carrier for Socket {
    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.send_all(bytes, FOREVER)
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        self.file().read_exact(bytes)
    }
}

pub(super) fn sockets(bytes: usize) -> Ends {
    let (first, second) = Socket::pair()?;
    ends(first, second, bytes)
}

struct Queues {
    from: Arc<Queue>,
    to: Arc<Queue>,
}

impl Carrier for Queues {
    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut messages = bytes.chunks(MESSAGE);
        messages.try_for_each(|message| self.to.send(message, 0, FOREVER))
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        let mut messages = bytes.chunks_mut(MESSAGE);
        messages.try_for_each(|message| self.from.receive(message, FOREVER).map(drop))
    }
}

pub(super) fn queues(bytes: usize) -> Ends {
    let most = bytes.min(MESSAGE) as u64;
    let there = Arc::new(Queue::new(MESSAGES, most)?);
    let back = Arc::new(Queue::new(MESSAGES, most)?);
    let first = Queues {
        from: back.clone(),
        to: there.clone(),
    };
    let second = Queues {
        from: there,
        to: back,
    };
    ends(first, second, bytes)
}
