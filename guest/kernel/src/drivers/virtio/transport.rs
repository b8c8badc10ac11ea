//! [`Transport`]: how a device is brought up (virtio 1.3 3.1.1), whatever its registers are.

use super::ring::Rings;
use super::{Broken, Handle};
use abi::syscall::Errno;
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

/// Device status bits (virtio 1.3 2.1).
mod status {
    pub(super) const ACKNOWLEDGE: u32 = 1;
    pub(super) const DRIVER: u32 = 2;
    pub(super) const DRIVER_OK: u32 = 4;
    pub(super) const FEATURES_OK: u32 = 8;
    pub(super) const FAILED: u32 = 128;
}

/// How often a value that the device may be changing is read again.
const TRIES: u32 = 64;

static NOTIFICATIONS: AtomicU64 = AtomicU64::new(0);

/// Doorbells rung since boot, all devices.
pub(super) fn notifications() -> u64 {
    NOTIFICATIONS.load(Ordering::Relaxed)
}

/// Where and with what a queue is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doorbell {
    /// Offset among the registers that are for it.
    pub(super) offset: u64,
    /// The queue's index.
    pub(super) queue: u16,
}

/// A device's registers.
pub(super) trait Registers: Send + Sync {
    /// Status bits.
    fn status(&self) -> u32;
    /// Sets them; none of them resets the device.
    fn set_status(&self, bits: u32);
    /// Bits 0 to 31 of the features offered, or with `half` 1 the next.
    fn offered_features(&self, half: u32) -> u32;
    /// Says which of them the driver uses.
    fn accept_features(&self, half: u32, bits: u32);
    /// Leads the interrupts of the first queues to `device`, of each to its processor in `cpus`
    /// where queues have interrupts of their own.
    fn connect(&self, device: Handle, cpus: &[u32]) -> Result<(), Broken>;
    /// Selects a queue; the largest size that it can have, 0 if it does not exist.
    fn select_queue(&self, index: u16) -> u32;
    /// Tells the device where the rings of queue `index`, which is selected, are, and starts it.
    fn set_rings(&self, index: u16, rings: &Rings) -> Result<Doorbell, Broken>;
    /// Rings a doorbell.
    fn notify(&self, doorbell: Doorbell);
    /// Takes note of an interrupt, where interrupts want that.
    fn acknowledge(&self);
    /// Changes when the device configuration does.
    fn config_generation(&self) -> u32;
    /// 8 bits of the device configuration, if it has so many.
    fn config_u8(&self, offset: u64) -> Option<u8>;
    /// 32 bits of the device configuration, if it has so many.
    fn config_u32(&self, offset: u64) -> Option<u32>;
    /// Writes 32 bits of it, if it has so many.
    fn set_config_u32(&self, offset: u64, value: u32);
}

/// The driver's side of a device.
pub(super) struct Transport(Box<dyn Registers>);

impl Transport {
    pub(super) fn new(registers: impl Registers + 'static) -> Self {
        Self(Box::new(registers))
    }

    /// Resets the device and agrees with it on those of `wanted` features that it offers.
    /// `required` must be among them.
    pub(super) fn negotiate(&self, wanted: u64, required: u64) -> Result<u64, Broken> {
        self.negotiate_with(|offered| offered & wanted, required)
    }

    /// The same for those that `choose` takes of the features that the device offers.
    pub(super) fn negotiate_with(
        &self,
        choose: impl FnOnce(u64) -> u64,
        required: u64,
    ) -> Result<u64, Broken> {
        let registers = &self.0;
        self.reset();
        registers.set_status(status::ACKNOWLEDGE);
        registers.set_status(status::ACKNOWLEDGE | status::DRIVER);
        let [low, high] = [0, 1].map(|half| u64::from(registers.offered_features(half)));
        let offered = low | high << 32;
        let features = choose(offered) & offered;
        if features & required != required {
            return Err(self.fail());
        }
        for (half, bits) in halves(features) {
            registers.accept_features(half, bits);
        }
        let agreed = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        registers.set_status(agreed);
        if registers.status() & status::FEATURES_OK == 0 {
            return Err(self.fail());
        }
        Ok(features)
    }

    /// Leads the interrupts of the first queues to `device`, of each to its processor in `cpus`
    /// where queues have interrupts of their own.
    pub(super) fn connect_to(&self, device: Handle, cpus: &[u32]) -> Result<(), Broken> {
        self.0.connect(device, cpus).map_err(|Broken| self.fail())
    }

    /// Selects a queue; the largest size that it can have, 0 if it does not exist.
    pub(super) fn select_queue(&self, index: u16) -> u32 {
        self.0.select_queue(index)
    }

    /// Tells the device where the rings of queue `index`, which is selected, are.
    pub(super) fn set_rings(&self, index: u16, rings: &Rings) -> Result<Doorbell, Broken> {
        let set = self.0.set_rings(index, rings);
        set.map_err(|Broken| self.fail())
    }

    /// The driver is ready: the device starts.
    pub(super) fn start(&self) {
        let all = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        self.0.set_status(all);
    }

    /// Stops the device: when it has done so, it does not touch memory any more.
    pub(super) fn reset(&self) {
        self.0.set_status(0);
        for _ in 0..TRIES {
            if self.0.status() == 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    /// Gives the device up.
    pub(super) fn fail(&self) -> Broken {
        self.0.set_status(self.0.status() | status::FAILED);
        Broken
    }

    /// Rings a queue's doorbell.
    pub(super) fn notify(&self, doorbell: Doorbell) {
        NOTIFICATIONS.fetch_add(1, Ordering::Relaxed);
        self.0.notify(doorbell);
    }

    /// Takes note of an interrupt, where interrupts want that.
    pub(super) fn acknowledge(&self) {
        self.0.acknowledge();
    }

    /// 32 bits of the device configuration, if it has so many.
    pub(super) fn config_u32(&self, offset: u64) -> Option<u32> {
        self.0.config_u32(offset)
    }

    /// Writes 32 bits of the device configuration, if it has so many.
    pub(super) fn set_config_u32(&self, offset: u64, value: u32) {
        self.0.set_config_u32(offset, value);
    }

    /// 64 bits of the device configuration, read as of one moment.
    pub(super) fn config_u64(&self, offset: u64) -> Result<u64, Errno> {
        self.config(|registers| {
            let low = registers.config_u32(offset)?;
            let high = registers.config_u32(offset + 4)?;
            Some(u64::from(low) | u64::from(high) << 32)
        })
    }

    /// A field of bytes in the device configuration, which are read one by one (virtio 1.3
    /// 4.1.3.1), as of one moment.
    pub(super) fn config_bytes<const N: usize>(&self, offset: u64) -> Result<[u8; N], Errno> {
        self.config(|registers| {
            let mut bytes = [0; N];
            for (at, byte) in (offset..).zip(&mut bytes) {
                *byte = registers.config_u8(at)?;
            }
            Some(bytes)
        })
    }

    /// What `read` gives, as of one moment (virtio 1.3 2.5.1).
    fn config<T>(&self, read: impl Fn(&dyn Registers) -> Option<T>) -> Result<T, Errno> {
        for _ in 0..TRIES {
            let before = self.0.config_generation();
            let value = read(&*self.0).ok_or(Errno::Io)?;
            if self.0.config_generation() == before {
                return Ok(value);
            }
        }
        Err(Errno::Io)
    }
}

/// Low and high half of `value`, each with its selector.
pub(super) fn halves(value: u64) -> [(u32, u32); 2] {
    let low = value & u64::from(u32::MAX);
    // Each half has 32 bits.
    [(0, low as u32), (1, (value >> 32) as u32)]
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
