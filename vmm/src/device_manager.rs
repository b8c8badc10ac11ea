//! The one place that wires devices: to a bus, an interrupt, a doorbell and the host.
//!
//! | device | where | interrupt |
//! |---|---|---|
//! | serial, com2 | ports 0x3f8 to 0x3ff, 0x2f8 to 0x2ff | 4, 3 |
//! | i8042 | ports 0x60, 0x64 | 1 |
//! | cmos | ports 0x70, 0x71 | 8 |
//! | vga | ports 0x3c0 to 0x3cf, 0x3d4, 0x3d5, 0x3da | - |
//! | acpi | ports 0x600 to 0x60b | 9, by level |
//! | testdev, fw_cfg, if asked for | ports 0xe0 to 0xe7, 0x2000 to 0x2017, 64 KiB at 0xff000000; 0x510, 0x511 | any, by level |
//! | debug-exit, if asked for | where the user says | - |
//! | reset, without PCI | ports 0xcf8 to 0xcfb, of which 0xcf9 | - |
//! | pci (with reset) | ports 0xcf8 to 0xcff, `layout::PCI_ECAM` | - |
//! | exit, mark | `abi::port` | - |
//! | hypercall | `abi::hypercall` | - |
//! | ide, if a disk wants it | ports 0x1f0 to 0x1f7, 0x3f6, and BAR 4 of a PCI function | 14 |
//! | virtio-blk 0.., -console, -rng, -net 0.., -vsock, -balloon | by [`TransportKind`], see `virtio` | |
//! | alarm, if asked for | a function of PCI | `abi::alarm::LINE`, MSI-X |
//! | e1000- 0.., ne2000- 0.., if asked for | functions of PCI, see `cards` | INTA#, by level |

mod alarm;
mod cards;
mod ide;
mod pc;
mod virtio;

pub use pc::{Pc, PcBackends};

use crate::accounting::MAX_DEVICES;
use crate::boot::layout;
use crate::boot::platform::{Keyboard, Platform};
use crate::kvm::{Vm, VmError};
use crate::memory::Discarder;
use crate::run::{Card, OpenNetwork};
use devices::bus::{BusError, BusRange, DeviceId, MmioBus, PioBus, PioDevice};
use devices::disk::{DiskErrors, DiskFile};
use devices::legacy::debug_exit::TestExit;
use devices::legacy::reset_port::{self, ResetPort};
use devices::legacy::test_device::{self, TestMemory};
use devices::pci::ecam::{self, Ecam};
use devices::pci::ports::{self, ConfigPorts};
use devices::pci::root::{MAX_FUNCTIONS, Root, SharedRoot};
use devices::power::PowerSwitch;
use devices::virtio::VirtioDevice;
use devices::virtio::balloon::{Balloon, BalloonHandle};
use devices::virtio::blk::Blk;
use devices::virtio::blk::engine::EngineChoice;
use devices::virtio::console::{Console, ConsoleInput};
use devices::virtio::net::Net;
use devices::virtio::rng::Rng;
use devices::virtio::vsock::{Endpoint, Vsock};
use devices::work::Working;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use virtio::Slots;

/// Why the machine could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// Two devices want one address: a mistake in the table above.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// KVM refuses a connection.
    #[error(transparent)]
    Kvm(#[from] VmError),
    /// The host has no more descriptors.
    #[error("the host has no more file descriptors for device {name}")]
    Descriptors {
        /// The device.
        name: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The user's debug-exit port is another device's.
    #[error("--debug-exit {port:#x}: that port belongs to {device}; choose another, such as 0xf4")]
    DebugExit {
        /// Asked for.
        port: u16,
        /// What is there.
        device: String,
    },
    /// Too many disks and networks.
    #[error("{asked} devices are too many: at most {max} fit, console and rng among them")]
    TooMany {
        /// Devices asked for.
        asked: usize,
        /// Those that fit.
        max: usize,
    },
}

/// How the guest reaches virtio devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// Functions on PCI's bus 0.
    Pci,
    /// Registers in memory; there is no PCI.
    Mmio,
}

impl TransportKind {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pci => "pci",
            Self::Mmio => "mmio",
        }
    }

    /// Most devices that fit.
    fn max_devices(self) -> usize {
        match self {
            // The host bridge is one.
            Self::Pci => MAX_FUNCTIONS - 1,
            Self::Mmio => layout::VIRTIO_GSIS.len(),
        }
    }
}

/// Where a device's output goes.
pub type Sink = Box<dyn Write + Send>;

/// A disk on virtio.
pub struct VirtioDisk {
    /// Its contents.
    pub file: DiskFile,
    /// Queues for requests.
    pub queues: u16,
}

impl VirtioDisk {
    /// One with one queue.
    pub fn new(file: DiskFile) -> Self {
        Self { file, queues: 1 }
    }
}

/// What the devices are connected to on the host's side.
pub struct Backends {
    /// The PC's own devices.
    pub pc: PcBackends,
    /// Output of the virtio console.
    pub console: Sink,
    /// Outputs of virtio consoles beside it, without input.
    pub more_consoles: Vec<Sink>,
    /// Disks on virtio, in the order of the guest's names for them.
    pub disks: Vec<VirtioDisk>,
    /// Disks on IDE, master and slave; there are none without PCI.
    pub ide_disks: Vec<DiskFile>,
    /// Whether there is a device by which interrupts are measured; never without PCI.
    pub alarm: bool,
    /// Networks, in the order of the guest's names for them.
    pub networks: Vec<OpenNetwork>,
    /// The guest's address for sockets, and where host programs meet them.
    pub vsock: Option<(u32, Endpoint)>,
    /// Bytes that the guest is asked to give back, if there is a balloon.
    pub balloon: Option<u64>,
}

impl Backends {
    /// What the built-in guest cannot do without: consoles, each of which `console` makes.
    pub fn plain(console: &dyn Fn() -> Sink) -> Self {
        Self {
            pc: PcBackends {
                serial: console(),
                com2: console(),
                hypercalls: console(),
                on_mark: Box::new(|_| {}),
                keyboard: Keyboard::Absent,
                debug_exit: None,
                test_device: false,
            },
            console: console(),
            more_consoles: Vec::new(),
            disks: Vec::new(),
            ide_disks: Vec::new(),
            alarm: false,
            networks: Vec::new(),
            vsock: None,
            balloon: None,
        }
    }
}

/// The devices of a VM, wired.
pub struct DeviceManager {
    /// Ports.
    pub pio: PioBus,
    /// Device memory.
    pub mmio: MmioBus,
    /// Names by [`DeviceId`].
    pub names: Vec<String>,
    /// Kernel parameters that describe the devices.
    pub parameters: Vec<String>,
    /// The PC's own devices.
    pub pc: Pc,
    /// Takes input for the guest's virtio console.
    pub console_input: ConsoleInput,
    /// The balloon, if there is one.
    pub balloon: Option<BalloonHandle>,
    /// Devices with threads by name, to end these and to ask what was refused.
    pub working: WorkingDevices,
    /// What the host fails at for each disk, with its device's name.
    pub disk_errors: Vec<(String, Arc<DiskErrors>)>,
    /// What the guest is to be told.
    pub platform: Platform,
}

/// Devices with threads, by name.
pub type WorkingDevices = Vec<(String, Arc<Mutex<dyn Working>>)>;

impl DeviceManager {
    /// Makes and wires all devices of `vm`, which has so many `cpus`.
    pub fn new(
        vm: &Vm,
        power: &PowerSwitch,
        cpus: u8,
        transport: TransportKind,
        backends: Backends,
    ) -> Result<Self, WiringError> {
        let (debug_exit, keyboard) = (backends.pc.debug_exit, backends.pc.keyboard);
        let (pc, rows) = pc::make(vm, power, backends.pc)?;
        let console = Console::new(backends.console, None);
        let console = console.map_err(descriptors("virtio-console"))?;
        let rng = Rng::new().map_err(descriptors("virtio-rng"))?;
        let mut this = Self {
            pio: PioBus::default(),
            mmio: MmioBus::default(),
            names: vec!["none".to_owned()],
            parameters: Vec::new(),
            pc,
            console_input: console.input(),
            balloon: None,
            working: Vec::new(),
            disk_errors: Vec::new(),
            platform: Platform {
                cpus,
                serial_ports: pc::SERIAL_PORTS.to_vec(),
                keyboard,
                ..Platform::default()
            },
        };
        let hypercalls = this.pc.hypercalls.clone();
        this.working.push(("hypercall".to_owned(), hypercalls));
        for (name, ranges, device) in rows {
            let id = this.name(name.to_owned());
            this.pio.insert_ranges(&ranges, id, name, device)?;
        }
        if this.pc.fw_cfg.is_some() {
            this.add_test_memory()?;
        }
        let mut slots = match transport {
            TransportKind::Pci => Slots::pci(vm, this.add_pci(power)?),
            TransportKind::Mmio => {
                this.add_reset(power)?;
                Slots::mmio()
            }
        };
        let mut virtio: Vec<(String, Box<dyn VirtioDevice>)> = Vec::new();
        for (index, VirtioDisk { file, queues }) in backends.disks.into_iter().enumerate() {
            let name = format!("virtio-blk{index}");
            this.disk_errors.push((name.clone(), file.errors().clone()));
            let blk = Blk::new(file, EngineChoice::Auto, queues);
            virtio.push((name, Box::new(blk)));
        }
        virtio.push(("virtio-console".to_owned(), Box::new(console)));
        for (index, sink) in (1..).zip(backends.more_consoles) {
            let name = format!("virtio-console{index}");
            let console = Console::new(sink, None).map_err(descriptors(&name))?;
            virtio.push((name, Box::new(console)));
        }
        virtio.push(("virtio-rng".to_owned(), Box::new(rng)));
        let mut emulated = Vec::new();
        for (index, network) in backends.networks.into_iter().enumerate() {
            let name = cards::name(network.card, index);
            if network.card == Card::Virtio {
                let net = Net::new(network.backend, network.mac).map_err(descriptors(&name))?;
                virtio.push((name, Box::new(net)));
            } else {
                emulated.push((name, network));
            }
        }
        if let Some((cid, endpoint)) = backends.vsock {
            let vsock = Vsock::new(cid, endpoint);
            virtio.push(("virtio-vsock".to_owned(), Box::new(vsock)));
        }
        if let Some(target_bytes) = backends.balloon {
            let memory = Discarder::new(vm.memory().clone());
            let balloon = Balloon::new(target_bytes, Arc::new(memory));
            this.balloon = Some(balloon.handle());
            virtio.push(("virtio-balloon".to_owned(), Box::new(balloon)));
        }
        let max = transport.max_devices() - usize::from(!backends.ide_disks.is_empty());
        let asked = virtio.len() + emulated.len() + usize::from(backends.alarm);
        if asked > max {
            return Err(WiringError::TooMany { asked, max });
        }
        for (name, device) in virtio {
            slots.add(&mut this, vm, &name, device)?;
        }
        if let (Slots::Pci(slots), [_, ..]) = (&slots, &backends.ide_disks[..]) {
            this.add_ide(vm, slots, backends.ide_disks)?;
        }
        if let Slots::Pci(slots) = &slots {
            for (name, network) in emulated {
                cards::add(slots, &mut this, vm, &name, network)?;
            }
        }
        if let (Slots::Pci(slots), true) = (&slots, backends.alarm) {
            this.add_alarm(vm, slots)?;
        }
        if let Some(port) = debug_exit {
            this.add_debug_exit(power, port)?;
        }
        Ok(this)
    }

    /// PCI's bus, without devices, and both ways to it.
    fn add_pci(&mut self, power: &PowerSwitch) -> Result<SharedRoot, WiringError> {
        let id = self.name("pci".to_owned());
        let (mmio, pio) = (self.mmio.moving(), self.pio.moving());
        let root = Root::new(mmio, pio, layout::PCI_WINDOWS, id).share();
        let ports = ConfigPorts::new(root.clone(), ResetPort::new(power.clone()));
        let range = BusRange {
            base: ports::BASE.into(),
            len: ports::PORTS,
        };
        self.pio.insert(range, id, "pci", shared(ports))?;
        let range = BusRange {
            base: layout::PCI_ECAM,
            len: ecam::BUS_BYTES,
        };
        let ecam = Arc::new(Mutex::new(Ecam::new(root.clone())));
        self.mmio.insert(range, id, "pci", ecam)?;
        self.platform.pci_devices = 1;
        let (ecam, address) = (abi::image::param::PCI_ECAM, layout::PCI_ECAM);
        self.parameters.push(format!("{ecam}={address:#x}"));
        Ok(root)
    }

    /// The reset port of a machine without PCI.
    fn add_reset(&mut self, power: &PowerSwitch) -> Result<(), WiringError> {
        let id = self.name("reset".to_owned());
        let range = BusRange {
            base: reset_port::BASE.into(),
            len: reset_port::PORTS,
        };
        let device = shared(ResetPort::new(power.clone()));
        Ok(self.pio.insert(range, id, "reset", device)?)
    }

    fn add_test_memory(&mut self) -> Result<(), WiringError> {
        let (name, memory) = ("testdev-memory", TestMemory::default());
        let id = self.name(name.to_owned());
        let memory = Arc::new(Mutex::new(memory));
        let range = test_device::MEMORY;
        Ok(self.mmio.insert(range, id, name, memory)?)
    }

    /// The port by which a test kernel ends, where no other device is.
    fn add_debug_exit(&mut self, power: &PowerSwitch, port: u16) -> Result<(), WiringError> {
        let taken = |device: &str| WiringError::DebugExit {
            port,
            device: device.to_owned(),
        };
        if let Some(device) = pc::in_kernel(port) {
            return Err(taken(device));
        }
        let name = "debug-exit";
        let id = self.name(name.to_owned());
        let range = BusRange {
            base: port.into(),
            len: 1,
        };
        let device = shared(TestExit::new(power.clone()));
        match self.pio.insert(range, id, name, device) {
            Err(BusError::Overlap { old, .. }) => Err(taken(&old)),
            inserted => Ok(inserted?),
        }
    }

    /// The next id, for a device of that name.
    fn name(&mut self, name: String) -> DeviceId {
        let id = u8::try_from(self.names.len()).expect("limited by the interrupts");
        assert!(
            usize::from(id) < MAX_DEVICES,
            "accounting has a column for each device"
        );
        self.names.push(name);
        DeviceId(id)
    }
}

/// A device as the port bus takes it.
type SharedPio = Arc<Mutex<dyn PioDevice>>;

fn shared<D: PioDevice + 'static>(device: D) -> SharedPio {
    Arc::new(Mutex::new(device))
}

fn descriptors(name: &str) -> impl FnOnce(io::Error) -> WiringError {
    let name = name.to_owned();
    move |source| WiringError::Descriptors { name, source }
}
