//! The bootable image: what must not be in a library that is also tested on the host.
//!
//! - `entry` is where a loader arrives, with the kernel's page tables.
//! - `memory` holds the functions that the compiler calls: memcpy and its like.
#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "entry code, and functions that the compiler calls"
)]

#[path = "image/entry.rs"]
mod entry;
#[path = "image/memory.rs"]
mod memory;

use core::panic::PanicInfo;

use kernel::mm::heap::Heap;

#[global_allocator]
static HEAP: Heap = Heap;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    kernel::panic::rust_panic(info)
}
