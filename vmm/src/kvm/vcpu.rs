//! [`Vcpu`]: one virtual processor, run and looked at.

use super::coalesced::Coalesced;
use super::cpuid::Leaves;
use super::kick::set_immediate_exit;
use super::vm::VmFds;
use super::{CpuStart, KernelCounters, Kicker, VmExit, regs};
use kvm_bindings::{KVMIO, kvm_run};
use kvm_ioctls::VcpuFd;
use std::fmt;
use std::io;
use std::sync::Arc;
use vmm_sys_util::ioctl::ioctl;
use vmm_sys_util::ioctl_io_nr;

ioctl_io_nr!(KVM_RUN, KVMIO, 0x80);

/// Why a vCPU could not be made or run.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused to {what}")]
pub struct VcpuError {
    what: &'static str,
    #[source]
    source: io::Error,
}

impl VcpuError {
    pub(super) fn at(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Self {
        move |error| Self {
            what,
            source: error.into(),
        }
    }
}

/// A virtual processor. It is run by one thread, which attaches a [`Kicker`] first.
pub struct Vcpu {
    fd: VcpuFd,
    leaves: Arc<Leaves>,
    /// Index of this vCPU, and how many there are.
    place: (u8, u8),
    run: *mut kvm_run,
    coalesced: Coalesced,
    kicker: Option<Kicker>,
}

// SAFETY: `run` points into the mapping that `fd` owns and is used only through `&mut self` (and
// by the kicker, for the one byte that is meant for other threads).
unsafe impl Send for Vcpu {}

impl Vcpu {
    pub(super) fn new(
        mut fd: VcpuFd,
        vm: Arc<VmFds>,
        leaves: Arc<Leaves>,
        place: (u8, u8),
    ) -> Self {
        let run: *mut kvm_run = fd.get_kvm_run();
        // SAFETY: `fd` is a vCPU's of this VM and owns the mapping.
        let coalesced = unsafe { Coalesced::new(run, vm) };
        Self {
            fd,
            leaves,
            place,
            run,
            coalesced,
            kicker: None,
        }
    }

    /// Sets CPUID, before the first run, and where the guest starts. A vCPU without a start waits
    /// for its start-up IPI.
    pub fn set_up(&self, start: Option<CpuStart>) -> Result<(), VcpuError> {
        let (index, count) = self.place;
        let leaves = self.leaves.of(index, count);
        let leaves = leaves.map_err(VcpuError::at("list its CPUID leaves"))?;
        let set = self.fd.set_cpuid2(&leaves);
        set.map_err(VcpuError::at("set CPUID"))?;
        match start {
            Some(start) => self.start_at(start),
            None => Ok(()),
        }
    }

    /// Sets registers so that the guest goes on there.
    pub fn start_at(&self, start: CpuStart) -> Result<(), VcpuError> {
        regs::set(&self.fd, start).map_err(VcpuError::at("set registers"))
    }

    /// Frequency of the guest's time-stamp counter, which is the host's.
    pub fn tsc_khz(&self) -> Result<u32, VcpuError> {
        self.fd
            .get_tsc_khz()
            .map_err(VcpuError::at("tell the TSC frequency"))
    }

    /// What KVM itself counts of it.
    pub fn kernel_counters(&self) -> Result<KernelCounters, VcpuError> {
        KernelCounters::open(&self.fd)
    }

    /// The calling thread is the one that runs this vCPU, and `kicker` brings it back.
    pub fn attach(&mut self, kicker: Kicker) {
        kicker.attach(self.fd.get_kvm_run());
        self.kicker = Some(kicker);
    }

    /// Takes back a kick that has done its work.
    pub fn clear_kick(&mut self) {
        set_immediate_exit(self.run, 0);
    }

    /// Runs the guest until something is to be done. `on_write` gets the port and bytes of each
    /// write that has waited for that, and is to be done first.
    #[inline(always)]
    pub fn run(&mut self, on_write: impl FnMut(u16, &[u8])) -> Result<VmExit<'_>, VcpuError> {
        // SAFETY: the descriptor is a vCPU's, whose KVM_RUN takes no argument.
        let ended = match unsafe { ioctl(&self.fd, KVM_RUN()) } {
            0 => Ok(()),
            _ => Err(kvm_ioctls::Error::last()),
        };
        if self.coalesced.any() {
            self.coalesced.take(on_write);
        }
        let Err(error) = ended else {
            // SAFETY: `run` is the page of the vCPU that has just run, borrowed until the next time.
            return Ok(unsafe { VmExit::decode(self.run) });
        };
        match error.errno() {
            // EAGAIN: a processor that waits for its start-up IPI was woken.
            libc::EINTR | libc::EAGAIN => Ok(VmExit::Interrupted),
            _ => Err(VcpuError::at("run the guest")(error)),
        }
    }

    /// Registers, and where rip is in guest-physical memory.
    pub fn state(&self) -> Result<CpuState, VcpuError> {
        let regs = self
            .fd
            .get_regs()
            .map_err(VcpuError::at("tell its registers"))?;
        let sregs = self
            .fd
            .get_sregs()
            .map_err(VcpuError::at("tell its registers"))?;
        let linear = regs.rip.wrapping_add(sregs.cs.base);
        let at = self
            .fd
            .translate_gva(linear)
            .ok()
            .filter(|at| at.valid != 0);
        Ok(CpuState {
            registers: [
                ("rip", regs.rip),
                ("rflags", regs.rflags),
                ("rax", regs.rax),
                ("rbx", regs.rbx),
                ("rcx", regs.rcx),
                ("rdx", regs.rdx),
                ("rsi", regs.rsi),
                ("rdi", regs.rdi),
                ("rsp", regs.rsp),
                ("rbp", regs.rbp),
                ("r8", regs.r8),
                ("r9", regs.r9),
                ("r10", regs.r10),
                ("r11", regs.r11),
                ("r12", regs.r12),
                ("r13", regs.r13),
                ("r14", regs.r14),
                ("r15", regs.r15),
                ("cs", sregs.cs.selector.into()),
                ("cr0", sregs.cr0),
                ("cr2", sregs.cr2),
                ("cr3", sregs.cr3),
                ("cr4", sregs.cr4),
                ("efer", sregs.efer),
            ],
            rip_gpa: at.map(|at| at.physical_address),
        })
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        if let Some(kicker) = &self.kicker {
            kicker.detach();
        }
    }
}

/// Registers of a vCPU that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuState {
    /// By name.
    pub registers: [(&'static str, u64); 24],
    /// Guest-physical address of the instruction, where it is mapped.
    pub rip_gpa: Option<u64>,
}

impl CpuState {
    /// Whether the processor stands where a reset leaves it (Intel SDM 3A 10.1.1): KVM resets one
    /// of AMD's after a triple fault, as SVM leaves its state undefined (APM 2 15.14.3).
    pub fn is_reset(&self) -> bool {
        let has = |register| self.registers.contains(&register);
        [("rip", 0xfff0), ("cs", 0xf000), ("cr3", 0)]
            .into_iter()
            .all(has)
    }
}

impl fmt::Display for CpuState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, row) in self.registers.chunks(4).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            for (name, value) in row {
                write!(f, "  {name:>6} {value:016x}")?;
            }
        }
        Ok(())
    }
}
