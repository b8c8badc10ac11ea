//! [`Sender`]: a number of words handed over to another process several times, each time with other
//! values, by copies through the kernel or in memory that both map for it.
//!
//! The copies are from and to memory that both have already, a message at a time. What is mapped is
//! made for the purpose, which is a part of the cost, as is giving it back. Each time the other process answers with the
//! words' sum, by a message; where they are in common memory, a message says so, too.

use crate::check::{Context as _, Failure, Verdict};
use crate::ipc::way::sum;
use crate::ipc::{Queue, Shared};
use crate::process::Child;
use crate::sys::FOREVER;
use crate::time::now_ns;
use abi::syscall::Errno;
use alloc::vec;
use alloc::vec::Vec;

/// Name of the memory that both map.
const NAME: &str = "hand-over";
/// Bytes of a message; what is longer goes as several.
const MESSAGE: usize = 64 * 1024;
const WORD: usize = 8;

/// How words are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By messages that hold them.
    Copy = 1,
    /// In shared memory.
    Map = 2,
}

/// Process that hands over, and the other one.
pub struct Sender {
    queues: Queues,
    message: Vec<u8>,
    child: Child,
}

/// Words there, and sums back.
struct Queues {
    there: Queue,
    back: Queue,
}

impl Queues {
    fn say(&self, words: [u64; 3]) -> Result<(), Errno> {
        let mut message = [0; 3 * WORD];
        for (bytes, word) in message.chunks_exact_mut(WORD).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        self.there.send(&message, 0, FOREVER)
    }

    fn hear(&self) -> Result<[u64; 3], Errno> {
        let mut message = [0; 3 * WORD];
        self.there.receive(&mut message, FOREVER)?;
        let mut words = message.chunks_exact(WORD).map(word);
        Ok([(); 3].map(|()| words.next().unwrap_or_default()))
    }

    fn answer(&self, sum: u64) -> Result<(), Errno> {
        self.back.send(&sum.to_le_bytes(), 0, FOREVER)
    }

    fn answered(&self) -> Result<u64, Errno> {
        let mut sum = [0; WORD];
        self.back.receive(&mut sum, FOREVER)?;
        Ok(u64::from_le_bytes(sum))
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

/// Memory for messages that has been written to, so that it is there.
fn touched() -> Vec<u8> {
    let mut memory = vec![0; MESSAGE];
    memory.fill(1);
    memory
}

/// How the words of so many bytes are divided among messages: the bytes of each.
fn messages(bytes: usize) -> impl Iterator<Item = usize> {
    let starts = (0..bytes).step_by(MESSAGE);
    starts.map(move |start| MESSAGE.min(bytes - start))
}

impl Sender {
    /// Starts the other process.
    pub fn start() -> Result<Self, Failure> {
        let queues = Queues {
            there: Queue::new(4, MESSAGE as u64).context("a queue")?,
            back: Queue::new(4, WORD as u64).context("a queue")?,
        };
        let child = Child::fork(|| serve(&queues).map_or(1, |()| 0)).context("fork")?;
        let message = touched();
        // The other process is there when it answers.
        queues.say([0; 3]).context("say")?;
        queues.answered().context("the other process")?;
        Ok(Self {
            queues,
            message,
            child,
        })
    }

    /// Hands `bytes` over so many times; how long each took. What is mapped is made in the first of
    /// these times, and given back in the last.
    pub fn hand_over(&mut self, mode: Mode, bytes: usize, uses: u64) -> Result<Vec<u64>, Failure> {
        let what = [mode as u64, bytes as u64, uses];
        self.queues.say(what).context("say")?;
        self.queues.answered().context("the other process")?;
        let mut ended = Vec::with_capacity(uses as usize + 1);
        ended.push(now_ns());
        match mode {
            Mode::Copy => self.copy(bytes, uses, &mut ended)?,
            Mode::Map => self.map(bytes, uses, &mut ended)?,
        }
        let pairs = ended.windows(2);
        Ok(pairs.map(|pair| pair[1].saturating_sub(pair[0])).collect())
    }

    fn copy(&mut self, bytes: usize, uses: u64, ended: &mut Vec<u64>) -> Verdict {
        for first in 0..uses {
            let mut values = first..;
            for len in messages(bytes) {
                let message = &mut self.message[..len];
                for (word, value) in message.chunks_exact_mut(WORD).zip(&mut values) {
                    word.copy_from_slice(&value.to_le_bytes());
                }
                let sent = self.queues.there.send(message, 0, FOREVER);
                sent.context("send")?;
            }
            self.check(first, bytes)?;
            ended.push(now_ns());
        }
        Ok(())
    }

    fn map(&self, bytes: usize, uses: u64, ended: &mut Vec<u64>) -> Verdict {
        let memory = Shared::named(NAME, bytes).context("shared memory")?;
        for first in 0..uses {
            for (value, offset) in (first..).zip((0..bytes).step_by(WORD)) {
                memory.write(offset, value);
            }
            self.queues.say([first, 0, 0]).context("say")?;
            self.check(first, bytes)?;
            ended.push(now_ns());
        }
        drop(memory);
        if let Some(last) = ended.last_mut() {
            *last = now_ns();
        }
        Ok(())
    }

    fn check(&self, first: u64, bytes: usize) -> Verdict {
        let answered = self.queues.answered().context("the other process")?;
        let expected = sum(first, bytes);
        ensure!(
            answered == expected,
            "{bytes} bytes from {first} on added up to {answered}, not {expected}"
        );
        Ok(())
    }

    /// Ends the other process.
    pub fn end(self) -> Verdict {
        self.child.kill().context("kill").map(drop)
    }
}

/// What the other process does, until it is ended.
fn serve(queues: &Queues) -> Result<(), Errno> {
    let mut message = touched();
    loop {
        let [mode, bytes, uses] = queues.hear()?;
        queues.answer(0)?;
        let bytes = bytes as usize;
        match mode {
            1 => take_copies(queues, &mut message, (bytes, uses))?,
            2 => look_at_it(queues, bytes, uses)?,
            _ => {}
        }
    }
}

fn take_copies(
    queues: &Queues,
    message: &mut [u8],
    (bytes, uses): (usize, u64),
) -> Result<(), Errno> {
    for _ in 0..uses {
        let mut sum = 0;
        for _ in messages(bytes) {
            let (len, _) = queues.there.receive(message, FOREVER)?;
            let words = message[..len].chunks_exact(WORD).map(word);
            sum = words.fold(sum, u64::wrapping_add);
        }
        queues.answer(sum)?;
    }
    Ok(())
}

fn look_at_it(queues: &Queues, bytes: usize, uses: u64) -> Result<(), Errno> {
    queues.hear()?;
    let memory = Shared::named(NAME, bytes)?;
    for used in 1..=uses {
        let words = (0..bytes).step_by(WORD).map(|offset| memory.read(offset));
        let sum = words.fold(0, u64::wrapping_add);
        if used == uses {
            // Given back before the sender goes on, as that is a part of the cost.
            drop(memory);
            return queues.answer(sum);
        }
        queues.answer(sum)?;
        queues.hear()?;
    }
    Ok(())
}
