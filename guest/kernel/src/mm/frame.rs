//! The machine's frames: who has which, and how often.
//!
//! A frame of a program is counted: page tables that map it, and pins. Frames of the initrd are
//! counted, too, but never become free.

use core::slice;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::addr::{PAGE_BYTES, PAGE_SHIFT, PhysAddr, phys_to_virt};
use super::buddy::{Block, Buddy, FrameInfo, Want};
use super::{kernel_map, swap};
use crate::boot::memory_map::{MemoryMap, Region};
use crate::sync::{Once, SpinLock};

static FRAMES: Once<&'static [FrameInfo]> = Once::new();
static INITRD: Once<Region> = Once::new();
static FREE: SpinLock<Free> = SpinLock::new(Free {
    buddy: Buddy::new(&[]),
    used: Stack::new(),
    fresh: Stack::new(),
});

/// Free frames. Most requests are for a single one: those are served from stacks, without
/// splitting and joining blocks.
struct Free {
    buddy: Buddy,
    /// Frames given back.
    used: Stack,
    /// Frames of zeroes.
    fresh: Stack,
}

/// Numbers of single frames.
struct Stack {
    frames: [u32; STACK_FRAMES],
    len: usize,
}

const STACK_FRAMES: usize = 64;
/// log2 of the frames that the stack of zeroes gets at a time.
const REFILL_ORDER: u8 = 5;

impl Stack {
    const fn new() -> Self {
        Self {
            frames: [0; STACK_FRAMES],
            len: 0,
        }
    }

    /// Takes `frame` in; false if there is no room.
    fn push(&mut self, frame: u32) -> bool {
        let place = self.frames.get_mut(self.len);
        self.len += usize::from(place.is_some());
        place.map(|place| *place = frame).is_some()
    }

    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        self.frames.get(self.len).copied()
    }
}

impl Free {
    /// 2^`order` frames: where they are and whether they are all zero.
    fn allocate(&mut self, order: u8, want: Want) -> Option<Block> {
        if order == 0
            && let Some(block) = self.single(want)
        {
            return Some(block);
        }
        self.block(order, want).or_else(|| {
            self.give_up_stacks();
            self.block(order, want)
        })
    }

    /// A single frame from the stack that fits.
    fn single(&mut self, want: Want) -> Option<Block> {
        let fresh = want == Want::Zeroes;
        if !fresh {
            let frame = self.used.pop()?;
            return Some(Block { frame, fresh });
        }
        if self.fresh.len == 0
            && let Some(block) = self.block(REFILL_ORDER, want)
        {
            if block.fresh {
                (0..1 << REFILL_ORDER).for_each(|i| _ = self.fresh.push(block.frame + i));
            } else {
                self.buddy.release(block.frame, REFILL_ORDER);
            }
        }
        let frame = self.fresh.pop()?;
        Some(Block { frame, fresh })
    }

    /// A block from the buddy allocator, which gets memory as it needs it.
    fn block(&mut self, order: u8, want: Want) -> Option<Block> {
        loop {
            if let Some(block) = self.buddy.allocate(order, want) {
                return Some(block);
            }
            let Some((frame, frame_order)) = self.buddy.reserve_supply() else {
                // No zeroes are left, but there may be something to clear.
                return self.buddy.allocate(order, Want::Any);
            };
            let start = PhysAddr::of_frame(frame).0;
            kernel_map::map_direct(start, start + (PAGE_BYTES << frame_order));
            self.buddy.supply((frame, frame_order));
        }
    }

    fn release(&mut self, frame: u32, order: u8) {
        if order != 0 || !self.used.push(frame) {
            self.buddy.release(frame, order);
        }
    }

    /// Lets frames on the stacks be joined to blocks, as there are no others.
    #[cold]
    fn give_up_stacks(&mut self) {
        while let Some(frame) = self.used.pop().or_else(|| self.fresh.pop()) {
            self.buddy.release(frame, 0);
        }
    }

    fn count(&self) -> u64 {
        self.buddy.free_frames() + (self.used.len + self.fresh.len) as u64
    }
}

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
    FREE.lock().buddy = buddy;
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

/// A frame for a page of a program, counted once.
pub fn allocate_page(want: Want) -> Option<PhysAddr> {
    let phys = match want {
        Want::Zeroes => allocate_zeroed(0)?,
        Want::Any => allocate(0, Want::Any)?,
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

/// Frames that are free.
pub fn free_frames() -> u64 {
    FREE.lock().count()
}
