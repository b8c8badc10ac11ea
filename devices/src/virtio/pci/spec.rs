//! Identities, capabilities and registers of virtio over PCI (virtio 1.3 4.1).

use crate::pci::config::Identity;
use virtio_bindings::virtio_ids;

/// Vendor of all virtio devices (4.1.2).
pub const VENDOR: u16 = 0x1af4;
/// Device ids start here: the device type is added.
const DEVICE_BASE: u16 = 0x1040;
/// No transitional device has a subsystem id from 0x40 on (4.1.2.1).
const SUBSYSTEM: u16 = 0x1100;
const REVISION: u8 = 1;

/// Capability id: vendor-specific.
pub const CAPABILITY: u8 = 0x09;
/// The one BAR.
pub const BAR: usize = 0;
/// Its size in bytes.
pub const BAR_BYTES: u32 = 0x4000;
/// MSI-X table in the BAR.
pub const MSIX_TABLE: u32 = 0x2000;
/// MSI-X pending bits in the BAR.
pub const MSIX_PENDING: u32 = 0x3000;
/// Distance of two queues' notification addresses.
pub const NOTIFY_MULTIPLIER: u32 = 4;
/// "No interrupt" in a vector register (4.1.5.1.2.1).
pub const NO_VECTOR: u16 = 0xffff;

/// A part of the BAR that a capability names (4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Structure {
    /// Registers of status, features and queues.
    Common = 1,
    /// Where queues are notified.
    Notify = 2,
    /// Reasons of INTx.
    Isr = 3,
    /// The device's own configuration.
    Device = 4,
    /// No part: a window to the others, in configuration space.
    Window = 5,
}

impl Structure {
    /// Those in the BAR, with offset and length.
    pub const LAYOUT: [(Self, u32, u32); 4] = [
        (Self::Common, 0x000, 0x40),
        (Self::Isr, 0x100, 0x4),
        (Self::Device, 0x200, 0x200),
        (Self::Notify, 0x1000, 0x1000),
    ];

    /// The one at `offset` of the BAR, and the offset in it.
    pub fn at(offset: u64) -> Option<(Self, u64)> {
        Self::LAYOUT
            .into_iter()
            .find_map(|(structure, start, len)| {
                let inside = offset.checked_sub(start.into())?;
                (inside < u64::from(len)).then_some((structure, inside))
            })
    }

    /// Where it starts in the BAR; 0 for the window.
    pub fn offset(self) -> u32 {
        let found = Self::LAYOUT.into_iter().find(|(s, ..)| *s == self);
        found.map_or(0, |(_, offset, _)| offset)
    }
}

/// Registers of the common configuration (4.1.4.3), by offset; each is accessed whole, those of 64
/// bits by halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    /// RW, 32 bits: which half of the device's features.
    DeviceFeatureSelect = 0x00,
    /// R, 32 bits: features offered.
    DeviceFeature = 0x04,
    /// RW, 32 bits: which half of the driver's features.
    DriverFeatureSelect = 0x08,
    /// RW, 32 bits: features accepted.
    DriverFeature = 0x0c,
    /// RW, 16 bits: vector of configuration changes.
    ConfigMsixVector = 0x10,
    /// R, 16 bits: queues.
    NumQueues = 0x12,
    /// RW, 8 bits: status; 0 resets.
    DeviceStatus = 0x14,
    /// R, 8 bits: changes with the configuration.
    ConfigGeneration = 0x15,
    /// RW, 16 bits: the queue that the rest stands for.
    QueueSelect = 0x16,
    /// RW, 16 bits: its size, at first the largest.
    QueueSize = 0x18,
    /// RW, 16 bits: its vector.
    QueueMsixVector = 0x1a,
    /// RW, 16 bits: 1 when it may be used.
    QueueEnable = 0x1c,
    /// R, 16 bits: its place among the notification addresses.
    QueueNotifyOff = 0x1e,
    /// RW: descriptor table.
    QueueDescLow = 0x20,
    /// RW: upper half.
    QueueDescHigh = 0x24,
    /// RW: available ring.
    QueueDriverLow = 0x28,
    /// RW: upper half.
    QueueDriverHigh = 0x2c,
    /// RW: used ring.
    QueueDeviceLow = 0x30,
    /// RW: upper half.
    QueueDeviceHigh = 0x34,
}

impl Register {
    const ALL: [(Self, u8); 19] = [
        (Self::DeviceFeatureSelect, 4),
        (Self::DeviceFeature, 4),
        (Self::DriverFeatureSelect, 4),
        (Self::DriverFeature, 4),
        (Self::ConfigMsixVector, 2),
        (Self::NumQueues, 2),
        (Self::DeviceStatus, 1),
        (Self::ConfigGeneration, 1),
        (Self::QueueSelect, 2),
        (Self::QueueSize, 2),
        (Self::QueueMsixVector, 2),
        (Self::QueueEnable, 2),
        (Self::QueueNotifyOff, 2),
        (Self::QueueDescLow, 4),
        (Self::QueueDescHigh, 4),
        (Self::QueueDriverLow, 4),
        (Self::QueueDriverHigh, 4),
        (Self::QueueDeviceLow, 4),
        (Self::QueueDeviceHigh, 4),
    ];

    /// The register at `offset` that is `bytes` wide.
    pub fn at(offset: u64, bytes: usize) -> Option<Self> {
        let is_it = |(register, width): &(Self, u8)| {
            u64::from(*register as u8) == offset && usize::from(*width) == bytes
        };
        Self::ALL
            .into_iter()
            .find(is_it)
            .map(|(register, _)| register)
    }
}

/// What a device of that type is on the bus.
pub fn identity(device_type: u32) -> Identity {
    let class = match device_type {
        virtio_ids::VIRTIO_ID_BLOCK => [0x01, 0x80, 0x00],
        virtio_ids::VIRTIO_ID_NET => [0x02, 0x00, 0x00],
        virtio_ids::VIRTIO_ID_CONSOLE => [0x07, 0x80, 0x00],
        _ => [0xff, 0x00, 0x00],
    };
    Identity {
        vendor: VENDOR,
        device: DEVICE_BASE.wrapping_add(device_type as u16),
        class,
        revision: REVISION,
        subsystem: (VENDOR, SUBSYSTEM),
    }
}
