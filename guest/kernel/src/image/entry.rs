//! Where a loader arrives, and the page tables that the kernel begins with.
//!
//! - `entry32`: PVH, in 32-bit mode without paging, `hvm_start_info` in ebx. Named by the ELF
//!   note (Xen docs/misc/pvh.pandoc).
//! - `entry64`: the Linux 64-bit protocol, in long mode with the first GiB mapped to itself, the
//!   zero page in rsi. The ELF entry point, by its physical address.
//!
//! Both end in `rust_entry`, in the window, on processor 0's idle stack.

use core::arch::global_asm;

use kernel::arch::descriptor::CPU_STACKS;
use kernel::arch::stack::STACK_ALIGN;
use kernel::arch::{DIRECT_MAP, DYNAMIC_MAP, KERNEL_WINDOW};
use kernel::boot::Protocol;
use kernel::mm::kernel_map::ImageLayout;

unsafe extern "C" {
    safe static image_text: u8;
    safe static image_rodata: u8;
    safe static image_data: u8;
    safe static image_end: u8;
    safe static kernel_root: u8;
    safe static boot_root: u8;
    safe static image_table: u8;
    safe static direct_table: u8;
    safe static dynamic_table: u8;
    safe static device_table: u8;
}

extern "C" fn rust_entry(is_linux: u64, boot_address: u64) -> ! {
    let address = |symbol: &u8| &raw const *symbol as u64;
    let layout = ImageLayout {
        end: address(&image_end),
        sections: [
            address(&image_text),
            address(&image_rodata),
            address(&image_data),
        ],
        root: address(&kernel_root),
        boot_root: address(&boot_root),
        image_table: address(&image_table),
        direct_table: address(&direct_table),
        dynamic_table: address(&dynamic_table),
        device_table: address(&device_table),
    };
    let protocol = if is_linux == 0 {
        Protocol::Pvh
    } else {
        Protocol::Linux
    };
    kernel::start(layout, protocol, boot_address)
}

global_asm!(
    ".pushsection .note.Xen, \"a\", @note",
    ".balign 4",
    // Name's length, descriptor's length, XEN_ELFNOTE_PHYS32_ENTRY.
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad entry32 - {window}",
    ".popsection",

    // Takes the right to write from code and constants, and lets code be executed, in the table
    // of the image's pages, which the assembler has made all writable.
    ".macro protect_image",
    "mov edi, offset image_table - {window}",
    "mov ecx, offset image_text_pages",
    "2: and dword ptr [edi], ~0x42",
    "and dword ptr [edi + 4], 0x7fffffff",
    "add edi, 8",
    "dec ecx",
    "jnz 2b",
    "mov ecx, offset image_rodata_pages",
    "3: and dword ptr [edi], ~0x42",
    "add edi, 8",
    "dec ecx",
    "jnz 3b",
    ".endm",

    ".pushsection .text.entry, \"ax\"",
    ".code32",
    ".globl entry32",
    "entry32:",
    "cld",
    "protect_image",
    "mov eax, cr4",
    "or eax, 0x20",
    "mov cr4, eax",
    "mov eax, offset boot_root - {window}",
    "mov cr3, eax",
    // EFER: system calls, long mode, no-execute.
    "mov ecx, 0xc0000080",
    "xor edx, edx",
    "mov eax, 0x901",
    "wrmsr",
    // CR0: paging, write protection, protected mode.
    "mov eax, 0x80010001",
    "mov cr0, eax",
    "mov eax, offset entry_gdt_pointer - {window}",
    "lgdt [eax]",
    "mov esi, ebx",
    "xor edi, edi",
    // Far jump to 64-bit code.
    ".byte 0xea",
    ".long entry_high - {window}",
    ".word 8",

    ".code64",
    ".globl entry64",
    "entry64:",
    "cli",
    "cld",
    "protect_image",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x801",
    "wrmsr",
    "mov eax, offset boot_root - {window}",
    "mov cr3, rax",
    "mov edi, 1",

    // From the identity map to the window. rdi: whether Linux's protocol; rsi: its structure.
    "entry_high:",
    "movabs rax, offset entry_window",
    "jmp rax",
    "entry_window:",
    "xor eax, eax",
    "mov ss, eax",
    "mov ds, eax",
    "mov es, eax",
    "lea rsp, [rip + {stacks} + {stack_bytes} - 16]",
    "xor ebp, ebp",
    "call {rust_entry}",
    "ud2",
    ".popsection",

    ".pushsection .rodata.entry, \"a\"",
    ".balign 8",
    "entry_gdt:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    "entry_gdt_pointer:",
    ".word 15",
    ".long entry_gdt - {window}",
    ".popsection",

    // Flags: 0x003 table, 0x163 data page, 0x1e3 large data page; bit 63 is no-execute.
    ".pushsection .data.tables, \"aw\"",
    ".balign 4096",
    ".globl kernel_root, boot_root, image_table, direct_table, dynamic_table, device_table",
    ".macro kernel_half",
    ".skip 8 * ({direct} - 1)",
    ".quad direct_table - {window} + 0x003",
    ".skip 8 * ({dynamic} - {direct} - 1)",
    ".quad dynamic_upper - {window} + 0x003",
    ".skip 8 * (511 - {dynamic} - 1)",
    ".quad window_upper - {window} + 0x003",
    ".endm",
    "kernel_root: .quad 0",
    "kernel_half",
    "boot_root: .quad direct_table - {window} + 0x003",
    "kernel_half",
    "direct_table: .quad direct_first - {window} + 0x003",
    ".skip 8 * 511",
    "dynamic_upper: .quad dynamic_table - {window} + 0x003",
    ".skip 8 * 511",
    "dynamic_table: .quad device_table - {window} + 0x003",
    ".skip 8 * 511",
    "window_upper: .skip 8 * 510",
    ".quad window_table - {window} + 0x003",
    ".quad 0",
    "window_table: .quad 0",
    ".quad image_table - {window} + 0x003",
    ".skip 8 * 510",
    "direct_first: .quad 0x80000000000001e3",
    ".quad image_table - {window} + 0x003",
    ".set page, 2",
    ".rept 510",
    ".quad 0x80000000000001e3 + page * 0x200000",
    ".set page, page + 1",
    ".endr",
    "image_table:",
    ".set page, 0",
    ".rept 512",
    ".quad 0x8000000000200163 + page * 0x1000",
    ".set page, page + 1",
    ".endr",
    "device_table: .skip 4096",
    ".popsection",
    window = const KERNEL_WINDOW,
    direct = const DIRECT_MAP >> 39 & 511,
    dynamic = const DYNAMIC_MAP >> 39 & 511,
    stacks = sym CPU_STACKS,
    stack_bytes = const STACK_ALIGN,
    rust_entry = sym rust_entry,
);
