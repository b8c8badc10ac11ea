//! The one place that wires devices: to a bus, an interrupt, a doorbell and the host.
//!
//! | device | where | interrupt |
//! |---|---|---|
//! | serial | ports 0x3f8 to 0x3ff | 4 |
//! | i8042 | ports 0x60, 0x64 | - |
//! | cmos | ports 0x70, 0x71 | - |
//! | reset | ports 0xcf8 to 0xcfb, of which 0xcf9 | - |
//! | exit, mark | `abi::port` | - |
//! | virtio-blk 0.., virtio-console, virtio-rng | `layout::VIRTIO_MMIO`, a page each | `layout::VIRTIO_GSIS` |

use crate::accounting::MAX_DEVICES;
use crate::boot::layout;
use crate::kvm::{Vm, VmError};
use devices::bus::{BusError, BusRange, DeviceId, MmioBus, PioBus, PioDevice};
use devices::irq::IrqLine;
use devices::legacy::cmos::{self, Cmos};
use devices::legacy::debug_exit::{DebugExit, MarkPort};
use devices::legacy::i8042::{self, I8042};
use devices::legacy::reset_port::{self, ResetPort};
use devices::legacy::serial::{self, SerialPort};
use devices::power::PowerSwitch;
use devices::virtio::VirtioDevice;
use devices::virtio::blk::Blk;
use devices::virtio::blk::disk::DiskFile;
use devices::virtio::blk::engine::EngineChoice;
use devices::virtio::console::{Console, ConsoleInput};
use devices::virtio::mmio::{MmioTransport, NOTIFY_OFFSET};
use devices::virtio::rng::Rng;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

const SERIAL_PORT: u64 = 0x3f8;
const SERIAL_GSI: u32 = 4;
const I8042_PORT: u64 = 0x60;
const CMOS_PORT: u64 = 0x70;

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
    /// Too many disks.
    #[error("{asked} virtio devices are too many: at most {max} fit, 2 of them not disks",
        max = layout::VIRTIO_GSIS.len())]
    TooMany {
        /// Devices asked for.
        asked: usize,
    },
}

/// Where a device's output goes.
pub type Sink = Box<dyn Write + Send>;

/// What the devices are connected to on the host's side.
pub struct Backends {
    /// Output of the serial port.
    pub serial: Sink,
    /// Output of the virtio console.
    pub console: Sink,
    /// Called with bytes that the guest writes to the mark port.
    pub on_mark: Box<dyn FnMut(u8) + Send>,
    /// Disks, in the order of the guest's names for them.
    pub disks: Vec<DiskFile>,
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
    /// Takes input for the guest's serial port.
    pub serial: Arc<Mutex<SerialPort>>,
    /// Takes input for the guest's virtio console.
    pub console_input: ConsoleInput,
    /// The virtio devices by name, to ask what they refused.
    pub virtio: Vec<(String, Arc<Mutex<MmioTransport>>)>,
}

impl DeviceManager {
    /// Makes and wires all devices of `vm`.
    pub fn new(vm: &Vm, power: &PowerSwitch, backends: Backends) -> Result<Self, WiringError> {
        let line = IrqLine::new().map_err(descriptors("serial"))?;
        vm.connect_irq(&line, SERIAL_GSI)?;
        let serial = SerialPort::new(line, backends.serial).map_err(descriptors("serial"))?;
        let serial = Arc::new(Mutex::new(serial));
        let console = Console::new(backends.console, None);
        let console = console.map_err(descriptors("virtio-console"))?;
        let rng = Rng::new().map_err(descriptors("virtio-rng"))?;
        let mut this = Self {
            pio: PioBus::default(),
            mmio: MmioBus::default(),
            names: vec!["none".to_owned()],
            parameters: Vec::new(),
            serial,
            console_input: console.input(),
            virtio: Vec::new(),
        };
        this.add_ports(vm, power, backends.on_mark)?;
        let disks = backends.disks.into_iter().enumerate().map(|(index, file)| {
            let device: Box<dyn VirtioDevice> = Box::new(Blk::new(file, EngineChoice::Auto));
            (format!("virtio-blk{index}"), device)
        });
        let mut virtio: Vec<(String, Box<dyn VirtioDevice>)> = disks.collect();
        virtio.push(("virtio-console".to_owned(), Box::new(console)));
        virtio.push(("virtio-rng".to_owned(), Box::new(rng)));
        if virtio.len() > layout::VIRTIO_GSIS.len() {
            return Err(WiringError::TooMany {
                asked: virtio.len(),
            });
        }
        for (slot, (name, device)) in virtio.into_iter().enumerate() {
            this.add_virtio(vm, slot, &name, device)?;
        }
        Ok(this)
    }

    fn add_ports(
        &mut self,
        vm: &Vm,
        power: &PowerSwitch,
        on_mark: Box<dyn FnMut(u8) + Send>,
    ) -> Result<(), WiringError> {
        let range = |base, len| BusRange { base, len };
        let mut sizes = vm.memory().iter().map(|region| region.len());
        let (low, high) = (sizes.next().unwrap_or(0), sizes.sum());
        let i8042 = [I8042_PORT, I8042_PORT + u64::from(i8042::COMMAND_OFFSET)];
        let serial: SharedPio = self.serial.clone();
        let table: [(&str, &[BusRange], SharedPio); 6] = [
            ("serial", &[range(SERIAL_PORT, serial::PORTS)], serial),
            (
                "i8042",
                &i8042.map(|port| range(port, 1)),
                shared(I8042::new(power.clone())),
            ),
            (
                "cmos",
                &[range(CMOS_PORT, cmos::PORTS)],
                shared(Cmos::new(low, high)),
            ),
            (
                "reset",
                &[range(reset_port::BASE.into(), reset_port::PORTS)],
                shared(ResetPort::new(power.clone())),
            ),
            (
                "exit",
                &[range(abi::port::DEBUG_EXIT.into(), 1)],
                shared(DebugExit::new(power.clone())),
            ),
            (
                "mark",
                &[range(abi::port::MARK.into(), 1)],
                shared(MarkPort::new(on_mark)),
            ),
        ];
        for (name, ranges, device) in table {
            let id = self.name(name.to_owned());
            self.pio.insert_ranges(ranges, id, name, device)?;
        }
        Ok(())
    }

    fn add_virtio(
        &mut self,
        vm: &Vm,
        slot: usize,
        name: &str,
        device: Box<dyn VirtioDevice>,
    ) -> Result<(), WiringError> {
        let base = layout::VIRTIO_MMIO + slot as u64 * layout::VIRTIO_MMIO_SIZE;
        let gsi = layout::VIRTIO_GSIS[slot];
        let line = IrqLine::new().map_err(descriptors(name))?;
        vm.connect_irq(&line, gsi)?;
        let transport = MmioTransport::new(device, vm.memory().clone(), line);
        let transport = transport.map_err(descriptors(name))?;
        for (queue, doorbell) in (0..).zip(transport.doorbells()) {
            vm.connect_doorbell(doorbell, base + NOTIFY_OFFSET, queue)?;
        }
        let id = self.name(name.to_owned());
        let range = BusRange {
            base,
            len: layout::VIRTIO_MMIO_SIZE,
        };
        let transport = Arc::new(Mutex::new(transport));
        self.mmio.insert(range, id, name, transport.clone())?;
        self.virtio.push((name.to_owned(), transport));
        self.parameters.push(format!(
            "{}={:#x}@{base:#x}:{gsi}",
            abi::image::param::VIRTIO_MMIO,
            layout::VIRTIO_MMIO_SIZE
        ));
        Ok(())
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
