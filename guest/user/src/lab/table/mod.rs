//! Page tables as structures to look pages up in: one file each, and one line in [`TABLES`].
//!
//! They are models: words in a mapping, looked up by a program. The processor knows the radix table
//! only.

mod hashed;
mod inverted;
mod radix;

use alloc::boxed::Box;

use abi::syscall::Errno;

use crate::mapping::{Mapping, PAGE, WORDS_PER_PAGE};

/// Says in which frame a page is.
pub trait Table {
    /// Notes that `page` is in `frame`; false if there is no room.
    fn insert(&mut self, page: u64, frame: u64) -> bool;
    /// The frame of `page`.
    fn find(&self, words: &mut Words, page: u64) -> Option<u64>;
    /// Words of memory that it takes.
    fn size_words(&self) -> usize;
}

/// Makes one for so many frames.
type Make = fn(usize) -> Result<Box<dyn Table>, Errno>;

/// All of them.
pub const TABLES: [(&str, Make); 3] = [
    ("radix", |_| Ok(Box::new(radix::Radix::new()?))),
    ("hashed", |frames| {
        Ok(Box::new(hashed::Hashed::new(frames)?))
    }),
    ("inverted", |frames| {
        Ok(Box::new(inverted::Inverted::new(frames)?))
    }),
];

/// Counts words of tables that were read.
#[derive(Debug, Default)]
pub struct Words {
    /// How many.
    pub read: u64,
}

/// Memory of a table.
#[derive(Debug)]
struct Memory(Mapping);

impl Memory {
    /// At least so many words of zeroes.
    fn new(words: usize) -> Result<Self, Errno> {
        let pages = (words * 8).div_ceil(PAGE).max(1);
        Mapping::new(pages, abi::syscall::Protection::ReadWrite).map(Self)
    }

    fn word(&self, index: usize) -> u64 {
        self.0.read(index / WORDS_PER_PAGE, index % WORDS_PER_PAGE)
    }

    fn count(&self, words: &mut Words, index: usize) -> u64 {
        words.read += 1;
        self.word(index)
    }

    fn set(&self, index: usize, value: u64) {
        self.0
            .write(index / WORDS_PER_PAGE, index % WORDS_PER_PAGE, value);
    }
}

/// Spreads pages over `buckets`, a power of two: multiplicative hashing (Knuth, TAOCP 3, 6.4).
fn hash(page: u64, buckets: usize) -> usize {
    let spread = page.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 32) as usize & (buckets - 1)
}
