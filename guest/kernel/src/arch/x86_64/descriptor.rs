//! Segment, task-state and interrupt descriptors.
//!
//! Every processor has a GDT and a TSS of its own. The IDT is one constant for all: the entry
//! code of vector `n` is linked at a fixed place (`resources/kernel.ld`), [`VECTOR_CODE`] plus
//! 16 times `n`, so nothing has to be filled in at boot.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ptr;

use x86_64::VirtAddr;
use x86_64::instructions::tables::{lgdt, lidt, load_tss};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, DescriptorFlags, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::stack::{STACK_ALIGN, Stack};
use super::{KERNEL_WINDOW, MAX_CPUS, cpu_id};
use crate::mm;

/// Selectors, in an order that `syscall` accepts.
pub const KERNEL_CODE: u16 = 0x08;
const KERNEL_DATA: u16 = 0x10;
/// Of ring 3.
pub const USER_DATA: u16 = 0x18 | 3;
/// Of ring 3.
pub const USER_CODE: u16 = 0x20 | 3;
const TASK: u16 = 0x28;

/// Value of the STAR register: what `syscall` loads into CS; SS is the next one.
pub(super) const STAR: u64 = (KERNEL_CODE as u64) << 32;

/// Vectors with entry code.
pub(super) const VECTORS: usize = 112;
/// Where the entry code of vector 0 is linked.
const VECTOR_CODE: u64 = KERNEL_WINDOW + 0x20_0000;
/// Bytes of entry code a vector.
const VECTOR_CODE_BYTES: u64 = 16;

/// Stacks of one processor: the one it boots and idles on, and those of exceptions that may
/// come at any moment.
const STACKS: usize = 4;
/// Vector and stack of those exceptions: double fault, NMI, machine check.
const OWN_STACK: [(usize, usize); 3] = [(8, 1), (2, 2), (18, 3)];

/// Stacks of one processor.
#[repr(C, align(0x4000))]
pub struct CpuStacks(UnsafeCell<[[u8; STACK_ALIGN as usize]; STACKS]>);

// SAFETY: nothing but the processors' pushing and popping touches a stack.
unsafe impl Sync for CpuStacks {}

/// Stacks of all processors. The first one's first is where the entry code begins.
pub static CPU_STACKS: [CpuStacks; MAX_CPUS] =
    [const { CpuStacks(UnsafeCell::new([[0; STACK_ALIGN as usize]; STACKS])) }; MAX_CPUS];

/// Stack `index` of processor `cpu`.
fn cpu_stack(cpu: u32, index: usize) -> Stack {
    let base = CPU_STACKS[cpu as usize].0.get() as u64 + index as u64 * STACK_ALIGN;
    // SAFETY: the stacks above are aligned, mapped and used for nothing else.
    unsafe { Stack::new(base) }
}

/// The stack that processor `cpu` boots and idles on.
pub fn idle_stack(cpu: u32) -> Stack {
    cpu_stack(cpu, 0)
}

struct Tables {
    gdt: UnsafeCell<[u64; 7]>,
    tss: UnsafeCell<TaskStateSegment>,
}

// SAFETY: each processor touches its own element only.
unsafe impl Sync for Tables {}

static TABLES: [Tables; MAX_CPUS] = [const {
    Tables {
        gdt: UnsafeCell::new([0; 7]),
        tss: UnsafeCell::new(TaskStateSegment::new()),
    }
}; MAX_CPUS];

/// An interrupt gate (SDM 3A 6.14.1).
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Gate>() == 16 && size_of::<TaskStateSegment>() == 104);

/// Present, ring 0, 64-bit interrupt gate: interrupts stay off in the handler.
const INTERRUPT_GATE: u8 = 0x8e;

static IDT: [Gate; VECTORS] = idt();

const fn idt() -> [Gate; VECTORS] {
    let mut gates = [gate(0, 0); VECTORS];
    let mut vector = 0;
    while vector < VECTORS {
        gates[vector] = gate(vector, 0);
        vector += 1;
    }
    let mut i = 0;
    while i < OWN_STACK.len() {
        let (vector, stack) = OWN_STACK[i];
        gates[vector] = gate(vector, stack as u8);
        i += 1;
    }
    gates
}

const fn gate(vector: usize, stack: u8) -> Gate {
    let offset = VECTOR_CODE + vector as u64 * VECTOR_CODE_BYTES;
    Gate {
        offset_low: offset as u16,
        selector: KERNEL_CODE,
        stack,
        kind: INTERRUPT_GATE,
        offset_middle: (offset >> 16) as u16,
        offset_high: (offset >> 32) as u32,
        reserved: 0,
    }
}

/// Gives processor `cpu`, which this code runs on, its tables and stacks.
pub(super) fn load(cpu: u32) {
    for index in 0..STACKS {
        let stack = cpu_stack(cpu, index);
        stack.set_cpu(cpu);
        mm::kernel_map::guard(stack.top() & !(STACK_ALIGN - 1));
    }
    let tables = &TABLES[cpu as usize];
    // SAFETY: this processor's own, and none other's; nothing else refers to them yet.
    let (gdt, tss) = unsafe { (&mut *tables.gdt.get(), &mut *tables.tss.get()) };
    for (_, index) in OWN_STACK {
        tss.interrupt_stack_table[index - 1] = VirtAddr::new_truncate(cpu_stack(cpu, index).top());
    }
    // SAFETY: the descriptor is made for a TSS that lives for ever.
    let Descriptor::SystemSegment(low, high) = (unsafe { Descriptor::tss_segment_unchecked(tss) })
    else {
        unreachable!("a TSS has a system descriptor")
    };
    *gdt = [
        0,
        DescriptorFlags::KERNEL_CODE64.bits(),
        DescriptorFlags::KERNEL_DATA.bits(),
        DescriptorFlags::USER_DATA.bits(),
        DescriptorFlags::USER_CODE64.bits(),
        low,
        high,
    ];
    let gdt = table(gdt);
    // SAFETY: the tables are complete and live for ever.
    unsafe {
        lgdt(&gdt);
        lidt(&table(&IDT));
        reload_segments();
        load_tss(SegmentSelector(TASK));
    }
}

fn table<T>(entries: &[T]) -> DescriptorTablePointer {
    let limit =
        u16::try_from(size_of_val(entries) - 1).expect("a descriptor table is below 64 KiB");
    DescriptorTablePointer {
        limit,
        base: VirtAddr::from_ptr(entries.as_ptr()),
    }
}

/// Sets where ring 3 enters the kernel by interrupts on this processor.
pub(super) fn set_kernel_stack(top: u64) {
    let tss = TABLES[cpu_id() as usize].tss.get();
    // SAFETY: this processor's own TSS; the field is written whole.
    unsafe {
        ptr::write_unaligned(
            &raw mut (*tss).privilege_stack_table[0],
            VirtAddr::new_truncate(top),
        )
    };
}

/// Loads CS by an `iretq` to the next instruction, as far returns are not emulated everywhere.
///
/// # Safety
/// The GDT in use must have the kernel's code and data segments.
unsafe fn reload_segments() {
    // SAFETY: as asked for above; the stack is back where it was afterwards.
    unsafe {
        asm!(
            "mov {scratch}, rsp",
            "push {data}",
            "push {scratch}",
            "pushfq",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "iretq",
            "2:",
            "mov ss, {data:e}",
            "mov ds, {data:e}",
            "mov es, {data:e}",
            scratch = out(reg) _,
            data = in(reg) u64::from(KERNEL_DATA),
            code = in(reg) u64::from(KERNEL_CODE),
        );
    }
}
