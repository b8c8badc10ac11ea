//! The slab allocator (Bonwick, 1994): a page holds objects of one kind, which are constructed when
//! the page is taken, and stay constructed while they are free.

use alloc::vec::Vec;

use abi::syscall::Errno;

use super::{Allocator, Memory, OBJECT_BYTES};
use crate::mapping::PAGE;

/// A cache of objects.
pub(super) struct Slab {
    memory: Memory,
    pages: usize,
    /// Pages that are slabs.
    used_pages: usize,
    /// Objects that are free. They are listed here and not in themselves, which would destroy them.
    free: Vec<usize>,
}

impl Slab {
    pub(super) fn new(pages: usize) -> Result<Self, Errno> {
        Ok(Self {
            memory: Memory::new(pages)?,
            pages,
            used_pages: 0,
            free: Vec::new(),
        })
    }

    /// Makes a slab of another page.
    fn grow(&mut self) {
        if self.used_pages == self.pages {
            return;
        }
        let start = self.used_pages * PAGE;
        self.used_pages += 1;
        for object in (0..PAGE / OBJECT_BYTES).rev() {
            let object = start + object * OBJECT_BYTES;
            self.memory.construct(object);
            self.free.push(object);
        }
    }
}

impl Allocator for Slab {
    fn allocate(&mut self) -> Option<usize> {
        if self.free.is_empty() {
            self.grow();
        }
        self.free.pop()
    }

    fn free(&mut self, object: usize) {
        self.free.push(object);
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn taken_bytes(&self) -> usize {
        self.used_pages * PAGE
    }
}
