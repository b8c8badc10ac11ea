//! [`Segment`]: a piece of pinned memory, which is what all payload of a device lies in.
//!
//! Pages of a program are pinned while a device or driver works on them; the program's other
//! threads may change them meanwhile, so nothing is read twice.
#![expect(unsafe_code, reason = "reaches pinned memory through the direct map")]

use crate::mm::{PhysAddr, phys_to_virt};

/// Memory that stays where it is until the driver is done with it, within one page or several
/// that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts.
    pub phys: PhysAddr,
    /// Its length in bytes.
    pub len: u32,
}

/// Copies `bytes` to the start of `to`; how many fit.
pub(super) fn fill(to: &[Segment], bytes: &[u8]) -> usize {
    to.iter()
        .fold(0, |done, segment| done + segment.fill(0, &bytes[done..]))
}

impl Segment {
    /// Length in bytes as an index.
    pub fn len(&self) -> usize {
        // A u32 fits.
        self.len as usize
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lends the bytes to `send`, which hands them to a device.
    pub(super) fn lend<T>(&self, send: impl FnOnce(&[u8]) -> T) -> T {
        // SAFETY: the segment is pinned memory, which the direct map has, and `send` only has
        // port instructions or a copy read it, for which any bytes will do.
        send(unsafe { core::slice::from_raw_parts(phys_to_virt(self.phys), self.len()) })
    }

    /// The `len` bytes from `offset` on, which it has.
    pub(super) fn part(&self, offset: usize, len: usize) -> Self {
        debug_assert!(offset + len <= self.len(), "a part of it");
        Self {
            phys: self.phys.offset(offset as u64),
            len: len as u32,
        }
    }

    /// Lends the bytes to `fill`, which has a device write them, or copies what one has written.
    pub(super) fn receive<T>(&self, fill: impl FnOnce(&mut [u8]) -> T) -> T {
        // SAFETY: the segment is pinned memory, which the direct map has, and `fill` only has
        // port instructions or a copy write to it; no Rust object is there.
        fill(unsafe { core::slice::from_raw_parts_mut(phys_to_virt(self.phys), self.len()) })
    }

    /// The little-endian number at the start of the segment, which has it whole and aligned.
    pub(super) fn read32(&self) -> u32 {
        let word = self.word();
        // SAFETY: inside the segment as checked, which is pinned memory.
        unsafe { word.read_volatile() }
    }

    /// Writes that.
    pub(super) fn write32(&self, value: u32) {
        let word = self.word();
        // SAFETY: inside the segment as checked, which is pinned memory; no Rust object is there.
        unsafe { word.write_volatile(value) };
    }

    fn word(&self) -> *mut u32 {
        assert!(
            self.len >= 4 && self.phys.0.is_multiple_of(4),
            "no word in a segment"
        );
        phys_to_virt(self.phys).cast()
    }

    /// Copies what is at `offset` to `bytes`; how much there was.
    pub(super) fn fetch(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.len().saturating_sub(offset));
        let from = phys_to_virt(self.phys.offset(offset as u64));
        // SAFETY: `count` bytes from `offset` are inside the segment, which is pinned memory, and
        // any bytes will do.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), count) };
        count
    }

    /// Copies the start of `from`, which is other memory, to the start of this; how much fits.
    pub(super) fn copy_from(&self, from: &Self) -> usize {
        let count = self.len().min(from.len());
        let (source, to) = (phys_to_virt(from.phys), phys_to_virt(self.phys));
        // SAFETY: `count` bytes are inside either segment, which is pinned memory or a driver's,
        // and not the same; any bytes will do, and no Rust object is there.
        unsafe { to.copy_from_nonoverlapping(source, count) };
        count
    }

    /// Copies `bytes` to `offset`; how many fit.
    pub(super) fn fill(&self, offset: usize, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.len().saturating_sub(offset));
        let to = phys_to_virt(self.phys.offset(offset as u64));
        // SAFETY: `count` bytes from `offset` are inside the segment, which is pinned memory; no
        // Rust object is there.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), count) };
        count
    }
}
