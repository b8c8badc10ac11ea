//! The legacy devices through their bus, as a guest drives them.

use super::debug_exit::{DebugExit, MARK_PORTS, MarkPort};
use super::reset_port::{self, ResetPort};
use super::serial::{SerialPort, SerialState, SerialStateError};
use crate::bus::{BusRange, DeviceId, PioBus, PioDevice};
use crate::irq::IrqLine;
use crate::power::{PowerEvent, PowerSwitch};
use abi::port::MARK;
use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};

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

/// A sink that holds on to what it has, and must not be told to let go.
struct Batch;

impl Write for Batch {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Other.into())
    }
}

#[test]
fn serial_output_leaves_it_to_the_sink_when_to_send() {
    let mut port = SerialPort::new(IrqLine::new().unwrap(), Box::new(Batch)).unwrap();
    for byte in b"batch" {
        port.pio_write(0, crate::bus::Width::Byte, (*byte).into());
    }
    assert_eq!(port.lost_bytes(), 0);
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
    let bus = bus_with(MARK.into(), MARK_PORTS, Arc::new(Mutex::new(port)));
    outb(&bus, MARK, 1);
    outb(&bus, MARK, 2);
    bus.write(MARK, &0x1234_5603_u32.to_le_bytes());
    assert_eq!(marks.try_iter().collect::<Vec<_>>(), [1, 2, 0x1234_5603]);
}
