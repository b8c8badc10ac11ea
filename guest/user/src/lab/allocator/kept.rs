//! The crate `linked_list_allocator`: first fit on a list of holes sorted by address.
#![expect(unsafe_code, reason = "the crate hands out raw memory")]

use core::alloc::Layout;
use core::ptr::NonNull;

use abi::syscall::Errno;
use linked_list_allocator::Heap;

use super::{Allocator, Memory, OBJECT_BYTES};
use crate::mapping::PAGE;

/// Objects of the crate's heap in a memory.
pub(super) struct Kept {
    heap: Heap,
    memory: Memory,
}

const OBJECT: Layout = match Layout::from_size_align(OBJECT_BYTES, 8) {
    Ok(layout) => layout,
    Err(_) => panic!("objects have a layout"),
};

impl Kept {
    pub(super) fn new(pages: usize) -> Result<Self, Errno> {
        let memory = Memory::new(pages)?;
        let start = core::ptr::with_exposed_provenance_mut(memory.pages.address());
        // SAFETY: pages that are the heap's alone, and mapped as long as it exists.
        let heap = unsafe { Heap::new(start, pages * PAGE) };
        Ok(Self { heap, memory })
    }
}

impl Allocator for Kept {
    fn allocate(&mut self) -> Option<usize> {
        let object = self.heap.allocate_first_fit(OBJECT).ok()?;
        let object = object.addr().get() - self.memory.pages.address();
        self.memory.construct(object);
        Some(object)
    }

    fn free(&mut self, object: usize) {
        let address = self.memory.pages.address() + object;
        let Some(object) = NonNull::new(core::ptr::with_exposed_provenance_mut(address)) else {
            return;
        };
        // SAFETY: the heap has given it, with this layout, and its owner gives it back once.
        unsafe { self.heap.deallocate(object, OBJECT) };
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn taken_bytes(&self) -> usize {
        self.heap.used()
    }
}
