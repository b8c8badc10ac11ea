//! The legacy devices on their bus.

use super::Input;
use crate::bus::{BusRange, DeviceId, PioBus, PioDevice};
use crate::irq::{IrqLine, LevelInput, SharedLine};
use crate::legacy::acpi_pm::{self, AcpiPm};
use crate::legacy::cmos::{self, Cmos};
use crate::legacy::debug_exit::{DebugExit, MarkPort, TestExit};
use crate::legacy::fw_cfg::{self, FwCfg, FwCfgContents};
use crate::legacy::i8042::I8042;
use crate::legacy::reset_port::{self, ResetPort};
use crate::legacy::serial::{self, SerialPort};
use crate::legacy::test_device::{self, AbsentPages, TestDevice};
use crate::legacy::vga::{self, Vga};
use crate::power::PowerSwitch;
use crate::timer::TimedDevice;
use std::io;
use std::sync::{Arc, Mutex};

/// Where the devices are, so that most accesses hit one.
const BASES: [u16; 16] = [
    0x3f8, 0x60, 0x70, 0xcf8, 0x501, 0x504, 0, 0xfffc, 0x600, 0x3c0, 0x3d0, 0xe0, 0x2000, 0x2010,
    0x510, 0xf4,
];

type Shared = Arc<Mutex<dyn PioDevice>>;

struct Machine {
    bus: PioBus,
    serial: Arc<Mutex<SerialPort>>,
    i8042: Arc<Mutex<I8042>>,
    cmos: Arc<Mutex<Cmos>>,
    acpi: Arc<Mutex<AcpiPm>>,
    vga: Arc<Mutex<Vga>>,
    fw_cfg: Arc<Mutex<FwCfg>>,
    test: Arc<Mutex<TestDevice>>,
}

/// Stands for what is not there: interrupt lines and pages.
struct Nothing;

impl LevelInput for Nothing {
    fn set(&self, _high: bool) {}
}

impl AbsentPages for Nothing {
    fn make_absent(&self, _gpa: u64) {}
}

fn shared<D: PioDevice>(device: D) -> Arc<Mutex<D>> {
    Arc::new(Mutex::new(device))
}

fn range(base: u16, len: u64) -> BusRange {
    let base = base.into();
    BusRange { base, len }
}

impl Machine {
    fn new() -> io::Result<Self> {
        let power = PowerSwitch::new()?;
        let lines = std::array::from_fn(|_| -> Box<dyn LevelInput> { Box::new(Nothing) });
        let sci = SharedLine::new(Box::new(Nothing)).join();
        let serial = SerialPort::new(IrqLine::new()?, Box::new(io::sink()))?;
        let mut fw_cfg = FwCfg::default();
        fw_cfg.fill(FwCfgContents::default());
        let mut this = Self {
            bus: PioBus::default(),
            serial: shared(serial),
            i8042: shared(I8042::new(IrqLine::new()?, power.clone())?),
            cmos: shared(Cmos::new(IrqLine::new()?, 128 << 20, 0)?),
            acpi: shared(AcpiPm::new(sci, power.clone())?),
            vga: shared(Vga::default()),
            fw_cfg: shared(fw_cfg),
            test: shared(TestDevice::new(Box::new(Nothing), lines)),
        };
        this.wire(&power);
        Ok(this)
    }

    fn wire(&mut self, power: &PowerSwitch) {
        let i8042 = [range(0x60, 1), range(0x64, 1)];
        let reset = range(reset_port::BASE, reset_port::PORTS);
        let acpi = range(acpi_pm::BASE, acpi_pm::PORTS);
        let fw_cfg = range(fw_cfg::BASE, fw_cfg::PORTS);
        let mark = MarkPort::new(Box::new(|_| {}));
        let devices: [(&[BusRange], Shared); 11] = [
            (&[range(0x3f8, serial::PORTS)], self.serial.clone()),
            (&[range(0x70, cmos::PORTS)], self.cmos.clone()),
            (&i8042, self.i8042.clone()),
            (&[reset], shared(ResetPort::new(power.clone()))),
            (&[acpi], self.acpi.clone()),
            (&vga::RANGES, self.vga.clone()),
            (&[fw_cfg], self.fw_cfg.clone()),
            (&test_device::RANGES, self.test.clone()),
            (&[range(0x501, 1)], shared(DebugExit::new(power.clone()))),
            (&[range(0x504, 4)], shared(mark)),
            (&[range(0xf4, 1)], shared(TestExit::new(power.clone()))),
        ];
        for (id, (ranges, device)) in (1..).zip(devices) {
            let inserted = self
                .bus
                .insert_ranges(ranges, DeviceId(id), "device", device);
            inserted.expect("nothing overlaps");
        }
    }

    fn access(&self, what: u8, input: &mut Input) {
        let base = BASES[usize::from(what >> 3) % BASES.len()];
        let port = base.wrapping_add((input.byte() & 0xf).into());
        let mut data = input.bytes::<4>();
        let data = match what & 3 {
            0 | 1 => &mut data[..1],
            2 => &mut data[..2],
            _ => &mut data[..],
        };
        if what & 4 == 0 {
            self.bus.read(port, data);
        } else {
            self.bus.write(port, data);
        }
    }

    /// Each device takes its own state back and has it then.
    fn save_and_restore(&self) {
        let mut serial = self.serial.lock().expect("no panic");
        serial.enqueue(b"some input, of which not all may fit, as it comes again and again");
        let state = serial.save();
        serial.restore(&state).expect("a state of its own");
        assert_eq!(serial.save(), state);
        let mut i8042 = self.i8042.lock().expect("no panic");
        let state = i8042.save();
        i8042.restore(&state);
        assert_eq!(i8042.save(), state);
        let mut cmos = self.cmos.lock().expect("no panic");
        let state = cmos.save();
        cmos.restore(&state);
        assert_eq!(cmos.save(), state);
        let mut vga = self.vga.lock().expect("no panic");
        let state = vga.save();
        vga.restore(&state);
        assert_eq!(vga.save(), state);
        let mut fw_cfg = self.fw_cfg.lock().expect("no panic");
        let state = fw_cfg.save();
        fw_cfg.restore(&state);
        assert_eq!(fw_cfg.save(), state);
        let mut test = self.test.lock().expect("no panic");
        let state = test.save();
        test.restore(&state);
        assert_eq!(test.save(), state);
        // Time goes on for this one.
        let mut acpi = self.acpi.lock().expect("no panic");
        let state = acpi.save();
        acpi.restore(&state);
        assert_eq!(acpi.save().enable, state.enable);
    }

    /// The host's side of it.
    fn host(&self, input: &mut Input) {
        match input.byte() {
            0 => {
                let typed = input.bytes::<16>();
                self.i8042.lock().expect("no panic").enqueue(&typed);
            }
            1 => self.acpi.lock().expect("no panic").press_power_button(),
            2 => self.i8042.lock().expect("no panic").timer_expired(),
            3 => self.cmos.lock().expect("no panic").timer_expired(),
            _ => self.acpi.lock().expect("no panic").timer_expired(),
        }
    }
}

/// Accesses to ports, of all widths.
pub fn pio(data: &[u8]) {
    let machine = Machine::new().expect("events");
    let mut input = Input(data);
    while !input.is_empty() {
        match input.byte() {
            0xff => machine.save_and_restore(),
            0xfe => machine.host(&mut input),
            what => machine.access(what, &mut input),
        }
    }
}
