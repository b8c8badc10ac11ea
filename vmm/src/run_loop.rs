//! The run loop of a vCPU.
//!
//! ```text
//!            +--> obey commands --> KVM_RUN --> handle the exit --> account for it --+
//!            +-----------------------------------------------------------------------+
//!                     | Stop: no reason             | an exit that ends the VM: a reason
//! ```
//!
//! Commands come from [`crate::vcpu_thread`]. On the exit path the only lock is the addressed
//! device's own.

use crate::accounting::ExitStats;
use crate::halt::{EmulationFailure, HaltReason};
use crate::kvm::{ExitKind, Vcpu, VmExit, ticks};
use crate::memory::GuestMemory;
use crate::msr::UnknownMsrs;
use crate::vcpu_thread::{Command, Control};
use devices::bus::{DeviceId, MmioBus, PioBus, Width};
use devices::power::PowerSwitch;
use std::sync::OnceLock;
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// What the vCPU threads of a VM share.
pub struct Shared {
    /// Ports.
    pub pio: PioBus,
    /// Device memory.
    pub mmio: MmioBus,
    /// Asked after each exit.
    pub power: PowerSwitch,
    /// Memory, to show the instruction that went wrong.
    pub memory: GuestMemory,
    /// Answers what KVM does not.
    pub unknown_msrs: UnknownMsrs,
    /// Filled by the first vCPU that ends the VM.
    pub halt: OnceLock<HaltReason>,
    /// Signalled then.
    pub halt_evt: EventFd,
}

impl Shared {
    /// Ends the VM. If it has ended already, its first reason stays, and whoever gave that has told
    /// the event loop.
    pub(crate) fn end(&self, reason: HaltReason) {
        if self.halt.set(reason).is_ok()
            && let Err(error) = self.halt_evt.write(1)
        {
            log::error!("the guest's end: {error}");
        }
    }
}

/// The run loop: returns why the VM ended, or nothing when told to stop.
pub(crate) fn run(
    vcpu: &mut Vcpu,
    shared: &Shared,
    control: &Control,
    stats: &ExitStats,
) -> Option<HaltReason> {
    loop {
        if !control.is(Command::Run) {
            if control.is(Command::Stop) {
                return None;
            }
            control.rest();
            continue;
        }
        let on_write = |port, data: &[u8]| {
            let start = ticks();
            let device = shared.pio.write(port, data);
            stats.record(ExitKind::Coalesced, device, 1, ticks() - start);
        };
        let exit = match vcpu.run(on_write) {
            Ok(exit) => exit,
            Err(error) => return Some(HaltReason::HostError(crate::chain(&error))),
        };
        let start = ticks();
        let accesses = accesses(&exit);
        let (kind, device) = match handle(exit, shared) {
            Handled::Done(kind, device) => (kind, device),
            Handled::End(kind, ending) => {
                stats.record(kind, DeviceId::NONE, 0, ticks() - start);
                return Some(ending.into_reason(vcpu, &shared.memory));
            }
        };
        stats.record(kind, device, accesses, ticks() - start);
        if kind == ExitKind::Interrupted {
            // The kick has done its work; its command came before it and is seen above.
            vcpu.clear_kick();
        }
        if let Some(event) = shared.power.pressed() {
            return Some(HaltReason::from_power(event));
        }
    }
}

/// What became of an exit.
enum Handled {
    Done(ExitKind, DeviceId),
    End(ExitKind, Ending),
}

/// An exit that ends the VM; the vCPU is free again, so that its state can be read.
enum Ending {
    TripleFault,
    Emulation { suberror: u32 },
    Host(String),
}

/// Accesses to registers that an exit stands for.
fn accesses(exit: &VmExit<'_>) -> u64 {
    match exit {
        VmExit::PioRead { width, data, .. } => {
            (data.len() >> width.bytes().trailing_zeros()) as u64
        }
        VmExit::PioWrite { width, data, .. } => {
            (data.len() >> width.bytes().trailing_zeros()) as u64
        }
        VmExit::MmioRead { .. } | VmExit::MmioWrite { .. } => 1,
        _ => 0,
    }
}

/// Handles one exit.
fn handle(exit: VmExit<'_>, shared: &Shared) -> Handled {
    use Handled::{Done, End};
    match exit {
        VmExit::PioWrite { port, width, data } => Done(
            ExitKind::PioWrite,
            pio_write(&shared.pio, port, width, data),
        ),
        VmExit::PioRead { port, width, data } => {
            Done(ExitKind::PioRead, pio_read(&shared.pio, port, width, data))
        }
        VmExit::MmioWrite { gpa, data } => Done(ExitKind::MmioWrite, shared.mmio.write(gpa, data)),
        VmExit::MmioRead { gpa, data } => Done(ExitKind::MmioRead, shared.mmio.read(gpa, data)),
        VmExit::MsrRead {
            index,
            value,
            fault,
        } => {
            match shared.unknown_msrs.read(index) {
                Some(read) => (*value, *fault) = (read, 0),
                None => *fault = 1,
            }
            Done(ExitKind::Msr, DeviceId::NONE)
        }
        VmExit::MsrWrite {
            index,
            value,
            fault,
        } => {
            *fault = u8::from(!shared.unknown_msrs.write(index, value));
            Done(ExitKind::Msr, DeviceId::NONE)
        }
        VmExit::Interrupted => Done(ExitKind::Interrupted, DeviceId::NONE),
        VmExit::Debug { .. } => Done(ExitKind::Debug, DeviceId::NONE),
        VmExit::Halted => Done(ExitKind::Halted, DeviceId::NONE),
        VmExit::Shutdown => End(ExitKind::Shutdown, Ending::TripleFault),
        VmExit::SystemEvent { event } => End(
            ExitKind::Shutdown,
            Ending::Host(format!("system event {event}")),
        ),
        VmExit::InternalError { suberror } => End(ExitKind::Error, Ending::Emulation { suberror }),
        VmExit::FailEntry { reason } => {
            let what = format!("the processor refused the guest's state (reason {reason:#x})");
            End(ExitKind::Error, Ending::Host(what))
        }
        VmExit::MemoryFault { gpa } => End(
            ExitKind::Error,
            Ending::Host(format!("no memory behind {gpa:#x}")),
        ),
        VmExit::Unexpected { reason } => End(
            ExitKind::Error,
            Ending::Host(format!("unexpected KVM exit {reason}")),
        ),
    }
}

/// One access, or a string instruction's several to the same port.
fn pio_write(bus: &PioBus, port: u16, width: Width, data: &[u8]) -> DeviceId {
    if data.len() == width.bytes() {
        return bus.write(port, data);
    }
    let elements = data.chunks(width.bytes());
    elements.fold(DeviceId::NONE, |_, element| bus.write(port, element))
}

fn pio_read(bus: &PioBus, port: u16, width: Width, data: &mut [u8]) -> DeviceId {
    if data.len() == width.bytes() {
        return bus.read(port, data);
    }
    let elements = data.chunks_mut(width.bytes());
    elements.fold(DeviceId::NONE, |_, element| bus.read(port, element))
}

impl Ending {
    fn into_reason(self, vcpu: &Vcpu, memory: &GuestMemory) -> HaltReason {
        let what = match self {
            Self::Host(what) => return HaltReason::HostError(what),
            Self::TripleFault => vcpu.state().map(|s| HaltReason::TripleFault(Box::new(s))),
            Self::Emulation { suberror } => vcpu.state().map(|state| {
                let bytes = state
                    .rip_gpa
                    .map_or(Vec::new(), |gpa| bytes_at(memory, gpa));
                let failure = EmulationFailure {
                    suberror,
                    state,
                    bytes,
                };
                HaltReason::EmulationFailure(Box::new(failure))
            }),
        };
        what.unwrap_or_else(|error| HaltReason::HostError(crate::chain(&error)))
    }
}

/// The longest instruction (Intel SDM 2A 2.3.11), or less at the end of memory.
fn bytes_at(memory: &GuestMemory, gpa: u64) -> Vec<u8> {
    let mut bytes = [0; 15];
    let read = memory.read(&mut bytes, GuestAddress(gpa)).unwrap_or(0);
    bytes[..read].to_vec()
}
