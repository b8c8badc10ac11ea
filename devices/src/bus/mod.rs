//! Buses: which device answers an address, and in what pieces.
//!
//! Devices that stay where they are come first ([`PioBus::insert`]) and are found without a lock;
//! those that the guest moves about, PCI's, come and go while vCPUs run ([`Moving`]), and never
//! hide the others. [`PioBus`] has 16-bit ports and [`PioDevice`]s, [`MmioBus`] guest-physical
//! addresses and [`MmioDevice`]s. An access that a device takes as it is, as nearly all are, goes
//! there after one look; others are split, so that a device sees only widths up to its own
//! `max_width`. Bytes to which no device belongs read as ones and swallow writes. Each access
//! returns the [`DeviceId`] that answered its first byte, by which the caller counts it.

mod moving;
mod slots;

pub use moving::Moving;

use slots::{Slot, Slots, lock};
use std::fmt;
use std::sync::{Arc, Mutex};

/// Which device answered an access; [`DeviceId::NONE`] for an address without one. It indexes
/// the accounting tables, in the order of [`PioBus::insert`] and [`MmioBus::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub u8);

impl DeviceId {
    /// No device.
    pub const NONE: Self = Self(0);
}

/// Width of one access in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Width {
    /// 1 byte.
    Byte = 1,
    /// 2 bytes.
    Word = 2,
    /// 4 bytes.
    Dword = 4,
    /// 8 bytes.
    Qword = 8,
}

impl Width {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        self as usize
    }

    /// The widest access that starts at `address`, is aligned to itself, and is not longer than
    /// `left` bytes nor `max`.
    fn piece(address: u64, left: usize, max: Self) -> Self {
        [Self::Qword, Self::Dword, Self::Word]
            .into_iter()
            .find(|w| *w <= max && w.bytes() <= left && address.is_multiple_of(w.bytes() as u64))
            .unwrap_or(Self::Byte)
    }
}

/// A device on the port bus. Offsets count from the start of its range.
pub trait PioDevice: Send {
    /// Accesses wider than this are split by the bus.
    fn max_width(&self) -> Width {
        Width::Byte
    }
    /// Value read, in its low `width` bytes.
    fn pio_read(&mut self, offset: u16, width: Width) -> u32;
    /// A write; `value` has only its low `width` bytes set.
    fn pio_write(&mut self, offset: u16, width: Width, value: u32);
}

/// A device on the memory bus. Offsets count from the start of its range.
pub trait MmioDevice: Send {
    /// Accesses wider than this are split by the bus.
    fn max_width(&self) -> Width {
        Width::Dword
    }
    /// Value read, in its low `width` bytes.
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64;
    /// A write; `value` has only its low `width` bytes set.
    fn mmio_write(&mut self, offset: u64, width: Width, value: u64);
}

/// Addresses `base` to `base + len - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusRange {
    /// First address.
    pub base: u64,
    /// Number of addresses.
    pub len: u64,
}

impl BusRange {
    fn last(self) -> u64 {
        self.base + (self.len - 1)
    }

    /// Whether all of `other` is inside.
    pub fn contains(self, other: Self) -> bool {
        let end = |range: Self| range.base.checked_add(range.len);
        match (end(self), end(other)) {
            (Some(end), Some(other_end)) => self.base <= other.base && other_end <= end,
            _ => false,
        }
    }
}

impl fmt::Display for BusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:#x}-{:#x}",
            self.base,
            self.base.saturating_add(self.len.saturating_sub(1))
        )
    }
}

/// Why a device cannot sit where it was put.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BusError {
    /// Another device is there.
    #[error("{new} range {range} overlaps {old}")]
    Overlap {
        /// The one to insert.
        new: String,
        /// Its range.
        range: BusRange,
        /// The one that is there.
        old: String,
    },
    /// The range is empty or reaches past the end of the bus.
    #[error("{name} range of {len:#x} addresses at {base:#x} is not on the bus")]
    OffBus {
        /// The one to insert.
        name: String,
        /// First address.
        base: u64,
        /// Number of addresses.
        len: u64,
    },
}

/// Offset of `port`, which is in `slot`: both are 16 bits, and no range comes before the first.
fn port_offset(port: u64, slot: &Slot<dyn PioDevice>) -> u16 {
    port.wrapping_sub(slot.origin) as u16
}

/// The 64 Ki ports of the processor.
pub struct PioBus(Slots<dyn PioDevice>);

impl Default for PioBus {
    fn default() -> Self {
        Self(Slots::new(0xffff, vec![0; 0x1_0000]))
    }
}

impl PioBus {
    /// Puts a device at `range`; overlap is refused.
    pub fn insert(
        &mut self,
        range: BusRange,
        id: DeviceId,
        name: &str,
        device: Arc<Mutex<dyn PioDevice>>,
    ) -> Result<(), BusError> {
        let max_width = lock(&device).max_width();
        self.0.insert(Slot::new(range, id, name, max_width, device))
    }

    /// The devices that the guest moves about.
    pub fn moving(&self) -> Moving<dyn PioDevice> {
        self.0.moving.clone()
    }

    /// Puts a device with gaps at several ranges: offsets count from the base of the first.
    /// After an error some of them may be there.
    pub fn insert_ranges(
        &mut self,
        ranges: &[BusRange],
        id: DeviceId,
        name: &str,
        device: Arc<Mutex<dyn PioDevice>>,
    ) -> Result<(), BusError> {
        let max_width = lock(&device).max_width();
        let origin = ranges.first().map_or(0, |first| first.base);
        ranges.iter().try_for_each(|range| {
            self.0.insert(Slot {
                range: *range,
                origin,
                id,
                name: name.to_owned(),
                max_width,
                device: Arc::clone(&device),
            })
        })
    }

    /// A read of `data.len()` bytes (1, 2 or 4), little-endian.
    #[inline]
    pub fn read(&self, port: u16, data: &mut [u8]) -> DeviceId {
        self.0.read(port.into(), data, |slot, port, width| {
            lock(&slot.device)
                .pio_read(port_offset(port, slot), width)
                .into()
        })
    }

    /// A write of `data.len()` bytes (1, 2 or 4), little-endian.
    #[inline]
    pub fn write(&self, port: u16, data: &[u8]) -> DeviceId {
        self.0.write(port.into(), data, |slot, port, width, value| {
            lock(&slot.device).pio_write(port_offset(port, slot), width, value as u32);
        })
    }
}

/// Guest-physical addresses that are not memory.
pub struct MmioBus(Slots<dyn MmioDevice>);

impl Default for MmioBus {
    fn default() -> Self {
        Self(Slots::new(u64::MAX, Vec::new()))
    }
}

impl MmioBus {
    /// Puts a device at `range`; overlap is refused.
    pub fn insert(
        &mut self,
        range: BusRange,
        id: DeviceId,
        name: &str,
        device: Arc<Mutex<dyn MmioDevice>>,
    ) -> Result<(), BusError> {
        let max_width = lock(&device).max_width();
        self.0.insert(Slot::new(range, id, name, max_width, device))
    }

    /// The devices that the guest moves about.
    pub fn moving(&self) -> Moving<dyn MmioDevice> {
        self.0.moving.clone()
    }

    /// A read of `data.len()` bytes (1 to 8), little-endian.
    #[inline]
    pub fn read(&self, address: u64, data: &mut [u8]) -> DeviceId {
        self.0.read(address, data, |slot, address, width| {
            lock(&slot.device).mmio_read(address - slot.origin, width)
        })
    }

    /// A write of `data.len()` bytes (1 to 8), little-endian.
    #[inline]
    pub fn write(&self, address: u64, data: &[u8]) -> DeviceId {
        self.0.write(address, data, |slot, address, width, value| {
            lock(&slot.device).mmio_write(address - slot.origin, width, value);
        })
    }
}

#[cfg(test)]
mod tests;
