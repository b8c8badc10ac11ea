//! The virtio-pci transport (virtio 1.3 4.1), modern only: its registers.
//!
//! Queues interrupt by MSI-X, a vector each, so that nothing has to be read or acknowledged; a
//! change of the configuration does not interrupt.

use super::ring::Rings;
use super::structures::{Place, Structures};
use super::transport::{Doorbell, Registers, halves};
use super::{Broken, Handle};
use crate::drivers::pci::{Function, Msix};
use crate::irq;
use crate::mm::{MmioRegion, PAGE_BYTES, PhysAddr};
use alloc::vec::Vec;

/// Offsets in the common configuration (virtio 1.3 4.1.4.3), and how wide the registers are: each
/// is accessed whole.
mod reg {
    /// 32 bits.
    pub(super) const DEVICE_FEATURES_SEL: u64 = 0x00;
    pub(super) const DEVICE_FEATURES: u64 = 0x04;
    pub(super) const DRIVER_FEATURES_SEL: u64 = 0x08;
    pub(super) const DRIVER_FEATURES: u64 = 0x0c;
    /// 16 bits.
    pub(super) const CONFIG_VECTOR: u64 = 0x10;
    /// 8 bits.
    pub(super) const STATUS: u64 = 0x14;
    pub(super) const CONFIG_GENERATION: u64 = 0x15;
    /// 16 bits.
    pub(super) const QUEUE_SEL: u64 = 0x16;
    pub(super) const QUEUE_SIZE: u64 = 0x18;
    pub(super) const QUEUE_VECTOR: u64 = 0x1a;
    pub(super) const QUEUE_ENABLE: u64 = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFF: u64 = 0x1e;
    /// 64 bits, by halves.
    pub(super) const QUEUE_DESC: u64 = 0x20;
    pub(super) const QUEUE_DRIVER: u64 = 0x28;
    pub(super) const QUEUE_DEVICE: u64 = 0x30;
}

/// "No interrupt" in a vector register (4.1.5.1.2).
const NO_VECTOR: u16 = 0xffff;

/// The registers of one device.
pub(super) struct PciRegisters {
    function: &'static Function,
    msix: Msix,
    common: MmioRegion,
    /// With their lengths in bytes.
    device: Option<(MmioRegion, u64)>,
    notify: (MmioRegion, u64),
    /// Distance of two notification addresses.
    multiplier: u64,
}

/// Maps the first page of `place`: no driver needs more.
fn map(place: Place) -> Result<(MmioRegion, u64), Broken> {
    let len = place.len.min(PAGE_BYTES);
    let region = MmioRegion::map(PhysAddr(place.address), len).ok_or(Broken)?;
    Ok((region, len))
}

impl PciRegisters {
    /// The registers that the capabilities of a virtio function name; turns it on.
    pub(super) fn find(function: &'static Function, device_type: u32) -> Result<Self, Broken> {
        let found = Structures::find(function, device_type)?;
        let registers = Self {
            function,
            msix: found.msix,
            common: map(found.common)?.0,
            device: found.device.map(map).transpose()?,
            notify: map(found.notify)?,
            multiplier: found.multiplier.into(),
        };
        function.enable();
        Ok(registers)
    }

    /// Sets a vector register; the device may have no room for it (4.1.5.1.2.2).
    fn set_vector(&self, register: u64, vector: u16) -> Result<(), Broken> {
        self.common.write16(register, vector);
        let accepted = self.common.read16(register) == vector;
        accepted.then_some(()).ok_or(Broken)
    }

    /// Where queue `index`, which is selected, is notified.
    fn doorbell(&self, index: u16) -> Result<Doorbell, Broken> {
        let number = u64::from(self.common.read16(reg::QUEUE_NOTIFY_OFF));
        let offset = number * self.multiplier;
        let inside = offset.is_multiple_of(2) && offset + 2 <= self.notify.1;
        let queue = index;
        inside.then_some(Doorbell { offset, queue }).ok_or(Broken)
    }
}

impl Registers for PciRegisters {
    fn status(&self) -> u32 {
        self.common.read8(reg::STATUS).into()
    }

    fn set_status(&self, bits: u32) {
        // It has eight bits.
        self.common.write8(reg::STATUS, bits as u8);
    }

    fn offered_features(&self, half: u32) -> u32 {
        self.common.write32(reg::DEVICE_FEATURES_SEL, half);
        self.common.read32(reg::DEVICE_FEATURES)
    }

    fn accept_features(&self, half: u32, bits: u32) {
        self.common.write32(reg::DRIVER_FEATURES_SEL, half);
        self.common.write32(reg::DRIVER_FEATURES, bits);
    }

    /// Vector `n` of the table is queue `n`'s.
    fn connect(&self, device: Handle, cpus: &[u32]) -> Result<(), Broken> {
        let message = |(queue, cpu): (u16, &u32)| {
            let argument = device.queue_argument(queue);
            irq::register_message_to(*cpu, Handle::queue_interrupted, argument)
        };
        let messages: Option<Vec<_>> = (0..).zip(cpus).map(message).collect();
        if !self.msix.enable(self.function, &messages.ok_or(Broken)?) {
            return Err(Broken);
        }
        self.common.write16(reg::CONFIG_VECTOR, NO_VECTOR);
        Ok(())
    }

    fn select_queue(&self, index: u16) -> u32 {
        self.common.write16(reg::QUEUE_SEL, index);
        self.common.read16(reg::QUEUE_SIZE).into()
    }

    fn set_rings(&self, index: u16, rings: &Rings) -> Result<Doorbell, Broken> {
        let doorbell = self.doorbell(index)?;
        self.common.write16(reg::QUEUE_SIZE, rings.size);
        self.set_vector(reg::QUEUE_VECTOR, index)?;
        let places = [
            (reg::QUEUE_DESC, rings.descriptors),
            (reg::QUEUE_DRIVER, rings.avail),
            (reg::QUEUE_DEVICE, rings.used),
        ];
        for (register, address) in places {
            for (half, bits) in halves(address.0) {
                self.common.write32(register + 4 * u64::from(half), bits);
            }
        }
        self.common.write16(reg::QUEUE_ENABLE, 1);
        Ok(doorbell)
    }

    fn notify(&self, doorbell: Doorbell) {
        self.notify.0.write16(doorbell.offset, doorbell.queue);
    }

    fn acknowledge(&self) {}

    fn config_generation(&self) -> u32 {
        self.common.read8(reg::CONFIG_GENERATION).into()
    }

    fn config_u8(&self, offset: u64) -> Option<u8> {
        let (region, len) = self.device.as_ref()?;
        (offset < *len).then(|| region.read8(offset))
    }

    fn config_u32(&self, offset: u64) -> Option<u32> {
        let (region, len) = self.device.as_ref()?;
        (offset + 4 <= *len).then(|| region.read32(offset))
    }

    fn set_config_u32(&self, offset: u64, value: u32) {
        if let Some((region, len)) = &self.device
            && offset + 4 <= *len
        {
            region.write32(offset, value);
        }
    }
}
