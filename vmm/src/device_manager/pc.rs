//! The PC's own devices, as rows that the device manager puts on the port bus.

use super::{SharedPio, Sink, WiringError, descriptors, shared};
use crate::boot::layout;
use crate::boot::platform::Keyboard;
use crate::kvm::Vm;
use crate::memory::PageDropper;
use devices::bus::BusRange;
use devices::hypercall::HypercallPage;
use devices::irq::{IrqLine, SharedLine};
use devices::legacy::acpi_pm::{self, AcpiPm};
use devices::legacy::cmos::{self, Cmos};
use devices::legacy::debug_exit::{self, DebugExit, MarkPort};
use devices::legacy::fw_cfg::{self, FwCfg};
use devices::legacy::i8042::{self, I8042};
use devices::legacy::serial::{self, SerialPort};
use devices::legacy::test_device::{self, TestDevice};
use devices::legacy::vga::{self, Vga};
use devices::power::PowerSwitch;
use devices::timer::TimedDevice;
use std::sync::{Arc, Mutex};
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

const COM1: (u16, u8) = (0x3f8, 4);
const COM2: (u16, u8) = (0x2f8, 3);
/// First port and interrupt of each.
pub(super) const SERIAL_PORTS: [(u16, u8); 2] = [COM1, COM2];
const I8042_PORT: u64 = 0x60;
const KEYBOARD_GSI: u32 = 1;
const CMOS_PORT: u16 = 0x70;
const CLOCK_GSI: u32 = 8;

/// Ports that KVM answers itself.
const IN_KERNEL: [(&str, BusRange); 5] = [
    (
        "the first interrupt controller",
        BusRange { base: 0x20, len: 2 },
    ),
    ("the timer", BusRange { base: 0x40, len: 4 }),
    ("the timer's gate", BusRange { base: 0x61, len: 1 }),
    (
        "the second interrupt controller",
        BusRange { base: 0xa0, len: 2 },
    ),
    (
        "the interrupt controllers",
        BusRange {
            base: 0x4d0,
            len: 2,
        },
    ),
];

/// What the PC's devices are connected to on the host's side, and which of them there are.
pub struct PcBackends {
    /// Output of COM1.
    pub serial: Sink,
    /// Output of COM2.
    pub com2: Sink,
    /// What the guest writes by its hypercall page.
    pub hypercalls: Sink,
    /// Called with values that the guest writes to the mark port.
    pub on_mark: Box<dyn FnMut(u32) + Send>,
    /// Whether somebody types on the keyboard, so that the guest is told of it.
    pub keyboard: Keyboard,
    /// Port by which a test kernel ends.
    pub debug_exit: Option<u16>,
    /// The ports of a test device.
    pub test_device: bool,
}

/// The devices that others have to do with.
pub struct Pc {
    /// Takes input for COM1.
    pub serial: Arc<Mutex<SerialPort>>,
    /// Takes input as a keyboard.
    pub keyboard: Arc<Mutex<I8042>>,
    /// Says where the screen is on the text memory.
    pub vga: Arc<Mutex<Vga>>,
    /// Has the power button.
    pub acpi: Arc<Mutex<AcpiPm>>,
    /// Serves pages of requests.
    pub hypercalls: Arc<Mutex<HypercallPage>>,
    /// To be filled with what the guest is given, if there is one.
    pub fw_cfg: Option<Arc<Mutex<FwCfg>>>,
    /// Devices whose timers are to be watched.
    pub timers: Vec<Arc<Mutex<dyn TimedDevice>>>,
}

/// Name, ports, device.
type Row = (&'static str, Vec<BusRange>, SharedPio);

/// Makes the devices of `vm` and connects their interrupts.
pub(super) fn make(
    vm: &Vm,
    power: &PowerSwitch,
    backends: PcBackends,
) -> Result<(Pc, Vec<Row>), WiringError> {
    let line = |name, gsi| -> Result<IrqLine, WiringError> {
        let line = IrqLine::new().map_err(descriptors(name))?;
        vm.connect_irq(&line, gsi)?;
        Ok(line)
    };
    let serial = SerialPort::new(line("serial", COM1.1.into())?, backends.serial);
    let com2 = SerialPort::new(line("com2", COM2.1.into())?, backends.com2);
    let keyboard = I8042::new(line("i8042", KEYBOARD_GSI)?, power.clone());
    let mut sizes = vm.memory().iter().map(|region| region.len());
    let (low, high) = (sizes.next().unwrap_or(0), sizes.sum());
    let clock = Cmos::new(line("cmos", CLOCK_GSI)?, low, high).map_err(descriptors("cmos"))?;
    let clock = Arc::new(Mutex::new(clock));
    // All that a write of its index does is to choose what the next access is to.
    vm.coalesce_port(CMOS_PORT)?;
    let sci = SharedLine::new(vm.pin(layout::SCI_GSI.into())).join();
    let acpi = AcpiPm::new(sci, power.clone()).map_err(descriptors("acpi"))?;
    let hypercalls = HypercallPage::new(vm.memory().clone(), backends.hypercalls);
    let mut pc = Pc {
        serial: Arc::new(Mutex::new(serial.map_err(descriptors("serial"))?)),
        keyboard: Arc::new(Mutex::new(keyboard.map_err(descriptors("i8042"))?)),
        vga: Arc::default(),
        acpi: Arc::new(Mutex::new(acpi)),
        hypercalls: Arc::new(Mutex::new(hypercalls.map_err(descriptors("hypercall"))?)),
        fw_cfg: None,
        timers: Vec::new(),
    };
    pc.timers = vec![pc.keyboard.clone(), clock.clone(), pc.acpi.clone()];
    let one = |base, len| vec![BusRange { base, len }];
    let i8042 = [I8042_PORT, I8042_PORT + u64::from(i8042::COMMAND_OFFSET)];
    let com2 = shared(com2.map_err(descriptors("com2"))?);
    let mut rows: Vec<Row> = vec![
        (
            "serial",
            one(COM1.0.into(), serial::PORTS),
            pc.serial.clone(),
        ),
        ("com2", one(COM2.0.into(), serial::PORTS), com2),
        (
            "i8042",
            i8042.map(|base| BusRange { base, len: 1 }).to_vec(),
            pc.keyboard.clone(),
        ),
        ("cmos", one(CMOS_PORT.into(), cmos::PORTS), clock),
        ("vga", vga::RANGES.to_vec(), pc.vga.clone()),
        (
            "acpi",
            one(acpi_pm::BASE.into(), acpi_pm::PORTS),
            pc.acpi.clone(),
        ),
        (
            "hypercall",
            one(abi::hypercall::PORT.into(), abi::hypercall::PORTS),
            pc.hypercalls.clone(),
        ),
        (
            "mark",
            one(abi::port::MARK.into(), debug_exit::MARK_PORTS),
            shared(MarkPort::new(backends.on_mark)),
        ),
    ];
    // A test kernel's may be in its place.
    if backends.debug_exit != Some(abi::port::DEBUG_EXIT) {
        let exit = shared(DebugExit::new(power.clone()));
        rows.push(("exit", one(abi::port::DEBUG_EXIT.into(), 1), exit));
    }
    if backends.test_device {
        rows.extend(test_rows(vm, &mut pc));
    }
    Ok((pc, rows))
}

fn test_rows(vm: &Vm, pc: &mut Pc) -> [Row; 2] {
    let pages = PageDropper::new(vm.memory().clone());
    let pins = std::array::from_fn(|gsi| vm.pin(gsi as u32));
    let device = TestDevice::new(Box::new(pages), pins);
    let fw_cfg = Arc::new(Mutex::new(FwCfg::default()));
    pc.fw_cfg = Some(fw_cfg.clone());
    let range = BusRange {
        base: fw_cfg::BASE.into(),
        len: fw_cfg::PORTS,
    };
    [
        ("testdev", test_device::RANGES.to_vec(), shared(device)),
        ("fw_cfg", vec![range], fw_cfg),
    ]
}

/// What KVM has at `port`.
pub(super) fn in_kernel(port: u16) -> Option<&'static str> {
    let port = u64::from(port);
    let mut ranges = IN_KERNEL.into_iter();
    ranges
        .find(|(_, range)| (range.base..range.base + range.len).contains(&port))
        .map(|(name, _)| name)
}
