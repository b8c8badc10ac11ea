//! [`Config`]: what is read of a function's configuration space, and what its BARs mean.

use core::cell::Cell;

/// Bytes of it that are looked at.
pub(super) const BYTES: u16 = 256;

/// Offset of the first base address register (PCI 3.0 6.2.5), and their number.
const BARS: u8 = 0x10;
const BAR_COUNT: u8 = 6;
const BAR_IO: u32 = 1;
const BAR_IO_FLAGS: u32 = 3;
/// Where in memory a BAR may be: below 4 GiB, or anywhere with the next one as its upper half.
const BAR_TYPE: u32 = 3 << 1;
const BAR_64: u32 = 2 << 1;
const BAR_FLAGS: u64 = 0xf;

/// Physical addresses have at most so many bits (Intel SDM 3A 4.1.4).
const PHYSICAL_BITS: u32 = 52;

/// Configuration space; tests have another than a [`super::Function`]'s.
pub(in crate::drivers) trait Config {
    /// Reads 32 bits at a multiple of 4.
    fn read32(&self, offset: u8) -> u32;
}

/// Remembers the BAR that was read last, as a function often has everything in one.
pub(in crate::drivers) struct Remembering<'a, C> {
    config: &'a C,
    last: Cell<(u8, u32)>,
}

impl<'a, C: Config> Remembering<'a, C> {
    pub(in crate::drivers) fn new(config: &'a C) -> Self {
        // No BAR is at 0.
        let last = Cell::new((0, 0));
        Self { config, last }
    }
}

impl<C: Config> Config for Remembering<'_, C> {
    fn read32(&self, offset: u8) -> u32 {
        let is_bar = (BARS..BARS + 4 * BAR_COUNT).contains(&offset);
        if is_bar && self.last.get().0 == offset {
            return self.last.get().1;
        }
        let value = self.config.read32(offset);
        if is_bar {
            self.last.set((offset, value));
        }
        value
    }
}

/// Whether a processor can have `len` bytes of memory at `start`.
pub(super) fn is_physical(start: u64, len: u64) -> bool {
    let end = start.checked_add(len);
    end.is_some_and(|end| end <= 1 << PHYSICAL_BITS)
}

/// Address of `len` bytes at `offset` of BAR `index`; `None` when that is not memory, has no
/// address, or one that there cannot be.
pub(in crate::drivers) fn bar(
    config: &impl Config,
    index: u8,
    offset: u32,
    len: u64,
) -> Option<u64> {
    if index >= BAR_COUNT {
        return None;
    }
    let at = BARS + 4 * index;
    let low = config.read32(at);
    let high = match low & BAR_TYPE {
        _ if low & BAR_IO != 0 => return None,
        0 => 0,
        BAR_64 if index + 1 < BAR_COUNT => config.read32(at + 4),
        _ => return None,
    };
    let base = (u64::from(high) << 32 | u64::from(low)) & !BAR_FLAGS;
    let start = base.checked_add(offset.into())?;
    (base != 0 && is_physical(start, len)).then_some(start)
}

/// First port of BAR `index`; `None` when that is no ports, or has none.
pub(in crate::drivers) fn io_bar(config: &impl Config, index: u8) -> Option<u16> {
    let value = config.read32(BARS + 4 * index);
    let base = u16::try_from(value & !BAR_IO_FLAGS).ok()?;
    (value & BAR_IO != 0 && base != 0).then_some(base)
}

#[cfg(test)]
pub(in crate::drivers) mod testing {
    use super::{BARS, BYTES, Cell, Config};

    /// A configuration space that counts how often it is read.
    pub(in crate::drivers) struct Fake {
        bytes: [u8; BYTES as usize],
        pub(in crate::drivers) reads: Cell<usize>,
    }

    impl Fake {
        /// One whose status register says that it has capabilities, the first at 0x40.
        pub(in crate::drivers) fn new() -> Self {
            let fake = Self {
                bytes: [0; BYTES as usize],
                reads: Cell::new(0),
            };
            fake.with(0x06, &[0x10]).with(0x34, &[0x40])
        }

        pub(in crate::drivers) fn with(mut self, at: usize, bytes: &[u8]) -> Self {
            self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            self
        }

        pub(in crate::drivers) fn with_bar(self, index: u8, value: u32) -> Self {
            self.with((BARS + 4 * index).into(), &value.to_le_bytes())
        }
    }

    impl Config for Fake {
        fn read32(&self, offset: u8) -> u32 {
            assert!(offset.is_multiple_of(4), "{offset:#x}");
            self.reads.set(self.reads.get() + 1);
            let at = usize::from(offset);
            u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Fake;
    use super::*;

    #[test]
    fn a_bar_of_memory_has_an_address() {
        let config = Fake::new()
            .with_bar(0, 0xc000_0000)
            .with_bar(1, 0xd000_000c)
            .with_bar(2, 0x12);
        assert_eq!(bar(&config, 0, 0x2000, 16), Some(0xc000_2000));
        assert_eq!(bar(&config, 1, 0x10, 16), Some(0x12_d000_0010));
    }

    #[test]
    fn a_bar_of_ports_has_a_first() {
        let config = Fake::new()
            .with_bar(4, 0xc001)
            .with_bar(3, 0x1)
            .with_bar(2, 0xc000);
        assert_eq!(io_bar(&config, 4), Some(0xc000));
        assert_eq!(io_bar(&config, 3), None, "it has no place");
        assert_eq!(io_bar(&config, 2), None, "that is memory");
    }

    #[test]
    fn a_bar_that_is_no_memory_has_none() {
        let io = Fake::new().with_bar(0, 0x1001);
        assert_eq!(bar(&io, 0, 0, 4), None);
        let unplaced = Fake::new().with_bar(0, 0x8);
        assert_eq!(bar(&unplaced, 0, 0x1000, 4), None);
        let reserved = Fake::new().with_bar(0, 0xc000_0006);
        assert_eq!(bar(&reserved, 0, 0, 4), None);
        assert_eq!(bar(&Fake::new(), 6, 0, 4), None, "there are six");
    }

    #[test]
    fn a_bar_at_the_end_of_all_addresses_has_none() {
        let last_half = Fake::new().with_bar(5, 0xc000_0004);
        assert_eq!(bar(&last_half, 5, 0, 4), None, "no upper half");
        let high = Fake::new().with_bar(0, 0xffff_fff4).with_bar(1, u32::MAX);
        assert_eq!(bar(&high, 0, u32::MAX, 4), None);
        let beyond = Fake::new().with_bar(0, 0x4).with_bar(1, 1 << 20);
        assert_eq!(bar(&beyond, 0, 0, 4), None);
    }
}
