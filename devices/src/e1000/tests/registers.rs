//! Registers, EEPROM and PHY.

use super::*;
use crate::bus::Width;
use crate::e1000::spec::*;
use crate::pci::PciFunction;

const EERD_START: u32 = 1;
const EERD_DONE: u32 = 1 << 4;

fn eeprom_word(machine: &Machine, address: u32) -> u16 {
    machine.write(EERD, address << 8 | EERD_START);
    let value = machine.read(EERD);
    assert_ne!(value & EERD_DONE, 0);
    (value >> 16) as u16
}

/// The same over the wires, as SDM 5.3 has it.
fn eeprom_word_by_wire(machine: &Machine, address: u32) -> u16 {
    const SK: u32 = 1;
    const CS: u32 = 2;
    const DI: u32 = 4;
    const DO: u32 = 8;
    const REQUEST: u32 = 0x40;
    const GRANT: u32 = 0x80;
    machine.write(EECD, REQUEST);
    assert_ne!(machine.read(EECD) & GRANT, 0);
    let clock = |bit: u32| {
        let wires = REQUEST | CS | if bit != 0 { DI } else { 0 };
        machine.write(EECD, wires);
        machine.write(EECD, wires | SK);
        let out = machine.read(EECD) & DO != 0;
        machine.write(EECD, wires);
        out
    };
    let command = 0b110 << 6 | address;
    for bit in (0..9).rev() {
        clock(command >> bit & 1);
    }
    let word = (0..16).fold(0, |word, _| word << 1 | u16::from(clock(0)));
    machine.write(EECD, 0);
    word
}

#[test]
fn the_card_names_itself() {
    let machine = Machine::default();
    assert_eq!(machine.read_config(0), 0x100e_8086);
    assert_eq!(machine.read_config(8) >> 8, 0x02_0000);
    assert_eq!(machine.read(STATUS) & STATUS_LU, STATUS_LU);
}

#[test]
fn the_eeprom_reads_the_same_both_ways_and_sums_up() {
    let machine = Machine::default();
    let words: Vec<u16> = (0..64).map(|at| eeprom_word(&machine, at)).collect();
    for (at, word) in (0..64).zip(&words) {
        assert_eq!(eeprom_word_by_wire(&machine, at), *word, "word {at}");
    }
    let address: Vec<u8> = words[..3].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!(address, MAC.0);
    let sum = words
        .iter()
        .fold(0_u16, |sum, word| sum.wrapping_add(*word));
    assert_eq!(sum, 0xbaba);
    assert_eq!(eeprom_word(&machine, 255), 0xffff, "beyond the part");
}

fn mdic(machine: &Machine, phy: u32, register: u32, operation: u32, data: u16) -> u32 {
    let value = operation << 26 | phy << 21 | register << 16 | u32::from(data);
    machine.write(MDIC, value);
    machine.read(MDIC)
}

#[test]
fn the_phy_is_an_88e1011_with_its_link_up() {
    let machine = Machine::default();
    let (ready, error) = (1 << 28, 1 << 30);
    let read = |register| {
        let value = mdic(&machine, 1, register, 2, 0);
        assert_eq!(value & (ready | error), ready);
        value as u16
    };
    assert_eq!((read(2), read(3) & 0xfff0), (0x0141, 0x0c20));
    assert_eq!(read(1) & 0x24, 0x24, "negotiated, up");
    assert_eq!(
        read(17) >> 10,
        0b10_1011,
        "1000 Mb/s, full duplex, resolved, up"
    );
    // A write sticks as far as it may; a restart clears itself and is told.
    mdic(&machine, 1, 4, 1, 0x1234);
    mdic(&machine, 1, 2, 1, 0x1234);
    assert_eq!((read(4), read(2)), (0x1234, 0x0141));
    assert_eq!(machine.read(ICR), 0);
    mdic(&machine, 1, 0, 1, 0x1340);
    assert_eq!((read(0), machine.read(ICR)), (0x1140, CAUSE_LSC));
    // A reset brings all back.
    mdic(&machine, 1, 0, 1, 0x8000);
    assert_eq!(read(4), 0x0de1);
    assert_eq!(mdic(&machine, 2, 2, 2, 0) & error, error, "another PHY");
    assert_eq!(mdic(&machine, 1, 2, 3, 0) & error, error, "no operation");
    machine.read(ICR);
    mdic(&machine, 1, 2, 2 | 1 << 3, 0);
    assert_eq!(
        machine.read(ICR),
        CAUSE_MDAC,
        "the end is told if asked for"
    );
}

#[test]
fn registers_keep_their_bits_and_a_reset_clears_them() {
    let machine = Machine::default();
    for (register, kept) in [
        (RCTL, 0x06df_ffff),
        (TDBAL, !0xf),
        (TDBAL + RING_LENGTH, 0xf_ff80),
        (TDBAL + RING_HEAD, 0xffff),
        (RDBAL + RING_TAIL, 0xffff),
        (MTA + 4 * 127, u32::MAX),
        (VFTA, u32::MAX),
        (RAL + 4 * 31, u32::MAX),
        (STATUS, STATUS_FD | STATUS_LU | STATUS_SPEED_1000),
        (0x0004, 0),
        (0x1_0000, 0),
    ] {
        machine.write(register, u32::MAX);
        assert_eq!(machine.read(register), kept, "{register:#x}");
    }
    machine.write(RAL, 0);
    machine.write(CTRL, CTRL_RST | CTRL_FD);
    assert_eq!(machine.read(CTRL), CTRL_FD, "it clears itself");
    assert_eq!(machine.read(RCTL) | machine.read(TDBAL), 0);
    let low = u32::from_le_bytes([0x52, 0x54, 0, 0x12]);
    assert_eq!(machine.read(RAL), low, "from the EEPROM");
    assert_eq!(machine.read(RAL + 4), RAH_AV | 0x5634);
}

#[test]
fn ports_lead_to_the_registers() {
    let machine = Machine::default();
    let base = (machine.read_config(0x14) & !3) as u16;
    let write = |port, value: u32| {
        machine.pio.write(base + port, &value.to_le_bytes());
    };
    let read = |port| {
        let mut data = [0; 4];
        machine.pio.read(base + port, &mut data);
        u32::from_le_bytes(data)
    };
    write(IOADDR, VET);
    assert_eq!((read(IOADDR), read(IODATA)), (VET, 0x8100));
    write(IODATA, 0x88a8);
    assert_eq!(machine.read(VET), 0x88a8);
    write(IOADDR, u32::MAX);
    assert_eq!(read(IODATA), 0, "no register");
    write(8, 1);
    assert_eq!(read(8), 0, "no port");
    machine.pio.write(base, &[0x38]);
    assert_eq!(read(IOADDR), 0x1_ffff, "only as a whole");
}

#[test]
fn parts_of_registers_do_nothing() {
    let machine = Machine::default();
    machine.write(IMS, CAUSE_LSC);
    machine.write(ICS, CAUSE_LSC);
    let mut byte = [0xff];
    machine.mmio.read(machine.address(ICR), &mut byte);
    assert_eq!(byte, [0]);
    machine.mmio.write(machine.address(IMC), &[0xff, 0xff]);
    machine.mmio.write(machine.address(IMC) + 2, &[0xff; 4]);
    assert_eq!(
        (machine.read(IMS), machine.read(ICR)),
        (CAUSE_LSC, CAUSE_LSC)
    );
}

#[test]
fn state_survives_saving_and_restoring() {
    let machine = Machine::default();
    machine.start();
    machine.write(IMS, CAUSE_LSC);
    machine.write(ICS, CAUSE_LSC);
    machine.write(ITR, 500);
    machine.write(EECD, 0b1_0110);
    mdic(&machine, 1, 4, 1, 0x4321);
    let context = [0x0000_3222_0021_180e, 0x0000_3600_2300_0000];
    machine.transmit(&[context]);
    machine.wait_for("context", |m| m.read(TDBAL + RING_HEAD) == 1);
    let state = machine.card.lock().unwrap().save();
    assert_eq!(state.card.causes, CAUSE_LSC | CAUSE_TXQE);
    assert_eq!(state.contexts.whole.transport.start, 0x22);
    let other = Machine::default();
    other.card.lock().unwrap().restore(&state);
    assert_eq!(other.card.lock().unwrap().save(), state);
    assert!(other.interrupts());
    let mut card = other.card.lock().unwrap();
    assert_eq!(
        card.read_config(0x06, Width::Word) & 8,
        8,
        "PCI knows of it"
    );
}
