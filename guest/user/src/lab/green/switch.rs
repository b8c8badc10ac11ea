//! From one stack to another, in ring 3.
//!
//! Compiled code cannot change its own stack: it takes a few lines of assembly, which keep what a
//! called function has to keep (System V ABI, AMD64 supplement, 3.2.1) and leave the rest to the caller.

use core::arch::naked_asm;

/// Words of a stack that nobody has run on yet: six registers, where to return, and so many more that
/// the stack is aligned there.
const WORDS: usize = 9;
/// Among them, from the lowest: what becomes r13, r12 and the return address.
const R13: usize = 2;
const R12: usize = 3;
const RETURN: usize = 6;

/// Leaves this stack, noting in `from` where it can be gone on with, and goes on with `to`.
///
/// # Safety
/// `to` was noted by this function or is of [`prepare`], its stack is there, and nobody runs on it.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Calls r12 with r13.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!("mov rdi, r13", "call r12", "ud2")
}

/// Prepares the stack that ends at `top`: who switches to the result calls `entry` with `argument`.
///
/// # Safety
/// `top` is a multiple of 16, and the words below it are mapped and nobody's.
pub(super) unsafe fn prepare(
    top: usize,
    entry: extern "C" fn(usize) -> !,
    argument: usize,
) -> usize {
    let rsp = top - WORDS * size_of::<usize>();
    let stack: *mut [usize; WORDS] = core::ptr::with_exposed_provenance_mut(rsp);
    let mut words = [0; WORDS];
    words[R13] = argument;
    words[R12] = (entry as *const ()).addr();
    words[RETURN] = (begin as *const ()).addr();
    // SAFETY: as above.
    unsafe { stack.write(words) };
    rsp
}
