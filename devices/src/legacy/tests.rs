//! The legacy devices through their bus, as a guest drives them.

use super::cmos::Cmos;
use super::debug_exit::{DebugExit, MarkPort};
use super::i8042::I8042;
use super::reset_port::{self, ResetPort};
use super::serial::{SerialPort, SerialState, SerialStateError};
use crate::bus::{BusRange, DeviceId, PioBus, PioDevice};
use crate::irq::IrqLine;
use crate::power::{PowerEvent, PowerSwitch};
use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

fn bus_with(base: u64, len: u64, device: Arc<Mutex<dyn PioDevice>>) -> PioBus {
    let mut bus = PioBus::default();
    bus.insert(BusRange { base, len }, DeviceId(1), "device", device)
        .expect("an empty bus");
    bus
}

fn inb(bus: &PioBus, port: u16) -> u8 {
    let mut data = [0];
    bus.read(port, &mut data);
    data[0]
}

fn outb(bus: &PioBus, port: u16, value: u8) {
    bus.write(port, &[value]);
}

/// A sink whose contents the test sees.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const COM1: u16 = 0x3f8;

fn serial() -> (PioBus, Arc<Mutex<SerialPort>>, Output, IrqLine) {
    let output = Output::default();
    let line = IrqLine::new().unwrap();
    let port = SerialPort::new(line.clone(), Box::new(output.clone())).unwrap();
    let port = Arc::new(Mutex::new(port));
    (
        bus_with(COM1.into(), super::serial::PORTS, port.clone()),
        port,
        output,
        line,
    )
}

#[test]
fn serial_output_reaches_the_sink_in_order() {
    let (bus, _, output, _) = serial();
    for byte in *b"hello" {
        assert_ne!(inb(&bus, COM1 + 5) & 0x20, 0, "ready to send");
        outb(&bus, COM1, byte);
    }
    assert_eq!(*output.0.lock().unwrap(), b"hello");
}

#[test]
fn serial_input_is_refused_when_full_and_asked_for_again_when_read() {
    let (bus, port, _, line) = serial();
    outb(&bus, COM1 + 1, 1);
    let input: Vec<u8> = (0..100).collect();
    let accepted = port.lock().unwrap().enqueue(&input);
    assert_eq!((accepted, port.lock().unwrap().room()), (64, 0));
    assert_eq!(port.lock().unwrap().enqueue(&input), 0);
    assert!(line.evt().read().is_ok(), "interrupted");
    assert!(
        port.lock().unwrap().room_evt().read().is_err(),
        "no room yet"
    );
    let read: Vec<u8> = (0..accepted).map(|_| inb(&bus, COM1)).collect();
    assert_eq!(read, input[..accepted]);
    assert!(port.lock().unwrap().room_evt().read().is_ok(), "room again");
    assert_eq!(port.lock().unwrap().enqueue(&input[accepted..]), 36);
}

#[test]
fn serial_input_refused_in_loopback_is_asked_for_when_it_ends() {
    let (bus, port, ..) = serial();
    outb(&bus, COM1 + 4, 0x10);
    assert_eq!(port.lock().unwrap().enqueue(b"abc"), 0);
    outb(&bus, COM1 + 4, 0x08);
    assert!(port.lock().unwrap().room_evt().read().is_ok());
    assert_eq!(port.lock().unwrap().enqueue(b"abc"), 3);
}

#[test]
fn serial_state_survives_save_and_restore() {
    let (bus, port, output, _) = serial();
    outb(&bus, COM1 + 7, 0x5a);
    port.lock().unwrap().enqueue(b"abc");
    let state = port.lock().unwrap().save();
    assert_eq!((inb(&bus, COM1), inb(&bus, COM1)), (b'a', b'b'));
    outb(&bus, COM1 + 7, 0);
    port.lock().unwrap().restore(&state).unwrap();
    assert_eq!(port.lock().unwrap().save(), state);
    assert_eq!((inb(&bus, COM1 + 7), inb(&bus, COM1)), (0x5a, b'a'));
    outb(&bus, COM1, b'x');
    assert_eq!(*output.0.lock().unwrap(), b"x", "the sink stays");
    let too_much = SerialState {
        in_buffer: vec![0; 65],
        ..state
    };
    let refused = port.lock().unwrap().restore(&too_much);
    assert!(matches!(refused, Err(SerialStateError::TooMuchInput(65))));
}

fn i8042() -> (PioBus, PowerSwitch, Arc<Mutex<I8042>>) {
    let power = PowerSwitch::new().unwrap();
    let device = Arc::new(Mutex::new(I8042::new(power.clone())));
    let ranges = [0x60, 0x64].map(|base| BusRange { base, len: 1 });
    let mut bus = PioBus::default();
    bus.insert_ranges(&ranges, DeviceId(1), "i8042", device.clone())
        .unwrap();
    (bus, power, device)
}

#[test]
fn i8042_resets_by_pulse_and_by_output_port() {
    let (bus, power, _) = i8042();
    outb(&bus, 0x64, 0xff);
    assert_eq!(power.pressed(), None, "a pulse of no line");
    outb(&bus, 0x64, 0xfe);
    assert_eq!(power.pressed(), Some(PowerEvent::Reset));
    let (bus, power, _) = i8042();
    outb(&bus, 0x64, 0xd1);
    outb(&bus, 0x60, 0xdf);
    assert_eq!(power.pressed(), None, "opening A20");
    outb(&bus, 0x64, 0xd1);
    outb(&bus, 0x60, 0xfe);
    assert_eq!(power.pressed(), Some(PowerEvent::Reset));
}

#[test]
fn i8042_answers_a_probe_at_once() {
    let (bus, power, _) = i8042();
    let ask = |command| {
        outb(&bus, 0x64, command);
        assert_eq!(inb(&bus, 0x64) & 0b11, 1, "an answer, and room for more");
        let answer = inb(&bus, 0x60);
        assert_eq!(inb(&bus, 0x64) & 1, 0, "taken");
        answer
    };
    assert_eq!(ask(0xaa), 0x55, "self-test");
    assert_eq!(ask(0xab), 0, "keyboard line");
    assert_ne!(ask(0xa9), 0, "no mouse");
    outb(&bus, 0x64, 0x60);
    outb(&bus, 0x60, 0x47);
    assert_eq!(ask(0x20), 0x47, "configuration");
    outb(&bus, 0x60, 0xf2);
    assert_eq!(inb(&bus, 0x60), 0xfe, "no keyboard");
    assert_eq!(power.pressed(), None);
}

#[test]
fn i8042_state_survives_save_and_restore() {
    let (bus, _, device) = i8042();
    outb(&bus, 0x64, 0xaa);
    let state = device.lock().unwrap().save();
    inb(&bus, 0x60);
    device.lock().unwrap().restore(&state);
    assert_eq!(inb(&bus, 0x60), 0x55);
}

#[test]
fn reset_port_takes_bytes_only() {
    let power = PowerSwitch::new().unwrap();
    let device = Arc::new(Mutex::new(ResetPort::new(power.clone())));
    let bus = bus_with(reset_port::BASE.into(), reset_port::PORTS, device);
    bus.write(0xcf8, &0x8000_ff00_u32.to_le_bytes());
    let mut address = [0; 4];
    bus.read(0xcf8, &mut address);
    assert_eq!((address, power.pressed()), ([0xff; 4], None), "no PCI");
    outb(&bus, 0xcf9, 0x02);
    assert_eq!((inb(&bus, 0xcf9), power.pressed()), (0x02, None));
    outb(&bus, 0xcf9, 0x06);
    assert_eq!(power.pressed(), Some(PowerEvent::Reset));
}

#[test]
fn the_first_press_of_the_power_switch_wins() {
    let power = PowerSwitch::new().unwrap();
    let bus = bus_with(
        0x501,
        1,
        Arc::new(Mutex::new(DebugExit::new(power.clone()))),
    );
    assert_eq!(inb(&bus, 0x501), 0xff);
    outb(&bus, 0x501, 3);
    outb(&bus, 0x501, 4);
    assert_eq!(power.pressed(), Some(PowerEvent::DebugExit(3)));
    assert!(power.evt().read().is_ok());
}

#[test]
fn marks_reach_the_callback() {
    let (send, marks) = mpsc::channel();
    let port = MarkPort::new(Box::new(move |mark| send.send(mark).unwrap()));
    let bus = bus_with(0x502, 1, Arc::new(Mutex::new(port)));
    outb(&bus, 0x502, 1);
    outb(&bus, 0x502, 2);
    assert_eq!(marks.try_iter().collect::<Vec<_>>(), [1, 2]);
}

fn cmos_at(unix_ns: u64, low_bytes: u64, high_bytes: u64) -> PioBus {
    let now = UNIX_EPOCH + Duration::from_nanos(unix_ns);
    let cmos = Cmos::with_clock(low_bytes, high_bytes, Box::new(move || now));
    bus_with(0x70, super::cmos::PORTS, Arc::new(Mutex::new(cmos)))
}

fn cmos_read(bus: &PioBus, index: u8) -> u8 {
    outb(bus, 0x70, index);
    inb(bus, 0x71)
}

/// Century, year, month, day, hour, minute, second, day of week.
fn clock(bus: &PioBus) -> [u8; 8] {
    [0x32, 9, 8, 7, 4, 2, 0, 6].map(|index| cmos_read(bus, index))
}

#[test]
fn cmos_tells_the_time_in_bcd() {
    const S: u64 = 1_000_000_000;
    let cases = [
        (0, [0x19, 0x70, 1, 1, 0, 0, 0, 5]),
        (951_782_399, [0x20, 0x00, 2, 0x28, 0x23, 0x59, 0x59, 2]),
        (951_782_400, [0x20, 0x00, 2, 0x29, 0, 0, 0, 3]),
        (951_868_800, [0x20, 0x00, 3, 1, 0, 0, 0, 4]),
        (1_709_210_096, [0x20, 0x24, 2, 0x29, 0x12, 0x34, 0x56, 5]),
        (1_735_689_599, [0x20, 0x24, 0x12, 0x31, 0x23, 0x59, 0x59, 3]),
        (4_107_542_400, [0x21, 0x00, 3, 1, 0, 0, 0, 2]),
    ];
    for (unix_s, expected) in cases {
        assert_eq!(clock(&cmos_at(unix_s * S, 0, 0)), expected, "{unix_s}");
    }
}

#[test]
fn cmos_warns_just_before_an_update() {
    let updating = |ns| cmos_read(&cmos_at(ns, 0, 0), 0x0a) & 0x80 != 0;
    assert!(!updating(0) && !updating(999_755_000));
    assert!(updating(999_756_000) && updating(999_999_999));
    let bus = cmos_at(0, 0, 0);
    assert_eq!(cmos_read(&bus, 0x0b), 0x02, "24 hours, BCD");
    assert_eq!((cmos_read(&bus, 0x0c), cmos_read(&bus, 0x0d)), (0, 0x80));
}

#[test]
fn cmos_has_the_sizes_of_memory() {
    let read = |low, high| {
        let bus = cmos_at(0, low, high);
        let word = |at| u32::from(cmos_read(&bus, at)) | u32::from(cmos_read(&bus, at + 1)) << 8;
        let above_4g = word(0x5b) | u32::from(cmos_read(&bus, 0x5d)) << 16;
        [word(0x15), word(0x17), word(0x30), word(0x34), above_4g]
    };
    assert_eq!(read(16 << 20, 0), [640, 15 << 10, 15 << 10, 0, 0]);
    let large = read(0xc000_0000, 5 << 30);
    assert_eq!(large, [640, 0xffff, 0xffff, 0xbf00, 5 << 14]);
    assert_eq!(read(0, u64::MAX)[4], 0xff_ffff);
}

#[test]
fn cmos_memory_is_plain_and_the_clock_cannot_be_set() {
    let bus = cmos_at(0, 0, 0);
    for index in 0..=0xff {
        outb(&bus, 0x70, index);
        outb(&bus, 0x71, 0xa5);
    }
    assert_eq!(clock(&bus), [0x19, 0x70, 1, 1, 0, 0, 0, 5]);
    assert_eq!((cmos_read(&bus, 0x40), cmos_read(&bus, 0x7f)), (0xa5, 0xa5));
    assert_eq!(cmos_read(&bus, 0x0b), 0xa2);
}

#[test]
fn cmos_state_survives_save_and_restore() {
    let mut cmos = Cmos::new(0, 0);
    cmos.pio_write(0, crate::bus::Width::Byte, 0x40);
    cmos.pio_write(1, crate::bus::Width::Byte, 7);
    let state = cmos.save();
    let mut other = Cmos::new(1 << 30, 0);
    other.restore(&state);
    assert_eq!(other.save(), state);
    assert_eq!(other.pio_read(1, crate::bus::Width::Byte), 7);
}
