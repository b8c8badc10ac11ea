//! The memory routines that compiled code calls, as no libc is there to have them.
//!
//! Ring 3 runs on the processor itself on every kind of host, where `rep movsb` is quick.
#![expect(unsafe_code, reason = "defines C's memory functions, on raw pointers")]

use core::arch::asm;

/// C `memcpy`.
///
/// # Safety
/// As in C: both ranges of `n` bytes are valid and do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both ranges; the direction flag is clear by the C ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// C `memmove`.
///
/// # Safety
/// As in C: both ranges of `n` bytes are valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= n {
        // SAFETY: going up never writes what is still to be read, as `to` is not inside `from`.
        return unsafe { memcpy(to, from, n) };
    }
    // SAFETY: the caller vouches for both ranges. Going down from their last bytes; `n` is not 0
    // here, and the direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsb", "cld",
            inout("rcx") n => _,
            inout("rdi") to.add(n - 1) => _,
            inout("rsi") from.add(n - 1) => _,
            options(nostack));
    }
    to
}

/// C `memset`.
///
/// # Safety
/// As in C: the range of `n` bytes is valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, n: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the range; C takes the low byte of `value`.
    unsafe {
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") value as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// C `memcmp`.
///
/// # Safety
/// As in C: both ranges of `n` bytes are valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: `i` is below `n`, and the caller vouches for both ranges. Volatile, so that
        // this loop is not made a call of memcmp.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// `memcmp` that need not tell which is greater.
///
/// # Safety
/// As `memcmp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller vouches for the same.
    unsafe { memcmp(a, b, n) }
}

/// Named by the unwind tables of `alloc` as it is shipped. Programs abort on panic, so nothing
/// ever looks at those tables.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Called by the clean-up code of `alloc` as it is shipped, which never runs for the same reason.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    crate::sys::exit(crate::start::PANICKED)
}
