//! x86-64: registers, descriptors, traps, interrupt controllers, clocks, start of processors.
//!
//! - `entry` is where the first processor arrives, [`smp`] where the others do.
//! - `trap` is where every processor comes in from ring 3, and leaves to it.
//! - [`context`] switches between kernel threads.
//! - [`apic`], [`ioapic`], [`pic`], [`clock`], [`pit`], [`port`] are devices, [`kvm`] what their
//!   emulation offers beside them; [`ipi`] measures; [`fpu`], [`tlb`], [`cpu`] the
//!   processor's own matters.

#![expect(
    unsafe_code,
    reason = "assembly, privileged instructions and hardware structures"
)]

pub mod apic;
pub mod backtrace;
pub mod clock;
pub mod context;
pub mod cpu;
pub mod descriptor;
pub mod fpu;
pub mod ioapic;
pub mod ipi;
pub mod kvm;
pub mod pic;
pub mod pit;
pub mod port;
pub mod power;
pub mod smp;
pub mod stack;
pub mod tlb;
pub mod trap;

pub use stack::cpu_id;
pub use tlb::relax;

/// Most processors that are started.
pub const MAX_CPUS: usize = 16;

/// First virtual address of the kernel's window, where its image is linked at +2 MiB
/// (`resources/kernel.ld`).
pub const KERNEL_WINDOW: u64 = 0xffff_ffff_8000_0000;
/// First virtual address of the direct map of physical memory.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// First virtual address of what is mapped page by page: device registers and thread stacks.
pub const DYNAMIC_MAP: u64 = 0xffff_c000_0000_0000;
/// First address above those of programs. The page below it stays empty, so that no return
/// address of a program is ever non-canonical (SDM 3A 5.8.8, `iretq` faults in ring 0 on such).
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;
