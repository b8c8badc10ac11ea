//! Return addresses, by the chain of frame pointers.

use super::stack::Stack;
use super::{cpu_id, descriptor};
use crate::sched;

/// The frame pointer of the caller.
#[inline(always)]
pub fn frame_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags))
    };
    pointer
}

/// Fills `addresses` with the return addresses above `frame`, as far as the chain stays on one
/// stack; how many there are.
pub fn walk(frame: u64, addresses: &mut [u64]) -> usize {
    let mut frame = frame;
    let mut count = 0;
    while let Some(address) = addresses.get_mut(count) {
        let Some((next, found)) = read(frame) else {
            break;
        };
        *address = found;
        count += 1;
        if next <= frame {
            break;
        }
        frame = next;
    }
    count
}

/// The caller's frame pointer and the return address stored at `frame`, if that is on the stack
/// of the thread that runs here, or of a processor's own.
fn read(frame: u64) -> Option<(u64, u64)> {
    let is_ours = |address| {
        Stack::current().contains(address)
            || descriptor::idle_stack(cpu_id()).contains(address)
            || sched::is_current_stack(address)
    };
    if !frame.is_multiple_of(8) || !is_ours(frame) || !is_ours(frame + 8) {
        return None;
    }
    // SAFETY: two words within a mapped stack.
    unsafe {
        Some((
            (frame as *const u64).read(),
            ((frame + 8) as *const u64).read(),
        ))
    }
}
