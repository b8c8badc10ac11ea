//! The virtio-mmio transport, version 2 (virtio 1.3 4.2): its registers.

use super::ring::Rings;
use super::transport::{Doorbell, Registers, halves};
use super::{Broken, Handle};
use crate::drivers::parse_number;
use crate::irq;
use crate::mm::{MmioRegion, PhysAddr};

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
/// Those of the configuration.
const CONFIG_BYTES: u64 = REGION_BYTES - reg::CONFIG;

/// Both reasons of an interrupt: used buffers, changed configuration.
const INTERRUPT_ALL: u32 = 3;

/// Where the command line says that a device may be.
#[derive(Clone, Copy)]
pub(super) struct Place {
    address: u64,
    gsi: u32,
}

impl Place {
    /// `SIZE@ADDRESS:GSI`, and an identifier after another colon that is not needed.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let (_size, rest) = word.split_once('@')?;
        let mut rest = rest.split(':');
        let address = parse_number(rest.next()?)?;
        let gsi = u32::try_from(parse_number(rest.next()?)?).ok()?;
        Some(Self { address, gsi })
    }
}

/// The registers of one device.
#[derive(Clone)]
pub(super) struct MmioRegisters {
    region: MmioRegion,
    gsi: u32,
}

impl MmioRegisters {
    /// The device at `place` and its type, if there is one that this driver can talk to.
    pub(super) fn probe(place: Place) -> Option<(Self, u32)> {
        let region = MmioRegion::map(PhysAddr(place.address), REGION_BYTES)?;
        if region.read32(reg::MAGIC) != MAGIC || region.read32(reg::VERSION) != VERSION {
            return None;
        }
        let gsi = place.gsi;
        match region.read32(reg::DEVICE_ID) {
            0 => None,
            device_type => Some((Self { region, gsi }, device_type)),
        }
    }
}

impl Registers for MmioRegisters {
    fn status(&self) -> u32 {
        self.region.read32(reg::STATUS)
    }

    fn set_status(&self, bits: u32) {
        self.region.write32(reg::STATUS, bits);
    }

    fn offered_features(&self, half: u32) -> u32 {
        self.region.write32(reg::DEVICE_FEATURES_SEL, half);
        self.region.read32(reg::DEVICE_FEATURES)
    }

    fn accept_features(&self, half: u32, bits: u32) {
        self.region.write32(reg::DRIVER_FEATURES_SEL, half);
        self.region.write32(reg::DRIVER_FEATURES, bits);
    }

    fn connect(&self, device: Handle, _cpus: &[u32]) -> Result<(), Broken> {
        let registered = irq::register(self.gsi, Handle::interrupted, device.slot);
        registered.then_some(()).ok_or(Broken)
    }

    fn select_queue(&self, index: u16) -> u32 {
        self.region.write32(reg::QUEUE_SEL, index.into());
        self.region.read32(reg::QUEUE_NUM_MAX)
    }

    fn set_rings(&self, index: u16, rings: &Rings) -> Result<Doorbell, Broken> {
        self.region.write32(reg::QUEUE_NUM, rings.size.into());
        let places = [
            (reg::QUEUE_DESC, rings.descriptors),
            (reg::QUEUE_DRIVER, rings.avail),
            (reg::QUEUE_DEVICE, rings.used),
        ];
        for (register, address) in places {
            for (half, bits) in halves(address.0) {
                self.region.write32(register + 4 * u64::from(half), bits);
            }
        }
        self.region.write32(reg::QUEUE_READY, 1);
        Ok(Doorbell {
            offset: reg::QUEUE_NOTIFY,
            queue: index,
        })
    }

    fn notify(&self, doorbell: Doorbell) {
        self.region.write32(doorbell.offset, doorbell.queue.into());
    }

    /// Acknowledges whatever the interrupt was for. Reading the reason first would cost another
    /// exit and change nothing: the rings are looked at in any case.
    fn acknowledge(&self) {
        self.region.write32(reg::INTERRUPT_ACK, INTERRUPT_ALL);
    }

    fn config_generation(&self) -> u32 {
        self.region.read32(reg::CONFIG_GENERATION)
    }

    fn config_u8(&self, offset: u64) -> Option<u8> {
        let end = REGION_BYTES - reg::CONFIG;
        (offset < end).then(|| self.region.read8(reg::CONFIG + offset))
    }

    fn config_u32(&self, offset: u64) -> Option<u32> {
        (offset + 4 <= CONFIG_BYTES).then(|| self.region.read32(reg::CONFIG + offset))
    }

    fn set_config_u32(&self, offset: u64, value: u32) {
        if offset + 4 <= CONFIG_BYTES {
            self.region.write32(reg::CONFIG + offset, value);
        }
    }
}
