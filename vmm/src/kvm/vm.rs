//! [`Vm`]: the descriptors of one virtual machine.
//!
//! Order matters to start-up time: memory slots first. A slot set after a bus registration
//! (irqchip, PIT, ioeventfd) waits milliseconds for a grace period.

use super::cpuid::Leaves;
use super::irq::{Messages, Pin, Routes};
use super::{Kvm, Vcpu, VcpuError};
use crate::memory::GuestMemory;
use devices::irq::{IrqLine, LevelInput};
use devices::pci::msix::MsiSink;
use kvm_bindings::{
    KVM_CAP_COALESCED_PIO, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN,
    KVM_PIT_SPEAKER_DUMMY, kvm_enable_cap, kvm_pit_config, kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, IoEventAddress, NoDatamatch, VmFd};
use std::io;
use std::sync::{Arc, Mutex};
use vm_memory::{Address, GuestMemoryBackend, GuestMemoryRegion};
use vmm_sys_util::eventfd::EventFd;

/// Three pages below 4 GiB that Intel processors without unrestricted guest need.
const TSS_ADDRESS: usize = 0xfffb_d000;
/// One page after them, likewise.
const IDENTITY_MAP_ADDRESS: u64 = 0xfffb_c000;

/// Why a VM could not be made.
#[derive(Debug, thiserror::Error)]
#[error("KVM refused to {what}")]
pub struct VmError {
    what: &'static str,
    #[source]
    source: io::Error,
}

impl VmError {
    pub(super) fn at(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Self {
        move |error| Self {
            what,
            source: error.into(),
        }
    }
}

/// In-kernel interrupt controllers and timer, or none (for measurements without them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chips {
    /// PIC, IOAPIC, LAPICs, PIT.
    InKernel,
    /// None: `hlt` comes back as an exit.
    None,
}

/// A virtual machine.
pub struct Vm {
    shared: Arc<VmFds>,
    leaves: Arc<Leaves>,
}

/// What devices' connections keep of a VM.
pub(super) struct VmFds {
    pub(super) fd: VmFd,
    pub(super) routes: Routes,
    // The slots point into it.
    memory: GuestMemory,
    /// Held by the vCPU that takes writes out of the ring.
    pub(super) taking: Mutex<()>,
}

impl Vm {
    /// A VM with this memory. vCPUs come from [`Self::create_vcpu`].
    pub fn new(kvm: &Kvm, memory: GuestMemory, chips: Chips) -> Result<Self, VmError> {
        let fd = kvm.fd.create_vm().map_err(VmError::at("create a VM"))?;
        let vm = Self {
            shared: Arc::new(VmFds {
                fd,
                routes: Routes::default(),
                memory,
                taking: Mutex::default(),
            }),
            leaves: kvm.leaves(),
        };
        vm.set_slots()?;
        // Only Intel's kvm uses these pages; without it, both calls fail or do nothing.
        if kvm.fd.check_extension(Cap::SetTssAddr) {
            vm.fd()
                .set_tss_address(TSS_ADDRESS)
                .map_err(VmError::at("set the TSS address"))?;
        }
        if kvm.fd.check_extension(Cap::SetIdentityMapAddr) {
            let set = vm.fd().set_identity_map_address(IDENTITY_MAP_ADDRESS);
            set.map_err(VmError::at("set the identity map address"))?;
        }
        if chips == Chips::InKernel {
            vm.create_chips()?;
        }
        Ok(vm)
    }

    /// The PIT comes before any thread of ours: KVM waits for a kernel thread of its own then, which
    /// takes ten times as long when the processors are busy.
    fn create_chips(&self) -> Result<(), VmError> {
        let created = self.fd().create_irq_chip();
        created.map_err(VmError::at("create interrupt controllers"))?;
        let pit = kvm_pit_config {
            flags: KVM_PIT_SPEAKER_DUMMY,
            ..Default::default()
        };
        let created = self.fd().create_pit2(pit);
        created.map_err(VmError::at("create the PIT"))
    }

    fn set_slots(&self) -> Result<(), VmError> {
        for (slot, region) in (0..).zip(self.memory().iter()) {
            let region = kvm_userspace_memory_region {
                slot,
                flags: 0,
                guest_phys_addr: region.start_addr().raw_value(),
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: the region is mapped, and stays so as long as `VmFds::memory`.
            let set = unsafe { self.fd().set_user_memory_region(region) };
            set.map_err(VmError::at("take the guest's memory"))?;
        }
        Ok(())
    }

    fn fd(&self) -> &VmFd {
        &self.shared.fd
    }

    /// Has accesses to MSRs that KVM does not know come as exits; returns whether KVM can do that.
    pub fn tell_of_unknown_msrs(&self) -> bool {
        let mut cap = kvm_enable_cap {
            cap: KVM_CAP_X86_USER_SPACE_MSR,
            ..Default::default()
        };
        cap.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN.into();
        self.fd().enable_cap(&cap).is_ok()
    }

    /// The guest's memory.
    pub fn memory(&self) -> &GuestMemory {
        &self.shared.memory
    }

    /// vCPU `index` of `count`, to be set up by the thread that will run it.
    pub fn create_vcpu(&self, index: u8, count: u8) -> Result<Vcpu, VcpuError> {
        let fd = self.fd().create_vcpu(index.into());
        let fd = fd.map_err(VcpuError::at("create a vCPU"))?;
        let vm = self.shared.clone();
        Ok(Vcpu::new(fd, vm, self.leaves.clone(), (index, count)))
    }

    /// Edges on `line` interrupt the guest as global system interrupt `gsi`.
    pub fn connect_irq(&self, line: &IrqLine, gsi: u32) -> Result<(), VmError> {
        self.fd()
            .register_irqfd(line.evt(), gsi)
            .map_err(VmError::at("connect an irqfd"))
    }

    /// A 4-byte write of `value` to `gpa` signals `evt` instead of exiting.
    pub fn connect_doorbell(&self, evt: &EventFd, gpa: u64, value: u32) -> Result<(), VmError> {
        let address = IoEventAddress::Mmio(gpa);
        self.fd()
            .register_ioevent(evt, &address, value)
            .map_err(VmError::at("connect an ioeventfd"))
    }

    /// Byte-wide writes to `port` wait for the next exit, where KVM can do that.
    pub fn coalesce_port(&self, port: u16) -> Result<(), VmError> {
        if self.fd().check_extension_raw(KVM_CAP_COALESCED_PIO.into()) <= 0 {
            return Ok(());
        }
        let address = IoEventAddress::Pio(port.into());
        let registered = self.fd().register_coalesced_mmio(address, 1);
        registered.map_err(VmError::at("coalesce the writes to a port"))
    }

    /// The pin `gsi`, to be set by level.
    pub fn pin(&self, gsi: u32) -> Box<dyn LevelInput> {
        let vm = self.shared.clone();
        Box::new(Pin { vm, gsi })
    }

    /// Interrupt messages of a PCI function with so many vectors.
    pub fn messages(&self, count: u16) -> io::Result<Box<dyn MsiSink>> {
        Ok(Box::new(Messages::new(self.shared.clone(), count)?))
    }

    /// Connects doorbells that come and go while the guest runs.
    pub fn doorbells(&self) -> Doorbells {
        Doorbells(self.shared.clone())
    }

    /// A write of any width to `port` signals `evt` instead of exiting.
    pub fn connect_port(&self, evt: &EventFd, port: u16) -> Result<(), VmError> {
        let address = IoEventAddress::Pio(port.into());
        let connected = self.fd().register_ioevent(evt, &address, NoDatamatch);
        connected.map_err(VmError::at("connect an ioeventfd"))
    }
}

/// Doorbells in memory that come and go.
#[derive(Clone)]
pub struct Doorbells(Arc<VmFds>);

impl Doorbells {
    /// A write of any width to `gpa` signals `evt` instead of exiting.
    pub fn connect(&self, evt: &EventFd, gpa: u64) -> Result<(), VmError> {
        let address = IoEventAddress::Mmio(gpa);
        let connected = self.0.fd.register_ioevent(evt, &address, NoDatamatch);
        connected.map_err(VmError::at("connect an ioeventfd"))
    }

    /// Takes back [`Self::connect`].
    pub fn disconnect(&self, evt: &EventFd, gpa: u64) -> Result<(), VmError> {
        let address = IoEventAddress::Mmio(gpa);
        let disconnected = self.0.fd.unregister_ioevent(evt, &address, NoDatamatch);
        disconnected.map_err(VmError::at("disconnect an ioeventfd"))
    }
}
