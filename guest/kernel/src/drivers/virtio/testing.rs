//! Memory that a driver shares with a device of the same process.

use super::shared::SharedMemory;
use crate::mm::PhysAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes at "physical" address [`BASE`], shared with the mock device.
pub(super) struct Bytes(Arc<Vec<AtomicU8>>);

/// Where they are.
pub(super) const BASE: u64 = 0x10_0000;

impl Bytes {
    /// The same bytes.
    pub(super) fn again(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn get(&self, offset: u64, bytes: u64) -> u64 {
        assert!(
            offset.is_multiple_of(bytes),
            "a word at {offset:#x} of {bytes} bytes"
        );
        let byte = |i| u64::from(self.0[(offset + i) as usize].load(Ordering::SeqCst)) << (8 * i);
        (0..bytes).map(byte).sum()
    }

    fn set(&self, offset: u64, bytes: u64, value: u64) {
        assert!(
            offset.is_multiple_of(bytes),
            "a word at {offset:#x} of {bytes} bytes"
        );
        for i in 0..bytes {
            let byte = (value >> (8 * i)) as u8;
            self.0[(offset + i) as usize].store(byte, Ordering::SeqCst);
        }
    }
}

impl SharedMemory for Bytes {
    fn allocate(bytes: u64) -> Option<Self> {
        Some(Self(Arc::new(
            (0..bytes).map(|_| AtomicU8::new(0)).collect(),
        )))
    }
    fn phys(&self) -> PhysAddr {
        PhysAddr(BASE)
    }
    fn read8(&self, offset: u64) -> u8 {
        self.get(offset, 1) as u8
    }
    fn write8(&self, offset: u64, value: u8) {
        self.set(offset, 1, value.into());
    }
    fn read16(&self, offset: u64) -> u16 {
        self.get(offset, 2) as u16
    }
    fn write16(&self, offset: u64, value: u16) {
        self.set(offset, 2, value.into());
    }
    fn read64(&self, offset: u64) -> u64 {
        self.get(offset, 8)
    }
    fn write64(&self, offset: u64, value: u64) {
        self.set(offset, 8, value);
    }
}
