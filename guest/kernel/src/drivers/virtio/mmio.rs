//! The virtio-mmio transport, version 2 (virtio 1.3 4.2): registers, and the order in which a
//! device is brought up (3.1.1).

use super::Broken;
use super::queue::Rings;
use crate::mm::{MmioRegion, PhysAddr};
use abi::syscall::Errno;
use core::sync::atomic::{AtomicU64, Ordering};

/// Register offsets (virtio 1.3 4.2.2).
mod reg {
    pub(super) const MAGIC: u64 = 0x000;
    pub(super) const VERSION: u64 = 0x004;
    pub(super) const DEVICE_ID: u64 = 0x008;
    pub(super) const DEVICE_FEATURES: u64 = 0x010;
    pub(super) const DEVICE_FEATURES_SEL: u64 = 0x014;
    pub(super) const DRIVER_FEATURES: u64 = 0x020;
    pub(super) const DRIVER_FEATURES_SEL: u64 = 0x024;
    pub(super) const QUEUE_SEL: u64 = 0x030;
    pub(super) const QUEUE_NUM_MAX: u64 = 0x034;
    pub(super) const QUEUE_NUM: u64 = 0x038;
    pub(super) const QUEUE_READY: u64 = 0x044;
    pub(super) const QUEUE_NOTIFY: u64 = 0x050;
    pub(super) const INTERRUPT_ACK: u64 = 0x064;
    pub(super) const STATUS: u64 = 0x070;
    pub(super) const QUEUE_DESC: u64 = 0x080;
    pub(super) const QUEUE_DRIVER: u64 = 0x090;
    pub(super) const QUEUE_DEVICE: u64 = 0x0a0;
    pub(super) const CONFIG_GENERATION: u64 = 0x0fc;
    pub(super) const CONFIG: u64 = 0x100;
}

/// "virt", little-endian.
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// Bytes of registers and configuration that are looked at.
const REGION_BYTES: u64 = 0x200;

/// Device status bits (virtio 1.3 2.1).
mod status {
    pub(super) const ACKNOWLEDGE: u32 = 1;
    pub(super) const DRIVER: u32 = 2;
    pub(super) const DRIVER_OK: u32 = 4;
    pub(super) const FEATURES_OK: u32 = 8;
    pub(super) const FAILED: u32 = 128;
}

/// Both reasons of an interrupt: used buffers, changed configuration.
const INTERRUPT_ALL: u32 = 3;
/// How often a value that the device may be changing is read again.
const TRIES: u32 = 64;

static NOTIFICATIONS: AtomicU64 = AtomicU64::new(0);

/// Doorbells rung since boot, all devices.
pub(super) fn notifications() -> u64 {
    NOTIFICATIONS.load(Ordering::Relaxed)
}

/// The registers of one device.
pub(super) struct Transport {
    registers: MmioRegion,
}

impl Transport {
    /// The device at `address` and its type, if there is one that this driver can talk to.
    pub(super) fn probe(address: PhysAddr) -> Option<(Self, u32)> {
        let registers = MmioRegion::map(address, REGION_BYTES)?;
        if registers.read32(reg::MAGIC) != MAGIC || registers.read32(reg::VERSION) != VERSION {
            return None;
        }
        match registers.read32(reg::DEVICE_ID) {
            0 => None,
            device_type => Some((Self { registers }, device_type)),
        }
    }

    /// Resets the device and agrees with it on those of `wanted` features that it offers.
    /// `required` must be among them.
    pub(super) fn negotiate(&self, wanted: u64, required: u64) -> Result<u64, Broken> {
        self.reset();
        self.set_status(status::ACKNOWLEDGE);
        self.set_status(status::ACKNOWLEDGE | status::DRIVER);
        let features = self.offered_features() & wanted;
        if features & required != required {
            return Err(self.fail());
        }
        for (select, half) in halves(features) {
            self.registers.write32(reg::DRIVER_FEATURES_SEL, select);
            self.registers.write32(reg::DRIVER_FEATURES, half);
        }
        let agreed = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        self.set_status(agreed);
        if self.registers.read32(reg::STATUS) & status::FEATURES_OK == 0 {
            return Err(self.fail());
        }
        Ok(features)
    }

    fn offered_features(&self) -> u64 {
        let [low, high] = [0, 1].map(|select| {
            self.registers.write32(reg::DEVICE_FEATURES_SEL, select);
            u64::from(self.registers.read32(reg::DEVICE_FEATURES))
        });
        low | high << 32
    }

    /// Selects a queue; the largest size that it can have, 0 if it does not exist.
    pub(super) fn select_queue(&self, index: u16) -> u32 {
        self.registers.write32(reg::QUEUE_SEL, index.into());
        self.registers.read32(reg::QUEUE_NUM_MAX)
    }

    /// Tells the device where the rings of the selected queue are.
    pub(super) fn set_rings(&self, rings: &Rings) {
        self.registers.write32(reg::QUEUE_NUM, rings.size.into());
        let places = [
            (reg::QUEUE_DESC, rings.descriptors),
            (reg::QUEUE_DRIVER, rings.avail),
            (reg::QUEUE_DEVICE, rings.used),
        ];
        for (register, address) in places {
            for (select, half) in halves(address.0) {
                let offset = if select == 0 { 0 } else { 4 };
                self.registers.write32(register + offset, half);
            }
        }
        self.registers.write32(reg::QUEUE_READY, 1);
    }

    /// The driver is ready: the device starts.
    pub(super) fn start(&self) {
        let all = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        self.set_status(all);
    }

    /// Stops the device: when it has done so, it does not touch memory any more.
    pub(super) fn reset(&self) {
        self.set_status(0);
        for _ in 0..TRIES {
            if self.registers.read32(reg::STATUS) == 0 {
                return;
            }
            core::hint::spin_loop();
        }
    }

    /// Gives the device up.
    pub(super) fn fail(&self) -> Broken {
        self.set_status(self.registers.read32(reg::STATUS) | status::FAILED);
        Broken
    }

    fn set_status(&self, bits: u32) {
        self.registers.write32(reg::STATUS, bits);
    }

    /// Rings the doorbell of a queue.
    pub(super) fn notify(&self, queue: u16) {
        NOTIFICATIONS.fetch_add(1, Ordering::Relaxed);
        self.registers.write32(reg::QUEUE_NOTIFY, queue.into());
    }

    /// Acknowledges whatever the interrupt was for. Reading the reason first would cost another
    /// exit and change nothing: the rings are looked at in any case.
    pub(super) fn acknowledge(&self) {
        self.registers.write32(reg::INTERRUPT_ACK, INTERRUPT_ALL);
    }

    /// 64 bits of the device configuration, read as of one moment (virtio 1.3 2.5.1).
    pub(super) fn config_u64(&self, offset: u64) -> Result<u64, Errno> {
        for _ in 0..TRIES {
            let before = self.registers.read32(reg::CONFIG_GENERATION);
            let low = u64::from(self.registers.read32(reg::CONFIG + offset));
            let high = u64::from(self.registers.read32(reg::CONFIG + offset + 4));
            if self.registers.read32(reg::CONFIG_GENERATION) == before {
                return Ok(low | high << 32);
            }
        }
        Err(Errno::Io)
    }
}

/// Low and high half of `value`, each with its selector.
fn halves(value: u64) -> [(u32, u32); 2] {
    let low = value & u64::from(u32::MAX);
    // Each half has 32 bits.
    [(0, low as u32), (1, (value >> 32) as u32)]
}
