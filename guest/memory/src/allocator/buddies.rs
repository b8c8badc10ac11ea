//! The kernel's buddy allocator, in units of any power of two.

use alloc::vec::Vec;

use super::Allocator;
use crate::buddy::{Buddy, FrameInfo, MAX_ORDER, Want};

/// A buddy allocator of its own memory.
#[derive(Debug)]
pub struct Buddies {
    buddy: Buddy,
    unit_bytes: usize,
    units: usize,
}

impl Buddies {
    /// For `bytes` of memory in units of `unit_bytes`, a power of two. What is kept of each unit lives
    /// for ever.
    pub fn new(bytes: usize, unit_bytes: usize) -> Self {
        let units = bytes / unit_bytes;
        let infos: Vec<FrameInfo> = (0..units).map(|_| FrameInfo::default()).collect();
        let mut buddy = Buddy::new(infos.leak());
        buddy.add(0, units as u32);
        while let Some(block) = buddy.reserve_supply() {
            buddy.supply(block);
        }
        Self {
            buddy,
            unit_bytes,
            units,
        }
    }

    /// Bytes of a unit.
    pub fn unit_bytes(&self) -> usize {
        self.unit_bytes
    }

    /// The order of the block for `bytes`; `None` if there are no such blocks.
    pub fn order(&self, bytes: usize) -> Option<u8> {
        let units = bytes
            .div_ceil(self.unit_bytes)
            .checked_next_power_of_two()?;
        u8::try_from(units.ilog2())
            .ok()
            .filter(|order| *order <= MAX_ORDER)
    }

    /// Free blocks, the largest first: bytes and place.
    pub fn free_blocks(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let orders = (0..=MAX_ORDER).rev();
        orders.flat_map(move |order| {
            let bytes = self.unit_bytes << order;
            let blocks = self.buddy.free_blocks(order);
            blocks.map(move |first| (bytes, first as usize * self.unit_bytes))
        })
    }

    /// A block of 2^`order` units.
    pub fn allocate_block(&mut self, order: u8) -> Option<usize> {
        let block = self.buddy.allocate(order, Want::Any)?;
        Some(block.frame as usize * self.unit_bytes)
    }

    /// Takes one back.
    pub fn release_block(&mut self, place: usize, order: u8) {
        self.buddy.release((place / self.unit_bytes) as u32, order);
    }
}

impl Allocator for Buddies {
    fn allocate(&mut self, bytes: usize) -> Option<usize> {
        self.order(bytes)
            .and_then(|order| self.allocate_block(order))
    }

    fn release(&mut self, place: usize, bytes: usize) {
        if let Some(order) = self.order(bytes) {
            self.release_block(place, order);
        }
    }

    fn granted(&self, bytes: usize) -> usize {
        self.order(bytes)
            .map_or(0, |order| self.unit_bytes << order)
    }

    fn own_bytes(&self) -> usize {
        self.units * size_of::<FrameInfo>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn sizes(buddies: &Buddies) -> Vec<usize> {
        buddies
            .free_blocks()
            .map(|(bytes, _)| bytes / KIB)
            .collect()
    }

    /// The example of Silberschatz, Galvin and Gagne, "Operating System Concepts", 10.8.1.
    #[test]
    fn a_request_of_21_kib_splits_256_kib_into_128_64_and_two_of_32() {
        let mut buddies = Buddies::new(256 * KIB, KIB);
        assert_eq!(sizes(&buddies), [256]);
        let place = buddies.allocate(21 * KIB).unwrap();
        assert_eq!(sizes(&buddies), [128, 64, 32]);
        assert_eq!(buddies.granted(21 * KIB), 32 * KIB);
        buddies.release(place, 21 * KIB);
        assert_eq!(sizes(&buddies), [256]);
    }

    #[test]
    fn what_is_larger_than_the_largest_block_is_refused() {
        let mut buddies = Buddies::new(256 * KIB, KIB);
        assert_eq!(buddies.allocate(257 * KIB), None);
        assert_eq!(buddies.allocate(usize::MAX), None);
    }
}
