//! Data through the data port, by the processor (ATA/ATAPI-6 9.5, 9.6).

use super::channel::{Command, Session};
use super::dma::Direction;
use super::registers::{DATA, status};
use crate::arch::port::{inw, outw, rep_insw, rep_outsw};
use crate::drivers::{SECTOR_BYTES, Segment};
use abi::syscall::Errno;

const SECTOR: usize = SECTOR_BYTES as usize;

/// What the processor does for each word.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// One string instruction for as many as lie together.
    String,
    /// An instruction each.
    Word,
}

/// Carries out a command whose data goes through the port, `block` sectors at a time.
pub(super) fn transfer(
    session: &mut Session<'_>,
    command: &Command,
    direction: Direction,
    access: Access,
    block: u64,
    segments: &[Segment],
) -> Result<(), Errno> {
    let mut data = Data::new(segments);
    let block_bytes = (block * SECTOR_BYTES) as usize;
    session.issue(command)?;
    // For the first block of a write there is no interrupt.
    let mut answer = match direction {
        Direction::ToMemory => session.wait()?,
        Direction::ToDrive => session.poll()?,
    };
    while data.left > 0 {
        if answer & status::DATA_REQUEST == 0 {
            return Err(Errno::Io);
        }
        session.expect_interrupt();
        let bytes = block_bytes.min(data.left);
        data.block(bytes, direction, access);
        // A read ends with its last word, a write when the drive has it.
        if data.left > 0 || direction == Direction::ToDrive {
            answer = session.wait()?;
        }
    }
    Ok(())
}

/// Where in the segments the transfer is.
struct Data<'a> {
    segments: &'a [Segment],
    offset: usize,
    left: usize,
}

impl<'a> Data<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        Self {
            segments,
            offset: 0,
            left: segments.iter().map(Segment::len).sum(),
        }
    }

    /// Moves whole sectors: those that lie in one segment from or to their place, others by way
    /// of a sector of our own.
    fn block(&mut self, bytes: usize, direction: Direction, access: Access) {
        let end = self.left - bytes;
        while self.left > end {
            let together = self.together().min(self.left - end) / SECTOR * SECTOR;
            if together > 0 {
                let piece = self.segments[0].part(self.offset, together);
                match direction {
                    Direction::ToMemory => piece.receive(|bytes| read(bytes, access)),
                    Direction::ToDrive => piece.lend(|bytes| write(bytes, access)),
                }
                self.advance(together);
            } else {
                self.scattered(direction, access);
            }
        }
    }

    fn scattered(&mut self, direction: Direction, access: Access) {
        let mut sector = [0; SECTOR];
        if direction == Direction::ToMemory {
            read(&mut sector, access);
        }
        let mut at = 0;
        while at < SECTOR {
            let count = self.together().min(SECTOR - at);
            if count > 0 {
                let (piece, part) = (self.segments[0], &mut sector[at..at + count]);
                match direction {
                    Direction::ToMemory => piece.fill(self.offset, part),
                    Direction::ToDrive => piece.fetch(self.offset, part),
                };
            }
            self.advance(count);
            at += count;
        }
        if direction == Direction::ToDrive {
            write(&sector, access);
        }
    }

    /// Bytes left in the first segment.
    fn together(&self) -> usize {
        self.segments[0].len() - self.offset
    }

    fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
        self.left -= bytes;
        if self.left > 0 && self.together() == 0 {
            self.segments = &self.segments[1..];
            self.offset = 0;
        }
    }
}

fn read(bytes: &mut [u8], access: Access) {
    match access {
        Access::String => rep_insw(DATA, bytes),
        Access::Word => {
            for pair in bytes.chunks_exact_mut(2) {
                pair.copy_from_slice(&inw(DATA).to_le_bytes());
            }
        }
    }
}

fn write(bytes: &[u8], access: Access) {
    match access {
        Access::String => rep_outsw(DATA, bytes),
        Access::Word => {
            for pair in bytes.chunks_exact(2) {
                outw(DATA, u16::from_le_bytes([pair[0], pair[1]]));
            }
        }
    }
}
