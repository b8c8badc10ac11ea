//! [`Moving`]: the devices of a bus that come and go while vCPUs run.

use super::slots::{Slot, Sorted, find, insert, lock};
use super::{BusError, BusRange, DeviceId, MmioDevice, PioDevice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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
    pub(super) fn new(last_address: u64) -> Self {
        Self {
            slots: Arc::new(MovingSlots {
                some: AtomicBool::new(false),
                sorted: RwLock::default(),
            }),
            last_address,
        }
    }

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

    pub(super) fn has_some(&self) -> bool {
        self.slots.some.load(Ordering::Acquire)
    }

    pub(super) fn find(&self, address: u64) -> Option<Arc<Slot<D>>> {
        if !self.has_some() {
            return None;
        }
        let sorted = &self.slots.sorted;
        let sorted = sorted.read().unwrap_or_else(PoisonError::into_inner);
        find(&sorted, address).cloned()
    }
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
