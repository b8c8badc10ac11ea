//! [`VmExit`]: why a vCPU came back to userspace (KVM api.rst 5, `exit_reason`).

use devices::bus::Width;

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
}

impl ExitKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 10] = [
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
        }
    }
}
