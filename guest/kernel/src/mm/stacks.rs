//! Stacks of kernel threads, each with a guard page below, in the dynamic map.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::buddy::Want;
use super::{PAGE_BYTES, frame, kernel_map};
use crate::arch::DYNAMIC_MAP;
use crate::arch::stack::{GUARD_BYTES, STACK_ALIGN, Stack};

/// First stack: behind the device registers' 2 MiB.
const FIRST: u64 = DYNAMIC_MAP + 0x20_0000;
/// Stacks that the dynamic map's second-level table has space for.
const MOST: u64 = ((1 << 30) - 0x20_0000) / STACK_ALIGN;

/// A new stack, which is never given back: threads are used again. `None` when memory has run
/// out.
pub fn allocate() -> Option<Stack> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    if number >= MOST {
        return None;
    }
    let base = FIRST + number * STACK_ALIGN;
    for address in (base + GUARD_BYTES..base + STACK_ALIGN).step_by(PAGE_BYTES as usize) {
        let frame = frame::allocate(0, Want::Any)?;
        if !kernel_map::map_dynamic(address, frame) {
            return None;
        }
    }
    // SAFETY: mapped just now, and the number is never handed out again.
    Some(unsafe { Stack::new(base) })
}
