//! The kernel's heap: slabs of power-of-two sizes, and whole blocks of frames beyond.
//!
//! A slab is one frame, cut from the front as objects are asked for, so a new one costs nothing
//! to set up; freed objects are chained through their first word.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, null_mut};

use super::addr::{PAGE_BYTES, pages_of, phys_to_virt};
use super::buddy::Want;
use super::{frame, kernel_map};
use crate::sync::SpinLock;

/// log2 of the smallest and of the largest object of a slab.
const SMALLEST: u32 = 4;
const LARGEST: u32 = 11;
const CLASSES: usize = (LARGEST - SMALLEST + 1) as usize;

/// Objects of one size.
struct Class {
    /// Freed objects, each holding the address of the next.
    free: *mut u8,
    /// The newest frame's part that has not been cut yet.
    next: *mut u8,
    left: u64,
}

// SAFETY: the pointers are to memory that the class owns.
unsafe impl Send for Class {}

static SLABS: [SpinLock<Class>; CLASSES] = [const {
    SpinLock::new(Class {
        free: null_mut(),
        next: null_mut(),
        left: 0,
    })
}; CLASSES];

/// The heap; the image's global allocator.
pub struct Heap;

/// Where an allocation comes from.
enum Source {
    /// The slabs of this class.
    Slab(usize),
    /// Frames, 2^order of them.
    Frames(u8),
}

impl Source {
    fn of(layout: Layout) -> Self {
        let bytes = layout.size().max(layout.align()).max(1 << SMALLEST);
        let shift = (bytes - 1).ilog2() + 1;
        if shift <= LARGEST {
            return Self::Slab((shift - SMALLEST) as usize);
        }
        Self::Frames(pages_of(bytes as u64).next_power_of_two().ilog2() as u8)
    }
}

impl Class {
    fn allocate(&mut self, bytes: u64) -> *mut u8 {
        let object = self.free;
        if !object.is_null() {
            // SAFETY: a freed object holds the address of the next in its first word.
            self.free = unsafe { object.cast::<*mut u8>().read() };
            return object;
        }
        if self.left == 0 {
            let Some(frame) = frame::allocate(0, Want::Any) else {
                return null_mut();
            };
            self.next = phys_to_virt(frame);
            self.left = PAGE_BYTES;
        }
        let object = self.next;
        self.left -= bytes;
        self.next = object.wrapping_add(bytes as usize);
        object
    }
}

// SAFETY: objects are disjoint, at least as large as asked for, and aligned to their size, which
// is at least the alignment asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Source::of(layout) {
            Source::Slab(class) => SLABS[class].lock().allocate(1 << (class as u32 + SMALLEST)),
            Source::Frames(order) => {
                frame::allocate(order, Want::Any).map_or(null_mut(), phys_to_virt)
            }
        }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        match Source::of(layout) {
            Source::Slab(class) => {
                let mut class = SLABS[class].lock();
                // SAFETY: the object is free now, and has space for a pointer.
                unsafe { object.cast::<*mut u8>().write(class.free) };
                class.free = object;
            }
            Source::Frames(order) => frame::release(kernel_map::direct_phys(object), order),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match Source::of(layout) {
            Source::Frames(order) => frame::allocate_zeroed(order).map_or(null_mut(), phys_to_virt),
            Source::Slab(_) => {
                // SAFETY: as this function's.
                let object = unsafe { self.alloc(layout) };
                if !object.is_null() {
                    // SAFETY: the object is that large.
                    unsafe { ptr::write_bytes(object, 0, layout.size()) };
                }
                object
            }
        }
    }
}
