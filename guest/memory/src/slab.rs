//! Slabs: blocks of pages cut into objects of one size (Bonwick, "The Slab Allocator", 1994).
//!
//! ```text
//!   take, put        refill, drain: a batch            one block
//!  ───────────> CpuCache <────────────────> Slabs <──────────────> pages
//!               a processor's own,          all processors',
//!               without a lock              under a lock
//! ```
//! An object is constructed when its slab is made and stays so while it is free: what is said of
//! free objects is kept beside the slab, not in it. The caches are magazines (Bonwick and Adams,
//! "Magazines and Vmem", 2001).

use alloc::vec;
use alloc::vec::Vec;

/// Where slabs have their blocks from.
pub trait Pages {
    /// Bytes of the smallest block.
    const PAGE_BYTES: usize;

    /// A block of 2^`order` pages, aligned to its size: the place of its first byte.
    fn take(&mut self, order: u8) -> Option<usize>;

    /// Gives one back.
    fn give(&mut self, place: usize, order: u8);
}

/// No object, no slab.
const NONE: u16 = u16::MAX;
/// So many objects are in a slab at least, if the blocks allow.
const LEAST_OBJECTS: usize = 8;
/// Largest order of a slab's block.
const MAX_ORDER: u8 = 3;
/// Empty slabs that are kept, in the hope of more requests.
const KEPT_EMPTY: usize = 1;

/// One block, cut into objects.
#[derive(Debug)]
struct Slab {
    place: usize,
    /// For each object, the next free one after it.
    next: Vec<u16>,
    first_free: u16,
    used: u16,
}

/// All slabs of one kind of objects.
#[derive(Debug)]
pub struct Slabs {
    object_bytes: usize,
    order: u8,
    block_bytes: usize,
    slabs: Vec<Slab>,
    /// Those with a free object, by index; the last is served from.
    partial: Vec<usize>,
    /// For each block of the memory, the index of the slab that it is, plus one.
    owners: Vec<u32>,
    empty: usize,
    constructed: u64,
}

impl Slabs {
    /// For objects of `object_bytes` (from 1 up); `None` for such as are larger than the largest block.
    pub fn new<P: Pages>(object_bytes: usize) -> Option<Self> {
        let fits = |order: u8| (P::PAGE_BYTES << order) / object_bytes;
        let order = (0..=MAX_ORDER)
            .find(|order| fits(*order) >= LEAST_OBJECTS)
            .unwrap_or(MAX_ORDER);
        (fits(order) > 0 && fits(order) < usize::from(NONE)).then(|| Self {
            object_bytes,
            order,
            block_bytes: P::PAGE_BYTES << order,
            slabs: Vec::new(),
            partial: Vec::new(),
            owners: Vec::new(),
            empty: 0,
            constructed: 0,
        })
    }

    /// Bytes of an object.
    pub fn object_bytes(&self) -> usize {
        self.object_bytes
    }

    /// Objects that have been constructed so far.
    pub fn constructed(&self) -> u64 {
        self.constructed
    }

    /// Slabs there are.
    pub fn count(&self) -> usize {
        self.slabs.len()
    }

    /// Bytes of what is kept about the objects, beside them.
    pub fn own_bytes(&self) -> usize {
        let chains = self.slabs.iter().map(|slab| slab.next.len() * 2);
        self.slabs.len() * size_of::<Slab>() + chains.sum::<usize>() + self.owners.len() * 4
    }

    /// A constructed object: its place. `construct` is called with the place of each object of a
    /// new slab.
    pub fn allocate(
        &mut self,
        pages: &mut impl Pages,
        construct: &mut impl FnMut(usize),
    ) -> Option<usize> {
        let index = match self.partial.last() {
            Some(index) => *index,
            None => self.grow(pages, construct)?,
        };
        let slab = self.slabs.get_mut(index)?;
        let object = slab.first_free;
        slab.first_free = *slab.next.get(usize::from(object))?;
        self.empty -= usize::from(slab.used == 0);
        slab.used += 1;
        if slab.first_free == NONE {
            self.partial.pop();
        }
        Some(slab.place + usize::from(object) * self.object_bytes)
    }

    /// Takes the object at `place` back, constructed as it was.
    ///
    /// # Panics
    /// If there is no object of a slab at that place.
    pub fn release(&mut self, pages: &mut impl Pages, place: usize) {
        let owner = self.owners.get(place / self.block_bytes).copied();
        let index = owner
            .and_then(|owner| owner.checked_sub(1))
            .expect("an object of these slabs") as usize;
        let slab = &mut self.slabs[index];
        let object = (place - slab.place) / self.object_bytes;
        assert!(
            (place - slab.place).is_multiple_of(self.object_bytes) && slab.used > 0,
            "{place:#x} is no object in use"
        );
        slab.next[object] = slab.first_free;
        if slab.first_free == NONE {
            self.partial.push(index);
        }
        slab.first_free = object as u16;
        slab.used -= 1;
        if slab.used == 0 {
            self.empty += 1;
            if self.empty > KEPT_EMPTY {
                self.remove(pages, index);
            }
        }
    }

    /// Gives back all slabs without an object in use.
    pub fn trim(&mut self, pages: &mut impl Pages) {
        while let Some(index) = self.slabs.iter().position(|slab| slab.used == 0) {
            self.remove(pages, index);
        }
    }

    /// Makes a slab; its index.
    #[cold]
    fn grow(&mut self, pages: &mut impl Pages, construct: &mut impl FnMut(usize)) -> Option<usize> {
        let place = pages.take(self.order)?;
        let objects = self.block_bytes / self.object_bytes;
        let mut next: Vec<u16> = (1..=objects as u16).collect();
        next[objects - 1] = NONE;
        (0..objects).for_each(|object| construct(place + object * self.object_bytes));
        self.constructed += objects as u64;
        let index = self.slabs.len();
        self.slabs.push(Slab {
            place,
            next,
            first_free: 0,
            used: 0,
        });
        self.set_owner(place, index as u32 + 1);
        self.partial.push(index);
        self.empty += 1;
        Some(index)
    }

    /// Gives an empty slab back.
    #[cold]
    fn remove(&mut self, pages: &mut impl Pages, index: usize) {
        let slab = self.slabs.swap_remove(index);
        self.set_owner(slab.place, 0);
        self.empty -= 1;
        self.partial.retain(|partial| *partial != index);
        if let Some(moved) = self.slabs.get(index) {
            self.set_owner(moved.place, index as u32 + 1);
            let old = self.slabs.len();
            let names_it = self.partial.iter_mut().filter(|partial| **partial == old);
            names_it.for_each(|partial| *partial = index);
        }
        pages.give(slab.place, self.order);
    }

    fn set_owner(&mut self, place: usize, owner: u32) {
        let block = place / self.block_bytes;
        if block >= self.owners.len() {
            self.owners.resize(block + 1, 0);
        }
        self.owners[block] = owner;
    }
}

/// Free objects that are one processor's own.
#[derive(Debug)]
pub struct CpuCache {
    objects: Vec<usize>,
    len: usize,
    hits: u64,
    misses: u64,
}

impl CpuCache {
    /// One with room for `objects`, from 2 up.
    pub fn new(objects: usize) -> Self {
        Self {
            objects: vec![0; objects.max(2)],
            len: 0,
            hits: 0,
            misses: 0,
        }
    }

    /// Requests, of either kind, that it has served without the slabs.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Requests for which the slabs had to be asked.
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// An object, if one is there.
    pub fn take(&mut self) -> Option<usize> {
        self.len = self.len.checked_sub(1)?;
        self.hits += 1;
        self.objects.get(self.len).copied()
    }

    /// Keeps `object`; false if there is no room.
    pub fn put(&mut self, object: usize) -> bool {
        let Some(place) = self.objects.get_mut(self.len) else {
            return false;
        };
        *place = object;
        self.len += 1;
        self.hits += 1;
        true
    }

    /// Asked when it is empty: gets half of what it has room for, and gives one.
    pub fn refill(
        &mut self,
        slabs: &mut Slabs,
        pages: &mut impl Pages,
        construct: &mut impl FnMut(usize),
    ) -> Option<usize> {
        self.misses += 1;
        let object = slabs.allocate(pages, construct)?;
        while self.len < self.objects.len() / 2 {
            let Some(more) = slabs.allocate(pages, construct) else {
                break;
            };
            self.objects[self.len] = more;
            self.len += 1;
        }
        Some(object)
    }

    /// Asked when it is full: gives half of what it has back, and keeps `object`.
    pub fn drain(&mut self, slabs: &mut Slabs, pages: &mut impl Pages, object: usize) {
        self.misses += 1;
        let half = self.objects.len() / 2;
        let leaving = self.objects.get(half..self.len).unwrap_or_default();
        leaving
            .iter()
            .for_each(|place| slabs.release(pages, *place));
        self.len = self.len.min(half);
        self.objects[self.len] = object;
        self.len += 1;
    }

    /// Gives all back.
    pub fn empty(&mut self, slabs: &mut Slabs, pages: &mut impl Pages) {
        let leaving = self.objects[..self.len].iter();
        leaving.for_each(|place| slabs.release(pages, *place));
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Blocks one after the other; how many are out.
    #[derive(Default)]
    struct Endless {
        next: usize,
        out: usize,
        most: Option<usize>,
    }

    impl Pages for Endless {
        const PAGE_BYTES: usize = 4096;

        fn take(&mut self, order: u8) -> Option<usize> {
            if self.most == Some(self.out) {
                return None;
            }
            let bytes = 4096 << order;
            let place = self.next.next_multiple_of(bytes);
            self.next = place + bytes;
            self.out += 1;
            Some(place)
        }

        fn give(&mut self, _: usize, _: u8) {
            self.out -= 1;
        }
    }

    #[test]
    fn an_object_is_constructed_once_and_found_so_again() {
        let (mut pages, mut slabs) = (Endless::default(), Slabs::new::<Endless>(100).unwrap());
        let mut constructed = BTreeSet::new();
        let mut construct = |place| assert!(constructed.insert(place), "{place} twice");
        for _ in 0..3 {
            let places: Vec<usize> = (0..40)
                .map(|_| slabs.allocate(&mut pages, &mut construct).unwrap())
                .collect();
            let distinct: BTreeSet<usize> = places.iter().copied().collect();
            assert_eq!(distinct.len(), 40);
            places
                .iter()
                .for_each(|place| slabs.release(&mut pages, *place));
        }
        assert_eq!((slabs.constructed(), constructed.len()), (40, 40));
    }

    #[test]
    fn empty_slabs_but_one_go_back() {
        let (mut pages, mut slabs) = (Endless::default(), Slabs::new::<Endless>(512).unwrap());
        let places: Vec<usize> = (0..80)
            .map(|_| slabs.allocate(&mut pages, &mut |_| ()).unwrap())
            .collect();
        assert_eq!((pages.out, slabs.count()), (10, 10));
        // In an order that empties slabs which are neither first nor last.
        let (odd, even): (Vec<usize>, Vec<usize>) =
            places.iter().partition(|place| **place / 4096 % 2 == 1);
        for place in odd.into_iter().chain(even.into_iter().rev()) {
            slabs.release(&mut pages, place);
        }
        assert_eq!((pages.out, slabs.count()), (1, 1));
        slabs.trim(&mut pages);
        assert_eq!(pages.out, 0);
    }

    #[test]
    fn a_full_cache_keeps_half_and_an_empty_one_gets_half() {
        let (mut pages, mut slabs) = (Endless::default(), Slabs::new::<Endless>(64).unwrap());
        let mut cache = CpuCache::new(8);
        assert_eq!(cache.take(), None);
        let mut out: Vec<usize> = cache
            .refill(&mut slabs, &mut pages, &mut |_| ())
            .into_iter()
            .collect();
        out.extend((0..4).map(|_| cache.take().unwrap()));
        assert_eq!(cache.take(), None, "five came, one of them at once");
        assert_eq!((cache.hits(), cache.misses()), (4, 1));
        for place in out {
            assert!(cache.put(place));
        }
        assert!((0..3).all(|object| cache.put(1_000_000 + object)));
        assert!(!cache.put(0), "it is full");
    }

    #[test]
    fn memory_that_has_run_out_is_no_object() {
        let (mut pages, mut slabs) = (
            Endless {
                most: Some(1),
                ..Endless::default()
            },
            Slabs::new::<Endless>(4096).unwrap(),
        );
        let mut cache = CpuCache::new(64);
        let mut out = 0;
        while cache.take().is_some() || cache.refill(&mut slabs, &mut pages, &mut |_| ()).is_some()
        {
            out += 1;
        }
        assert_eq!(out, 8);
    }

    #[test]
    fn objects_larger_than_the_largest_block_are_refused() {
        assert!(Slabs::new::<Endless>((4096 << MAX_ORDER) + 1).is_none());
    }

    #[test]
    #[should_panic(expected = "an object of these slabs")]
    fn what_is_no_object_is_not_taken_back() {
        let (mut pages, mut slabs) = (Endless::default(), Slabs::new::<Endless>(64).unwrap());
        slabs.release(&mut pages, 1 << 20);
    }
}
