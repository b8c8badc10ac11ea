//! What a program must not do, for the checks that the kernel ends it.
#![expect(
    unsafe_code,
    reason = "its very purpose is to break the rules, in a child process"
)]

use crate::sys;
use abi::syscall::{Errno, Protection};
use core::arch::asm;

/// Reads a byte from anywhere. Ends the program if it may not.
pub fn read(address: usize) -> u8 {
    let value: u8;
    // SAFETY: reads only. If the page is not the program's, the kernel ends it here.
    unsafe {
        asm!("mov {}, [{}]", out(reg_byte) value, in(reg) address, options(nostack, readonly));
    }
    value
}

/// Writes a byte to an address that a program cannot write: ends it, or breaks it.
pub fn write(address: usize, value: u8) {
    // SAFETY: only called in a child that exits right after, with memory of its own.
    unsafe { asm!("mov [{}], {}", in(reg) address, in(reg_byte) value, options(nostack)) };
}

/// Calls the code at `address`. Returns if that is a `ret` and may be executed.
pub fn call(address: usize) {
    // SAFETY: only called in a child that exits right after; `clobber_abi` covers a C function.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

/// Gives this program other rights to any pages of its own.
pub fn protect(address: usize, bytes: usize, protection: Protection) -> Result<(), Errno> {
    // SAFETY: only called in a child that exits right after, for pages without Rust objects.
    unsafe { sys::mprotect(address, bytes, protection) }
}

/// Takes any pages of its own away from this program.
pub fn unmap(address: usize, bytes: usize) -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { sys::munmap(address, bytes) }
}

/// Byte of a `ret` instruction.
pub const RET: u8 = 0xc3;

/// Tries to turn interrupts off, which ring 3 may not.
pub fn disable_interrupts() {
    // SAFETY: #GP in ring 3 (Intel SDM 2A, CLI): the kernel ends the program.
    unsafe { asm!("cli", options(nostack)) };
}

/// Tries to write an IO port, which ring 3 may not.
pub fn write_port() {
    // SAFETY: #GP in ring 3 with IOPL 0 (Intel SDM 1 19.5): the kernel ends the program.
    unsafe { asm!("out 0x80, al", in("al") 0u8, options(nostack)) };
}

/// Divides by zero.
pub fn divide_by_zero() {
    // SAFETY: #DE: the kernel ends the program.
    unsafe {
        asm!("div {}", in(reg) 0u64, inout("rax") 1u64 => _, inout("rdx") 0u64 => _,
            options(nostack));
    }
}

/// Executes an instruction that does not exist.
pub fn undefined_instruction() {
    // SAFETY: #UD: the kernel ends the program.
    unsafe { asm!("ud2", options(nostack)) };
}

/// Uses up the stack by calling itself without end.
pub fn overflow_stack() {
    // SAFETY: pushes until the guard page below the stack is hit, where the kernel ends the
    // program; nothing else is written on the way down.
    unsafe { asm!("2: push 0", "jmp 2b", options(noreturn)) };
}
