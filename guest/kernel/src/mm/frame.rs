//! The machine's frames: who has which, and how often.
//!
//! A frame of a program is counted: page tables that map it, and pins. Frames of the initrd are
//! counted, too, but never become free.

use core::slice;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::addr::{HUGE_ORDER, PAGE_BYTES, PAGE_SHIFT, PhysAddr, phys_to_virt};
use super::buddy::{Buddy, FrameInfo, Want};
use super::free::Free;
use super::{kernel_map, swap, zeroes};
use crate::boot::memory_map::{MemoryMap, Region};
use crate::sync::{Once, SpinLock};

static FRAMES: Once<&'static [FrameInfo]> = Once::new();
static INITRD: Once<Region> = Once::new();
static FREE: SpinLock<Free> = SpinLock::new(Free::new(Buddy::new(&[])));

/// Takes the machine's memory in: what `map` says is there, from `kernel_end` up, without
/// `initrd` and `cmdline`. False if that is too little to begin with.
///
/// Memory below the kernel is left to firmware and loaders.
pub fn init(map: &MemoryMap, kernel_end: PhysAddr, initrd: Region, cmdline: Region) -> bool {
    let frames = map.end() >> PAGE_SHIFT;
    let table_bytes = frames * size_of::<FrameInfo>() as u64;
    let mut free = map.without(Region {
        start: 0,
        end: kernel_end.0,
    });
    free.remove(initrd);
    free.remove(cmdline);
    let Some(table) = free.cut(table_bytes.next_multiple_of(PAGE_BYTES)) else {
        return false;
    };
    let Ok(len) = usize::try_from(frames) else {
        return false;
    };
    let base = phys_to_virt(PhysAddr(table)).cast::<FrameInfo>();
    // SAFETY: memory of nobody else's, in the direct map's first GiB. It is zero, as it has not
    // been touched since the machine was started, and zeroes are valid for all of them.
    let infos = unsafe { slice::from_raw_parts(base, len) };
    FRAMES.set(infos);
    INITRD.set(initrd);
    let mut buddy = Buddy::new(infos);
    for region in free.regions() {
        buddy.add(
            (region.start >> PAGE_SHIFT) as u32,
            (region.end >> PAGE_SHIFT) as u32,
        );
    }
    *FREE.lock() = Free::new(buddy);
    let mut regions = map.regions().iter();
    let mapped = regions.all(|region| kernel_map::prepare_direct(region.start, region.end));
    kernel_map::map_direct(initrd.start, initrd.end);
    mapped
}

/// The initrd.
pub fn initrd() -> &'static [u8] {
    let region = INITRD.get().copied().unwrap_or_default();
    let len = usize::try_from(region.end - region.start).unwrap_or(0);
    // SAFETY: `init` has mapped it, and nobody writes to it.
    unsafe { slice::from_raw_parts(phys_to_virt(PhysAddr(region.start)), len) }
}

/// 2^`order` frames; `None` when there is no such piece.
pub fn allocate(order: u8, want: Want) -> Option<PhysAddr> {
    allocate_block(order, want).map(|(phys, _)| phys)
}

/// 2^`order` frames of zeroes.
pub fn allocate_zeroed(order: u8) -> Option<PhysAddr> {
    let (phys, fresh) = allocate_block(order, Want::Zeroes)?;
    if !fresh {
        // SAFETY: the block is ours, and mapped.
        unsafe { phys_to_virt(phys).write_bytes(0, (PAGE_BYTES << order) as usize) };
    }
    Some(phys)
}

fn allocate_block(order: u8, want: Want) -> Option<(PhysAddr, bool)> {
    let block = FREE.lock().allocate(order, want)?;
    Some((PhysAddr::of_frame(block.frame), block.fresh))
}

/// Gives back what [`allocate`] gave.
pub fn release(phys: PhysAddr, order: u8) {
    #[cfg(debug_assertions)]
    // SAFETY: the block is the caller's to give back, and mapped.
    unsafe {
        phys_to_virt(phys).write_bytes(0xd5, (PAGE_BYTES << order) as usize);
    }
    FREE.lock().release(phys.frame(), order);
}

/// A page of 1 GiB of zeroes, which the kernel has not in its direct map; `None` unless there is such a
/// piece that was never used.
pub fn allocate_huge() -> Option<PhysAddr> {
    let frame = FREE.lock().allocate_beyond(HUGE_ORDER)?;
    Some(PhysAddr::of_frame(frame))
}

/// Gives one back.
pub fn release_huge(phys: PhysAddr) {
    FREE.lock().release_beyond(phys.frame(), HUGE_ORDER);
}

/// Writes to the first word of each of 2^`order` frames that the caller has; how many were zero.
pub fn mark(phys: PhysAddr, order: u8) -> u64 {
    let starts = (0..1 << order).map(|frame| phys.offset(frame * PAGE_BYTES));
    let marked = starts.map(|start| {
        let word = phys_to_virt(start).cast::<u64>();
        // SAFETY: the block is the caller's, in the direct map, and holds no Rust object.
        let word = unsafe { AtomicU64::from_ptr(word) };
        // Reading first would be another fault on the host, for a page that it has not yet.
        u64::from(word.swap(MARK, Relaxed) == 0)
    });
    marked.sum()
}

/// Any word but zero.
const MARK: u64 = 0x6b72_616d;

/// A frame for a page of a program, counted once.
pub fn allocate_page(want: Want) -> Option<PhysAddr> {
    let phys = match want {
        Want::Zeroes => zeroes::take().or_else(|| allocate_zeroed(0))?,
        Want::Any => allocate(0, Want::Any).or_else(zeroes::take)?,
    };
    info(phys).references.store(1, Relaxed);
    Some(phys)
}

/// What is known of the frame at `phys`, which is memory.
fn info(phys: PhysAddr) -> &'static FrameInfo {
    let frames = FRAMES
        .get()
        .expect("frames are set up before they are used");
    &frames[phys.frame() as usize]
}

/// Counts one more user of the frame.
pub fn share(phys: PhysAddr) {
    info(phys).references.fetch_add(1, Relaxed);
}

/// Counts one user of the frame less; the last one frees it.
pub fn unshare(phys: PhysAddr) {
    let info = info(phys);
    if info.references.fetch_sub(1, AcqRel) == 1 && !is_initrd(phys) {
        if let Some(slot) = take_slot(phys) {
            swap::release(slot);
        }
        release(phys, 0);
    }
}

/// Whether the caller's mapping is the only use of the frame.
pub fn is_exclusive(phys: PhysAddr) -> bool {
    info(phys).references.load(Relaxed) == 1 && !is_initrd(phys)
}

fn is_initrd(phys: PhysAddr) -> bool {
    INITRD.get().is_some_and(|initrd| initrd.contains(phys.0))
}

/// Keeps the frame where it is, for a device, and counts that as a use.
pub fn pin(phys: PhysAddr) {
    share(phys);
    info(phys).pins.fetch_add(1, Relaxed);
}

/// Takes a [`pin`] back.
pub fn unpin(phys: PhysAddr) {
    info(phys).pins.fetch_sub(1, Relaxed);
    unshare(phys);
}

/// Whether a device may be using the frame.
pub fn is_pinned(phys: PhysAddr) -> bool {
    info(phys).pins.load(Relaxed) != 0
}

/// The swap slot that holds a copy of the frame.
pub fn slot(phys: PhysAddr) -> Option<u32> {
    info(phys).slot().load(Relaxed).checked_sub(1)
}

/// As [`slot`]; the slot is the caller's from now on.
pub fn take_slot(phys: PhysAddr) -> Option<u32> {
    info(phys).slot().swap(0, Relaxed).checked_sub(1)
}

/// Notes that `slot` holds a copy of the frame.
pub fn set_slot(phys: PhysAddr, slot: u32) {
    info(phys).slot().store(slot + 1, Relaxed);
}

/// Those of the free frames that nobody has written to since the machine was started.
pub fn fresh_frames() -> u64 {
    FREE.lock().fresh_count()
}

/// Frames that are free.
pub fn free_frames() -> u64 {
    FREE.lock().count()
}
