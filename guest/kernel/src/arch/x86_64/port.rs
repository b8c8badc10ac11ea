//! IO ports.
//!
//! Safe wrappers: what a port does to memory safety is a matter of the device behind it, and the
//! devices of this machine that can master the bus are given addresses through their drivers.

use core::arch::asm;

macro_rules! ports {
    ($($read:ident $write:ident $type:ty, $register:tt, $width:literal;)*) => {$(
        #[doc = concat!("Reads a ", $width, " from `port`.")]
        pub fn $read(port: u16) -> $type {
            let value: $type;
            // SAFETY: a port read touches no memory of ours.
            unsafe {
                asm!(concat!("in ", $register, ", dx"), in("dx") port, out($register) value,
                    options(nomem, nostack, preserves_flags));
            }
            value
        }

        #[doc = concat!("Writes a ", $width, " to `port`.")]
        pub fn $write(port: u16, value: $type) {
            // SAFETY: no port of this machine writes to memory by itself; see the module's head.
            unsafe {
                asm!(concat!("out dx, ", $register), in("dx") port, in($register) value,
                    options(nomem, nostack, preserves_flags));
            }
        }
    )*};
}

ports! {
    inb outb u8, "al", "byte";
    inw outw u16, "ax", "word";
    inl outl u32, "eax", "double word";
}

/// Writes `bytes` to `port` one after the other, by one instruction.
pub fn rep_outsb(port: u16, bytes: &[u8]) {
    // SAFETY: reads exactly the bytes of the slice.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") bytes.as_ptr() => _, inout("rcx") bytes.len() => _,
            options(readonly, nostack, preserves_flags));
    }
}

/// Writes the words that `bytes` are, but for an odd last byte, to `port`, by one instruction.
pub fn rep_outsw(port: u16, bytes: &[u8]) {
    // SAFETY: reads no more than the bytes of the slice.
    unsafe {
        asm!("rep outsw", in("dx") port, inout("rsi") bytes.as_ptr() => _,
            inout("rcx") bytes.len() / 2 => _, options(readonly, nostack, preserves_flags));
    }
}

/// Fills `bytes`, but for an odd last one, with words from `port`, by one instruction.
pub fn rep_insw(port: u16, bytes: &mut [u8]) {
    // SAFETY: writes no more than the bytes of the slice.
    unsafe {
        asm!("rep insw", in("dx") port, inout("rdi") bytes.as_mut_ptr() => _,
            inout("rcx") bytes.len() / 2 => _, options(nostack, preserves_flags));
    }
}
