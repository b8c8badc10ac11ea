//! [`Machine`]: one VM, from configuration to its end.
//!
//! Life of a machine: `build` (memory, kernel, VM, vCPUs, devices, boot structures, in the order
//! that costs least), `start` (a thread a vCPU), then the supervisor until the VM ends, `stop`.

use crate::accounting::{self, ExitRow, ExitStats};
use crate::boot::{self, AcpiTables, BootError, Handover, KernelError, ModuleError, layout};
use crate::device_manager::{
    Backends, DeviceManager, Pc, TransportKind, WiringError, WorkingDevices,
};
use crate::halt::status;
use crate::images::{self, Image, ModuleImage};
use crate::kvm::{
    Chips, CpuModel, CpuModelError, ExitKind, KernelCounters, Kvm, KvmError, VcpuError, Vm, VmError,
};
use crate::memory::{self, GuestMemory, MemoryError, MemorySize};
use crate::msr::{MsrPolicy, UnknownMsr, UnknownMsrs};
use crate::run_loop::Shared;
use crate::vcpu_thread::{Gate, VcpuHandle};
use devices::disk::DiskErrors;
use devices::legacy::fw_cfg::FwCfgContents;
use devices::power::PowerSwitch;
use devices::virtio::balloon::BalloonHandle;
use devices::virtio::console::ConsoleInput;
use std::io;
use std::sync::{Arc, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};
use vmm_sys_util::eventfd::EventFd;

/// What the machine is to be.
pub struct Config {
    /// vCPUs.
    pub cpus: u8,
    /// Memory.
    pub memory: MemorySize,
    /// What the processors say that they can do.
    pub cpu_model: CpuModel,
    /// What becomes of accesses to MSRs that KVM does not know.
    pub unknown_msrs: MsrPolicy,
    /// Kernel.
    pub kernel: Image,
    /// Its name, for kernels that are told it.
    pub name: String,
    /// Address of a kernel that is a flat image.
    pub flat: Option<u64>,
    /// Initrd.
    pub initrd: Option<ModuleImage>,
    /// Modules beside it.
    pub modules: Vec<ModuleImage>,
    /// Kernel command line. Without ACPI, which tells of them, those of the devices are appended.
    pub cmdline: String,
    /// Transport of virtio devices.
    pub transport: TransportKind,
    /// Whether there are ACPI tables.
    pub acpi: AcpiTables,
    /// Whether [`Machine::kernel_counters`] are wanted.
    pub kernel_counters: bool,
}

impl Config {
    /// A machine of the built-in guest, or one like it: virtio over PCI, and no ACPI, in the place
    /// of which the guest reads its command line.
    pub fn built_in(
        cpus: u8,
        memory: MemorySize,
        kernel: Image,
        initrd: Vec<u8>,
        cmdline: String,
    ) -> Self {
        Self {
            cpus,
            memory,
            cpu_model: CpuModel::Host,
            unknown_msrs: MsrPolicy::Gp,
            kernel,
            name: String::new(),
            flat: None,
            initrd: Some(ModuleImage {
                image: Image::Bytes(initrd.into()),
                words: String::new(),
            }),
            modules: Vec::new(),
            cmdline,
            transport: TransportKind::Pci,
            acpi: AcpiTables::Absent,
            kernel_counters: false,
        }
    }
}

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The host has no usable KVM.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// KVM refuses the VM.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// KVM refuses a vCPU.
    #[error(transparent)]
    Vcpu(#[from] VcpuError),
    /// More vCPUs than the host's KVM can have.
    #[error("{asked} vCPUs are more than this host's KVM can have: {max}")]
    TooManyCpus {
        /// Asked for.
        asked: u8,
        /// Possible.
        max: usize,
    },
    /// No memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The kernel cannot be loaded.
    #[error("the kernel cannot be booted")]
    Kernel(#[from] KernelError),
    /// The host's processor is not of the model.
    #[error(transparent)]
    CpuModel(#[from] CpuModelError),
    /// Initrd or module cannot be loaded.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The guest cannot be made ready.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The devices cannot be wired.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// An event or a thread could not be had.
    #[error("the host has no more file descriptors or threads")]
    Host(#[from] io::Error),
}

impl MachineError {
    /// Exit status of the process: whether the user or the host has to change something.
    pub fn status(&self) -> u8 {
        match self {
            Self::Kvm(_) | Self::Vm(_) | Self::Vcpu(_) | Self::Host(_) => status::HOST,
            Self::Memory(MemoryError::Refused(..)) => status::HOST,
            Self::Wiring(WiringError::TooMany { .. } | WiringError::DebugExit { .. }) => {
                status::USAGE
            }
            Self::Wiring(_) => status::HOST,
            Self::TooManyCpus { .. }
            | Self::Memory(MemoryError::MoreThanHost { .. })
            | Self::Kernel(_)
            | Self::CpuModel(_)
            | Self::Module(_)
            | Self::Boot(_) => status::USAGE,
        }
    }
}

/// Points in time, as microseconds since the process started; each is noted once.
pub struct Timeline {
    start: Instant,
    points: [OnceLock<u64>; 5],
}

/// A point in the life of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// All KVM objects are there.
    VmCreated,
    /// The first vCPU is about to run.
    FirstRun,
    /// The guest's kernel has begun.
    GuestKernel,
    /// The guest's first program is about to begin.
    GuestUser,
    /// The VM has ended.
    Ended,
}

impl Timeline {
    /// A timeline that began at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            points: Default::default(),
        }
    }

    /// Notes that `point` is now, unless it has been before.
    pub fn note(&self, point: Point) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let _ = self.points[point as usize].set(now);
    }

    /// When `point` was, if it was.
    pub fn get(&self, point: Point) -> Option<u64> {
        self.points[point as usize].get().copied()
    }
}

/// Accesses, settings and chains of a driver that its device refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// The device.
    pub device: String,
    /// How many.
    pub count: u64,
}

/// What the host failed at for a disk; the guest was told of each.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DiskFailure {
    /// The device.
    pub device: String,
    /// The file.
    pub disk: String,
    /// `read`, `write`, `flush` or `discard`.
    pub operation: &'static str,
    /// What the host said.
    pub error: String,
    /// How many times.
    pub count: u64,
}

/// A virtual machine, before it runs and while it does.
pub struct Machine {
    // Dropped in this order: the gate sends waiting threads home, the handles stop the others,
    // then goes what the threads use.
    gate: Gate,
    handles: Vec<VcpuHandle>,
    /// What KVM counts of the vCPUs, if it does and somebody wants to know.
    pub kernel_counters: Vec<KernelCounters>,
    shared: Arc<Shared>,
    device_names: Vec<String>,
    working: WorkingDevices,
    disk_errors: Vec<(String, Arc<DiskErrors>)>,
    /// The PC's own devices.
    pub pc: Pc,
    /// Takes input for the guest's virtio console.
    pub console_input: ConsoleInput,
    /// The balloon, if there is one.
    pub balloon: Option<BalloonHandle>,
    /// When what happened.
    pub timeline: Arc<Timeline>,
    // Last: the slots' memory.
    vm: Vm,
}

/// Kernels from this size in bytes on use much memory and take their time to load, during which KVM
/// makes the VM: most of that is waiting.
const LARGE_KERNEL: u64 = 4 << 20;
/// Of the thread that loads one.
const LOADER_STACK_BYTES: usize = 256 << 10;

impl Machine {
    /// Puts a machine together, ready to start.
    pub fn build(
        config: Config,
        backends: Backends,
        timeline: Arc<Timeline>,
    ) -> Result<Self, MachineError> {
        let kvm = Kvm::open()?.with_model(config.cpu_model)?;
        if usize::from(config.cpus) > kvm.max_vcpus() {
            let (asked, max) = (config.cpus, kvm.max_vcpus());
            return Err(MachineError::TooManyCpus { asked, max });
        }
        let mut handles = Vec::new();
        // Dropped before the handles, which wait for their threads.
        let gate = Gate::default();
        for index in 0..config.cpus {
            handles.push(VcpuHandle::spawn(index, kvm.leaves(), &gate)?);
        }
        let memory = memory::create(config.memory)?;
        let is_large = config.kernel.size()? >= LARGE_KERNEL;
        let make = || Vm::new(&kvm, memory.clone(), Chips::InKernel);
        let load = || {
            let kernel = images::load_kernel(&memory, config.kernel, config.flat)?;
            let modules = images::load_modules(&memory, &kernel, config.initrd, config.modules)?;
            Ok::<_, MachineError>((kernel, modules))
        };
        let (loaded, vm) = if is_large {
            memory::expect_use(&memory);
            thread::scope(|scope| {
                let loader = thread::Builder::new().stack_size(LOADER_STACK_BYTES);
                let loaded = loader.spawn_scoped(scope, load)?;
                // Its wait begins at once.
                let vm = make();
                let loaded = loaded.join().expect("loading a kernel does not panic");
                Ok::<_, io::Error>((loaded, vm))
            })?
        } else {
            (load(), make())
        };
        let ((kernel, modules), vm) = (loaded?, vm?);
        let unknown_msrs = UnknownMsrs::new(config.unknown_msrs);
        if !vm.tell_of_unknown_msrs() {
            unknown_msrs.nobody_tells();
        }
        let mut start = Some(boot::cpu_start(&kernel));
        let mut kernel_counters = Vec::new();
        for (index, handle) in (0..).zip(&handles) {
            let vcpu = vm.create_vcpu(index, config.cpus)?;
            if config.kernel_counters {
                // Kernels before Linux 5.14 have none.
                kernel_counters.extend(vcpu.kernel_counters().ok());
            }
            handle.give(vcpu, start.take());
        }
        let power = PowerSwitch::new()?;
        let devices = DeviceManager::new(&vm, &power, config.cpus, config.transport, backends)?;
        let parameters = match config.acpi {
            AcpiTables::Present => &[],
            AcpiTables::Absent => &devices.parameters[..],
        };
        let first = kernel.protocol.first_word(&config.name);
        let cmdline: Vec<&str> = [first, &config.cmdline]
            .into_iter()
            .chain(parameters.iter().map(String::as_str))
            .filter(|words| !words.is_empty())
            .collect();
        let handover = Handover {
            kernel: &kernel,
            modules: &modules,
            cmdline: &cmdline.join(" "),
            platform: &devices.platform,
            acpi: config.acpi,
        };
        boot::hand_over(&memory, &handover)?;
        if let Some(fw_cfg) = &devices.pc.fw_cfg {
            let contents = firmware_configuration(&memory, &handover, config.cpus);
            let mut fw_cfg = fw_cfg.lock().unwrap_or_else(PoisonError::into_inner);
            fw_cfg.fill(contents);
        }
        timeline.note(Point::VmCreated);
        let halt_evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        let shared = Shared {
            pio: devices.pio,
            mmio: devices.mmio,
            power,
            memory,
            unknown_msrs,
            halt: OnceLock::new(),
            halt_evt,
        };
        Ok(Self {
            gate,
            handles,
            kernel_counters,
            shared: Arc::new(shared),
            device_names: devices.names,
            working: devices.working,
            disk_errors: devices.disk_errors,
            pc: devices.pc,
            console_input: devices.console_input,
            balloon: devices.balloon,
            timeline,
            vm,
        })
    }

    /// Starts the vCPUs.
    pub fn start(&self) {
        self.timeline.note(Point::FirstRun);
        self.gate.open(self.shared.clone());
    }

    /// Where the vCPUs tell that the VM has ended.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops the guest's time, if it has begun.
    pub fn pause(&self) {
        if self.gate.is_open() {
            self.handles.iter().for_each(VcpuHandle::pause);
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.handles.iter().for_each(VcpuHandle::resume);
    }

    /// Ends the vCPU threads, those too that were never started, and then the devices' work.
    pub fn stop(&mut self) {
        self.gate.close();
        self.handles.iter_mut().for_each(VcpuHandle::stop);
        for (_, device) in &self.working {
            let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
            device.finish();
        }
        self.timeline.note(Point::Ended);
    }

    /// Exit counters of the vCPUs.
    pub fn counters(&self) -> Vec<Arc<ExitStats>> {
        self.handles.iter().map(VcpuHandle::stats).collect()
    }

    /// Names of the devices, by their number.
    pub fn device_names(&self) -> &[String] {
        &self.device_names
    }

    /// Exits so far by kind and device.
    pub fn exits(&self) -> Vec<ExitRow> {
        accounting::rows(&self.counters(), &self.device_names, &ExitKind::EXITS)
    }

    /// Writes so far that have waited for an exit, by device.
    pub fn coalesced(&self) -> Vec<ExitRow> {
        let kinds = [ExitKind::Coalesced];
        accounting::rows(&self.counters(), &self.device_names, &kinds)
    }

    /// MSRs that the guest used and KVM does not know.
    pub fn unknown_msrs(&self) -> Vec<UnknownMsr> {
        self.shared.unknown_msrs.seen()
    }

    /// What the guest's drivers did against the specification and was ignored, by device.
    pub fn refused(&self) -> Vec<Refused> {
        let counts = self.working.iter().map(|(name, device)| Refused {
            device: name.clone(),
            count: device
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .refused(),
        });
        counts.filter(|refused| refused.count > 0).collect()
    }

    /// What the host failed at for the disks so far.
    pub fn disk_failures(&self) -> Vec<DiskFailure> {
        let of_disk = |(device, errors): &(String, Arc<DiskErrors>)| {
            let (device, disk) = (device.clone(), errors.path().display().to_string());
            let failures = errors.failures().into_iter();
            failures.map(move |failure| DiskFailure {
                device: device.clone(),
                disk: disk.clone(),
                operation: failure.operation.name(),
                error: failure.error,
                count: failure.count,
            })
        };
        self.disk_errors.iter().flat_map(of_disk).collect()
    }

    /// Presses the power button.
    pub fn press_power_button(&self) {
        let acpi = self.pc.acpi.lock();
        acpi.unwrap_or_else(PoisonError::into_inner)
            .press_power_button();
    }

    /// The guest's memory.
    pub fn memory(&self) -> &GuestMemory {
        self.vm.memory()
    }
}

/// What a test kernel may ask for: the same that it was given.
fn firmware_configuration(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    cpus: u8,
) -> FwCfgContents {
    let initrd = handover.modules.first().map(|initrd| &initrd.range);
    let (initrd_at, initrd) = initrd.map_or((0, Vec::new()), |range| {
        let len = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut bytes = vec![0; len];
        // It has just been put there.
        let _ = memory.read_slice(&mut bytes, GuestAddress(range.start));
        (range.start, bytes)
    });
    let below_4g = |address| u32::try_from(address).unwrap_or(0);
    FwCfgContents {
        cpus: cpus.into(),
        memory_bytes: memory.iter().map(|region| region.len()).sum(),
        cmdline: (below_4g(layout::CMDLINE), handover.cmdline.into()),
        initrd: (below_4g(initrd_at), initrd),
    }
}
