//! Structures that find the frame of a page, as a processor or a kernel would walk them, and what a
//! look takes: uses of memory, and memory.
//!
//! They are models: plain data, with each use of memory counted that the real one would make. Caches
//! of translations (TLB) are not part of them.

#[cfg(test)]
mod conformance;
mod hashed;
mod inverted;
mod radix;
mod searched;

use alloc::boxed::Box;

pub use hashed::Hashed;
pub use inverted::Inverted;
pub use radix::Radix;
pub use searched::Searched;

/// Pages are numbered below this: addresses of 48 bits in pages of 4 KiB.
pub const PAGES: u64 = 1 << 36;

/// What a look has found, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The page's frame, if it has one.
    pub frame: Option<u32>,
    /// Words of memory that were read, one after the other.
    pub accesses: u32,
}

/// A structure.
pub trait Lookup {
    /// Lets `page` be found at `frame`; false if there is no room, or the page's number is too high.
    fn insert(&mut self, page: u64, frame: u32) -> bool;

    /// Looks for `page`.
    fn find(&self, page: u64) -> Look;

    /// Bytes of all of it.
    fn bytes(&self) -> usize;
}

/// Makes a structure for that many frames.
type Make = fn(usize) -> Box<dyn Lookup>;

/// All structures, by name.
pub const ALL: [(&str, Make); 4] = [
    ("radix", |_| Box::new(Radix::new())),
    ("hashed", |frames| Box::new(Hashed::new(frames))),
    ("inverted", |frames| Box::new(Inverted::new(frames))),
    ("searched", |frames| Box::new(Searched::new(frames))),
];

/// The structure of that name, for a machine of `frames` frames.
pub fn named(name: &str, frames: usize) -> Option<Box<dyn Lookup>> {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, make)| make(frames))
}

/// Where the chain of `page` begins among `chains`, a power of two: the high bits of a product
/// (Knuth, "The Art of Computer Programming", 3, 6.4).
fn hash(page: u64, chains: usize) -> usize {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let high = page.wrapping_mul(GOLDEN) >> 32;
    (high as usize) & (chains - 1)
}
