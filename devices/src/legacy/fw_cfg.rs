//! [`FwCfg`]: QEMU's firmware configuration device (its docs/specs/fw_cfg.rst), by which test
//! kernels learn of the machine and of what they were given.
//!
//! A word written to the first port selects an item; each byte read from the second is its next,
//! zero after its end. There is no DMA interface, and the directory of named files is empty.

use crate::bus::{PioDevice, Width};

/// First port.
pub const BASE: u16 = 0x510;
/// Selector and data.
pub const PORTS: u64 = 2;

const SELECTOR_OFFSET: u16 = 0;
const DATA_OFFSET: u16 = 1;

/// Keys of the items (fw_cfg.rst, and QEMU's for what a boot loader is given).
mod key {
    pub(super) const SIGNATURE: u16 = 0x00;
    pub(super) const ID: u16 = 0x01;
    pub(super) const RAM_SIZE: u16 = 0x03;
    pub(super) const CPUS: u16 = 0x05;
    pub(super) const INITRD_ADDRESS: u16 = 0x0a;
    pub(super) const INITRD_SIZE: u16 = 0x0b;
    pub(super) const MAX_CPUS: u16 = 0x0f;
    pub(super) const INITRD_DATA: u16 = 0x12;
    pub(super) const CMDLINE_ADDRESS: u16 = 0x13;
    pub(super) const CMDLINE_SIZE: u16 = 0x14;
    pub(super) const CMDLINE_DATA: u16 = 0x15;
    pub(super) const FILES: u16 = 0x19;
}

/// Interfaces: the traditional one alone.
const ID_TRADITIONAL: u32 = 1;

/// What the items are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FwCfgContents {
    /// Processors.
    pub cpus: u16,
    /// Memory, below and above 4 GiB.
    pub memory_bytes: u64,
    /// Address of the command line, and the text.
    pub cmdline: (u32, Vec<u8>),
    /// Address of the initrd, and its bytes; empty without one.
    pub initrd: (u32, Vec<u8>),
}

/// Where the guest is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FwCfgState {
    /// Item.
    pub selected: u16,
    /// Bytes of it that were read.
    pub at: u32,
}

/// The device.
#[derive(Default)]
pub struct FwCfg {
    items: Vec<(u16, Vec<u8>)>,
    state: FwCfgState,
}

impl FwCfg {
    /// Makes the items of that, in place of any that were there.
    pub fn fill(&mut self, contents: FwCfgContents) {
        let FwCfgContents {
            cpus,
            memory_bytes,
            cmdline: (cmdline_address, mut cmdline),
            initrd: (initrd_address, initrd),
        } = contents;
        cmdline.push(0);
        let dword = |value: u32| value.to_le_bytes().to_vec();
        let size = |bytes: &[u8]| dword(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.items = vec![
            (key::SIGNATURE, b"QEMU".to_vec()),
            (key::ID, dword(ID_TRADITIONAL)),
            (key::RAM_SIZE, memory_bytes.to_le_bytes().to_vec()),
            (key::CPUS, cpus.to_le_bytes().to_vec()),
            (key::MAX_CPUS, cpus.to_le_bytes().to_vec()),
            (key::INITRD_ADDRESS, dword(initrd_address)),
            (key::INITRD_SIZE, size(&initrd)),
            (key::INITRD_DATA, initrd),
            (key::CMDLINE_ADDRESS, dword(cmdline_address)),
            (key::CMDLINE_SIZE, size(&cmdline)),
            (key::CMDLINE_DATA, cmdline),
            // The number of files, big-endian.
            (key::FILES, vec![0; 4]),
        ];
    }

    /// Item and place.
    pub fn save(&self) -> FwCfgState {
        self.state.clone()
    }

    /// Takes over a saved place; the items are the machine's.
    pub fn restore(&mut self, state: &FwCfgState) {
        self.state = state.clone();
    }

    fn next_byte(&mut self) -> u8 {
        let item = self
            .items
            .iter()
            .find(|(key, _)| *key == self.state.selected);
        let at = usize::try_from(self.state.at).unwrap_or(usize::MAX);
        let byte = item.and_then(|(_, bytes)| bytes.get(at)).copied();
        self.state.at = self.state.at.saturating_add(1);
        byte.unwrap_or(0)
    }
}

impl PioDevice for FwCfg {
    fn max_width(&self) -> Width {
        Width::Word
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        match (offset, width) {
            (DATA_OFFSET, Width::Byte) => self.next_byte().into(),
            _ => 0,
        }
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        if (offset, width) == (SELECTOR_OFFSET, Width::Word) {
            let [low, high, ..] = value.to_le_bytes();
            let selected = u16::from_le_bytes([low, high]);
            self.state = FwCfgState { selected, at: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{BusRange, DeviceId, PioBus};
    use std::sync::{Arc, Mutex};

    fn bus() -> PioBus {
        let mut device = FwCfg::default();
        device.fill(FwCfgContents {
            cpus: 3,
            memory_bytes: 5 << 30,
            cmdline: (0x2_0000, b"a b".to_vec()),
            initrd: (0x700_0000, b"disk".to_vec()),
        });
        let mut bus = PioBus::default();
        let range = BusRange {
            base: BASE.into(),
            len: PORTS,
        };
        bus.insert(range, DeviceId(1), "fw_cfg", Arc::new(Mutex::new(device)))
            .unwrap();
        bus
    }

    fn item<const N: usize>(bus: &PioBus, key: u16) -> [u8; N] {
        bus.write(0x510, &key.to_le_bytes());
        std::array::from_fn(|_| {
            let mut byte = [0];
            bus.read(0x511, &mut byte);
            byte[0]
        })
    }

    #[test]
    fn items_are_read_byte_by_byte_and_zeroes_follow() {
        let bus = bus();
        assert_eq!(item(&bus, 0), *b"QEMU\0\0");
        assert_eq!(item(&bus, 1), [1, 0, 0, 0]);
        assert_eq!(u64::from_le_bytes(item(&bus, 3)), 5 << 30);
        assert_eq!((item(&bus, 5), item(&bus, 0xf)), ([3, 0], [3, 0]));
        assert_eq!(u32::from_le_bytes(item(&bus, 0x0a)), 0x700_0000);
        assert_eq!(u32::from_le_bytes(item(&bus, 0x0b)), 4);
        assert_eq!(item(&bus, 0x12), *b"disk\0");
        assert_eq!(u32::from_le_bytes(item(&bus, 0x13)), 0x2_0000);
        assert_eq!(u32::from_le_bytes(item(&bus, 0x14)), 4);
        assert_eq!(item(&bus, 0x15), *b"a b\0\0");
        assert_eq!(item(&bus, 0x19), [0; 5]);
        assert_eq!(item(&bus, 0x4000), [0; 2], "no such item");
    }

    #[test]
    fn other_accesses_change_nothing() {
        let bus = bus();
        item::<1>(&bus, 0);
        bus.write(0x510, &[1]);
        bus.write(0x511, &[1]);
        let mut wide = [0; 2];
        bus.read(0x510, &mut wide);
        let mut byte = [0];
        bus.read(0x511, &mut byte);
        assert_eq!((wide, byte), ([0; 2], [b'E']));
    }

    #[test]
    fn state_survives_save_and_restore() {
        let mut device = FwCfg::default();
        device.fill(FwCfgContents::default());
        device.next_byte();
        let state = device.save();
        device.next_byte();
        device.restore(&state);
        assert_eq!(device.next_byte(), b'E');
    }
}
