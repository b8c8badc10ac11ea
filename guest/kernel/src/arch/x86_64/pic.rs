//! The PICs (8259A), which the IOAPIC has replaced: masked, but for what is measured by them.

use super::apic;
use super::port::outb;
use super::trap::FIRST_PIC;

/// Command and data port of the first, which has the second on its line 2.
const FIRST: (u16, u16) = (0x20, 0x21);
const SECOND: (u16, u16) = (0xa0, 0xa1);
/// Lines of one.
const LINES: u8 = 8;

/// Initialization: edges, cascaded, with a fourth word; 8086 mode (8259A, ICW1 to ICW4).
const ICW1: u8 = 0x11;
const ICW3: [u8; 2] = [1 << 2, 2];
const ICW4: u8 = 1;
/// Non-specific end of interrupt (OCW2).
const END_OF_INTERRUPT: u8 = 0x20;
const ALL: u8 = 0xff;

/// Masks both, which would share the first lines.
pub fn mask() {
    outb(FIRST.1, ALL);
    outb(SECOND.1, ALL);
}

/// Leads `line`, one of the first PIC, to its vector on this processor, which is the first. All
/// others stay masked.
pub fn open(line: u8) -> bool {
    if line >= LINES {
        return false;
    }
    let second_vector = FIRST_PIC as u8 + LINES;
    for ((command, data), vector, icw3) in [
        (FIRST, FIRST_PIC as u8, ICW3[0]),
        (SECOND, second_vector, ICW3[1]),
    ] {
        outb(command, ICW1);
        outb(data, vector);
        outb(data, icw3);
        outb(data, ICW4);
        outb(data, ALL);
    }
    apic::connect_pic();
    outb(FIRST.1, !(1 << line));
    true
}

/// Masks the PICs again.
pub fn close() {
    mask();
    apic::disconnect_pic();
}

/// Says that the interrupt being handled is done with.
pub(super) fn end_of_interrupt() {
    outb(FIRST.0, END_OF_INTERRUPT);
}
