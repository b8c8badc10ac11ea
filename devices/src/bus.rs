//! Buses: which device answers an address, and in what pieces.
//!
//! Devices that stay where they are come first ([`PioBus::insert`]) and are found without a lock;
//! those that the guest moves about, PCI's, come and go while vCPUs run ([`Moving`]), and never
//! hide the others. [`PioBus`] has 16-bit ports and [`PioDevice`]s, [`MmioBus`] guest-physical
//! addresses and [`MmioDevice`]s. An access that a device takes as it is, as nearly all are, goes
//! there after one look; others are split, so that a device sees only widths up to its own
//! `max_width`. Bytes to which no device belongs read as ones and swallow writes. Each access
//! returns the [`DeviceId`] that answered its first byte, by which the caller counts it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

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

struct Slot<D: ?Sized> {
    range: BusRange,
    /// Offsets count from here: `range.base`, or that of the device's first range.
    origin: u64,
    id: DeviceId,
    name: String,
    max_width: Width,
    device: Arc<Mutex<D>>,
}

impl<D: ?Sized> Slot<D> {
    fn new(
        range: BusRange,
        id: DeviceId,
        name: &str,
        max_width: Width,
        device: Arc<Mutex<D>>,
    ) -> Self {
        Self {
            range,
            origin: range.base,
            id,
            name: name.to_owned(),
            max_width,
            device,
        }
    }

    /// The width of an access to this slot that the device takes as it is.
    fn whole(&self, address: u64, len: usize) -> Option<Width> {
        let width = match len {
            1 => return Some(Width::Byte),
            2 => Width::Word,
            4 => Width::Dword,
            8 => Width::Qword,
            _ => return None,
        };
        let beyond = len as u64 - 1;
        let is_inside = self.range.last() - address >= beyond;
        (width <= self.max_width && address & beyond == 0 && is_inside).then_some(width)
    }
}

/// Slots sorted by address, none of which overlap.
type Sorted<D> = Vec<Arc<Slot<D>>>;

/// What both buses are made of.
struct Slots<D: ?Sized> {
    fixed: Sorted<D>,
    /// For each address of a small bus, 1 + the place in `fixed` of the slot that is there, or 0.
    /// Empty on a large one.
    places: Vec<u8>,
    moving: Moving<D>,
    last_address: u64,
}

/// Where an access goes.
enum Target<'a, D: ?Sized> {
    /// As it is to one device.
    One(&'a Slot<D>, Width),
    /// Nowhere.
    Nothing,
    /// In [`Slots::pieces`].
    Several,
}

/// The devices of a bus that come and go.
pub struct Moving<D: ?Sized> {
    slots: Arc<MovingSlots<D>>,
    last_address: u64,
}

struct MovingSlots<D: ?Sized> {
    /// Whether there are any, so that nobody has to look.
    some: AtomicBool,
    sorted: RwLock<Sorted<D>>,
}

impl<D: ?Sized> Clone for Moving<D> {
    fn clone(&self) -> Self {
        Self {
            slots: self.slots.clone(),
            last_address: self.last_address,
        }
    }
}

impl<D: ?Sized> Moving<D> {
    fn change<T>(&self, change: impl FnOnce(&mut Sorted<D>) -> T) -> T {
        let sorted = &self.slots.sorted;
        let mut sorted = sorted.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut sorted);
        self.slots.some.store(!sorted.is_empty(), Ordering::Release);
        outcome
    }

    fn map_slot(&self, new: Slot<D>) -> Result<(), BusError> {
        self.change(|slots| insert(slots, new, self.last_address))
    }

    /// Takes away what was mapped at `base`.
    pub fn unmap(&self, base: u64) {
        self.change(|slots| slots.retain(|slot| slot.range.base != base));
    }

    fn has_some(&self) -> bool {
        self.slots.some.load(Ordering::Acquire)
    }

    fn find(&self, address: u64) -> Option<Arc<Slot<D>>> {
        if !self.has_some() {
            return None;
        }
        let sorted = &self.slots.sorted;
        let sorted = sorted.read().unwrap_or_else(PoisonError::into_inner);
        find(&sorted, address).cloned()
    }
}

fn lock<D: ?Sized>(device: &Mutex<D>) -> MutexGuard<'_, D> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find<D: ?Sized>(slots: &Sorted<D>, address: u64) -> Option<&Arc<Slot<D>>> {
    let at = slots.partition_point(|slot| slot.range.last() < address);
    slots.get(at).filter(|slot| slot.range.base <= address)
}

fn insert<D: ?Sized>(
    slots: &mut Sorted<D>,
    new: Slot<D>,
    last_address: u64,
) -> Result<(), BusError> {
    let BusRange { base, len } = new.range;
    let end = base.checked_add(len.wrapping_sub(1));
    let Some(last) = end.filter(|last| len > 0 && *last <= last_address) else {
        return Err(BusError::OffBus {
            name: new.name,
            base,
            len,
        });
    };
    let at = slots.partition_point(|slot| slot.range.last() < base);
    if let Some(old) = slots.get(at).filter(|old| old.range.base <= last) {
        return Err(BusError::Overlap {
            new: new.name,
            range: new.range,
            old: old.name.clone(),
        });
    }
    slots.insert(at, Arc::new(new));
    Ok(())
}

/// The value of 1, 2, 4 or 8 bytes, little-endian.
fn value_of(bytes: &[u8]) -> u64 {
    match *bytes {
        [byte] => byte.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// The other way.
fn put_value(bytes: &mut [u8], value: u64) {
    match bytes {
        [byte] => *byte = value as u8,
        _ => bytes.copy_from_slice(&value.to_le_bytes()[..bytes.len()]),
    }
}

impl<D: ?Sized> Slots<D> {
    fn new(last_address: u64, places: Vec<u8>) -> Self {
        Self {
            fixed: Vec::new(),
            places,
            moving: Moving {
                slots: Arc::new(MovingSlots {
                    some: AtomicBool::new(false),
                    sorted: RwLock::default(),
                }),
                last_address,
            },
            last_address,
        }
    }

    fn insert(&mut self, new: Slot<D>) -> Result<(), BusError> {
        insert(&mut self.fixed, new, self.last_address)?;
        if !self.places.is_empty() {
            for (place, slot) in (1..).zip(&self.fixed) {
                let range = slot.range.base as usize..=slot.range.last() as usize;
                self.places[range].fill(place);
            }
        }
        Ok(())
    }

    fn find_fixed(&self, address: u64) -> Option<&Slot<D>> {
        let slot = match self.places.get(address as usize) {
            Some(place) => self.fixed.get(usize::from(*place).wrapping_sub(1)),
            None => find(&self.fixed, address),
        };
        slot.map(|slot| &**slot)
    }

    /// Where an access goes, if that takes no more than a look.
    #[inline(always)]
    fn target(&self, address: u64, len: usize) -> Target<'_, D> {
        match self.find_fixed(address) {
            Some(slot) => match slot.whole(address, len) {
                Some(width) => Target::One(slot, width),
                None => Target::Several,
            },
            None if len == 1 && !self.moving.has_some() => Target::Nothing,
            None => Target::Several,
        }
    }

    /// Fills `data` with what `read(slot, address, width)` gives, with ones where nothing is.
    #[inline]
    fn read(
        &self,
        address: u64,
        data: &mut [u8],
        read: impl Fn(&Slot<D>, u64, Width) -> u64,
    ) -> DeviceId {
        match self.target(address, data.len()) {
            Target::One(slot, width) => {
                put_value(data, read(slot, address, width));
                slot.id
            }
            Target::Nothing => {
                data.fill(0xff);
                DeviceId::NONE
            }
            Target::Several => self.pieces(address, data.len(), |slot, address, at, width| {
                let piece = &mut data[at..at + width.bytes()];
                match slot {
                    Some(slot) => put_value(piece, read(slot, address, width)),
                    None => piece.fill(0xff),
                }
            }),
        }
    }

    /// Calls `write(slot, address, width, value)` with what is in `data`.
    #[inline]
    fn write(
        &self,
        address: u64,
        data: &[u8],
        write: impl Fn(&Slot<D>, u64, Width, u64),
    ) -> DeviceId {
        match self.target(address, data.len()) {
            Target::One(slot, width) => {
                write(slot, address, width, value_of(data));
                slot.id
            }
            Target::Nothing => DeviceId::NONE,
            Target::Several => self.pieces(address, data.len(), |slot, address, at, width| {
                if let Some(slot) = slot {
                    write(
                        slot,
                        address,
                        width,
                        value_of(&data[at..at + width.bytes()]),
                    );
                }
            }),
        }
    }

    /// Calls `each(slot, address, first byte, width)` for each piece of an access.
    #[inline(never)]
    fn pieces(
        &self,
        address: u64,
        len: usize,
        mut each: impl FnMut(Option<&Slot<D>>, u64, usize, Width),
    ) -> DeviceId {
        let mut done = 0;
        let mut answered = None;
        while done < len {
            // Ports wrap as on a PC's 16-bit bus; memory addresses never get there.
            let here = address.wrapping_add(done as u64) & self.last_address;
            let moving;
            let slot = match self.find_fixed(here) {
                Some(slot) => Some(slot),
                None => {
                    moving = self.moving.find(here);
                    moving.as_deref()
                }
            };
            let (left, max) = slot.map_or((len - done, Width::Byte), |slot| {
                let inside = usize::try_from(slot.range.last() - here).unwrap_or(usize::MAX);
                ((len - done).min(inside.saturating_add(1)), slot.max_width)
            });
            let width = Width::piece(here, left, max);
            answered.get_or_insert(slot.map_or(DeviceId::NONE, |slot| slot.id));
            each(slot, here, done, width);
            done += width.bytes();
        }
        answered.unwrap_or(DeviceId::NONE)
    }
}

/// Offset of `port`, which is in `slot`: both are 16 bits, and no range comes before the first.
fn port_offset(port: u64, slot: &Slot<dyn PioDevice>) -> u16 {
    port.wrapping_sub(slot.origin) as u16
}

impl Moving<dyn PioDevice> {
    /// Puts a device at `range`, until [`Self::unmap`]; overlap with another is refused.
    pub fn map(
        &self,
        range: BusRange,
        id: DeviceId,
        name: &str,
        device: Arc<Mutex<dyn PioDevice>>,
    ) -> Result<(), BusError> {
        let max_width = lock(&device).max_width();
        self.map_slot(Slot::new(range, id, name, max_width, device))
    }
}

impl Moving<dyn MmioDevice> {
    /// Puts a device at `range`, until [`Self::unmap`]; overlap with another is refused.
    pub fn map(
        &self,
        range: BusRange,
        id: DeviceId,
        name: &str,
        device: Arc<Mutex<dyn MmioDevice>>,
    ) -> Result<(), BusError> {
        let max_width = lock(&device).max_width();
        self.map_slot(Slot::new(range, id, name, max_width, device))
    }
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
