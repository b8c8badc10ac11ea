//! [`Descriptors`]: what both rings are made of (SDM 3.2.3, 3.3.3).

use crate::mm::{DmaBuffer, PhysAddr};

/// Bytes of a descriptor: the address of a buffer, and the rest.
pub(super) const DESCRIPTOR_BYTES: u64 = 16;

/// Descriptors in memory that the card reads and writes. Tests have others than those in a
/// [`DmaBuffer`].
pub(super) trait Descriptors {
    /// Sets a descriptor.
    fn set(&self, index: u16, buffer: PhysAddr, rest: u64) {
        self.set_buffer(index, buffer);
        self.set_rest(index, rest);
    }

    /// Its buffer alone.
    fn set_buffer(&self, index: u16, buffer: PhysAddr);

    /// All but its buffer.
    fn set_rest(&self, index: u16, rest: u64);

    /// That, as it is now.
    fn rest(&self, index: u16) -> u64;
}

impl Descriptors for DmaBuffer {
    fn set_buffer(&self, index: u16, buffer: PhysAddr) {
        self.write64(u64::from(index) * DESCRIPTOR_BYTES, buffer.0);
    }

    fn set_rest(&self, index: u16, rest: u64) {
        self.write64(u64::from(index) * DESCRIPTOR_BYTES + 8, rest);
    }

    fn rest(&self, index: u16) -> u64 {
        self.read64(u64::from(index) * DESCRIPTOR_BYTES + 8)
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::cell::RefCell;

    /// Descriptors that tests look at, and write back as a card does.
    pub(in super::super) struct Fake(pub(in super::super) RefCell<Vec<(u64, u64)>>);

    impl Fake {
        pub(in super::super) fn new(count: u16) -> Self {
            Self(RefCell::new(vec![(0, 0); count.into()]))
        }
    }

    impl Descriptors for Fake {
        fn set_buffer(&self, index: u16, buffer: PhysAddr) {
            self.0.borrow_mut()[usize::from(index)].0 = buffer.0;
        }

        fn set_rest(&self, index: u16, rest: u64) {
            self.0.borrow_mut()[usize::from(index)].1 = rest;
        }

        fn rest(&self, index: u16) -> u64 {
            self.0.borrow()[usize::from(index)].1
        }
    }
}
