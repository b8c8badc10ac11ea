//! Device registers in memory.

use super::addr::{PAGE_BYTES, PhysAddr, page_start, pages_of};
use super::kernel_map;

/// Registers of a device, mapped uncached for as long as the machine runs.
#[derive(Clone)]
pub struct MmioRegion {
    base: u64,
    len: u64,
}

macro_rules! accessors {
    ($($read:ident $write:ident $type:ty),*) => {$(
        /// Reads the register at `offset`.
        ///
        /// # Panics
        /// If it is not inside the region.
        #[inline]
        pub fn $read(&self, offset: u64) -> $type {
            let address = self.register(offset, size_of::<$type>());
            // SAFETY: inside the mapping, naturally aligned; device registers are no Rust object.
            unsafe { (address as *const $type).read_volatile() }
        }

        /// Writes the register at `offset`.
        ///
        /// # Panics
        /// If it is not inside the region.
        #[inline]
        pub fn $write(&self, offset: u64, value: $type) {
            let address = self.register(offset, size_of::<$type>());
            // SAFETY: as for reading.
            unsafe { (address as *mut $type).write_volatile(value) }
        }
    )*};
}

impl MmioRegion {
    /// Maps `len` bytes of registers at `phys`; `None` when the space for such mappings is full.
    pub fn map(phys: PhysAddr, len: u64) -> Option<Self> {
        let inside = phys.0 % PAGE_BYTES;
        let pages = pages_of(inside.checked_add(len)?);
        let base = kernel_map::map_device(PhysAddr(page_start(phys.0)), pages)?;
        Some(Self {
            base: base + inside,
            len,
        })
    }

    accessors!(read8 write8 u8, read16 write16 u16, read32 write32 u32, read64 write64 u64);

    #[inline]
    fn register(&self, offset: u64, size: usize) -> u64 {
        let size = size as u64;
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.len);
        assert!(
            inside && offset.is_multiple_of(size),
            "no register at {offset:#x}"
        );
        self.base + offset
    }
}
