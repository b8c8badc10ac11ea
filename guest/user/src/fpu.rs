//! Floating-point state under test: a thread that keeps values in registers, not in memory.
#![expect(unsafe_code, reason = "loads and stores SSE registers by name")]

use core::arch::asm;

/// Contents of xmm0 to xmm15.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u128; 16]);

/// Loads all SSE registers from `values`, counts down `spins` with nothing else, and stores them.
///
/// What comes back differs from `values` if somebody changed the registers in between.
pub fn carry(values: &Registers, spins: u64) -> Registers {
    let mut back = Registers([0; 16]);
    // SAFETY: reads 256 bytes at `values`, writes 256 at `back`, both aligned to 16; every
    // register that is changed is named.
    unsafe {
        asm!(
            "movaps xmm0, [{from}]", "movaps xmm1, [{from} + 16]",
            "movaps xmm2, [{from} + 32]", "movaps xmm3, [{from} + 48]",
            "movaps xmm4, [{from} + 64]", "movaps xmm5, [{from} + 80]",
            "movaps xmm6, [{from} + 96]", "movaps xmm7, [{from} + 112]",
            "movaps xmm8, [{from} + 128]", "movaps xmm9, [{from} + 144]",
            "movaps xmm10, [{from} + 160]", "movaps xmm11, [{from} + 176]",
            "movaps xmm12, [{from} + 192]", "movaps xmm13, [{from} + 208]",
            "movaps xmm14, [{from} + 224]", "movaps xmm15, [{from} + 240]",
            "2:", "pause", "dec {spins}", "jnz 2b",
            "movaps [{to}], xmm0", "movaps [{to} + 16], xmm1",
            "movaps [{to} + 32], xmm2", "movaps [{to} + 48], xmm3",
            "movaps [{to} + 64], xmm4", "movaps [{to} + 80], xmm5",
            "movaps [{to} + 96], xmm6", "movaps [{to} + 112], xmm7",
            "movaps [{to} + 128], xmm8", "movaps [{to} + 144], xmm9",
            "movaps [{to} + 160], xmm10", "movaps [{to} + 176], xmm11",
            "movaps [{to} + 192], xmm12", "movaps [{to} + 208], xmm13",
            "movaps [{to} + 224], xmm14", "movaps [{to} + 240], xmm15",
            from = in(reg) &raw const *values,
            to = in(reg) &raw mut back,
            spins = inout(reg) spins.max(1) => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
    back
}

/// The SSE control register.
pub fn control() -> u32 {
    let mut mxcsr = 0u32;
    // SAFETY: writes four bytes to `mxcsr`.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags)) };
    mxcsr
}

/// Sets the rounding mode (0 to 3) of the SSE control register; all exceptions stay masked.
pub fn set_rounding(mode: u32) {
    let mxcsr = DEFAULT_CONTROL | (mode & 3) << 13;
    // SAFETY: a valid value; rounding modes only change results of arithmetic, which the programs
    // that call this do not do.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, preserves_flags)) };
}

/// Value of the control register that a thread starts with (Intel SDM 1 11.6.4).
pub const DEFAULT_CONTROL: u32 = 0x1f80;
