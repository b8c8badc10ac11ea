//! The same transfers between two processes on each [`Way`] that there is.
//!
//! A transfer is words that one process makes and the other adds up. Through the kernel they are made
//! in memory of one's own and copied twice (`copied`); in shared memory they are made where the
//! other reads them (`in_place`). The two take turns.

mod copied;
mod in_place;

use crate::check::{Failure, Verdict};
use abi::syscall::Errno;
use alloc::boxed::Box;
use alloc::format;

/// Bytes of a word.
const WORD: usize = 8;

/// One end of a way between two processes.
pub trait End {
    /// Makes words, each one more than the one before, and sends them.
    fn send(&mut self, first: u64) -> Result<(), Errno>;
    /// Waits for the other's words; their sum.
    fn receive(&mut self) -> Result<u64, Errno>;
}

/// Both ends of a way.
pub type Ends = Result<(Box<dyn End>, Box<dyn End>), Errno>;

/// By what words get from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Two pipes.
    Pipe,
    /// Two message queues.
    Queue,
    /// A pair of sockets.
    Socket,
    /// Shared memory, and a number in it that is waited for.
    Memory,
}

const NAMES: [(&str, Way); 4] = [
    ("pipe", Way::Pipe),
    ("queue", Way::Queue),
    ("socket", Way::Socket),
    ("memory", Way::Memory),
];

impl Way {
    /// The way of that name.
    pub fn from_name(name: &str) -> Result<Self, Failure> {
        let way = NAMES.iter().find(|(other, _)| *other == name);
        way.map(|(_, way)| *way).ok_or_else(|| {
            let text = format!("way={name} is none of pipe, queue, socket, memory");
            Failure(text)
        })
    }

    /// Both ends, for transfers of `bytes`, a multiple of 8. The second is for a child to be forked.
    pub fn open(self, bytes: usize) -> Ends {
        match self {
            Self::Pipe => copied::pipes(bytes),
            Self::Queue => copied::queues(bytes),
            Self::Socket => copied::sockets(bytes),
            Self::Memory => in_place::memory(bytes),
        }
    }
}

/// What [`End::receive`] gives of `bytes` whose first word is `first`.
pub fn sum(first: u64, bytes: usize) -> u64 {
    let words = (bytes / WORD) as u64;
    let steps = words * words.saturating_sub(1) / 2;
    first.wrapping_mul(words).wrapping_add(steps)
}

/// Fails unless `bytes` is what words can be made of, up to `most`.
pub fn check_size(bytes: u64, most: u64) -> Verdict {
    if bytes == 0 || bytes > most || !bytes.is_multiple_of(WORD as u64) {
        let text = format!("bytes={bytes} is no multiple of 8 from 8 to {most}");
        return Err(Failure(text));
    }
    Ok(())
}
