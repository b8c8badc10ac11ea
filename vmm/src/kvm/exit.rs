//! [`VmExit`]: why a vCPU came back to userspace (KVM api.rst 5, `exit_reason`).

use devices::bus::Width;
use kvm_bindings::{
    KVM_EXIT_DEBUG, KVM_EXIT_FAIL_ENTRY, KVM_EXIT_HLT, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR,
    KVM_EXIT_IO, KVM_EXIT_IO_IN, KVM_EXIT_MEMORY_FAULT, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN,
    KVM_EXIT_SYSTEM_EVENT, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, kvm_run,
};
use std::slice;

/// One exit, with what the handler has to read or fill in.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "the fields are KVM's own; `width` is that of one element"
)]
pub enum VmExit<'a> {
    /// `in`, or `rep ins`: `data` holds one or several elements of `width`.
    PioRead {
        port: u16,
        width: Width,
        data: &'a mut [u8],
    },
    /// `out`, or `rep outs`.
    PioWrite {
        port: u16,
        width: Width,
        data: &'a [u8],
    },
    /// A load from an address that is not memory.
    MmioRead { gpa: u64, data: &'a mut [u8] },
    /// A store to an address that is not memory.
    MmioWrite { gpa: u64, data: &'a [u8] },
    /// `rdmsr` of one that KVM does not know; a `fault` of 1 is a general protection fault.
    MsrRead {
        index: u32,
        value: &'a mut u64,
        fault: &'a mut u8,
    },
    /// `wrmsr` of one that KVM does not know.
    MsrWrite {
        index: u32,
        value: u64,
        fault: &'a mut u8,
    },
    /// A signal or `immediate_exit`; nothing to handle.
    Interrupted,
    /// `hlt` without an in-kernel LAPIC.
    Halted,
    /// Triple fault.
    Shutdown,
    /// KVM asks for the VM's end on the guest's behalf.
    SystemEvent { event: u32 },
    /// The processor refused the guest's state.
    FailEntry { reason: u64 },
    /// KVM could not go on; `suberror` 1 is an instruction it cannot emulate.
    InternalError { suberror: u32 },
    /// Guest debugging: single step or breakpoint.
    Debug { pc: u64 },
    /// Access to memory that is not there (KVM_CAP_MEMORY_FAULT_INFO).
    MemoryFault { gpa: u64 },
    /// A reason that nobody asked for.
    Unexpected { reason: u32 },
}

impl VmExit<'_> {
    /// What the kernel has left in a vCPU's page. Not kvm-ioctls' own decoder: with a second one
    /// behind it, an exit takes a third more instructions of ours.
    ///
    /// # Safety
    /// `run` is mapped as long as the vCPU's mmap size says, KVM_RUN has just returned 0 for it,
    /// and nothing else uses what it says until the exit is dropped.
    #[inline(always)]
    pub(super) unsafe fn decode(run: *mut kvm_run) -> Self {
        // SAFETY: as the caller promises; a member of the union is used as its reason says.
        unsafe {
            let detail = &raw mut (*run).__bindgen_anon_1;
            match (*run).exit_reason {
                KVM_EXIT_IO => {
                    let io = (*detail).io;
                    let len = usize::from(io.size) * io.count as usize;
                    let data = run.cast::<u8>().add(io.data_offset as usize);
                    let (port, width) = (io.port, pio_width(io.size));
                    if u32::from(io.direction) == KVM_EXIT_IO_IN {
                        let data = slice::from_raw_parts_mut(data, len);
                        Self::PioRead { port, width, data }
                    } else {
                        let data = slice::from_raw_parts(data, len);
                        Self::PioWrite { port, width, data }
                    }
                }
                KVM_EXIT_MMIO => {
                    let mmio = &mut (*detail).mmio;
                    let (gpa, len) = (mmio.phys_addr, mmio.data.len().min(mmio.len as usize));
                    let data = &mut mmio.data[..len];
                    match mmio.is_write {
                        0 => Self::MmioRead { gpa, data },
                        _ => Self::MmioWrite { gpa, data },
                    }
                }
                KVM_EXIT_X86_RDMSR => {
                    let msr = &mut (*detail).msr;
                    Self::MsrRead {
                        index: msr.index,
                        value: &mut msr.data,
                        fault: &mut msr.error,
                    }
                }
                KVM_EXIT_X86_WRMSR => {
                    let msr = &mut (*detail).msr;
                    Self::MsrWrite {
                        index: msr.index,
                        value: msr.data,
                        fault: &mut msr.error,
                    }
                }
                KVM_EXIT_INTR => Self::Interrupted,
                KVM_EXIT_HLT => Self::Halted,
                KVM_EXIT_SHUTDOWN => Self::Shutdown,
                KVM_EXIT_SYSTEM_EVENT => Self::SystemEvent {
                    event: (*detail).system_event.type_,
                },
                KVM_EXIT_FAIL_ENTRY => Self::FailEntry {
                    reason: (*detail).fail_entry.hardware_entry_failure_reason,
                },
                KVM_EXIT_INTERNAL_ERROR => Self::InternalError {
                    suberror: (*detail).internal.suberror,
                },
                KVM_EXIT_DEBUG => Self::Debug {
                    pc: (*detail).debug.arch.pc,
                },
                KVM_EXIT_MEMORY_FAULT => Self::MemoryFault {
                    gpa: (*detail).memory_fault.gpa,
                },
                reason => Self::Unexpected { reason },
            }
        }
    }
}

/// Width of one element of a port access.
fn pio_width(bytes: u8) -> Width {
    match bytes {
        1 => Width::Byte,
        2 => Width::Word,
        _ => Width::Dword,
    }
}

/// What an exit is accounted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitKind {
    /// `in`
    PioRead,
    /// `out`
    PioWrite,
    /// load
    MmioRead,
    /// store
    MmioWrite,
    /// `rdmsr`, `wrmsr`
    Msr,
    /// signal
    Interrupted,
    /// `hlt`
    Halted,
    /// Triple fault, system event.
    Shutdown,
    /// Fail entry, internal error, memory fault, unexpected.
    Error,
    /// Guest debugging.
    Debug,
    /// No exit: an `out` that waited for one.
    Coalesced,
}

impl ExitKind {
    /// Those that are exits, in the order of their numbers, which come first.
    pub const EXITS: [Self; 10] = [
        Self::PioRead,
        Self::PioWrite,
        Self::MmioRead,
        Self::MmioWrite,
        Self::Msr,
        Self::Interrupted,
        Self::Halted,
        Self::Shutdown,
        Self::Error,
        Self::Debug,
    ];
    /// How many kinds there are.
    pub const COUNT: usize = Self::Coalesced as usize + 1;

    /// Name in tables and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PioRead => "pio_read",
            Self::PioWrite => "pio_write",
            Self::MmioRead => "mmio_read",
            Self::MmioWrite => "mmio_write",
            Self::Msr => "msr",
            Self::Interrupted => "interrupted",
            Self::Halted => "halted",
            Self::Shutdown => "shutdown",
            Self::Error => "error",
            Self::Debug => "debug",
            Self::Coalesced => "coalesced",
        }
    }
}
