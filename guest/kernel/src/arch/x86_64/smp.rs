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

/// What the code at [`PAGE`] is told; it lies behind the code.
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
    safe static smp_parameters: u8;
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
    let offset = &raw const smp_parameters as usize - first as usize;
    let page = phys_to_virt(PhysAddr(u64::from(PAGE) << 12));
    // SAFETY: the page is in the direct map, and nobody else's. The code fits, as asserted below.
    unsafe {
        ptr::copy_nonoverlapping(first, page, len);
        page.add(offset)
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

global_asm!(
    ".pushsection .rodata.smp, \"a\"",
    ".balign 16",
    ".code16",
    "smp_code:",
    "cli",
    "mov ax, cs",
    "mov ds, ax",
    "lgdtd [smp_gdt_pointer - smp_code]",
    "mov eax, cr0",
    "or eax, 1",
    "mov cr0, eax",
    "jmp dword ptr [smp_jump32 - smp_code]",
    ".balign 8",
    "smp_jump32:",
    ".long {base} + smp_code32 - smp_code",
    ".word 8",
    ".balign 8",
    "smp_gdt:",
    ".quad 0",
    // 32-bit code, data, 64-bit code.
    ".quad 0x00cf9b000000ffff",
    ".quad 0x00cf93000000ffff",
    ".quad 0x00af9b000000ffff",
    "smp_gdt_pointer:",
    ".word 31",
    ".long {base} + smp_gdt - smp_code",

    ".code32",
    "smp_code32:",
    "mov ax, 16",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "mov eax, 1",
    "cpuid",
    "shr ebx, 24",
    "cmp ebx, [{base} + smp_parameters - smp_code + {cpus}]",
    "jae 9f",
    "mov eax, cr4",
    "or eax, 0x20",
    "mov cr4, eax",
    "mov eax, [{base} + smp_parameters - smp_code + {root}]",
    "mov cr3, eax",
    "mov ecx, 0xc0000080",
    "xor edx, edx",
    "mov eax, 0x901",
    "wrmsr",
    "mov eax, 0x80010001",
    "mov cr0, eax",
    "ljmp 24, offset {base} + smp_code64 - smp_code",
    "9: cli",
    "hlt",
    "jmp 9b",

    ".code64",
    "smp_code64:",
    "mov eax, ebx",
    "imul rax, [{base} + smp_parameters - smp_code + {stride}]",
    "add rax, [{base} + smp_parameters - smp_code + {stack}]",
    "mov rsp, rax",
    // The stack's last word says which processor this is.
    "mov [rsp + 8], rbx",
    "xor ebp, ebp",
    "call [{base} + smp_parameters - smp_code + {entry}]",
    "ud2",
    ".balign 8",
    "smp_parameters:",
    ".skip 40",
    "smp_code_end:",
    ".if smp_code_end - smp_code > 4096",
    ".error \"the start code of the other processors is larger than its page\"",
    ".endif",
    ".popsection",
    base = const (PAGE as u32) << 12,
    root = const offset_of!(Parameters, root),
    stack = const offset_of!(Parameters, stack_top),
    stride = const offset_of!(Parameters, stack_stride),
    entry = const offset_of!(Parameters, entry),
    cpus = const offset_of!(Parameters, cpus),
);
