//! [`MmioTransport`]: virtio over memory-mapped registers, version 2 (virtio 1.3 4.2.2).
//!
//! Registers ([`spec`]) are read and written here; what they mean is [`Handshake`]'s. A write to
//! `QueueNotify` is meant to be caught on its way by an ioeventfd on [`MmioTransport::doorbells`];
//! one that arrives here nevertheless does the same. Registers take whole, aligned 32-bit
//! accesses only: any other reads as zero and is ignored, as the driver must not make it.

pub mod spec;
#[cfg(test)]
mod tests;

use super::handshake::{Handshake, HandshakeState, RestoreError, StartError};
use super::queue_setup::QueueAddress;
use super::{Interrupt, VirtioDevice};
use crate::bus::{MmioDevice, Width};
use crate::irq::IrqLine;
use crate::work::Working;
use spec::{CONFIG_OFFSET, Register};
use std::io;
use std::sync::Arc;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

/// Address within the block to which a driver writes a queue's index to notify it.
pub const NOTIFY_OFFSET: u64 = Register::QueueNotify as u64;

/// Registers that are the transport's own, with the rest of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct MmioState {
    /// Which 32 of the device's features are shown.
    pub device_features_sel: u32,
    /// Which 32 of the driver's features are written.
    pub driver_features_sel: u32,
    /// Queue that the queue registers stand for.
    pub queue_sel: u32,
    /// Status, features and queues.
    pub handshake: HandshakeState,
}

/// A virtio device's registers in memory.
pub struct MmioTransport {
    handshake: Handshake,
    device_features_sel: u32,
    driver_features_sel: u32,
    queue_sel: u32,
}

impl MmioTransport {
    /// Puts `device` behind registers, with `line` as its interrupt. Fails when the host has no
    /// more file descriptors for the doorbells.
    pub fn new(
        device: Box<dyn VirtioDevice>,
        memory: GuestMemoryMmap,
        line: IrqLine,
    ) -> io::Result<Self> {
        Ok(Self {
            handshake: Handshake::new(device, memory, Interrupt::new(Arc::new(line)))?,
            device_features_sel: 0,
            driver_features_sel: 0,
            queue_sel: 0,
        })
    }

    /// One for each queue, in their order: to be signalled on a 32-bit write of the queue's index
    /// to [`NOTIFY_OFFSET`].
    pub fn doorbells(&self) -> &[EventFd] {
        self.handshake.doorbells()
    }

    /// The state. Call it with the vCPUs stopped: work in flight is completed first.
    pub fn save(&mut self) -> Result<MmioState, StartError> {
        Ok(MmioState {
            device_features_sel: self.device_features_sel,
            driver_features_sel: self.driver_features_sel,
            queue_sel: self.queue_sel,
            handshake: self.handshake.save()?,
        })
    }

    /// Takes over a saved state, whose guest memory must be in place; starts the device if it ran.
    pub fn restore(&mut self, state: &MmioState) -> Result<(), RestoreError> {
        self.handshake.restore(&state.handshake)?;
        self.device_features_sel = state.device_features_sel;
        self.driver_features_sel = state.driver_features_sel;
        self.queue_sel = state.queue_sel;
        Ok(())
    }

    fn read_register(&mut self, register: Register) -> u32 {
        match register {
            Register::Magic => spec::MAGIC,
            Register::Version => spec::VERSION,
            Register::DeviceId => self.handshake.device().device_type(),
            Register::VendorId => spec::VENDOR,
            Register::DeviceFeatures => self.handshake.avail_features(self.device_features_sel),
            Register::QueueSizeMax => self.handshake.queue_max_size(self.queue_sel).into(),
            Register::QueueReady => self.handshake.queue_ready(self.queue_sel).into(),
            Register::InterruptStatus => self.handshake.interrupt().status(),
            Register::Status => self.handshake.status().into(),
            // There are no shared memory regions.
            Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh => u32::MAX,
            Register::ConfigGeneration => self.handshake.device().config_generation(),
            Register::DeviceFeaturesSel
            | Register::DriverFeatures
            | Register::DriverFeaturesSel
            | Register::QueueSel
            | Register::QueueSize
            | Register::QueueNotify
            | Register::InterruptAck
            | Register::QueueDescLow
            | Register::QueueDescHigh
            | Register::QueueDriverLow
            | Register::QueueDriverHigh
            | Register::QueueDeviceLow
            | Register::QueueDeviceHigh
            | Register::ShmSel
            | Register::QueueReset => 0,
        }
    }

    fn write_register(&mut self, register: Register, value: u32) {
        let handshake = &mut self.handshake;
        let queue = self.queue_sel;
        match register {
            Register::DeviceFeaturesSel => self.device_features_sel = value,
            Register::DriverFeatures => {
                handshake.accept_features(self.driver_features_sel, value);
            }
            Register::DriverFeaturesSel => self.driver_features_sel = value,
            Register::QueueSel => self.queue_sel = value,
            Register::QueueSize => handshake.set_queue_size(queue, value),
            Register::QueueReady => handshake.set_queue_ready(queue, value),
            Register::QueueNotify => handshake.notify(value),
            Register::InterruptAck => handshake.interrupt().acknowledge(value),
            Register::Status => handshake.write_status(value),
            Register::QueueDescLow => handshake.set_low(queue, QueueAddress::DescTable, value),
            Register::QueueDescHigh => handshake.set_high(queue, QueueAddress::DescTable, value),
            Register::QueueDriverLow => handshake.set_low(queue, QueueAddress::AvailRing, value),
            Register::QueueDriverHigh => handshake.set_high(queue, QueueAddress::AvailRing, value),
            Register::QueueDeviceLow => handshake.set_low(queue, QueueAddress::UsedRing, value),
            Register::QueueDeviceHigh => handshake.set_high(queue, QueueAddress::UsedRing, value),
            Register::ShmSel => {}
            Register::Magic
            | Register::Version
            | Register::DeviceId
            | Register::VendorId
            | Register::DeviceFeatures
            | Register::QueueSizeMax
            | Register::InterruptStatus
            | Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh
            | Register::QueueReset
            | Register::ConfigGeneration => handshake.refuse(),
        }
    }
}

impl Working for MmioTransport {
    fn refused(&self) -> u64 {
        self.handshake.refused()
    }

    fn finish(&mut self) {
        self.handshake.finish();
    }
}

impl MmioDevice for MmioTransport {
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        if let Some(offset) = offset.checked_sub(CONFIG_OFFSET) {
            let mut bytes = [0; 8];
            let data = &mut bytes[..width.bytes()];
            self.handshake.device().read_config(offset, data);
            return u64::from_le_bytes(bytes);
        }
        match (Register::at(offset), width) {
            (Some(register), Width::Dword) => self.read_register(register).into(),
            _ => {
                self.handshake.refuse();
                0
            }
        }
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        let bytes = value.to_le_bytes();
        if let Some(offset) = offset.checked_sub(CONFIG_OFFSET) {
            self.handshake.write_config(offset, &bytes[..width.bytes()]);
            return;
        }
        let [a, b, c, d, ..] = bytes;
        match (Register::at(offset), width) {
            (Some(register), Width::Dword) => {
                self.write_register(register, u32::from_le_bytes([a, b, c, d]));
            }
            _ => self.handshake.refuse(),
        }
    }
}
