//! The heap behind `alloc`: size classes of powers of two, carved from mappings.
//!
//! A freed block goes onto its class's list. Blocks of half a page and more are mappings of their
//! own, so that freeing them gives the frames back, and a fresh arena costs nothing until touched.
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use crate::sync::Mutex;
use crate::sys;
use abi::syscall::{PageSize, Protection};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, null_mut};

const PAGE: usize = 4096;
const SMALLEST: usize = 16;
const LARGEST: usize = 1024;
const CLASSES: usize = (LARGEST / SMALLEST).ilog2() as usize + 1;
const ARENA: usize = 256 * 1024;

/// A free block holds the address of the next one of its list.
struct Classes {
    free: [*mut *mut u8; CLASSES],
    arena: *mut u8,
    arena_left: usize,
}

// SAFETY: the pointers are to memory that only the holder of the lock looks at.
unsafe impl Send for Classes {}

struct Heap {
    classes: Mutex<Classes>,
}

#[global_allocator]
static HEAP: Heap = Heap {
    classes: Mutex::new(Classes {
        free: [null_mut(); CLASSES],
        arena: null_mut(),
        arena_left: 0,
    }),
};

/// Index of the class that serves `layout`, if one does.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout
        .size()
        .max(layout.align())
        .max(SMALLEST)
        .checked_next_power_of_two()?;
    (size <= LARGEST).then(|| (size / SMALLEST).ilog2() as usize)
}

/// Bytes of the mapping for a block of `size`; `Layout` keeps sizes far from overflow.
fn mapping_bytes(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

fn map(size: usize) -> *mut u8 {
    sys::mmap(mapping_bytes(size), Protection::ReadWrite, PageSize::Small)
        .map_or(null_mut(), ptr::with_exposed_provenance_mut)
}

impl Classes {
    fn take(&mut self, class: usize) -> *mut u8 {
        let head = self.free[class];
        if !head.is_null() {
            // SAFETY: a block on the list was put there by `give`, with its link written.
            self.free[class] = unsafe { head.read() }.cast();
            return head.cast();
        }
        let size = SMALLEST << class;
        if self.arena_left < LARGEST {
            self.arena = map(ARENA);
            self.arena_left = if self.arena.is_null() { 0 } else { ARENA };
        }
        if self.arena_left < size {
            return null_mut();
        }
        // Carved from the end of what is left, rounded down to the block's size: aligned to it.
        let start = (self.arena_left - size) & !(size - 1);
        self.arena_left = start;
        // SAFETY: `start + size` is inside the arena.
        unsafe { self.arena.add(start) }
    }

    fn give(&mut self, class: usize, block: *mut u8) {
        let block: *mut *mut u8 = block.cast();
        // SAFETY: the block is free, at least 16 bytes long and aligned to its size.
        unsafe { block.write(self.free[class].cast()) };
        self.free[class] = block;
    }
}

// SAFETY: blocks are of the class's size or whole pages, aligned to it, and handed out once until
// they are given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => self.classes.lock().take(class),
            None if layout.align() <= PAGE => map(layout.size()),
            None => null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class_of(layout) {
            Some(class) => self.classes.lock().give(class, block),
            None => {
                // SAFETY: the block is the mapping that `alloc` made for this layout. If the
                // kernel refuses, the memory is lost and nothing else.
                let _ = unsafe { sys::munmap(block.addr(), mapping_bytes(layout.size())) };
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller's.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() && class_of(layout).is_some() {
            // SAFETY: the block is `layout.size()` bytes long. Mappings are zero already.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }
}
