//! Registers at the guest's first instruction, by boot protocol.

use crate::boot::layout;
use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};
use kvm_ioctls::VcpuFd;

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
/// The number that BIOSes give the first hard disk.
const FIRST_HARD_DISK: u64 = 0x80;
/// Bytes that a real-mode segment reaches.
const SEGMENT_BYTES: u64 = 0x1_0000;
/// The bit of rflags that is always set.
const RFLAGS_RESERVED: u64 = 2;

/// How the first processor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuMode {
    /// 32-bit, flat, no paging; rbx holds the start info (Xen pvh.rst).
    Pvh {
        /// Address of the `hvm_start_info`.
        start_info: u64,
    },
    /// 64-bit, first GiB mapped to itself; rsi holds the zero page (Linux boot.rst, 64-bit).
    Linux64 {
        /// Address of the `boot_params`.
        zero_page: u64,
    },
    /// 32-bit, flat, no paging (Multiboot Specification 3.2, Multiboot2 3.3).
    Multiboot {
        /// For eax.
        magic: u32,
        /// Address of the boot information, for ebx.
        info: u64,
    },
    /// Real mode, as a BIOS starts a boot sector: the drive's number in dl.
    Real,
}

/// Where and how a processor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuStart {
    /// Mode and what its protocol leaves in registers.
    pub mode: CpuMode,
    /// Address of the first instruction.
    pub entry: u64,
}

/// Sets general and system registers of a vCPU.
pub(super) fn set(fd: &VcpuFd, start: CpuStart) -> Result<(), kvm_ioctls::Error> {
    let mut sregs = fd.get_sregs()?;
    let mut regs = kvm_regs {
        rip: start.entry,
        rflags: RFLAGS_RESERVED,
        ..Default::default()
    };
    match start.mode {
        CpuMode::Pvh { start_info } => {
            regs.rbx = start_info;
            flat_segments(&mut sregs, Bits::B32);
            sregs.cr0 = CR0_PE | CR0_ET;
            sregs.cr4 = 0;
        }
        CpuMode::Linux64 { zero_page } => {
            regs.rsi = zero_page;
            regs.rsp = layout::BOOT_STACK_TOP;
            flat_segments(&mut sregs, Bits::B64);
            sregs.cr3 = layout::BOOT_PML4;
            sregs.cr4 = CR4_PAE;
            sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
            sregs.efer |= EFER_LME | EFER_LMA;
        }
        CpuMode::Multiboot { magic, info } => {
            regs.rax = magic.into();
            regs.rbx = info;
            regs.rsp = layout::MULTIBOOT_STACK_TOP;
            flat_segments(&mut sregs, Bits::B32);
            sregs.cr0 = CR0_PE | CR0_ET;
            sregs.cr4 = 0;
        }
        CpuMode::Real => {
            regs.rdx = FIRST_HARD_DISK;
            real_mode(&mut sregs, &mut regs, start.entry);
        }
    }
    fd.set_sregs(&sregs)?;
    fd.set_regs(&regs)
}

/// Segments at 0, or for an image beyond the first 64 KiB at the image, its stack in the 64 KiB
/// below. The vCPU is in real mode since its reset.
fn real_mode(sregs: &mut kvm_sregs, regs: &mut kvm_regs, entry: u64) {
    let (image, stack, top) = match entry {
        low @ ..SEGMENT_BYTES => (0, 0, low & !1),
        high => ((high >> 4) << 4, ((high - SEGMENT_BYTES) >> 4) << 4, 0xfffe),
    };
    let segment = |base: u64, type_| kvm_segment {
        base,
        limit: 0xffff,
        selector: (base >> 4) as u16,
        type_,
        present: 1,
        s: 1,
        ..Default::default()
    };
    sregs.cs = segment(image, 0xb);
    let data = segment(image, 0x3);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs) = (data, data, data, data);
    sregs.ss = segment(stack, 0x3);
    (regs.rip, regs.rsp) = (entry - image, top);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    B32,
    B64,
}

/// Code at selector 0x10, data at 0x18, a TSS at 0x20: what both protocols ask for, and what
/// `boot::layout` puts into the GDT.
fn flat_segments(sregs: &mut kvm_sregs, bits: Bits) {
    let flat = kvm_segment {
        limit: u32::MAX,
        s: 1,
        present: 1,
        g: 1,
        ..Default::default()
    };
    let long = u8::from(bits == Bits::B64);
    sregs.cs = kvm_segment {
        selector: 0x10,
        type_: 0xb,
        l: long,
        db: 1 - long,
        ..flat
    };
    let data = kvm_segment {
        selector: 0x18,
        type_: 0x3,
        db: 1,
        ..flat
    };
    (sregs.ds, sregs.es, sregs.ss, sregs.fs, sregs.gs) = (data, data, data, data, data);
    sregs.tr = kvm_segment {
        selector: 0x20,
        type_: 0xb,
        limit: 0x67,
        present: 1,
        ..flat
    };
    (sregs.tr.s, sregs.tr.g) = (0, 0);
    sregs.gdt.base = layout::GDT;
    sregs.gdt.limit = (layout::GDT_ENTRIES.len() * 8 - 1) as u16;
    sregs.idt.base = 0;
    sregs.idt.limit = 0;
}
