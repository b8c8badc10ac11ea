//! [`Slots`]: what both buses are made of: which device is where, and an access in pieces.

use super::moving::Moving;
use super::{BusError, BusRange, DeviceId, Width};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Slot<D: ?Sized> {
    pub(super) range: BusRange,
    /// Offsets count from here: `range.base`, or that of the device's first range.
    pub(super) origin: u64,
    pub(super) id: DeviceId,
    pub(super) name: String,
    pub(super) max_width: Width,
    pub(super) device: Arc<Mutex<D>>,
}

impl<D: ?Sized> Slot<D> {
    pub(super) fn new(
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
pub(super) type Sorted<D> = Vec<Arc<Slot<D>>>;

pub(super) fn lock<D: ?Sized>(device: &Mutex<D>) -> MutexGuard<'_, D> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn find<D: ?Sized>(slots: &Sorted<D>, address: u64) -> Option<&Arc<Slot<D>>> {
    let at = slots.partition_point(|slot| slot.range.last() < address);
    slots.get(at).filter(|slot| slot.range.base <= address)
}

pub(super) fn insert<D: ?Sized>(
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

/// What both buses are made of.
pub(super) struct Slots<D: ?Sized> {
    fixed: Sorted<D>,
    /// For each address of a small bus, 1 + the place in `fixed` of the slot that is there, or 0.
    /// Empty on a large one.
    places: Vec<u8>,
    pub(super) moving: Moving<D>,
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

impl<D: ?Sized> Slots<D> {
    pub(super) fn new(last_address: u64, places: Vec<u8>) -> Self {
        Self {
            fixed: Vec::new(),
            places,
            moving: Moving::new(last_address),
            last_address,
        }
    }

    pub(super) fn insert(&mut self, new: Slot<D>) -> Result<(), BusError> {
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
    pub(super) fn read(
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
    pub(super) fn write(
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
