//! The other processors: from reset to the kernel.
//!
//! They begin in real mode, in a copy of the code below at [`PAGE`], all at once; each knows by
//! its APIC's number which it is, and so which stack is its own.

use core::arch::global_asm;
use core::mem::offset_of;
use core::ptr;

use super::stack::STACK_ALIGN;
use super::{MAX_CPUS, apic, cpu, descriptor};
use crate::mm::{PhysAddr, kernel_map, phys_to_virt};

/// Page below 1 MiB where the other processors begin; memory that loaders and firmware use
/// before the kernel and nobody does after.
const PAGE: u8 = 8;

/// What the code at [`PAGE`] is told.
#[repr(C)]
struct Parameters {
    root: u64,
    /// Top of processor 0's stack, and how far the next one's is above it.
    stack_top: u64,
    stack_stride: u64,
    entry: u64,
    /// Processors with a higher number stop.
    cpus: u64,
}

unsafe extern "C" {
    safe static smp_code: u8;
    safe static smp_code_end: u8;
}

/// Starts all processors but this one; each calls `entry` on its own stack.
pub fn start(cpus: u32, entry: extern "C" fn() -> !) {
    let layout = kernel_map::layout();
    let parameters = Parameters {
        root: kernel_map::image_phys(layout.boot_root).0,
        stack_top: descriptor::idle_stack(0).top(),
        stack_stride: descriptor::idle_stack(1).top() - descriptor::idle_stack(0).top(),
        entry: entry as usize as u64,
        cpus: u64::from(cpus).min(MAX_CPUS as u64),
    };
    let first = &raw const smp_code;
    let len = &raw const smp_code_end as usize - first as usize;
    let page = phys_to_virt(PhysAddr(u64::from(PAGE) << 12));
    // SAFETY: the page is in the direct map, and nobody else's. Code and parameters fit.
    unsafe {
        ptr::copy_nonoverlapping(first, page, len);
        page.add(PARAMETERS as usize)
            .cast::<Parameters>()
            .write_unaligned(parameters);
    }
    apic::reset_others();
    apic::start_others(PAGE);
}

/// Brings this processor, which has come from [`start`], to the kernel's state.
pub fn init() -> u32 {
    let cpu = cpu::apic_id();
    cpu::set_page_table(kernel_map::root());
    cpu::init(cpu);
    cpu
}

const _: () = assert!(STACK_ALIGN.is_power_of_two() && size_of::<Parameters>() == 40);

/// Where in the page the 32-bit code, the 64-bit code and the parameters are.
const CODE_32: u32 = 0x80;
const CODE_64: u32 = 0x100;
const PARAMETERS: u32 = 0x180;

global_asm!(
    ".pushsection .rodata.smp, \"a\"",
    ".balign 16",
    ".code16",
    "smp_code:",
    "cli",
    "mov ax, cs",
    "mov ds, ax",
    "lgdtd [0x38]",
    "mov eax, cr0",
    "or eax, 1",
    "mov cr0, eax",
    // Far jump to 32-bit code; the assembler has no word for one to a constant.
    ".byte 0x66, 0xea",
    ".long {page} + {code_32}",
    ".word 8",
    ".org smp_code + 0x38",
    ".word 31",
    ".long {page} + 0x40",
    ".org smp_code + 0x40",
    ".quad 0",
    // 32-bit code, data, 64-bit code.
    ".quad 0x00cf9b000000ffff",
    ".quad 0x00cf93000000ffff",
    ".quad 0x00af9b000000ffff",

    ".org smp_code + {code_32}",
    ".code32",
    "mov ax, 16",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "mov eax, 1",
    "cpuid",
    "shr ebx, 24",
    "cmp ebx, [{parameters} + {cpus}]",
    "jae 9f",
    "mov eax, cr4",
    "or eax, 0x20",
    "mov cr4, eax",
    "mov eax, [{parameters} + {root}]",
    "mov cr3, eax",
    "mov ecx, 0xc0000080",
    "xor edx, edx",
    "mov eax, 0x901",
    "wrmsr",
    "mov eax, 0x80010001",
    "mov cr0, eax",
    ".byte 0xea",
    ".long {page} + {code_64}",
    ".word 24",
    "9: cli",
    "hlt",
    "jmp 9b",

    ".org smp_code + {code_64}",
    ".code64",
    "mov eax, ebx",
    "imul rax, [{parameters} + {stride}]",
    "add rax, [{parameters} + {stack}]",
    "mov rsp, rax",
    // The stack's last word says which processor this is.
    "mov [rsp + 8], rbx",
    "xor ebp, ebp",
    "call [{parameters} + {entry}]",
    "ud2",
    ".org smp_code + {code_bytes}",
    "smp_code_end:",
    ".popsection",
    page = const (PAGE as u32) << 12,
    code_32 = const CODE_32,
    code_64 = const CODE_64,
    code_bytes = const PARAMETERS,
    parameters = const ((PAGE as u32) << 12) + PARAMETERS,
    root = const offset_of!(Parameters, root),
    stack = const offset_of!(Parameters, stack_top),
    stride = const offset_of!(Parameters, stack_stride),
    entry = const offset_of!(Parameters, entry),
    cpus = const offset_of!(Parameters, cpus),
);
