//! The only place that names KVM: file descriptors, exits, registers.
//!
//! - [`Kvm`] opens `/dev/kvm` and says what is wrong with it when it cannot.
//! - [`Vm`] owns the VM's descriptors: memory slots, interrupt controllers, irqfd, ioeventfd.
//! - [`Vcpu`] runs one virtual processor and turns what stopped it into a [`VmExit`].
//! - [`Kicker`] makes a running vCPU come back, from any thread.
//! - `coalesced` has writes that need no exit of their own wait for the next.
//! - [`KernelCounters`] are what KVM itself counts of a vCPU.
//! - [`CpuModel`] says what its processor can; `cpuid` and `regs` set the processor up; `irq`
//!   routes interrupts.
#![expect(
    unsafe_code,
    reason = "the kvm_run page is shared with the kernel; slots hand it memory"
)]

mod coalesced;
mod counters;
mod cpu_model;
mod cpuid;
mod exit;
mod irq;
mod kick;
mod regs;
mod vcpu;
mod vm;

pub use counters::KernelCounters;
pub use cpu_model::{CpuModel, CpuModelError, Level};
pub use cpuid::Leaves;
pub use exit::{ExitKind, VmExit};
pub use kick::Kicker;
pub use regs::{CpuMode, CpuStart};
pub use vcpu::{CpuState, Vcpu, VcpuError};
pub use vm::{Chips, Doorbells, Vm, VmError};

use kvm_ioctls::Cap;
use std::io;
use std::sync::Arc;

/// The path of the device.
pub const DEVICE: &str = "/dev/kvm";
/// The API version that has not changed since Linux 2.6.22 (KVM api.rst 4.1).
const API_VERSION: i32 = 12;

/// What every VM here needs of the host.
const NEEDED: &[(Cap, &str)] = &[
    (Cap::Irqchip, "in-kernel interrupt controllers"),
    (Cap::Pit2, "in-kernel PIT"),
    (Cap::Ioeventfd, "ioeventfd"),
    (Cap::Irqfd, "irqfd"),
    (Cap::UserMemory, "user memory"),
    (Cap::ImmediateExit, "immediate exit"),
];

/// Why the host cannot run VMs, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// No such device.
    #[error(
        "/dev/kvm does not exist: load the kvm-amd or kvm-intel module, or turn virtualization on \
         in the firmware (inside a VM: ask its host for nested virtualization)"
    )]
    Missing,
    /// It is there but not for us.
    #[error(
        "/dev/kvm may not be opened: add yourself to the kvm group (sudo usermod -aG kvm $USER, \
         then log in again) or run as root"
    )]
    NotPermitted,
    /// It is there but does not open.
    #[error("/dev/kvm cannot be opened")]
    Open(#[source] io::Error),
    /// It opens but is something else.
    #[error("/dev/kvm speaks API version {0}, not 12: a newer Linux is needed")]
    ApiVersion(i32),
    /// It lacks something.
    #[error("this KVM has no {0}: a newer Linux is needed")]
    Lacks(&'static str),
}

/// An open `/dev/kvm` that has all that is needed.
pub struct Kvm {
    fd: Arc<kvm_ioctls::Kvm>,
    leaves: Arc<Leaves>,
}

/// The processor's time-stamp counter.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

impl Kvm {
    /// Opens `/dev/kvm` and checks its version and capabilities.
    pub fn open() -> Result<Self, KvmError> {
        let fd = kvm_ioctls::Kvm::new().map_err(|error| match error.errno() {
            libc::ENOENT | libc::ENODEV | libc::ENXIO => KvmError::Missing,
            libc::EACCES | libc::EPERM => KvmError::NotPermitted,
            _ => KvmError::Open(error.into()),
        })?;
        match fd.get_api_version() {
            API_VERSION => {}
            other => return Err(KvmError::ApiVersion(other)),
        }
        match NEEDED.iter().find(|(cap, _)| !fd.check_extension(*cap)) {
            Some((_, name)) => Err(KvmError::Lacks(name)),
            None => {
                let fd = Arc::new(fd);
                let leaves = Arc::new(Leaves::new(fd.clone()));
                Ok(Self { fd, leaves })
            }
        }
    }

    /// The same, for VMs whose processors are of that model.
    pub fn with_model(mut self, model: CpuModel) -> Result<Self, CpuModelError> {
        self.leaves = Arc::new(Leaves::of_model(self.fd.clone(), model)?);
        Ok(self)
    }

    /// What vCPU threads may ask for while their VM is being made.
    pub fn leaves(&self) -> Arc<Leaves> {
        self.leaves.clone()
    }

    /// Most vCPUs that one VM may have.
    pub fn max_vcpus(&self) -> usize {
        self.fd.get_max_vcpus()
    }
}
