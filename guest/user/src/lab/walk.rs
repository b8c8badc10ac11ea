//! Accesses to memory that wait for each other, page by page, and the time that one takes.

use alloc::vec::Vec;
use core::hint::black_box;

use abi::syscall::{Errno, PageSize, Protection};

use super::random::Random;
use crate::mapping::{Mapping, WORDS_PER_PAGE};
use crate::time::{ticks_to_ns, tsc};

/// Words of a cache line, of 64 bytes.
const LINE_WORDS: usize = 8;

/// Memory with one word in each 4 KiB that is used, and what it is mapped by.
#[derive(Debug)]
pub struct Spots {
    pages: Mapping,
    count: usize,
}

impl Spots {
    /// `count` spots, each in 4 KiB of its own, in pages of `size`. All of it is made: small pages at
    /// once, which takes less than a fault for each.
    pub fn new(size: PageSize, count: usize) -> Result<Self, Errno> {
        let pages = match size {
            PageSize::Small => Mapping::common(count)?,
            PageSize::Large | PageSize::Huge => Mapping::of(size, count, Protection::ReadWrite)?,
        };
        let spots = Self { pages, count };
        (0..count).for_each(|spot| spots.pages.write(spot, word_of(spot), 0));
        Ok(spots)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Reads the words of the spots in that order, each when the one before has come.
    pub fn read_in(&self, order: &[u32]) {
        let mut before = 0;
        for spot in order {
            let spot = *spot as usize;
            // The words are zero, which only the memory knows.
            before = self.pages.read(spot, word_of(spot) + before as usize);
        }
        black_box(before);
    }

    /// The least time that this took of so many times, in picoseconds an access.
    pub fn access_ps(&self, order: &[u32], laps: u64, tsc_khz: u64) -> u64 {
        let lap = |_| {
            let start = tsc();
            self.read_in(order);
            tsc() - start
        };
        let ticks = (0..=laps).map(lap).min().unwrap_or(0);
        ticks_to_ns(ticks, tsc_khz) * 1000 / order.len().max(1) as u64
    }
}

/// The word of a spot: each in another line of its page than its neighbours', so that caches hold them all.
fn word_of(spot: usize) -> usize {
    spot * LINE_WORDS % WORDS_PER_PAGE
}

/// Numbers from `first` up, `count` of them, each once, by lot.
pub fn shuffled(first: usize, count: usize, random: &mut Random) -> Vec<u32> {
    let mut numbers: Vec<u32> = (first..first + count).map(|number| number as u32).collect();
    for last in (1..count).rev() {
        numbers.swap(last, random.below(last + 1));
    }
    numbers
}
