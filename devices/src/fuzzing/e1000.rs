//! The e1000 behind its registers, with its worker running and frames coming in.

use super::Input;
use crate::bus::Width;
use crate::e1000::spec::*;
use crate::e1000::testing::{BUFFERS, MEMORY_BYTES, Machine, RING_SIZE, TRANSMIT_RING};
use crate::pci::PciFunction;
use std::io::{Read, Write};

/// Where most of what there is to go wrong is.
const REGISTERS: [u32; 28] = [
    CTRL,
    EECD,
    EERD,
    MDIC,
    VET,
    ICR,
    ITR,
    ICS,
    IMS,
    IMC,
    RCTL,
    TCTL,
    RDBAL,
    RDBAL + RING_HIGH,
    RDBAL + RING_LENGTH,
    RDBAL + RING_HEAD,
    RDBAL + RING_TAIL,
    RDTR,
    RADV,
    RSRPD,
    TDBAL,
    TDBAL + RING_HIGH,
    TDBAL + RING_LENGTH,
    TDBAL + RING_HEAD,
    TDBAL + RING_TAIL,
    TIDV,
    TADV,
    RXCSUM,
];
/// Addresses for descriptors and rings.
const PLACES: [u64; 8] = [
    0,
    TRANSMIT_RING,
    BUFFERS,
    MEMORY_BYTES - 32,
    MEMORY_BYTES,
    0xc000_0000,
    u32::MAX as u64,
    u64::MAX - 15,
];

fn place(input: &mut Input) -> u64 {
    let at = PLACES[usize::from(input.byte()) % PLACES.len()];
    at.wrapping_add(input.byte().into())
}

/// A descriptor, of a kind that makes some sense, somewhere in the transmit ring.
fn descriptor(machine: &Machine, input: &mut Input) {
    let (index, what) = (u32::from(input.byte()) % RING_SIZE, input.byte());
    let kind = [0, TX_DEXT, TX_DEXT | 1 << TX_TYPE_SHIFT, TX_DEXT | TX_TSE];
    let kind = kind[usize::from(what & 3)] | u64::from(what >> 2) << 24;
    let low = match what & 1 {
        0 => place(input),
        _ => u64::from_le_bytes(input.bytes()),
    };
    let high = u64::from(input.word()) << 48 | u64::from(input.byte()) << 40;
    let half = high | kind | u64::from(input.word());
    machine.put(TRANSMIT_RING, index, [low, half]);
}

fn drain(machine: &mut Machine) {
    while machine.peer.read(&mut [0; 0x1_0000]).is_ok_and(|n| n > 0) {}
}

/// Registers written and read, descriptors, frames from the network.
pub fn e1000(data: &[u8]) {
    let mut machine = Machine::default();
    machine.peer.set_nonblocking(true).expect("a socket");
    machine.start();
    let mut input = Input(data);
    while !input.is_empty() {
        let what = input.byte();
        let known = REGISTERS[usize::from(what >> 3) % REGISTERS.len()];
        match what & 7 {
            0 => machine.write(known, input.dword()),
            1 => machine.write(known, place(&mut input) as u32),
            2 => drop(machine.read(known)),
            3 => machine.write(u32::from(input.word()) * 4, input.dword()),
            4 | 5 => descriptor(&machine, &mut input),
            6 => {
                let frame = vec![what; usize::from(input.word() % 4096)];
                let length = (frame.len() as u32).to_be_bytes();
                // As far as there is room: the rest is one of the things that can happen.
                let _ = machine.peer.write(&[&length[..], &frame].concat());
            }
            _ => match what >> 3 & 3 {
                0 => machine.command(input.byte().into()),
                1 => drop(machine.read(u32::from(input.word()))),
                2 => drain(&mut machine),
                _ => {
                    let mut card = machine.card.lock().expect("no panic");
                    let state = card.save();
                    card.restore(&state);
                    card.read_config(input.word(), Width::Dword);
                }
            },
        }
        let tail = TDBAL + RING_TAIL;
        machine.write(tail, machine.read(tail).wrapping_add(1) % RING_SIZE);
    }
    drain(&mut machine);
    still_works(&machine);
}

/// After a reset the card sends, whatever was done to it, unless its network is gone.
fn still_works(machine: &Machine) {
    machine.command(0b111);
    machine.write(CTRL, CTRL_RST);
    if machine.read(STATUS) & STATUS_LU != 0 {
        machine.start();
        machine.transmit(&[[BUFFERS, 60 | TX_EOP | TX_RS]]);
        machine.wait_done(TRANSMIT_RING, 0);
    }
}
