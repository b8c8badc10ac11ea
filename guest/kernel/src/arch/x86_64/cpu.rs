//! Control and model-specific registers of one processor.

use core::arch::naked_asm;
use core::arch::x86_64::__cpuid_count;

use x86_64::PhysAddr as Address;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr2, Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;
use x86_64::structures::paging::PhysFrame;

use super::{descriptor, fpu, trap};
use crate::mm::PhysAddr;

const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SFMASK: u32 = 0xc000_0084;

/// RFLAGS bits that `syscall` clears: TF, IF, DF, NT, AC.
const SYSCALL_MASK: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;

/// What CPUID leaf 7 offers, and the CR4 bit that uses it.
const PROTECTIONS: &[(u32, u32, Cr4Flags)] = &[
    (1, 7, Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION),
    (1, 20, Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION),
    (2, 2, Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION),
];

/// eax, ebx, ecx, edx of a CPUID leaf.
pub fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let found = __cpuid_count(leaf, subleaf);
    [found.eax, found.ebx, found.ecx, found.edx]
}

/// Writes a model-specific register.
pub(super) fn wrmsr(register: u32, value: u64) {
    // SAFETY: the callers, all within arch, write registers that say where their own code and
    // structures are, or that control devices of the processor.
    unsafe { Msr::new(register).write(value) };
}

/// Reads a model-specific register that the processor has.
pub(super) fn rdmsr(register: u32) -> u64 {
    // SAFETY: reading has no effect.
    unsafe { Msr::new(register).read() }
}

/// Brings this processor, number `cpu`, from entry code's state to the kernel's: descriptors,
/// system call entry, protections. Paging with NX is on already.
pub fn init(cpu: u32) {
    descriptor::load(cpu);
    wrmsr(STAR, descriptor::STAR);
    wrmsr(LSTAR, trap::syscall_entry(cpu));
    wrmsr(SFMASK, SYSCALL_MASK);

    let offered = cpuid(7, 0);
    let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
        | Cr4Flags::PAGE_GLOBAL
        | Cr4Flags::OSFXSR
        | Cr4Flags::OSXMMEXCPT_ENABLE;
    for &(register, bit, flag) in PROTECTIONS {
        if offered[register as usize] & 1 << bit != 0 {
            cr4 |= flag;
        }
    }
    let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE
        | Cr0Flags::EXTENSION_TYPE
        | Cr0Flags::NUMERIC_ERROR
        | Cr0Flags::MONITOR_COPROCESSOR
        | Cr0Flags::WRITE_PROTECT
        | Cr0Flags::PAGING;
    // SAFETY: only protections are added to what the entry code set, and the kernel neither
    // executes nor touches pages of programs by their own addresses.
    unsafe {
        Cr4::write_raw(cr4.bits());
        Cr0::write_raw(cr0.bits());
    }
    fpu::init();
}

/// Address of the page fault being handled.
pub fn fault_address() -> u64 {
    Cr2::read_raw()
}

/// The root page table in use.
pub fn page_table() -> PhysAddr {
    PhysAddr(Cr3::read_raw().0.start_address().as_u64())
}

/// Uses `root` from now on.
pub fn set_page_table(root: PhysAddr) {
    let frame = PhysFrame::containing_address(Address::new_truncate(root.0));
    // SAFETY: every root page table maps the kernel's half alike.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// Orders all loads and stores before it with those after it. `mfence` would be the instruction,
/// but not every emulator knows it.
#[inline]
pub fn fence() {
    // SAFETY: writes back what it reads.
    unsafe { core::arch::asm!("lock or dword ptr [rsp], 0", options(nostack)) };
}

/// Sleeps until an interrupt has been handled. Called with interrupts off, returns so.
#[unsafe(naked)]
pub extern "C" fn wait_for_interrupt() {
    // `sti` takes effect after `hlt` has begun, so no interrupt falls between.
    naked_asm!("sti", "hlt", "cli", "ret")
}

/// Where ring 0 goes on after an interrupt at `rip`: behind the `hlt` of [`wait_for_interrupt`]. `None` if
/// it has not waited for one.
///
/// QEMU's emulation of SVM takes one between `sti` and `hlt` if the host had the processor there:
/// its VMRUN knows nothing of the interrupt shadow (AMD64 APM 2 15.21.5). What was waited for has
/// come then, and nothing else may.
pub fn after_interrupt(rip: u64) -> Option<u64> {
    // `sti` and `hlt` are a byte each.
    let behind = wait_for_interrupt as *const () as u64 + 2;
    (rip == behind || rip == behind - 1).then_some(behind)
}

/// Lets interrupts come, and waits for nothing.
pub fn spin_with_interrupts() {
    // SAFETY: whatever the interrupts' handlers find, memory is safe: they take locks.
    unsafe { core::arch::asm!("sti", "2: pause", "jmp 2b", options(nomem, nostack)) };
}

/// Stops this processor for good.
pub fn stop() -> ! {
    loop {
        // SAFETY: nothing is done here any more.
        unsafe { core::arch::asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Causes a page fault in ring 0, which the kernel does not survive.
pub fn read_nothing() {
    // SAFETY: no table has a page at address 0, so nothing is read.
    unsafe {
        core::arch::asm!("mov {0}, [{0}]", inout(reg) 0_u64 => _, options(readonly, nostack))
    };
}

/// Whether there are pages of 1 GiB (SDM 2A CPUID, leaf 80000001H).
pub fn has_huge_pages() -> bool {
    cpuid(0x8000_0000, 0)[0] > 0x8000_0000 && cpuid(0x8000_0001, 0)[3] & 1 << 26 != 0
}

/// Number of processors of the machine as CPUID tells it, at most [`super::MAX_CPUS`].
pub fn count() -> u32 {
    let most = cpuid(0, 0)[0];
    // Leaf 0xb level 1 counts the logical processors of the package (SDM 2A CPUID).
    let topology = if most >= 0xb {
        cpuid(0xb, 1)[1] & 0xffff
    } else {
        0
    };
    let count = if topology != 0 {
        topology
    } else {
        cpuid(1, 0)[1] >> 16 & 0xff
    };
    count.clamp(1, super::MAX_CPUS as u32)
}

/// The local APIC's number of this processor.
pub fn apic_id() -> u32 {
    cpuid(1, 0)[1] >> 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_before_the_halt_is_one_that_ends_it() {
        let start = wait_for_interrupt as *const () as u64;
        // SAFETY: the function's code, which is four bytes.
        let code = unsafe { core::slice::from_raw_parts(start as *const u8, 4) };
        assert_eq!(code, [0xfb, 0xf4, 0xfa, 0xc3], "sti, hlt, cli, ret");
        let behind = Some(start + 2);
        let after = [0, 1, 2, 3].map(|at| after_interrupt(start + at));
        assert_eq!(after, [None, behind, behind, None]);
    }
}
