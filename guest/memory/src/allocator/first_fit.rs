//! The crate `linked_list_allocator`: free pieces in a list by address, the first that fits.
#![expect(unsafe_code, reason = "the crate takes pieces back by their pointers")]

use alloc::boxed::Box;
use core::alloc::Layout;
use core::ptr::NonNull;

use linked_list_allocator::Heap;

use super::Allocator;

/// Least bytes of a piece, and what the bytes of all are a multiple of.
const LEAST_BYTES: usize = 16;
const ALIGN: usize = 8;

/// A heap of its own memory, in which it keeps its list.
#[expect(missing_debug_implementations, reason = "the crate has none")]
pub struct FirstFit(Heap);

impl FirstFit {
    /// For `bytes` of memory, which live for ever.
    pub fn new(bytes: usize) -> Self {
        Self(Heap::from_slice(Box::leak(Box::new_uninit_slice(bytes))))
    }

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, ALIGN).ok()
    }
}

impl Allocator for FirstFit {
    fn allocate(&mut self, bytes: usize) -> Option<usize> {
        let piece = self.0.allocate_first_fit(Self::layout(bytes)?).ok()?;
        Some(piece.as_ptr().addr() - self.0.bottom().addr())
    }

    fn release(&mut self, place: usize, bytes: usize) {
        let piece = NonNull::new(self.0.bottom().wrapping_add(place));
        if let (Some(piece), Some(layout)) = (piece, Self::layout(bytes)) {
            // SAFETY: by the trait's contract, `allocate` has given the piece for that layout.
            unsafe { self.0.deallocate(piece, layout) };
        }
    }

    fn granted(&self, bytes: usize) -> usize {
        bytes.next_multiple_of(ALIGN).max(LEAST_BYTES)
    }

    fn own_bytes(&self) -> usize {
        0
    }
}
