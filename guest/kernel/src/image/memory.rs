//! Functions that the compiler calls for copies, fills and comparisons.
//!
//! String instructions: on hardware they are quick, and on a software KVM host eight bytes of
//! them cost as much as one instruction of a loop.

use core::arch::asm;

/// Copies `len` bytes upwards.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller's ranges are valid; DF is clear by the ABI.
    unsafe {
        asm!(
            "mov rcx, rdx",
            "shr rcx, 3",
            "rep movsq",
            "mov ecx, edx",
            "and ecx, 7",
            "rep movsb",
            inout("rdi") to => _, inout("rsi") from => _, in("rdx") len, out("rcx") _,
            options(nostack),
        );
    }
    to
}

/// Copies `len` bytes of ranges that may overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: as asked for, and copying upwards does not overwrite what is still to be read.
        return unsafe { memcpy(to, from, len) };
    }
    // SAFETY: as above, downwards: first the bytes at the end that are no whole word.
    unsafe {
        asm!(
            "lea rdi, [rdi + rdx - 1]",
            "lea rsi, [rsi + rdx - 1]",
            "mov ecx, edx",
            "and ecx, 7",
            "std",
            "rep movsb",
            "sub rdi, 7",
            "sub rsi, 7",
            "mov rcx, rdx",
            "shr rcx, 3",
            "rep movsq",
            "cld",
            inout("rdi") to => _, inout("rsi") from => _, in("rdx") len, out("rcx") _,
            options(nostack),
        );
    }
    to
}

/// Fills `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, len: usize) -> *mut u8 {
    let word = u64::from(value.to_le_bytes()[0]) * 0x0101_0101_0101_0101;
    // SAFETY: the caller's range is valid.
    unsafe {
        asm!(
            "mov rcx, rdx",
            "shr rcx, 3",
            "rep stosq",
            "mov ecx, edx",
            "and ecx, 7",
            "rep stosb",
            inout("rdi") to => _, in("rax") word, in("rdx") len, out("rcx") _,
            options(nostack),
        );
    }
    to
}

/// Compares `len` bytes: negative, zero or positive.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    let mut at = 0;
    // SAFETY: all reads are below `len`, in the caller's ranges.
    unsafe {
        while at + 8 <= len
            && left.add(at).cast::<u64>().read_unaligned()
                == right.add(at).cast::<u64>().read_unaligned()
        {
            at += 8;
        }
        while at < len {
            let (left, right) = (left.add(at).read_volatile(), right.add(at).read_volatile());
            if left != right {
                return i32::from(left) - i32::from(right);
            }
            at += 1;
        }
    }
    0
}

/// Compares `len` bytes: zero if they are equal.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    // SAFETY: the caller's ranges.
    unsafe { memcmp(left, right, len) }
}
