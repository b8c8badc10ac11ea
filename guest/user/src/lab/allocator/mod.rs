//! Allocators of objects of one size in a mapping, as kernels have them: one file each, and one line
//! in [`ALLOCATORS`].

pub mod buddy;
mod kept;
pub mod magazine;
mod slab;

use alloc::boxed::Box;

use abi::syscall::Errno;

use crate::mapping::{Mapping, WORDS_PER_PAGE};

/// Words of an object.
pub const OBJECT_WORDS: usize = 12;
/// Bytes of an object.
pub const OBJECT_BYTES: usize = OBJECT_WORDS * 8;

/// Hands out objects, by where they begin in the memory, in bytes.
pub trait Allocator: Send {
    /// An object, constructed.
    fn allocate(&mut self) -> Option<usize>;
    /// Takes an object back, which is as it was constructed.
    fn free(&mut self, object: usize);
    /// What it works on.
    fn memory(&self) -> &Memory;
    /// Bytes of memory that it has taken for the objects that are out.
    fn taken_bytes(&self) -> usize;
}

/// The memory of an allocator.
#[derive(Debug)]
pub struct Memory {
    pages: Mapping,
    /// Objects constructed so far.
    pub constructed: u64,
}

impl Memory {
    /// `pages` pages of it.
    pub fn new(pages: usize) -> Result<Self, Errno> {
        Ok(Self {
            pages: Mapping::new(pages, abi::syscall::Protection::ReadWrite)?,
            constructed: 0,
        })
    }

    /// The word at a multiple of 8.
    pub fn word(&self, at: usize) -> u64 {
        let word = at / 8;
        self.pages
            .read(word / WORDS_PER_PAGE, word % WORDS_PER_PAGE)
    }

    /// Sets it.
    pub fn set_word(&self, at: usize, value: u64) {
        let word = at / 8;
        self.pages
            .write(word / WORDS_PER_PAGE, word % WORDS_PER_PAGE, value);
    }

    /// Makes an object: a lock that is free, lists that are empty, and the like.
    fn construct(&mut self, object: usize) {
        for word in 0..OBJECT_WORDS {
            self.set_word(object + word * 8, constructed(word));
        }
        self.constructed += 1;
    }
}

/// What stands in a word of an object that was constructed.
pub fn constructed(word: usize) -> u64 {
    0x6f62_6a65_6374_0000 + word as u64
}

/// Makes one on so many pages.
type Make = fn(usize) -> Result<Box<dyn Allocator>, Errno>;

/// All of them.
pub const ALLOCATORS: [(&str, Make); 3] = [
    ("buddy", |pages| Ok(Box::new(buddy::Buddy::new(pages)?))),
    ("slab", |pages| Ok(Box::new(slab::Slab::new(pages)?))),
    ("linked-list", |pages| Ok(Box::new(kept::Kept::new(pages)?))),
];
