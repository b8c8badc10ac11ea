//! The legacy devices on their bus.

use super::Input;
use crate::bus::{BusRange, DeviceId, PioBus, PioDevice};
use crate::irq::IrqLine;
use crate::legacy::cmos::{self, Cmos};
use crate::legacy::debug_exit::{DebugExit, MarkPort};
use crate::legacy::i8042::I8042;
use crate::legacy::reset_port::{self, ResetPort};
use crate::legacy::serial::{self, SerialPort};
use crate::power::PowerSwitch;
use std::io;
use std::sync::{Arc, Mutex};

/// Where the devices are, so that most accesses hit one.
const BASES: [u16; 8] = [0x3f8, 0x60, 0x70, 0xcf8, 0x501, 0x502, 0, 0xfffc];

type Shared = Arc<Mutex<dyn PioDevice>>;

struct Machine {
    bus: PioBus,
    serial: Arc<Mutex<SerialPort>>,
    i8042: Arc<Mutex<I8042>>,
    cmos: Arc<Mutex<Cmos>>,
}

impl Machine {
    fn new() -> io::Result<Self> {
        let power = PowerSwitch::new()?;
        let serial = SerialPort::new(IrqLine::new()?, Box::new(io::sink()))?;
        let serial = Arc::new(Mutex::new(serial));
        let i8042 = Arc::new(Mutex::new(I8042::new(IrqLine::new()?, power.clone())?));
        let cmos = Arc::new(Mutex::new(Cmos::new(IrqLine::new()?, 128 << 20, 0)?));
        let devices: [(u16, u64, Shared); 5] = [
            (0x3f8, serial::PORTS, serial.clone()),
            (0x70, cmos::PORTS, cmos.clone()),
            (
                reset_port::BASE,
                reset_port::PORTS,
                Arc::new(Mutex::new(ResetPort::new(power.clone()))),
            ),
            (0x501, 1, Arc::new(Mutex::new(DebugExit::new(power)))),
            (
                0x502,
                1,
                Arc::new(Mutex::new(MarkPort::new(Box::new(|_| {})))),
            ),
        ];
        let mut bus = PioBus::default();
        for (id, (base, len, device)) in (1..).zip(devices) {
            let base = base.into();
            bus.insert(BusRange { base, len }, DeviceId(id), "device", device)
                .expect("nothing overlaps");
        }
        let ranges = [0x60, 0x64].map(|base| BusRange { base, len: 1 });
        bus.insert_ranges(&ranges, DeviceId(6), "i8042", i8042.clone())
            .expect("nothing overlaps");
        Ok(Self {
            bus,
            serial,
            i8042,
            cmos,
        })
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
    }
}

/// Accesses to ports, of all widths.
pub fn pio(data: &[u8]) {
    let machine = Machine::new().expect("events");
    let mut input = Input(data);
    while !input.is_empty() {
        match input.byte() {
            0xff => machine.save_and_restore(),
            what => machine.access(what, &mut input),
        }
    }
}
