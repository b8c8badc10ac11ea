//! [`Machine`]: one VM, from configuration to its end.
//!
//! Life of a machine: `build` (memory, kernel, VM, vCPUs, devices, boot structures, in the order
//! that costs least), `start` (a thread a vCPU), then the supervisor until the VM ends, `stop`.

use crate::accounting::{self, ExitRow, ExitStats};
use crate::boot::{self, AcpiTables, BootError, Handover, InitrdError, KernelError, elf, initrd};
use crate::device_manager::{Backends, DeviceManager, TransportKind, VirtioDevices, WiringError};
use crate::halt::status;
use crate::kvm::{Chips, CpuStart, Kvm, KvmError, VcpuError, Vm, VmError};
use crate::memory::{self, GuestMemory, MemoryError, MemorySize};
use crate::run_loop::Shared;
use crate::vcpu_thread::{Gate, VcpuHandle};
use devices::legacy::serial::SerialPort;
use devices::power::PowerSwitch;
use devices::virtio::balloon::BalloonHandle;
use devices::virtio::console::ConsoleInput;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use vmm_sys_util::eventfd::EventFd;

/// Where a kernel or an initrd comes from.
pub enum Image {
    /// A file.
    File(File),
    /// Bytes that are part of this program, or were made for this VM.
    Bytes(Cow<'static, [u8]>),
}

/// What the machine is to be.
pub struct Config {
    /// vCPUs.
    pub cpus: u8,
    /// Memory.
    pub memory: MemorySize,
    /// Kernel.
    pub kernel: Image,
    /// Initrd.
    pub initrd: Option<Image>,
    /// Kernel command line. Without ACPI, which tells of them, those of the devices are appended.
    pub cmdline: String,
    /// Transport of virtio devices.
    pub transport: TransportKind,
    /// Whether there are ACPI tables.
    pub acpi: AcpiTables,
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
    /// The initrd cannot be loaded.
    #[error(transparent)]
    Initrd(#[from] InitrdError),
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
            Self::Wiring(WiringError::TooMany { .. }) => status::USAGE,
            Self::Wiring(_) => status::HOST,
            Self::TooManyCpus { .. }
            | Self::Memory(MemoryError::MoreThanHost { .. })
            | Self::Kernel(_)
            | Self::Initrd(_)
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

/// A virtual machine, before it runs and while it does.
pub struct Machine {
    // Dropped in this order: the gate sends waiting threads home, the handles stop the others,
    // then goes what the threads use.
    gate: Gate,
    handles: Vec<VcpuHandle>,
    shared: Arc<Shared>,
    device_names: Vec<String>,
    virtio: VirtioDevices,
    /// Takes input for the guest's serial port.
    pub serial: Arc<Mutex<SerialPort>>,
    /// Takes input for the guest's virtio console.
    pub console_input: ConsoleInput,
    /// The balloon, if there is one.
    pub balloon: Option<BalloonHandle>,
    /// When what happened.
    pub timeline: Arc<Timeline>,
    // Last: the slots' memory.
    vm: Vm,
}

impl Machine {
    /// Puts a machine together, ready to start.
    pub fn build(
        config: Config,
        backends: Backends,
        timeline: Arc<Timeline>,
    ) -> Result<Self, MachineError> {
        let kvm = Kvm::open()?;
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
        let kernel = match config.kernel {
            Image::File(mut file) => elf::load(&memory, &mut file)?,
            Image::Bytes(bytes) => elf::load(&memory, &mut Cursor::new(bytes))?,
        };
        let initrd = match config.initrd {
            Some(image) => Some(load_initrd(&memory, image, kernel.end)?),
            None => None,
        };
        let vm = Vm::new(&kvm, memory.clone(), Chips::InKernel)?;
        let mut start = Some(CpuStart {
            mode: boot::cpu_mode(kernel.entry.protocol),
            entry: kernel.entry.address,
        });
        for (index, handle) in (0..).zip(&handles) {
            handle.give(vm.create_vcpu(index, config.cpus)?, start.take());
        }
        let power = PowerSwitch::new()?;
        let devices = DeviceManager::new(&vm, &power, config.cpus, config.transport, backends)?;
        let parameters = match config.acpi {
            AcpiTables::Present => &[],
            AcpiTables::Absent => &devices.parameters[..],
        };
        let cmdline: Vec<&str> = std::iter::once(config.cmdline.as_str())
            .chain(parameters.iter().map(String::as_str))
            .filter(|words| !words.is_empty())
            .collect();
        let handover = Handover {
            entry: kernel.entry,
            initrd,
            cmdline: &cmdline.join(" "),
            platform: &devices.platform,
            acpi: config.acpi,
        };
        boot::hand_over(&memory, &handover)?;
        timeline.note(Point::VmCreated);
        let halt_evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        let shared = Shared {
            pio: devices.pio,
            mmio: devices.mmio,
            power,
            memory,
            halt: OnceLock::new(),
            halt_evt,
        };
        Ok(Self {
            gate,
            handles,
            shared: Arc::new(shared),
            device_names: devices.names,
            virtio: devices.virtio,
            serial: devices.serial,
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
    pub fn shared(&self) -> &Shared {
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

    /// Ends the vCPU threads, those too that were never started.
    pub fn stop(&mut self) {
        self.gate.close();
        self.handles.iter_mut().for_each(VcpuHandle::stop);
        self.timeline.note(Point::Ended);
    }

    /// Exit counters of the vCPUs.
    pub fn counters(&self) -> Vec<Arc<ExitStats>> {
        self.handles.iter().map(VcpuHandle::stats).collect()
    }

    /// Exits so far by kind and device.
    pub fn exits(&self) -> Vec<ExitRow> {
        accounting::rows(&self.counters(), &self.device_names)
    }

    /// What the guest's drivers did against the specification and was ignored, by device.
    pub fn refused(&self) -> Vec<Refused> {
        let counts = self.virtio.iter().map(|(device, transport)| Refused {
            device: device.clone(),
            count: transport
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .refused(),
        });
        counts.filter(|refused| refused.count > 0).collect()
    }

    /// The guest's memory.
    pub fn memory(&self) -> &GuestMemory {
        self.vm.memory()
    }
}

fn load_initrd(
    memory: &GuestMemory,
    image: Image,
    kernel_end: u64,
) -> Result<std::ops::Range<u64>, MachineError> {
    let range = match image {
        Image::File(mut file) => {
            let size = file.metadata().map_err(InitrdError::Read)?.len();
            initrd::load(memory, &mut file, size, kernel_end)
        }
        Image::Bytes(bytes) => {
            let size = bytes.len() as u64;
            initrd::load(memory, &mut &*bytes, size, kernel_end)
        }
    };
    Ok(range?)
}
