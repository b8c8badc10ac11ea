//! IO ports.
//!
//! Safe wrappers: what a port does to memory safety is a matter of the device behind it, and the
//! devices of this machine that can master the bus are given addresses through their drivers.

use core::arch::asm;

/// Reads a byte from `port`.
pub fn inb(port: u16) -> u8 {
    let value: u8;
    // SAFETY: a port read touches no memory of ours.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Writes a byte to `port`.
pub fn outb(port: u16, value: u8) {
    // SAFETY: no port of this machine writes to memory by itself; see the module's head.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes `bytes` to `port` one after the other, by one instruction.
pub fn rep_outsb(port: u16, bytes: &[u8]) {
    // SAFETY: reads exactly the bytes of the slice.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") bytes.as_ptr() => _, inout("rcx") bytes.len() => _,
            options(readonly, nostack, preserves_flags));
    }
}
