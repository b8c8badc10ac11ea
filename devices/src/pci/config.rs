//! [`ConfigSpace`]: the 256 bytes of a function's configuration (PCI 3.0 6.1), of header type 0.
//!
//! Each bit is fixed or writable; that alone makes BARs work, sizing included: the low bits of a BAR
//! are fixed, so that ones written to it read back as its size.

use crate::bus::{BusRange, Width};

/// Bytes of a conventional configuration space.
pub const BYTES: usize = 256;

/// Offset of the command register.
pub const COMMAND: u16 = 0x04;
const STATUS: usize = 0x06;
/// Offset of the first of six base address registers.
pub const BAR0: u16 = 0x10;
/// Offset after the last.
pub const BARS_END: u16 = 0x28;
const CAPABILITIES: usize = 0x34;
const FIRST_CAPABILITY: usize = 0x40;
const INTERRUPT_LINE: usize = 0x3c;
const INTERRUPT_PIN: usize = 0x3d;

const COMMAND_IO: u16 = 1 << 0;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_BUS_MASTER: u16 = 1 << 2;
const COMMAND_INTX_DISABLE: u16 = 1 << 10;
/// Those two, bus master, parity error response, SERR.
const COMMAND_WRITABLE: u16 = 0b101_0100_0111;
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// In the status register: the function asks for its interrupt line (PCI 3.0 6.2.3).
const STATUS_LINE: u32 = 1 << 3;

const BAR_IO: u32 = 1;

/// [`STATUS_LINE`], in what is read from `offset`; 0 if the status register is not there.
pub(super) fn line_status(offset: u16, width: Width) -> u32 {
    let byte = STATUS.checked_sub(offset.into());
    byte.filter(|byte| *byte < width.bytes())
        .map_or(0, |byte| STATUS_LINE << (8 * byte))
}

fn enable_bit(kind: BarKind) -> u16 {
    match kind {
        BarKind::Memory => COMMAND_MEMORY,
        BarKind::Io => COMMAND_IO,
    }
}

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor, as the PCI-SIG numbers them.
    pub vendor: u16,
    /// Device, as the vendor numbers them.
    pub device: u16,
    /// Base class, subclass, programming interface.
    pub class: [u8; 3],
    /// Revision.
    pub revision: u8,
    /// Subsystem vendor and device.
    pub subsystem: (u16, u16),
}

/// Which addresses a BAR decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Memory below 4 GiB, not prefetchable.
    Memory,
    /// Ports.
    Io,
}

/// Contents, to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigState {
    /// All bytes.
    pub bytes: [u8; BYTES],
}

/// A configuration space.
pub struct ConfigSpace {
    bytes: [u8; BYTES],
    /// Bits that the guest can change.
    writable: [u8; BYTES],
    bars: [Option<(BarKind, u32)>; 6],
    /// Where the next capability goes, and the pointer that will name it.
    free: usize,
    last_pointer: usize,
}

impl ConfigSpace {
    /// A function without BARs, capabilities or interrupt.
    pub fn new(identity: Identity) -> Self {
        let mut this = Self {
            bytes: [0; BYTES],
            writable: [0; BYTES],
            bars: [None; 6],
            free: FIRST_CAPABILITY,
            last_pointer: CAPABILITIES,
        };
        let [base, sub, interface] = identity.class;
        let (subsystem_vendor, subsystem) = identity.subsystem;
        this.set(0x00, &identity.vendor.to_le_bytes());
        this.set(0x02, &identity.device.to_le_bytes());
        this.set(0x08, &[identity.revision, interface, sub, base]);
        this.set(0x2c, &subsystem_vendor.to_le_bytes());
        this.set(0x2e, &subsystem.to_le_bytes());
        this.allow(COMMAND.into(), &COMMAND_WRITABLE.to_le_bytes());
        // Cache line size: software's own.
        this.allow(0x0c, &[0xff]);
        this
    }

    fn set(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..at + mask.len()].copy_from_slice(mask);
    }

    /// Adds BAR `index` of `size` addresses, a power of two of at least 16.
    pub fn add_bar(&mut self, index: usize, kind: BarKind, size: u32) {
        assert!(
            size.is_power_of_two() && size >= 16,
            "a BAR has that many addresses"
        );
        let at = usize::from(BAR0) + 4 * index;
        let mask = !(size - 1);
        if kind == BarKind::Io {
            self.set(at, &BAR_IO.to_le_bytes());
        }
        self.allow(at, &mask.to_le_bytes());
        self.bars[index] = Some((kind, size));
    }

    /// The function interrupts by INTA#, which is connected to IRQ `line`.
    pub fn add_interrupt(&mut self, line: u8) {
        self.set(INTERRUPT_LINE, &[line]);
        self.allow(INTERRUPT_LINE, &[0xff]);
        self.set(INTERRUPT_PIN, &[1]);
    }

    /// Adds registers of the function's own, in front of which there are no capabilities yet.
    /// `writable` has their bits that the guest can change, and may be longer than `value`.
    pub fn add_registers(&mut self, offset: u16, value: &[u8], writable: &[u8]) {
        let at = usize::from(offset);
        self.set(at, value);
        self.allow(at, writable);
        let end = at + value.len().max(writable.len());
        self.free = self.free.max(end.next_multiple_of(4));
    }

    /// Adds a capability of that id with `body` behind its two bytes of header; returns its offset.
    /// `writable` has the bits of the body that the guest can change.
    pub fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> u16 {
        let at = self.free;
        self.set(self.last_pointer, &[at as u8]);
        self.bytes[STATUS] |= STATUS_CAPABILITIES;
        self.set(at, &[id, 0]);
        self.set(at + 2, body);
        self.allow(at + 2, writable);
        self.last_pointer = at + 1;
        self.free = (at + 2 + body.len()).next_multiple_of(4);
        at as u16
    }

    /// Size of BAR `index`.
    pub fn bar(&self, index: usize) -> Option<(BarKind, u32)> {
        self.bars.get(index).copied().flatten()
    }

    /// Places BAR `index`, as firmware does.
    pub fn place_bar(&mut self, index: usize, base: u32) {
        let offset = BAR0 + 4 * index as u16;
        self.write(offset, Width::Dword, base);
    }

    /// Where BAR `index` is, if it decodes addresses now.
    pub fn decoded(&self, index: usize) -> Option<(BarKind, BusRange)> {
        let (kind, size) = self.bar(index)?;
        let base = self.read(BAR0 + 4 * index as u16, Width::Dword) & !(size - 1);
        let range = BusRange {
            base: base.into(),
            len: size.into(),
        };
        self.is_enabled(kind).then_some((kind, range))
    }

    /// Turns BARs of that kind on, and the bus master, as firmware does.
    pub fn enable(&mut self, kind: BarKind) {
        let command = self.command() | enable_bit(kind) | COMMAND_BUS_MASTER;
        self.write(COMMAND, Width::Word, command.into());
    }

    /// Whether addresses of that kind are answered.
    pub fn is_enabled(&self, kind: BarKind) -> bool {
        self.command() & enable_bit(kind) != 0
    }

    /// Whether the function may access memory by itself.
    pub fn is_bus_master(&self) -> bool {
        self.command() & COMMAND_BUS_MASTER != 0
    }

    /// Whether INTx must not be used.
    pub fn intx_disabled(&self) -> bool {
        self.command() & COMMAND_INTX_DISABLE != 0
    }

    fn command(&self) -> u16 {
        self.read(COMMAND, Width::Word) as u16
    }

    /// A read; bytes past the end are zero.
    pub fn read(&self, offset: u16, width: Width) -> u32 {
        let mut value = [0; 4];
        let at = usize::from(offset);
        if let Some(bytes) = self.bytes.get(at..at + width.bytes().min(4)) {
            value[..bytes.len()].copy_from_slice(bytes);
        }
        u32::from_le_bytes(value)
    }

    /// A write; fixed bits stay.
    pub fn write(&mut self, offset: u16, width: Width, value: u32) {
        let at = usize::from(offset);
        let bytes = value.to_le_bytes().into_iter().take(width.bytes());
        for (at, byte) in (at..BYTES).zip(bytes) {
            let mask = self.writable[at];
            self.bytes[at] = self.bytes[at] & !mask | byte & mask;
        }
    }

    /// The contents.
    pub fn save(&self) -> ConfigState {
        ConfigState { bytes: self.bytes }
    }

    /// Takes over saved contents, as far as they can be changed.
    pub fn restore(&mut self, state: &ConfigState) {
        for (at, byte) in (0_u16..).zip(state.bytes) {
            self.write(at, Width::Byte, byte.into());
        }
    }
}
