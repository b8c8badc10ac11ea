//! The registers through their ports.

use super::*;
use crate::bus::{DeviceId, PioBus};
use std::sync::{Arc, Mutex};

fn vga() -> (PioBus, Arc<Mutex<Vga>>) {
    let device = Arc::new(Mutex::new(Vga::default()));
    let mut bus = PioBus::default();
    bus.insert_ranges(&RANGES, DeviceId(1), "vga", device.clone())
        .unwrap();
    (bus, device)
}

fn inb(bus: &PioBus, port: u16) -> u8 {
    let mut data = [0];
    bus.read(port, &mut data);
    data[0]
}

fn outb(bus: &PioBus, port: u16, value: u8) {
    bus.write(port, &[value]);
}

#[test]
fn cursor_and_start_address_are_seen_and_read_back() {
    let (bus, device) = vga();
    let first = TextView {
        start: 0,
        cursor: Some(0),
        blinking: true,
    };
    assert_eq!(device.lock().unwrap().view(), first);
    for (index, value) in [(0x0e, 0x01), (0x0f, 0x45), (0x0c, 0x02)] {
        outb(&bus, 0x3d4, index);
        outb(&bus, 0x3d5, value);
        assert_eq!((inb(&bus, 0x3d4), inb(&bus, 0x3d5)), (index, value));
    }
    bus.write(0x3d4, &[0x0d, 0x80]);
    let moved = TextView {
        start: 0x280,
        cursor: Some(0x145),
        blinking: true,
    };
    assert_eq!(device.lock().unwrap().view(), moved);
    bus.write(0x3d4, &[0x0a, 0x20]);
    assert_eq!(device.lock().unwrap().view().cursor, None);
}

#[test]
fn a_wait_for_the_retrace_ends() {
    let (bus, _) = vga();
    let seen: Vec<_> = (0..4).map(|_| inb(&bus, 0x3da) & 8).collect();
    assert_eq!(seen, [8, 0, 8, 0]);
}

#[test]
fn the_attribute_controller_takes_index_and_data_in_turn() {
    let (bus, device) = vga();
    inb(&bus, 0x3da);
    // Mode control: no blinking; the screen stays on.
    outb(&bus, 0x3c0, 0x30);
    outb(&bus, 0x3c0, 0x04);
    assert_eq!(inb(&bus, 0x3c1), 0x04);
    assert!(!device.lock().unwrap().view().blinking);
    outb(&bus, 0x3c0, 0x20);
    inb(&bus, 0x3da);
    outb(&bus, 0x3c0, 0x33);
    assert_eq!(device.lock().unwrap().save().attribute.index, 0x13);
}

#[test]
fn a_colour_is_written_and_read_by_components() {
    let (bus, _) = vga();
    outb(&bus, 0x3c7, 0x14);
    let brown = [0, 1, 2].map(|_| inb(&bus, 0x3c9));
    assert_eq!(brown, [0x2a, 0x15, 0]);
    outb(&bus, 0x3c8, 255);
    for component in [1, 2, 0xff] {
        outb(&bus, 0x3c9, component);
    }
    outb(&bus, 0x3c7, 255);
    assert_eq!([0, 1, 2].map(|_| inb(&bus, 0x3c9)), [1, 2, 0x3f]);
    assert_eq!(inb(&bus, 0x3c9), 0, "the first follows the last");
}

#[test]
fn registers_are_as_in_mode_3_and_those_that_are_not_there_are_zero() {
    let (bus, _) = vga();
    assert_eq!(inb(&bus, 0x3cc), 0x67, "colour, at 0x3d4");
    bus.write(0x3ce, &[6]);
    assert_eq!(inb(&bus, 0x3cf), 0x0e, "text at 0xb8000");
    bus.write(0x3c4, &[0xff, 0xff]);
    assert_eq!(inb(&bus, 0x3c5), 0);
}

#[test]
fn state_survives_save_and_restore() {
    let (bus, device) = vga();
    bus.write(0x3d4, &[0x0f, 7]);
    let state = device.lock().unwrap().save();
    let (_, other) = vga();
    other.lock().unwrap().restore(&state);
    assert_eq!(other.lock().unwrap().save(), state);
    assert_eq!(other.lock().unwrap().view().cursor, Some(7));
}
