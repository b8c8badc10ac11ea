//! How the guest kernel manages memory, as far as it is plain code: the kernel uses it for its frames,
//! programs of the laboratory for memory of their own, and the host tests it.
//!
//! - [`buddy`]: blocks of 2^n frames; what the kernel's frames come from.
//! - [`slab`]: objects of one size, constructed once, with a cache for each processor.
//! - [`allocator`]: both of them, and one that others have written, behind one trait, for any sizes.
//! - [`fit`]: contiguous allocation: who has what of memory of one piece, a file for each fit.
//! - [`lookup`]: structures that find the frame of a page, behind one trait, a file each.
//!
//! All of it deals in numbers of places, not in pointers: whose memory it is knows where that is.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod allocator;
pub mod buddy;
pub mod fit;
pub mod lookup;
pub mod slab;
