//! The IOAPIC: device lines to vectors.

use super::trap::{FIRST_LINE, LINES};
use crate::mm::{MmioRegion, PhysAddr};
use crate::sync::SpinLock;

/// Where every machine without ACPI has it.
const BASE: PhysAddr = PhysAddr(0xfec0_0000);
const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;
/// First register of line 0's redirection entry (82093AA 3.2.4). Edge, active high, processor 0
/// are all zeroes in it. What drives a line of PCI makes it active high, too.
const REDIRECTION: u32 = 0x10;
/// In it: the line asks by its level.
const LEVEL: u32 = 1 << 15;
/// In it: nothing is delivered.
const MASKED: u32 = 1 << 16;

/// How a line asks for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By rising.
    Edge,
    /// By being high, and again after each end of interrupt.
    Level,
}

static REGISTERS: SpinLock<Option<MmioRegion>> = SpinLock::new(None);

/// Leads line `gsi` to its vector, on processor 0; false if there is no such line.
pub fn route(gsi: u32, trigger: Trigger) -> bool {
    let trigger = match trigger {
        Trigger::Edge => 0,
        Trigger::Level => LEVEL,
    };
    set(gsi, trigger | (FIRST_LINE as u32 + gsi))
}

/// Leads line `gsi` nowhere.
pub fn mask(gsi: u32) {
    set(gsi, MASKED);
}

/// Sets the low half of a line's entry, whose high half names processor 0.
fn set(gsi: u32, low: u32) -> bool {
    if u64::from(gsi) >= LINES {
        return false;
    }
    let mut registers = REGISTERS.lock();
    if registers.is_none() {
        *registers = MmioRegion::map(BASE, 0x20);
    }
    let Some(registers) = &*registers else {
        return false;
    };
    registers.write32(SELECT, REDIRECTION + gsi * 2 + 1);
    registers.write32(WINDOW, 0);
    registers.write32(SELECT, REDIRECTION + gsi * 2);
    registers.write32(WINDOW, low);
    true
}
