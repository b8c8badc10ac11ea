//! What KVM offers to guests that know it (Linux Documentation/virt/kvm/x86/{cpuid,msr}.rst).
//!
//! Its calls (hypercalls.rst) are made only where the host has said that they can be: on a software
//! KVM the instruction never comes back.
//!
//! Paravirtual end of interrupt: a word of memory, in which KVM sets bit 0 when it needs not be
//! told by the APIC that an interrupt is done with. Who clears the bit has said so.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::cpu::{cpuid, wrmsr};
use super::cpu_id;
use crate::mm::kernel_map;

const SIGNATURE: u32 = 0x4000_0000;
const FEATURES: u32 = 0x4000_0001;
const NAME: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];

/// A bit of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The clock by the newer MSRs.
    Clock = 3,
    /// Paravirtual end of interrupt.
    EndOfInterrupt = 6,
    /// Interrupts for several processors by one call.
    SendIpi = 11,
}

/// Whether there is that feature.
pub fn has(feature: Feature) -> bool {
    let [_, name @ ..] = cpuid(SIGNATURE, 0);
    name == NAME && cpuid(FEATURES, 0)[0] & 1 << feature as u32 != 0
}

/// The host has said that calls can be made.
static HAS_CALLS: AtomicBool = AtomicBool::new(false);
/// By `vmmcall`.
static IS_VMMCALL: AtomicBool = AtomicBool::new(false);

/// Remembers that calls can be made.
pub fn allow_calls() {
    IS_VMMCALL.store(has_vmmcall(), Relaxed);
    HAS_CALLS.store(true, Relaxed);
}

/// Whether calls can be made.
pub fn has_calls() -> bool {
    HAS_CALLS.load(Relaxed)
}

/// KVM_HC_SEND_IPI.
const SEND_IPI: u64 = 10;

/// Interrupts `cpus` (a bit each) with `vector`; false if KVM does not do that.
pub(super) fn send_ipi(cpus: u64, vector: u64) -> bool {
    // The upper half of the mask is 0, and so is the processor that its bit 0 stands for.
    call(SEND_IPI, [cpus, 0, 0, vector]) >= 0
}

/// Vendors whose processors call by `vmmcall`, in ebx, edx and ecx of CPUID leaf 0.
const VMMCALL: [[&[u8; 4]; 3]; 2] = [[b"Auth", b"enti", b"cAMD"], [b"Hygo", b"nGen", b"uine"]];

/// Whether this processor is one of those. On the others' instruction KVM writes its own in the
/// place, which cannot be written to here.
fn has_vmmcall() -> bool {
    let [_, b, c, d] = cpuid(0, 0);
    VMMCALL.contains(&[&b.to_le_bytes(), &d.to_le_bytes(), &c.to_le_bytes()])
}

macro_rules! call {
    ($instruction:literal, $number:expr, $arguments:expr) => {{
        let result: i64;
        let [b, c, d, si] = $arguments;
        // SAFETY: called only where `has_calls`, and none of the calls here touches memory. LLVM
        // keeps rbx for itself.
        unsafe {
            core::arch::asm!(
                "xchg rbx, {b}", $instruction, "xchg rbx, {b}",
                b = inout(reg) b => _, inout("rax") $number => result,
                in("rcx") c, in("rdx") d, in("rsi") si, options(nostack)
            );
        }
        result
    }};
}

/// A call; its result.
fn call(number: u64, arguments: [u64; 4]) -> i64 {
    if IS_VMMCALL.load(Relaxed) {
        call!("vmmcall", number, arguments)
    } else {
        call!("vmcall", number, arguments)
    }
}

/// Where KVM is told the word's address, bit 0 on.
const EOI_MSR: u32 = 0x4b56_4d04;

/// The first processor's word.
static EOI: AtomicU32 = AtomicU32::new(0);
static EOI_IS_ON: AtomicBool = AtomicBool::new(false);

/// Has the first processor, which this is, end its interrupts by the word.
pub fn start_eoi() {
    wrmsr(EOI_MSR, kernel_map::image_phys(EOI.as_ptr() as u64).0 | 1);
    EOI_IS_ON.store(true, Relaxed);
}

/// Has it end them by the APIC again.
pub fn stop_eoi() {
    EOI_IS_ON.store(false, Relaxed);
    wrmsr(EOI_MSR, 0);
    EOI.store(0, Relaxed);
}

/// Ends the interrupt being handled by the word; false if that is to be done by the APIC.
#[inline]
pub(super) fn end_of_interrupt() -> bool {
    EOI_IS_ON.load(Relaxed) && cpu_id() == 0 && EOI.swap(0, Relaxed) & 1 != 0
}
