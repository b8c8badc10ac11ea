//! [`PrdList`]: a list of memory regions for DMA (82371SB 2.6, "physical region descriptor").
//!
//! An entry is a dword of address and a dword of count, whose last bit ends the list; all are even.
//! A list lies within 64 KiB, which bounds it, whatever is in it.

use crate::virtio::ring::Buffer;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const ENTRY_BYTES: u32 = 8;
const END: u32 = 1 << 31;
/// A list does not cross a multiple of this, nor a count of 0 stand for another.
const SPAN: u32 = 64 << 10;

/// Why a list cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrdError {
    /// An entry is where there is no memory.
    OutsideMemory,
    /// It has no end within its 64 KiB.
    Endless,
}

/// A list that is being used up.
#[derive(Clone, Debug)]
pub(super) struct PrdList {
    /// Where the next entry is; none after the last.
    next: Option<u32>,
    /// Whether that is over the end of the 64 KiB.
    crossed: bool,
    /// What is left of the entry taken last.
    rest: Region,
}

#[derive(Clone, Copy, Debug, Default)]
struct Region {
    gpa: u32,
    len: u32,
}

impl PrdList {
    /// The list at that address.
    pub(super) fn new(gpa: u32) -> Self {
        Self {
            next: Some(gpa & !3),
            crossed: false,
            rest: Region::default(),
        }
    }

    /// Whether all of it is used up.
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_none() && self.rest.len == 0
    }

    /// The next `bytes` of the regions, or all that are left.
    pub(super) fn take(
        &mut self,
        memory: &GuestMemoryMmap,
        bytes: u32,
    ) -> Result<Vec<Buffer>, PrdError> {
        let mut left = bytes;
        let mut buffers = Vec::new();
        while left > 0 {
            if self.rest.len == 0 && !self.load(memory)? {
                break;
            }
            let len = self.rest.len.min(left);
            let gpa = GuestAddress(self.rest.gpa.into());
            buffers.push(Buffer { gpa, len });
            // A region may end where 32 bits do.
            self.rest.gpa = self.rest.gpa.wrapping_add(len);
            self.rest.len -= len;
            left -= len;
        }
        Ok(buffers)
    }

    /// Takes the next entry; false after the last.
    fn load(&mut self, memory: &GuestMemoryMmap) -> Result<bool, PrdError> {
        let Some(at) = self.next else {
            return Ok(false);
        };
        if self.crossed {
            return Err(PrdError::Endless);
        }
        let read = |at: u32| memory.read_obj::<u32>(GuestAddress(at.into()));
        let words = read(at).and_then(|gpa| Ok((gpa, read(at.wrapping_add(4))?)));
        let (gpa, count) = words.map_err(|_| PrdError::OutsideMemory)?;
        self.rest = Region {
            gpa: gpa & !1,
            len: match count & (SPAN - 2) {
                0 => SPAN,
                count => count,
            },
        };
        let next = at.wrapping_add(ENTRY_BYTES);
        self.crossed = next & !(SPAN - 1) != at & !(SPAN - 1);
        self.next = (count & END == 0).then_some(next);
        Ok(true)
    }
}
