//! The NE2000 on its buses, with its worker running and packets coming in.

use super::Input;
use crate::ne2000::spec::{CR_TXP, PORTS, write0};
use crate::ne2000::testing::{Driver, MAC, TRANSMIT_PAGE, packet, wait};
use std::io::{Read, Write};

/// Longest burst through the data port.
const MOST_UNITS: u16 = 1024;
/// For whom packets are.
const ADDRESSES: [[u8; 6]; 4] = [
    MAC,
    [0xff; 6],
    [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01],
    [0x52, 0x54, 0x00, 0x00, 0x00, 0x01],
];

fn access(driver: &Driver, what: u8, input: &mut Input) {
    let port = u16::from(input.byte()) % PORTS;
    match what >> 3 & 7 {
        0..=3 => driver.outb(port, input.byte()),
        4 => driver.output(port, &input.bytes::<2>()),
        5 => driver.output(port, &input.bytes::<4>()),
        6 => drop(driver.inb(port)),
        _ => drop(driver.input::<4>(port)),
    }
}

/// Remote DMA, begun anywhere, and a burst through the data port.
fn burst(driver: &Driver, what: u8, input: &mut Input) {
    let command = [0x0a, 0x12, 0x1a, 0x22][usize::from(what >> 3 & 3)];
    driver.remote(command, input.word(), input.word());
    let value = input.bytes::<4>();
    for _ in 0..input.word() % MOST_UNITS {
        match what >> 5 {
            0..=1 => drop(driver.input::<4>(0x10)),
            2 => drop(driver.input::<2>(0x10)),
            3 => drop(driver.inb(0x10)),
            4..=5 => driver.output(0x10, &value),
            6 => driver.output(0x10, &value[..2]),
            _ => driver.outb(0x10, value[0]),
        }
    }
}

/// The network's side of it.
fn network(driver: &Driver, what: u8, input: &mut Input) {
    let mut network = &driver.network;
    let bytes = usize::from(input.word() % 2048);
    let to = ADDRESSES[usize::from(what >> 3 & 3)];
    let packet = packet(to, what, bytes);
    let length = (packet.len() as u32).to_be_bytes();
    // As far as there is room: the rest is one of the things that can happen.
    let _ = network.write(&[&length, &packet[..]].concat());
}

fn drain(driver: &Driver) {
    let mut network = &driver.network;
    while network
        .read(&mut [0; 0x1_0000])
        .is_ok_and(|bytes| bytes > 0)
    {}
}

fn save_and_restore(driver: &Driver) {
    let mut card = driver.function.lock().expect("no panic");
    let state = card.save();
    card.restore(&state);
    assert_eq!(card.save().config, state.config);
}

/// Ports, remote DMA and packets from the network, in any order.
pub fn ne2000(data: &[u8]) {
    let driver = Driver::new();
    driver.network.set_nonblocking(true).expect("a socket");
    driver.start();
    let prom = driver.read(0, 32);
    let mut input = Input(data);
    while !input.is_empty() {
        let what = input.byte();
        match what & 7 {
            0..=3 => access(&driver, what, &mut input),
            4 => burst(&driver, what, &mut input),
            5 => network(&driver, what, &mut input),
            6 => driver.start(),
            _ => match what >> 3 & 3 {
                0 => driver.transmit(input.word()),
                1 => driver.command(input.word() | 1),
                2 => drain(&driver),
                _ => save_and_restore(&driver),
            },
        }
    }
    still_works(&driver, &prom);
}

/// After a reset the card transmits, whatever was done to it, and its address is its own.
fn still_works(driver: &Driver, prom: &[u8]) {
    driver.command(1);
    driver.outb(0x18, 0);
    driver.start();
    assert_eq!(driver.read(0, 32), prom);
    driver.outb(write0::IMR, 0x02);
    driver.outb(write0::TPSR, TRANSMIT_PAGE);
    driver.send(&packet(MAC, 1, 60));
    wait("end of a transmission", || {
        drain(driver);
        driver.inb(0) & CR_TXP == 0
    });
    assert!(driver.interrupts());
}
