//! Objects of a kernel, constructed in memory of a program's own, from an allocator of `memory`.

use alloc::boxed::Box;

use abi::syscall::{Errno, Protection};
use memory::allocator::Allocator;
use memory::allocator::buddies::Buddies;
use memory::allocator::first_fit::FirstFit;
use memory::slab::{CpuCache, Pages, Slabs};

use crate::mapping::{Mapping, PAGE, WORDS_PER_PAGE};
use crate::sync::Mutex;

/// Words of an object.
pub const WORDS: usize = 12;
const BYTES: usize = WORDS * 8;
/// Bytes of the smallest block of buddies that objects are had from without slabs.
const UNIT_BYTES: usize = 32;

/// The memory that objects are constructed in, at the places that the allocators say.
#[derive(Debug)]
pub struct Memory(Mapping);

impl Memory {
    /// `pages` pages of it.
    pub fn new(pages: usize) -> Result<Self, Errno> {
        Mapping::new(pages, Protection::ReadWrite).map(Self)
    }

    fn word(place: usize, word: usize) -> (usize, usize) {
        let at = place / 8 + word;
        (at / WORDS_PER_PAGE, at % WORDS_PER_PAGE)
    }

    /// Makes the object at `place`.
    fn construct(&self, place: usize) {
        for word in 0..WORDS {
            let (page, at) = Self::word(place, word);
            self.0.write(page, at, (place + word) as u64);
        }
    }

    /// Whether that is an object as it was constructed.
    pub fn is_constructed(&self, place: usize) -> bool {
        (0..WORDS).all(|word| {
            let (page, at) = Self::word(place, word);
            self.0.read(page, at) == (place + word) as u64
        })
    }

    /// Spoils it, as who frees the memory of an object does.
    fn destroy(&self, place: usize) {
        let (page, at) = Self::word(place, 0);
        self.0.write(page, at, u64::MAX);
    }
}

/// Where objects come from; all threads have it, under a lock.
pub enum Depot {
    /// Slabs over pages of the buddy allocator.
    Slabs {
        /// The slabs.
        slabs: Slabs,
        /// Their pages.
        pages: Box<Buddies>,
    },
    /// An allocator of any sizes, and how many objects were constructed of its memory.
    Plain(Box<dyn Allocator + Send>, u64),
}

/// Names of depots.
pub const NAMES: [&str; 3] = ["buddy", "slab", "first-fit"];

impl Depot {
    /// The one of that name, for `pages` pages.
    pub fn named(name: &str, pages: usize) -> Option<Self> {
        let bytes = pages * PAGE;
        match name {
            "slab" => Some(Self::Slabs {
                slabs: Slabs::new::<Buddies>(BYTES)?,
                pages: Box::new(Buddies::new(bytes, Buddies::PAGE_BYTES)),
            }),
            "buddy" => Some(Self::Plain(Box::new(Buddies::new(bytes, UNIT_BYTES)), 0)),
            "first-fit" => Some(Self::Plain(Box::new(FirstFit::new(bytes)), 0)),
            _ => None,
        }
    }

    /// Objects that have been constructed so far.
    pub fn constructed(&self) -> u64 {
        match self {
            Self::Slabs { slabs, .. } => slabs.constructed(),
            Self::Plain(_, constructed) => *constructed,
        }
    }

    fn allocate(&mut self, cache: Option<&mut CpuCache>, memory: &Memory) -> Option<usize> {
        let construct = &mut |place| memory.construct(place);
        match (self, cache) {
            (Self::Slabs { slabs, pages }, Some(cache)) => {
                cache.refill(slabs, &mut **pages, construct)
            }
            (Self::Slabs { slabs, pages }, None) => slabs.allocate(&mut **pages, construct),
            (Self::Plain(allocator, constructed), _) => {
                let place = allocator.allocate(BYTES)?;
                construct(place);
                *constructed += 1;
                Some(place)
            }
        }
    }

    fn release(&mut self, cache: Option<&mut CpuCache>, memory: &Memory, place: usize) {
        match (self, cache) {
            (Self::Slabs { slabs, pages }, Some(cache)) => cache.drain(slabs, &mut **pages, place),
            (Self::Slabs { slabs, pages }, None) => slabs.release(&mut **pages, place),
            (Self::Plain(allocator, _), _) => {
                memory.destroy(place);
                allocator.release(place, BYTES);
            }
        }
    }
}

/// A thread's way to the objects.
pub struct Source<'a> {
    /// Everybody's.
    pub depot: &'a Mutex<Depot>,
    /// Where they are.
    pub memory: &'a Memory,
    /// The thread's own, if it has one; for slabs only.
    pub cache: Option<CpuCache>,
    /// How often the lock was taken.
    pub locked: u64,
}

impl Source<'_> {
    /// An object.
    pub fn allocate(&mut self) -> Option<usize> {
        if let Some(object) = self.cache.as_mut().and_then(CpuCache::take) {
            return Some(object);
        }
        self.locked += 1;
        let mut depot = self.depot.lock();
        depot.allocate(self.cache.as_mut(), self.memory)
    }

    /// Takes one back, as it was constructed.
    pub fn release(&mut self, object: usize) {
        if self.cache.as_mut().is_some_and(|cache| cache.put(object)) {
            return;
        }
        self.locked += 1;
        let mut depot = self.depot.lock();
        depot.release(self.cache.as_mut(), self.memory, object);
    }
}
