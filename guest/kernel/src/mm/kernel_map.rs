//! The kernel's half of the address space, the same in every page table.
//!
//! ```text
//! ffff_8000_0000_0000  direct map of physical memory: 2 MiB pages, writable, not executable
//! ffff_c000_0000_0000  device registers, then thread stacks: 4 KiB pages
//! ffff_ffff_8000_0000  the image's window: its 2 MiB, 4 KiB pages
//! ```
//! The tables are part of the image, filled in by the assembler. The 2 MiB that hold the image
//! are mapped by one table in both places, so its code is writable in neither.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_BYTES, PAGE_SHIFT, PhysAddr};
use super::frame;
use super::page_table::entry;
use crate::arch::{DIRECT_MAP, DYNAMIC_MAP, KERNEL_WINDOW, tlb};
use crate::sync::{Once, SpinLock};

/// Where the image and its tables are; known to the linker only.
#[derive(Clone, Copy, Debug)]
pub struct ImageLayout {
    /// First byte after it, in the window; up to there no frame is free.
    pub end: u64,
    /// First byte of code, of read-only data, and of writable data, in the window.
    pub sections: [u64; 3],
    /// Root table with the kernel's half only.
    pub root: u64,
    /// Root table that maps the first GiB to itself, too.
    pub boot_root: u64,
    /// Last-level table of the image's 2 MiB.
    pub image_table: u64,
    /// Third-level table of the direct map.
    pub direct_table: u64,
    /// Second-level table of the dynamic map.
    pub dynamic_table: u64,
    /// Last-level table for device registers: the first of the dynamic map.
    pub device_table: u64,
}

static LAYOUT: Once<ImageLayout> = Once::new();

/// Entries of the root table that are the kernel's.
const ROOT_ENTRIES: [u64; 3] = [
    DIRECT_MAP >> 39 & 511,
    DYNAMIC_MAP >> 39 & 511,
    KERNEL_WINDOW >> 39 & 511,
];
/// Writable data: also marked as used, to save the processor the writing.
const DATA: Flags = Flags::PRESENT
    .union(Flags::WRITABLE)
    .union(Flags::NO_EXECUTE)
    .union(Flags::GLOBAL)
    .union(Flags::ACCESSED)
    .union(Flags::DIRTY);
const DEVICE: Flags = DATA.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
const TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);

const GIB_SHIFT: u32 = 30;
const LARGE_SHIFT: u32 = 21;
/// What one last-level table covers in bytes.
const TABLE_COVERS: u64 = 1 << LARGE_SHIFT;

/// Remembers the layout. First of all.
pub fn init(layout: ImageLayout) -> &'static ImageLayout {
    LAYOUT.set(layout)
}

/// The layout.
pub fn layout() -> &'static ImageLayout {
    LAYOUT.get().expect("the layout is set at entry")
}

/// Physical address of something in the image, a static.
pub fn image_phys(address: u64) -> PhysAddr {
    PhysAddr(address - KERNEL_WINDOW)
}

/// Physical address of something in the direct map.
pub fn direct_phys<T>(object: *const T) -> PhysAddr {
    PhysAddr(object as u64 - DIRECT_MAP)
}

/// The root table that maps the kernel's half only.
pub fn root() -> PhysAddr {
    image_phys(layout().root)
}

/// Puts the kernel's half into the root table `root`.
pub fn share_into(root: PhysAddr) {
    let own = image_phys(layout().root);
    for index in ROOT_ENTRIES {
        entry(root, index).store(entry(own, index).load(Relaxed), Relaxed);
    }
}

/// Takes the page at `address` of the image away, for a guard.
pub fn guard(address: u64) {
    let table = image_phys(layout().image_table);
    entry(table, address >> PAGE_SHIFT).store(0, Relaxed);
    tlb::flush_local(address);
}

/// Prepares the direct map for memory from `start` up to `end`; [`map_direct`] maps it then.
/// False when memory for tables has run out.
pub fn prepare_direct(start: u64, end: u64) -> bool {
    let table = image_phys(layout().direct_table);
    (start >> GIB_SHIFT..end.div_ceil(1 << GIB_SHIFT)).all(|gib| {
        let entry = entry(table, gib);
        if entry.load(Relaxed) == 0 {
            let Some(frame) = frame::allocate_zeroed(0) else {
                return false;
            };
            entry.store(frame.0 | TABLE.bits(), Relaxed);
        }
        true
    })
}

/// Maps the 2 MiB pages from `start` up to `end`, of the direct map. The first GiB always is.
pub fn map_direct(start: u64, end: u64) {
    let table = image_phys(layout().direct_table);
    for large in start >> LARGE_SHIFT..end.div_ceil(TABLE_COVERS) {
        let gib = large >> (GIB_SHIFT - LARGE_SHIFT);
        if gib != 0 {
            let middle = PhysAddr(entry(table, gib).load(Relaxed) & !(PAGE_BYTES - 1));
            let flags = DATA | Flags::HUGE_PAGE;
            entry(middle, large).store(large << LARGE_SHIFT | flags.bits(), Relaxed);
        }
    }
}

/// Maps `pages` pages of device registers from `phys`; the address, or `None` when the table is
/// full.
pub fn map_device(phys: PhysAddr, pages: u64) -> Option<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let first = NEXT.fetch_add(pages, Relaxed);
    if first.checked_add(pages)? > TABLE_COVERS / PAGE_BYTES {
        return None;
    }
    let table = image_phys(layout().device_table);
    for page in 0..pages {
        let frame = phys.offset(page * PAGE_BYTES);
        entry(table, first + page).store(frame.0 | DEVICE.bits(), Relaxed);
    }
    Some(DYNAMIC_MAP + first * PAGE_BYTES)
}

/// Maps the frame `phys` at `address` of the dynamic map, for data; false when memory for the
/// table has run out.
pub fn map_dynamic(address: u64, phys: PhysAddr) -> bool {
    static TABLES: SpinLock<()> = SpinLock::new(());
    let _tables = TABLES.lock();
    let middle = entry(image_phys(layout().dynamic_table), address >> LARGE_SHIFT);
    if middle.load(Relaxed) == 0 {
        let Some(table) = frame::allocate_zeroed(0) else {
            return false;
        };
        middle.store(table.0 | TABLE.bits(), Relaxed);
    }
    let table = PhysAddr(middle.load(Relaxed) & !(PAGE_BYTES - 1));
    entry(table, address >> PAGE_SHIFT).store(phys.0 | DATA.bits(), Relaxed);
    true
}
