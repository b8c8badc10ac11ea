//! Physical addresses.

use crate::arch::DIRECT_MAP;

/// Bytes of a page and of a frame.
pub const PAGE_BYTES: u64 = 4096;
/// log2 of [`PAGE_BYTES`].
pub const PAGE_SHIFT: u32 = 12;

/// Bytes of a large page, and log2 of the frames in it.
pub const LARGE_BYTES: u64 = PAGE_BYTES << LARGE_ORDER;
/// See [`LARGE_BYTES`].
pub const LARGE_ORDER: u8 = 9;

/// Bytes of a page of 1 GiB, and log2 of the frames in it.
pub const HUGE_BYTES: u64 = PAGE_BYTES << HUGE_ORDER;
/// See [`HUGE_BYTES`].
pub const HUGE_ORDER: u8 = 18;

/// An address in the machine's physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// The address of frame number `number`.
    pub const fn of_frame(number: u32) -> Self {
        Self((number as u64) << PAGE_SHIFT)
    }

    /// Number of the frame it is in.
    ///
    /// # Panics
    /// If the address is beyond 2^44, which no memory map of ours contains.
    pub fn frame(self) -> u32 {
        u32::try_from(self.0 >> PAGE_SHIFT).expect("memory ends below 16 TiB")
    }

    /// The address `bytes` further on.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

/// Where physical memory stands in the kernel's half of the address space.
pub fn phys_to_virt(address: PhysAddr) -> *mut u8 {
    (DIRECT_MAP + address.0) as *mut u8
}

/// `len` bytes that a loader has left at `address`, if the direct map has them from the start,
/// which is below 1 GiB. Never memory that is handed out: see [`super::frame::init`].
pub fn loader_bytes(address: u64, len: u64) -> Option<&'static [u8]> {
    const MAPPED: u64 = 1 << 30;
    let end = address.checked_add(len)?;
    if address == 0 || end > MAPPED {
        return None;
    }
    // SAFETY: mapped as just checked; bytes of any value are valid.
    Some(unsafe {
        core::slice::from_raw_parts(phys_to_virt(PhysAddr(address)), usize::try_from(len).ok()?)
    })
}

/// First address of the page of `address`.
pub const fn page_start(address: u64) -> u64 {
    address & !(PAGE_BYTES - 1)
}

/// `bytes` rounded up to whole pages, in pages.
pub const fn pages_of(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_BYTES)
}
