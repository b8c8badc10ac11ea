//! Slabs over the buddy allocator: a kind of objects for every size that is asked for.

use alloc::vec::Vec;

use super::Allocator;
use super::buddies::Buddies;
use crate::slab::{CpuCache, Pages, Slabs};

/// Sizes are rounded up to a multiple of it.
const GRAIN: usize = 16;
/// Requests beyond it are blocks of the buddy allocator's.
const LARGEST: usize = 2048;

/// Objects of one size.
#[derive(Debug)]
struct Kind {
    slabs: Slabs,
    cache: Option<CpuCache>,
}

/// Slabs for all sizes.
#[derive(Debug)]
pub struct SlabHeap {
    pages: Buddies,
    /// By size, in grains, less one.
    kinds: Vec<Option<Kind>>,
    cache_objects: usize,
}

impl Pages for Buddies {
    const PAGE_BYTES: usize = 4096;

    fn take(&mut self, order: u8) -> Option<usize> {
        self.allocate_block(order)
    }

    fn give(&mut self, place: usize, order: u8) {
        self.release_block(place, order);
    }
}

impl SlabHeap {
    /// For `bytes` of memory; each size has a cache of `cache_objects`, none for 0.
    pub fn new(bytes: usize, cache_objects: usize) -> Self {
        let kinds = (0..LARGEST / GRAIN).map(|_| None);
        Self {
            pages: Buddies::new(bytes, Buddies::PAGE_BYTES),
            kinds: kinds.collect(),
            cache_objects,
        }
    }

    /// Objects that have been constructed so far.
    pub fn constructed(&self) -> u64 {
        self.kinds
            .iter()
            .flatten()
            .map(|kind| kind.slabs.constructed())
            .sum()
    }

    /// An object of `bytes`, at most [`LARGEST`]; `construct` makes those of a new slab.
    pub fn allocate_with(
        &mut self,
        bytes: usize,
        construct: &mut impl FnMut(usize),
    ) -> Option<usize> {
        let size = bytes.next_multiple_of(GRAIN);
        let kind = self.kinds.get_mut((size / GRAIN).checked_sub(1)?)?;
        if kind.is_none() {
            let cached = self.cache_objects > 0;
            *kind = Some(Kind {
                slabs: Slabs::new::<Buddies>(size)?,
                cache: cached.then(|| CpuCache::new(self.cache_objects)),
            });
        }
        let Kind { slabs, cache } = kind.as_mut()?;
        match cache {
            Some(cache) => cache
                .take()
                .or_else(|| cache.refill(slabs, &mut self.pages, construct)),
            None => slabs.allocate(&mut self.pages, construct),
        }
    }
}

impl Allocator for SlabHeap {
    fn allocate(&mut self, bytes: usize) -> Option<usize> {
        if bytes > LARGEST {
            return self.pages.allocate(bytes);
        }
        self.allocate_with(bytes, &mut |_| ())
    }

    fn release(&mut self, place: usize, bytes: usize) {
        let kind = bytes.div_ceil(GRAIN).checked_sub(1);
        let kind = kind.and_then(|kind| self.kinds.get_mut(kind)?.as_mut());
        let Some(Kind { slabs, cache }) = kind else {
            return self.pages.release(place, bytes);
        };
        match cache {
            Some(cache) => {
                if !cache.put(place) {
                    cache.drain(slabs, &mut self.pages, place);
                }
            }
            None => slabs.release(&mut self.pages, place),
        }
    }

    fn granted(&self, bytes: usize) -> usize {
        match bytes {
            ..=LARGEST => bytes.next_multiple_of(GRAIN),
            _ => self.pages.granted(bytes),
        }
    }

    fn own_bytes(&self) -> usize {
        let kinds = self.kinds.iter().flatten();
        let slabs = kinds.map(|kind| kind.slabs.own_bytes());
        self.pages.own_bytes() + slabs.sum::<usize>()
    }

    fn cached(&self) -> (u64, u64) {
        let caches = self.kinds.iter().flatten().flat_map(|kind| &kind.cache);
        caches.fold((0, 0), |(hits, misses), cache| {
            (hits + cache.hits(), misses + cache.misses())
        })
    }

    fn trim(&mut self) {
        for Kind { slabs, cache } in self.kinds.iter_mut().flatten() {
            if let Some(cache) = cache {
                cache.empty(slabs, &mut self.pages);
            }
            slabs.trim(&mut self.pages);
        }
    }
}
