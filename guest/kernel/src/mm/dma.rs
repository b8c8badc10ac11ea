//! Memory that a device and a driver share.

use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

use super::addr::{PAGE_BYTES, PhysAddr, pages_of, phys_to_virt};
use super::frame;

/// Physically contiguous memory, zero at first, that a device may write to at any time. Every
/// access goes through the volatile accessors; there is never a reference into it.
pub struct DmaBuffer {
    phys: PhysAddr,
    base: NonNull<u8>,
    /// Whole pages, at least one.
    len: u64,
    order: u8,
}

// SAFETY: the buffer is owned, and its accessors are volatile.
unsafe impl Send for DmaBuffer {}
// SAFETY: as above; racing accesses of naturally aligned words do not tear on x86.
unsafe impl Sync for DmaBuffer {}

macro_rules! accessors {
    ($($read:ident $write:ident $type:ty),*) => {$(
        /// Reads the little-endian word at `offset`.
        ///
        /// # Panics
        /// If it is not inside the buffer or not aligned.
        #[inline]
        pub fn $read(&self, offset: u64) -> $type {
            let word = self.word(offset, size_of::<$type>());
            // SAFETY: `word` has checked range and alignment.
            unsafe { word.cast::<$type>().read_volatile() }
        }

        /// Writes the little-endian word at `offset`.
        ///
        /// # Panics
        /// If it is not inside the buffer or not aligned.
        #[inline]
        pub fn $write(&self, offset: u64, value: $type) {
            let word = self.word(offset, size_of::<$type>());
            // SAFETY: `word` has checked range and alignment.
            unsafe { word.cast::<$type>().write_volatile(value) }
        }
    )*};
}

impl DmaBuffer {
    /// `bytes` of zeroed memory, rounded up to a power of two of pages; `None` when there is no
    /// such piece.
    pub fn new(bytes: u64) -> Option<Self> {
        let order = u8::try_from(pages_of(bytes.max(1)).next_power_of_two().ilog2()).ok()?;
        let phys = frame::allocate_zeroed(order)?;
        let base = NonNull::new(phys_to_virt(phys))?;
        Some(Self {
            phys,
            base,
            len: PAGE_BYTES << order,
            order,
        })
    }

    /// Where the device finds it.
    pub fn phys(&self) -> PhysAddr {
        self.phys
    }

    /// Where the kernel finds it.
    pub fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    accessors!(read8 write8 u8, read16 write16 u16, read32 write32 u32, read64 write64 u64);

    /// Copies the bytes at `offset` out.
    ///
    /// # Panics
    /// If they are not inside the buffer.
    pub fn read_bytes(&self, offset: u64, to: &mut [u8]) {
        let from = self.word(offset, 1);
        assert!(
            to.len() as u64 <= self.len - offset,
            "read beyond a DMA buffer"
        );
        fence(Ordering::Acquire);
        // SAFETY: inside the buffer as checked; `to` is not part of it.
        unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) };
    }

    /// Copies `from` to `offset`.
    ///
    /// # Panics
    /// If the bytes are not inside the buffer.
    pub fn write_bytes(&self, offset: u64, from: &[u8]) {
        let to = self.word(offset, 1);
        assert!(
            from.len() as u64 <= self.len - offset,
            "write beyond a DMA buffer"
        );
        // SAFETY: inside the buffer as checked; `from` is not part of it.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        fence(Ordering::Release);
    }

    #[inline]
    fn word(&self, offset: u64, size: usize) -> *mut u8 {
        let size = size as u64;
        assert!(
            offset <= self.len - size && offset.is_multiple_of(size),
            "no word at {offset:#x} of a DMA buffer"
        );
        // SAFETY: inside the buffer.
        unsafe { self.base.as_ptr().add(offset as usize) }
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        frame::release(self.phys, self.order);
    }
}
