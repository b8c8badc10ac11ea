//! Words in shared memory: a page for whose turn it is, and a half for what each end sends.

use super::{End, Ends, WORD};
use crate::file::File;
use crate::ipc::Shared;
use crate::mapping::PAGE;
use crate::sync::Turn;
use abi::syscall::{Errno, Protection};
use alloc::boxed::Box;

struct InPlace {
    memory: Shared,
    bytes: usize,
    /// Which of the halves is written here: 0 or 1.
    mine: usize,
    /// Transfers so far, of both ends.
    transfers: u32,
}

impl InPlace {
    /// Where the words of a half are.
    fn words(&self, half: usize) -> impl Iterator<Item = usize> {
        let start = PAGE + half * self.bytes;
        (start..start + self.bytes).step_by(WORD)
    }

    fn turn(&self) -> &Turn {
        self.memory.at(0)
    }
}

impl End for InPlace {
    fn send(&mut self, first: u64) -> Result<(), Errno> {
        for (value, offset) in (first..).zip(self.words(self.mine)) {
            self.memory.write(offset, value);
        }
        self.transfers = self.transfers.wrapping_add(1);
        self.turn().set(self.transfers);
        Ok(())
    }

    fn receive(&mut self) -> Result<u64, Errno> {
        self.transfers = self.transfers.wrapping_add(1);
        self.turn().wait_for(self.transfers);
        let words = self.words(1 - self.mine);
        Ok(words.fold(0, |sum, offset| sum.wrapping_add(self.memory.read(offset))))
    }
}

pub(super) fn memory(bytes: usize) -> Ends {
    let file = File::shared_memory("", PAGE + 2 * bytes)?;
    let end = |mine| -> Result<Box<dyn End>, Errno> {
        Ok(Box::new(InPlace {
            memory: Shared::map(&file, Protection::ReadWrite)?,
            bytes,
            mine,
            transfers: 0,
        }))
    };
    Ok((end(0)?, end(1)?))
}
