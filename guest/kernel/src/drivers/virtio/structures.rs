//! [`Structures`]: where a function's capabilities say that its virtio registers are (virtio 1.3
//! 4.1.4).

use super::{Broken, DeviceType};
use crate::drivers::pci::{self, Capability, Config, Msix, Remembering, bar};

/// Vendor of all virtio devices, and first device id of those that are modern (virtio 1.3 4.1.2).
const VENDOR: u32 = 0x1af4;
const DEVICE_BASE: u32 = 0x1040;
/// Capability id: vendor-specific.
const ID: u8 = 0x09;
/// What a capability names (4.1.4).
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;

/// Shortest capability, and shortest that has a multiplier.
const CAPABILITY_BYTES: u8 = 16;
const NOTIFY_BYTES: u8 = 20;
/// A notification is 16 bits wide (4.1.5.2).
const NOTIFY_WIDTH: u64 = 2;
/// Bytes of the common configuration up to the queues' addresses (4.1.4.3).
pub(super) const COMMON_BYTES: u64 = 0x38;

/// Registers in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) len: u64,
}

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Structures {
    pub(super) common: Place,
    pub(super) notify: Place,
    /// Distance of two notification addresses.
    pub(super) multiplier: u32,
    pub(super) device: Option<Place>,
    pub(super) msix: Msix,
}

/// The device type of a function with that vendor and device, if it is a modern virtio device.
pub(super) fn device_type(id: u32) -> Option<u32> {
    let (vendor, device) = (id & 0xffff, id >> 16);
    let device_type = device.checked_sub(DEVICE_BASE)?;
    (vendor == VENDOR).then_some(device_type)
}

/// Whether the driver of such a device uses its configuration.
fn reads_config(device_type: u32) -> bool {
    let readers = [DeviceType::Block, DeviceType::Net, DeviceType::Balloon];
    readers.iter().any(|reader| *reader as u32 == device_type)
}

impl Structures {
    /// Reads the capabilities; the first that makes sense of each kind counts (4.1.4.1).
    pub(super) fn find(config: &impl Config, device_type: u32) -> Result<Self, Broken> {
        let config = &Remembering::new(config);
        let (mut common, mut notify, mut device, mut msix) = (None, None, None, None);
        let wants_device = reads_config(device_type);
        for found in pci::capabilities(config) {
            // The word: length, and what it names.
            let [len, kind] = found.word.to_le_bytes();
            match (found.id, kind) {
                (pci::MSIX, _) if msix.is_none() => msix = Msix::parse(config, found),
                (ID, _) if len < CAPABILITY_BYTES => {}
                (ID, COMMON) if common.is_none() => common = place(config, found, COMMON_BYTES),
                (ID, NOTIFY) if notify.is_none() && len >= NOTIFY_BYTES => {
                    let multiplier = found.read32(config, 4);
                    notify = place(config, found, NOTIFY_WIDTH).zip(multiplier);
                }
                (ID, DEVICE) if device.is_none() && wants_device => {
                    device = place(config, found, 0);
                }
                _ => {}
            }
            // What is behind the last that is wanted is not read.
            if let (Some(common), Some((notify, multiplier)), Some(msix)) = (common, notify, msix)
                && (device.is_some() || !wants_device)
            {
                return Ok(Self {
                    common,
                    notify,
                    multiplier,
                    device,
                    msix,
                });
            }
        }
        Err(Broken)
    }
}

/// The registers that a capability names, if they are aligned and of `min_len` bytes or more.
fn place(config: &impl Config, found: Capability, min_len: u64) -> Option<Place> {
    let [index, ..] = found.read32(config, 1)?.to_le_bytes();
    let offset = found.read32(config, 2)?;
    let len = u64::from(found.read32(config, 3)?);
    let address = bar(config, index, offset, len)?;
    (len >= min_len && offset.is_multiple_of(4)).then_some(Place { address, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::pci::testing::Fake;

    const RNG: u32 = DeviceType::Rng as u32;
    const BLOCK: u32 = DeviceType::Block as u32;

    /// A capability of registers in BAR `index`.
    fn named(next: u8, len: u8, kind: u8, index: u8, (offset, bytes): (u32, u32)) -> Vec<u8> {
        let mut body = vec![ID, next, len, kind, index, 0, 0, 0];
        body.extend(offset.to_le_bytes());
        body.extend(bytes.to_le_bytes());
        body.extend(4_u32.to_le_bytes());
        body
    }

    /// A function like Hostel's.
    fn function() -> Fake {
        Fake::new()
            .with_bar(0, 0xc000_0000)
            .with(0x40, &[0x11, 0x50, 1, 0, 0, 0x20, 0, 0])
            .with(0x50, &named(0x64, 16, COMMON, 0, (0, 0x40)))
            .with(0x64, &named(0x78, 16, DEVICE, 0, (0x200, 0x200)))
            .with(0x78, &named(0x8c, 20, NOTIFY, 0, (0x1000, 0x1000)))
            .with(0x8c, &named(0, 20, 5, 0, (0, 0)))
    }

    #[test]
    fn capabilities_say_where_registers_are() {
        let found = Structures::find(&function(), BLOCK).unwrap();
        let place = |address, len| Place { address, len };
        assert_eq!(found.common, place(0xc000_0000, 0x40));
        assert_eq!(found.notify, place(0xc000_1000, 0x1000));
        assert_eq!(found.multiplier, 4);
        assert_eq!(found.device, Some(place(0xc000_0200, 0x200)));
    }

    #[test]
    fn what_no_driver_needs_is_not_read() {
        let function = function();
        let found = Structures::find(&function, RNG).unwrap();
        assert_eq!(found.device, None);
        // List, MSI-X, BAR, and 4, 1 and 5 of three capabilities.
        assert_eq!(function.reads.get(), 2 + 2 + 1 + 4 + 1 + 5);
    }

    #[test]
    fn a_function_that_lacks_a_structure_is_refused() {
        for (at, device_type) in [(0x40, RNG), (0x50, RNG), (0x78, RNG), (0x64, BLOCK)] {
            let lacking = function().with(at, &[0xff]);
            assert!(Structures::find(&lacking, device_type).is_err(), "{at:#x}");
        }
    }

    #[test]
    fn the_first_that_makes_sense_counts() {
        let lies = [
            named(0x50, 15, COMMON, 0, (0, 0x40)),
            named(0x50, 16, COMMON, 6, (0, 0x40)),
            named(0x50, 16, COMMON, 1, (0, 0x40)),
            named(0x50, 16, COMMON, 0, (0, 0x37)),
            named(0x50, 16, COMMON, 0, (2, 0x40)),
        ];
        for lie in lies {
            let function = function().with(0x40, &[0x11, 0xc0]).with(0xc0, &lie);
            let found = Structures::find(&function, RNG).unwrap();
            assert_eq!(found.common.address, 0xc000_0000, "{lie:?}");
        }
        let first = named(0x50, 16, COMMON, 0, (0x800, 0x40));
        let function = function().with(0x40, &[0x11, 0xc0]).with(0xc0, &first);
        let found = Structures::find(&function, RNG).unwrap();
        assert_eq!(found.common.address, 0xc000_0800);
    }

    #[test]
    fn a_list_that_loops_without_an_end_is_refused() {
        let looping = function().with(0x50, &named(0x40, 16, COMMON, 0, (0, 0x40)));
        assert!(Structures::find(&looping, RNG).is_err());
    }

    #[test]
    fn modern_virtio_devices_are_known_by_their_ids() {
        assert_eq!(device_type(0x1042_1af4), Some(BLOCK));
        assert_eq!(device_type(0x1001_1af4), None, "transitional");
        assert_eq!(device_type(0x1042_8086), None);
        assert_eq!(device_type(0x0008_1b36), None);
    }
}
